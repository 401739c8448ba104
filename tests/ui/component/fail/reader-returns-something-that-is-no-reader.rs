use batch_runtime::prelude::*;

struct Flight {
    minutes: f64,
}

#[reader]
fn flights() -> std::vec::IntoIter<Flight> {
    vec![Flight { minutes: 3.0 }].into_iter()
}

fn main() {}
