//! Jobs whose chunks are processed by workers, for the tests of workers. A table shows which numbers were written, how
//! often, and which process has processed each of them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use batch_runtime::prelude::*;

/// A file that says that a process has met the deadly number.
const DIED: &str = "died";

fn is_worker() -> bool {
    std::env::args().any(|word| word == "worker")
}

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

/// Sleeps, or computes for this many rounds. At the deadly number it ends its process; a manager waits until that has
/// happened in a worker.
#[processor]
fn price(n: i64, micros: u64, rounds: u32, deadly_at: Option<i64>) -> Priced {
    tracing::debug!(n, "price");
    if deadly_at == Some(n) {
        let _ = std::fs::write(DIED, "");
        std::process::abort();
    }
    if deadly_at.is_some() && !is_worker() {
        let until = Instant::now() + Duration::from_mins(1);
        while !Path::new(DIED).exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
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

/// Prices the numbers in larger chunks.
#[job]
fn large_prices(
    count: u32,
    #[param(default = 0)] micros: u64,
    #[param(default = 0)] rounds: u32,
    deadly_at: Option<i64>,
) {
    create_table;
    price_in_large_chunks;
}

#[job]
fn prices(
    count: u32,
    #[param(default = 0)] micros: u64,
    #[param(default = 0)] rounds: u32,
    deadly_at: Option<i64>,
) {
    create_table;
    price_all;
}

/// Costs next to nothing. Only the first item of the manager takes so long that workers process the other chunks.
#[processor]
fn tag(n: i64, hold_millis: u64) -> Priced {
    static HELD: AtomicBool = AtomicBool::new(false);
    if hold_millis > 0 && !is_worker() && !HELD.swap(true, Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(hold_millis));
    }
    Priced { n, pid: std::process::id() }
}

/// Notes when each chunk was written, and who has processed it.
#[writer]
fn clock(priced: &[Priced], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let pid = priced.first().map(|priced| priced.pid);
    tx.execute("INSERT INTO item VALUES (unixepoch('subsec'), ?1)", [pid]).map(drop)
}

#[step(chunk = 1_000, threads = 1, remote, order = none)]
fn tag_all() {
    numbers | tag | clock
}

/// Chunks that cost nothing but the way to a worker and back.
#[job]
fn small_items(count: u32, #[param(default = 0)] hold_millis: u64) {
    create_table;
    tag_all;
}

batch_runtime::main!(prices, large_prices, small_items);
