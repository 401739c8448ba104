use batch_runtime::prelude::*;
use std::rc::Rc;

struct Flight {
    carrier: Rc<str>,
}

#[reader]
fn flights() -> impl Iterator<Item = Flight> {
    [Flight { carrier: "AA".into() }].into_iter()
}

#[processor]
fn carrier(flight: &Flight) -> String {
    flight.carrier.to_string()
}

#[writer]
fn save(carriers: &[String]) {
    println!("{carriers:?}");
}

#[step(chunk = 100, threads = 4)]
fn load() {
    flights | carrier | save
}

fn main() {}
