use batch_runtime::prelude::*;

#[processor(bulk, concurrency = 8)]
fn lengths(lines: &[String]) -> Vec<usize> {
    lines.iter().map(String::len).collect()
}

fn main() {}
