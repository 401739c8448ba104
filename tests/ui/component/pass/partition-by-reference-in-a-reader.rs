use batch_runtime::prelude::*;

#[reader]
fn numbers(range: &Partition<u32>) -> impl Iterator<Item = u32> {
    0..**range
}

fn main() {}
