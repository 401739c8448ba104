use batch_runtime::prelude::*;

#[processor]
unsafe fn length(line: String) -> usize {
    line.len()
}

fn main() {}
