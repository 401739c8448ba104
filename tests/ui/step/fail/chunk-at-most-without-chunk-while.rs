use batch_runtime::prelude::*;
use std::fmt;

#[derive(Debug)]
struct Flight {
    minutes: f64,
}

struct Delay {
    minutes: f64,
}

#[derive(Debug)]
struct Late;

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too late")
    }
}

impl std::error::Error for Late {}

#[reader]
fn flights() -> impl Iterator<Item = Flight> {
    [Flight { minutes: 3.0 }].into_iter()
}

#[processor]
fn late(flight: Flight) -> Result<Delay, Late> {
    if flight.minutes > 0.0 { Ok(Delay { minutes: flight.minutes }) } else { Err(Late) }
}

#[writer]
fn save(delays: &[Delay]) {
    println!("{}", delays.iter().map(|delay| delay.minutes).sum::<f64>());
}

#[step(chunk = 100, chunk_at_most = 1_000)]
fn load() {
    flights | late | save
}

fn main() {}
