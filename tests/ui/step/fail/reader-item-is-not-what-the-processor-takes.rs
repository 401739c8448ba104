use batch_runtime::prelude::*;

struct Flight {
    minutes: f64,
}

struct Delay {
    minutes: f64,
}

struct Order;

#[reader]
fn orders() -> impl Iterator<Item = Order> {
    std::iter::empty()
}

#[processor]
fn late(flight: Flight) -> Option<Delay> {
    (flight.minutes > 0.0).then_some(Delay { minutes: flight.minutes })
}

#[writer]
fn save(delays: &[Delay]) {
    println!("{}", delays.iter().map(|delay| delay.minutes).sum::<f64>());
}

#[step(chunk = 100)]
fn load() {
    orders | late | save
}

fn main() {}
