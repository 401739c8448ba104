use batch_runtime::prelude::*;

#[reader]
fn numbers(#[state] seen: &mut u32) -> impl Iterator<Item = u32> {
    0..*seen
}

fn main() {}
