use batch_runtime::prelude::*;

#[processor]
fn number(line: String, #[state] lines: &mut u32, #[state] bytes: &mut usize) -> u32 {
    *lines += 1;
    *bytes += line.len();
    *lines
}

fn main() {}
