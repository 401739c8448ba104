use batch_runtime::prelude::*;

#[aggregator]
fn total(parts: Vec<u64>, range: Partition<u32>) -> u64 {
    parts.iter().sum::<u64>() + u64::from(*range)
}

fn main() {}
