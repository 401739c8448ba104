use batch_runtime::prelude::*;
use std::rc::Rc;

#[reader]
fn flights() -> impl Iterator<Item = u32> {
    0..3
}

#[processor]
fn carrier(flight: u32) -> String {
    flight.to_string()
}

#[processor]
fn shared(carrier: String) -> Rc<str> {
    carrier.into()
}

#[writer]
fn save(carriers: &[Rc<str>]) {
    println!("{carriers:?}");
}

#[step(chunk = 100, threads = 4)]
fn load() {
    flights | carrier | shared | save
}

fn main() {}
