use batch_runtime::prelude::*;

struct Flight {
    carrier: String,
}

#[reader]
fn flights() -> impl Iterator<Item = Flight> {
    [Flight { carrier: "AA".into() }].into_iter()
}

#[processor]
fn carrier(flight: &Flight) -> String {
    flight.carrier.clone()
}

#[writer]
fn save(carriers: &[String]) {
    println!("{carriers:?}");
}

#[step(chunk = 100, threads = 4, remote)]
fn load() {
    flights | carrier | save
}

fn main() {}
