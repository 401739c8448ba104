use batch_runtime::prelude::*;

#[partitioner]
fn ranges(other: Partition<u32>) -> Vec<(String, u32)> {
    vec![("all".to_owned(), *other)]
}

fn main() {}
