use batch_runtime::prelude::*;

#[processor(concurrency = 8, timeout = "2sec")]
async fn length(line: String) -> usize {
    line.len()
}

fn main() {}
