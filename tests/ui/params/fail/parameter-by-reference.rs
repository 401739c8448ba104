use batch_runtime::prelude::*;

#[processor]
fn large(number: u64, least: &u64) -> Option<u64> {
    (number >= *least).then_some(number)
}

fn main() {}
