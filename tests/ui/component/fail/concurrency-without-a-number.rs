use batch_runtime::prelude::*;

#[processor(concurrency)]
fn length(line: String) -> usize {
    line.len()
}

fn main() {}
