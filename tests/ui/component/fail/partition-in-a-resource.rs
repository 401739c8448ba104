use batch_runtime::prelude::*;

#[resource]
fn client(range: Partition<u32>) -> String {
    range.to_string()
}

fn main() {}
