use batch_runtime::prelude::*;

#[processor]
fn number() -> u32 {
    3
}

fn main() {}
