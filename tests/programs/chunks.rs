//! A job whose step has its chunks processed by workers, for the tests of workers: a table shows which numbers were written,
//! how often, and which process has processed each.

use std::time::Duration;

use batch_runtime::prelude::*;

/// A number, and the process that has processed it.
#[derive(Debug, Serialize, Deserialize)]
struct Priced {
    n: i64,
    pid: u32,
}

#[reader]
fn numbers(count: u32) -> impl Iterator<Item = i64> {
    0..i64::from(count)
}

/// Takes its time, or computes for so many rounds.
#[processor]
fn price(n: i64, micros: u64, rounds: u32) -> Priced {
    if micros > 0 {
        std::thread::sleep(Duration::from_micros(micros));
    }
    (0..rounds).fold(n, |hash, round| std::hint::black_box(hash ^ i64::from(round)));
    Priced { n, pid: std::process::id() }
}

#[writer]
fn save(priced: &[Priced], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    for Priced { n, pid } in priced {
        tx.execute("INSERT INTO item VALUES (?1, ?2)", (n, pid))?;
    }
    Ok(())
}

#[step]
fn create_table(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE item (n INTEGER, pid INTEGER)")
}

#[step(chunk = 10, threads = 1, remote)]
fn price_all() {
    numbers | price | save
}

#[step(chunk = 500, threads = 1, remote)]
fn price_in_large_chunks() {
    numbers | price | save
}

/// The same in larger chunks.
#[job]
fn large_prices(count: u32, #[param(default = 0)] micros: u64, #[param(default = 0)] rounds: u32) {
    create_table;
    price_in_large_chunks;
}

#[job]
fn prices(count: u32, #[param(default = 0)] micros: u64, #[param(default = 0)] rounds: u32) {
    create_table;
    price_all;
}

batch_runtime::main!(prices, large_prices);
