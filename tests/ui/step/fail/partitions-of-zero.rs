use batch_runtime::prelude::*;
use batch_runtime::readers::VecReader;

#[reader]
fn numbers() -> VecReader<u32> {
    VecReader::new(vec![1, 2, 3])
}

#[writer]
fn save(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[step(chunk = 10, partitions = 0)]
fn load() {
    numbers | save
}

fn main() {}
