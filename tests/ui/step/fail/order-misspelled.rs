use batch_runtime::prelude::*;

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..3
}

#[processor]
fn double(number: u32) -> u32 {
    number * 2
}

#[writer]
fn save(numbers: &[u32], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO number VALUES (?1)", [number]).map(drop))
}

#[step(chunk = 100, threads = 4, order = None)]
fn load() {
    numbers | double | save
}

fn main() {}
