use batch_runtime::prelude::*;
use batch_runtime::ChunkTransaction;
use batch_runtime::readers::VecReader;

#[reader]
fn numbers() -> VecReader<u32> {
    VecReader::new(vec![1, 2, 3])
}

struct Tape;

impl Writer for Tape {
    type Item = u32;
    type Position = ();
    type Error = std::io::Error;

    fn write(&mut self, _: &[u32], _: &ChunkTransaction<'_>) -> Result<(), std::io::Error> {
        Ok(())
    }

    fn position(&self) {}
}

#[writer]
fn save() -> Tape {
    Tape
}

#[step(chunk = 10, partitions = 8)]
fn load() {
    numbers | save
}

fn main() {}
