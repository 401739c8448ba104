use batch_runtime::prelude::*;

#[processor]
fn number(line: String, #[state] seen: u32) -> usize {
    line.len() + seen as usize
}

fn main() {}
