use batch_runtime::prelude::*;
use std::cell::Cell;

#[derive(Default)]
struct Tally {
    seen: Cell<u32>,
}

#[resource]
fn tally() -> Tally {
    Tally::default()
}

#[reader]
fn flights() -> impl Iterator<Item = u32> {
    0..3
}

#[processor]
fn count(flight: u32, tally: &Tally) -> u32 {
    tally.seen.set(tally.seen.get() + 1);
    flight
}

#[writer]
fn save(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[step(chunk = 100, threads = 4)]
fn load() {
    flights | count | save
}

fn main() {}
