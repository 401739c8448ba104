use batch_runtime::prelude::*;

struct Flight {
    minutes: f64,
}

#[processor]
fn minutes(flight: Fligth) -> f64 {
    flight.minutes
}

fn main() {}
