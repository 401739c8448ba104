use batch_runtime::prelude::*;

#[reader]
fn numbers(first: Partition<u32>) -> impl Iterator<Item = u32> {
    *first..10
}

#[writer]
fn save(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[step(chunk = 10)]
fn load() {
    numbers | save
}

#[job]
fn etl() {
    load;
}

fn main() {}
