use batch_runtime::prelude::*;

#[processor(concurrency = 8)]
async fn length(line: String) -> usize {
    line.len()
}

fn main() {}
