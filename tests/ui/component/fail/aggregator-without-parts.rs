use batch_runtime::prelude::*;

#[aggregator]
fn total() -> u64 {
    0
}

fn main() {}
