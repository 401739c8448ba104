use batch_runtime::prelude::*;
use batch_runtime::writers::CsvWriter;

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

#[writer]
fn report(output: PathBuf) -> CsvWriter<u32> {
    CsvWriter::create(output)
}

#[step(chunk = 100, threads = 4, order = none)]
fn load() {
    numbers | double | (save, report)
}

fn main() {}
