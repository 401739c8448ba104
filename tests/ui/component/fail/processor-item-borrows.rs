use batch_runtime::prelude::*;

struct Line<'a>(&'a str);

#[processor]
fn length(line: Line<'_>) -> usize {
    line.0.len()
}

fn main() {}
