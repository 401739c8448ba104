use batch_runtime::prelude::*;

#[processor(bulk)]
fn total(numbers: &[u32]) -> u32 {
    numbers.iter().sum()
}

fn main() {}
