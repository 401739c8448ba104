use batch_runtime::prelude::*;

struct Line<'a>(&'a str);

#[processor(bulk)]
fn lengths(lines: &[Line<'_>]) -> Vec<usize> {
    lines.iter().map(|line| line.0.len()).collect()
}

fn main() {}
