use batch_runtime::prelude::*;

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    1..=3
}

#[writer]
fn print(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[listener(after_partition)]
fn report(counters: &Counters, _failure: Option<&Failure>) {
    println!("{counters:?}");
}

#[step(chunk = 10, listeners(report))]
fn load() {
    numbers | print
}

fn main() {}
