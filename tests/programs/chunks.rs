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

/// Takes its time.
#[processor]
fn price(n: i64, micros: u64) -> Priced {
    std::thread::sleep(Duration::from_micros(micros));
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

#[job]
fn prices(count: u32, micros: u64) {
    create_table;
    price_all;
}

batch_runtime::main!(prices);
