use batch_runtime::prelude::*;

struct Flight {
    minutes: f64,
}

#[processor]
fn late(flight: &mut Flight) -> f64 {
    flight.minutes
}

fn main() {}
