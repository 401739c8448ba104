use batch_runtime::prelude::*;

#[processor(concurrency = 0)]
fn length(line: String) -> usize {
    line.len()
}

fn main() {}
