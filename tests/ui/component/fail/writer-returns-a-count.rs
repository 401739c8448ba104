use batch_runtime::prelude::*;

#[writer]
fn print(lines: &[String]) -> usize {
    lines.len()
}

fn main() {}
