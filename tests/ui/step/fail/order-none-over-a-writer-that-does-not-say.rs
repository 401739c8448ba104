use batch_runtime::prelude::*;
use batch_runtime::ChunkTransaction;

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..3
}

#[processor]
fn double(number: u32) -> u32 {
    number * 2
}

struct Printed;

impl Writer for Printed {
    type Item = u32;
    type Position = ();
    type Error = std::io::Error;

    fn write(&mut self, numbers: &[u32], _: &ChunkTransaction<'_>) -> Result<(), std::io::Error> {
        println!("{numbers:?}");
        Ok(())
    }

    fn position(&self) {}
}

#[writer]
fn hidden() -> impl Writer<Item = u32> {
    Printed
}

#[step(chunk = 100, threads = 4, order = none)]
fn load() {
    numbers | double | hidden
}

fn main() {}
