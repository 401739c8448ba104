use batch_runtime::prelude::*;

#[derive(Debug, thiserror::Error)]
enum Service {
    #[error("busy")]
    Busy,
}

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    1..=3
}

#[processor]
fn ask(number: u32) -> Result<u32, Service> {
    if number == 2 { Err(Service::Busy) } else { Ok(number) }
}

#[writer]
fn print(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[step(chunk = 100, skip(Service::Busy(..), limit = 10))]
fn load() {
    numbers | ask | print
}

fn main() {}
