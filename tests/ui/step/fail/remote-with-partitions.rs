use batch_runtime::prelude::*;

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..3
}

#[processor]
fn double(number: u32) -> u32 {
    number * 2
}

#[writer]
fn save(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[step(chunk = 100, partitions = 4, remote)]
fn load() {
    numbers | double | save
}

fn main() {}
