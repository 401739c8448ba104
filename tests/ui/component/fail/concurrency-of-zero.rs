use batch_runtime::prelude::*;

#[processor(concurrency = 0)]
fn length(line: String) -> usize {
    line.len()
}

const NONE: usize = 0;

#[processor(concurrency = NONE)]
fn words(line: String) -> usize {
    line.split(' ').count()
}

fn main() {}
