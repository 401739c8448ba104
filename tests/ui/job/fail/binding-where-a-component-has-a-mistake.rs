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
    numbers | print
}

#[step(chnk = 100)]
fn load_again() {
    numbers | print
}

#[job]
fn etl(start: u32) {
    load(from = start);
    load_again(from = start);
}

fn main() {}
