use batch_runtime::prelude::*;

#[partitioner]
fn ranges() -> Vec<u32> {
    vec![1]
}

fn main() {}
