use batch_runtime::prelude::*;
use std::fmt;

struct Order {
    number: u32,
}

#[derive(Debug)]
enum LoadError {
    BadRow { line: u32 },
    Code(u32),
    Timeout,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for LoadError {}

#[reader]
fn orders() -> impl Iterator<Item = Order> {
    [Order { number: 3 }].into_iter()
}

#[processor]
fn check(order: &Order) -> Result<u32, LoadError> {
    match order.number {
        0 => Err(LoadError::BadRow { line: 1 }),
        1 => Err(LoadError::Code(1)),
        2 => Err(LoadError::Timeout),
        number => Ok(number),
    }
}

#[writer]
fn save(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[step(chunk = 100, retry(LoadError, limit = 3), no_retry(LoadError::Timeout, limit = 3))]
fn load() {
    orders | check | save
}

fn main() {}
