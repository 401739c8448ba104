use batch_runtime::prelude::*;

#[processor]
fn add(number: u32, (a, b): (u32, u32)) -> u32 {
    number + a + b
}

fn main() {}
