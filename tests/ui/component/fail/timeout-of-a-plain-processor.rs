use batch_runtime::prelude::*;

#[processor(concurrency = 8, timeout = "2s")]
fn length(line: String) -> usize {
    line.len()
}

#[processor(timeout = "2s")]
fn words(line: String) -> usize {
    line.split(' ').count()
}

fn main() {}
