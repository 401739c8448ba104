//! Jobs for the tests of the web page: one that completes, one that fails with skips, one that takes long, and one with a secret.

use std::time::Duration;

use batch_runtime::prelude::*;
use batch_runtime::repository::Counters as Counted;

/// An order number that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("order {0} has no customer <b>&amp;</b>")]
struct NoCustomer(u32);

#[reader]
fn orders(to: u32) -> impl Iterator<Item = u32> {
    1..=to
}

#[processor]
fn check(number: u32, every: u32) -> Result<u32, NoCustomer> {
    if every > 0 && number.is_multiple_of(every) { Err(NoCustomer(number)) } else { Ok(number) }
}

#[processor]
fn slowly(number: u32, pause: u64) -> u32 {
    std::thread::sleep(Duration::from_millis(pause));
    if number.is_multiple_of(10) {
        println!("order {number}");
    }
    number
}

#[writer]
fn table(numbers: &[u32], tx: &Transaction<'_, AnyDatabase>) -> Result<(), DatabaseError> {
    tx.batch_execute("CREATE TABLE IF NOT EXISTS ordered (number INTEGER)")?;
    for number in numbers {
        tx.execute("INSERT INTO ordered VALUES ($1)", &[i64::from(*number).into()])?;
    }
    Ok(())
}

#[step(chunk = 5, skip(NoCustomer, limit = 20))]
fn load() {
    orders | check | slowly | table
}

#[step]
fn report(repair: &str) -> Result<Counted, batch_runtime::BoxError> {
    match repair {
        "" => Err("the report needs a table that is not there:\n  no such table: customers".into()),
        _ => Ok(Counted::default()),
    }
}

/// Loads the orders of a day.
///
/// Orders without a customer are skipped.
#[job]
fn load_orders(
    /// The last order
    #[param(default = 100)]
    to: u32,
    /// One of this many orders has no customer
    #[param(default = 0, identifying = false)]
    every: u32,
    /// Milliseconds per order
    #[param(default = 0, identifying = false)]
    pause: u64,
) {
    load;
}

/// Loads orders, and then fails unless it is repaired.
#[job]
fn report_orders(
    /// The last order
    to: u32,
    #[param(default = 7, identifying = false)] every: u32,
    #[param(default = 0, identifying = false)] pause: u64,
    /// The repair
    #[param(default = "", identifying = false)]
    repair: String,
) {
    load;
    report;
}

#[step]
fn send(key: &str, day: Date, trial: bool) -> Result<(), batch_runtime::BoxError> {
    if !trial && key.len() < 4 { Err(format!("the key for {day} is too short").into()) } else { Ok(()) }
}

/// Sends the orders of a day to the partner.
#[job]
fn send_orders(
    /// The day
    day: Date,
    /// The partner's key
    #[param(secret)]
    key: String,
    /// Whether it is only a trial
    #[param(default = false, identifying = false)]
    trial: bool,
) {
    send;
}

#[step]
fn count() {}

/// Counts the orders every Monday.
#[job(schedule("0 3 * * MON", zone = "Asia/Seoul"))]
fn count_orders() {
    count;
}

batch_runtime::main!(load_orders, report_orders, send_orders, count_orders);
