use batch_runtime::prelude::*;

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..3
}

#[processor]
fn name(number: u32) -> &'static str {
    if number == 0 { "none" } else { "some" }
}

#[writer]
fn save(names: &[&'static str]) {
    println!("{names:?}");
}

#[step(chunk = 100, threads = 4, remote)]
fn load() {
    numbers | name | save
}

fn main() {}
