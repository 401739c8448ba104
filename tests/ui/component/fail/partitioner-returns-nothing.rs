use batch_runtime::prelude::*;

#[partitioner]
fn ranges() {}

fn main() {}
