use batch_runtime::prelude::*;

#[processor]
fn minutes(flight: Fligth) -> f64 {
    flight.minutes
}

fn main() {}
