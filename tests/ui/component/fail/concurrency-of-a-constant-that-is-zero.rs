use batch_runtime::prelude::*;

const NONE: usize = 0;

#[processor(concurrency = NONE)]
fn words(line: String) -> usize {
    line.split(' ').count()
}

fn main() {}
