use batch_runtime::prelude::*;

#[reader]
fn numbers(from: u32) -> Vec<u32> {
    vec![from]
}

#[writer]
fn print(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[step(chunk = 100)]
fn load() {
    numbers(from = start) | print
}

fn main() {}
