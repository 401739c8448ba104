//! Jobs with schedules, for the tests of schedules: a table shows in the end for which times a job ran, and how often.

use std::path::Path;
use std::time::Duration;

use batch_runtime::prelude::*;
use batch_runtime::{AnyDatabase, DatabaseError};

#[step]
fn note(minute: DateTime, micros: u64, tx: &Transaction<'_, AnyDatabase>) -> Result<(), DatabaseError> {
    tx.batch_execute("CREATE TABLE IF NOT EXISTS noted (minute VARCHAR(40), pid BIGINT)")?;
    std::thread::sleep(Duration::from_micros(micros));
    tx.execute(
        "INSERT INTO noted VALUES ($1, $2)",
        &[minute.to_string().into(), i64::from(std::process::id()).into()],
    )?;
    Ok(())
}

/// Notes every minute, one after the other.
#[job(max_recoveries = 1_000_000, schedule("* * * * *", missed = all(within = "365d")))]
fn in_order(
    /// The minute
    #[param(scheduled)]
    minute: DateTime,
    #[param(default = 0, identifying = false)] micros: u64,
) {
    note;
}

/// Notes every minute, as many at a time as there are processes.
#[job(max_recoveries = 1_000_000, schedule("* * * * *", missed = all(within = "365d"), overlap = allow))]
fn at_once(
    /// The minute
    #[param(scheduled)]
    minute: DateTime,
    #[param(default = 0, identifying = false)] micros: u64,
) {
    note;
}

#[step]
fn fail() -> Result<(), batch_runtime::BoxError> {
    Err("it always fails".into())
}

/// Fails.
#[job(schedule("* * * * *", restarts = 1))]
fn failing() {
    fail;
}

#[step]
fn fail_once(minute: DateTime, broken: &Path) -> Result<(), batch_runtime::BoxError> {
    if broken.exists() { Err(format!("{minute} is broken").into()) } else { Ok(()) }
}

/// Fails while there is a file `broken`, and then lets all later minutes wait.
#[job(schedule("* * * * *", missed = all(within = "1d"), on_failure = hold))]
fn holding(
    /// The minute
    #[param(scheduled)]
    minute: DateTime,
    #[param(default = "broken", identifying = false)] broken: PathBuf,
) {
    fail_once;
}

#[reader]
fn numbers() -> impl Iterator<Item = i64> {
    0..200
}

#[processor]
fn slowly(number: i64) -> i64 {
    std::thread::sleep(Duration::from_millis(5));
    number
}

#[writer]
fn save(numbers: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS saved (number INTEGER)")?;
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO saved VALUES (?1)", [number]).map(|_| ()))
}

#[step(chunk = 5)]
fn load() {
    numbers | slowly | save
}

/// Takes a second.
#[job(schedule("* * * * *"))]
fn long() {
    load;
}

/// Runs every Monday in Seoul.
#[job(schedule("0 3 * * MON", zone = "Asia/Seoul"))]
fn weekly() {
    look;
}

#[step]
fn look() {}

batch_runtime::main!(in_order, at_once, failing, holding, long, weekly);
