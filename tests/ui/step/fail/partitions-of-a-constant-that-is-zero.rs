use batch_runtime::prelude::*;
use batch_runtime::readers::VecReader;

const PARTS: u32 = 0;

#[reader]
fn numbers() -> VecReader<u32> {
    VecReader::new(vec![1, 2, 3])
}

#[writer]
fn save(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[step(chunk = 10, partitions = PARTS)]
fn load() {
    numbers | save
}

fn main() {}
