use batch_runtime::prelude::*;

struct Flight {
    minutes: f64,
}

struct Delay {
    minutes: f64,
}

#[reader]
fn flights() -> impl Iterator<Item = Flight> {
    [Flight { minutes: 3.0 }].into_iter()
}

#[processor]
fn late(flight: Flight) -> Option<Delay> {
    (flight.minutes > 0.0).then_some(Delay { minutes: flight.minutes })
}

#[writer]
fn save(delays: &[Delay]) {
    println!("{}", delays.iter().map(|delay| delay.minutes).sum::<f64>());
}

#[step(chunk = 100, allow_all_skipped = "yes")]
fn load() {
    flights | late | save
}

fn main() {}
