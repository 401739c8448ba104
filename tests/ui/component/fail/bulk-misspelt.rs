use batch_runtime::prelude::*;

#[processor(bulks)]
fn double(numbers: &[u32]) -> Vec<u32> {
    numbers.iter().map(|number| number * 2).collect()
}

fn main() {}
