use batch_runtime::prelude::*;

#[processor(bulk)]
fn double(number: u32) -> Vec<u32> {
    vec![number * 2]
}

fn main() {}
