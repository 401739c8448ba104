//! A variant may be named without its fields, whatever fields it has.

use batch_runtime::prelude::*;

#[derive(Debug, thiserror::Error)]
enum Service {
    #[error("code {0}")]
    Unknown(u32),
    #[error("{id} is gone")]
    Gone { id: u32 },
    #[error("busy")]
    Busy,
}

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    1..=3
}

#[processor]
fn ask(number: u32) -> Result<u32, Service> {
    match number {
        1 => Err(Service::Unknown(number)),
        2 => Err(Service::Gone { id: number }),
        3 => Err(Service::Busy),
        _ => Ok(number),
    }
}

#[writer]
fn print(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[step(chunk = 100, skip(Service::Unknown, Service::Gone, limit = 10), no_skip(Service::Busy))]
fn load() {
    numbers | ask | print
}

fn main() {
    let skipped: Vec<_> = load().options.faults.skip.iter().map(|rule| rule.what).collect();
    assert_eq!(skipped, ["Service::Unknown", "Service::Gone", "Service::Busy"]);
}
