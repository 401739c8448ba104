//! A program for the tests of its process: it slowly writes the numbers from 1 to `to` into a table next to the
//! repository's own.

use std::io::Write as _;
use std::time::Duration;

use batch_runtime::prelude::*;

#[reader]
fn numbers(to: u32) -> impl Iterator<Item = u32> {
    1..=to
}

#[processor]
fn slowly(number: u32, pause: u64) -> u32 {
    if pause > 0 {
        // Tells a test that a chunk is being processed, so that it can send a signal.
        let _ = writeln!(std::io::stderr(), "number {number}");
        std::thread::sleep(Duration::from_millis(pause));
    }
    number
}

#[writer]
fn table(numbers: &[u32], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS kept (number INTEGER)")?;
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO kept VALUES (?1)", [number]).map(|_| ()))
}

#[step(chunk = 5)]
fn keep() {
    numbers | slowly | table
}

/// Writes numbers down.
#[job]
fn count(
    /// The last number
    to: u32,
    /// Milliseconds per number
    #[param(default = 0, identifying = false)]
    pause: u64,
) {
    keep;
}

batch_runtime::main!(count);
