use batch_runtime::prelude::*;

#[derive(Default)]
struct Seen {
    count: u32,
}

#[processor]
fn number(line: String, #[state] seen: &mut Seen) -> u32 {
    seen.count += line.len() as u32;
    seen.count
}

fn main() {}
