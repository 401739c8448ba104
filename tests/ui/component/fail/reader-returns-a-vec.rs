use batch_runtime::prelude::*;

struct Flight {
    minutes: f64,
}

#[reader]
fn flights() -> Vec<Flight> {
    vec![Flight { minutes: 3.0 }]
}

fn main() {}
