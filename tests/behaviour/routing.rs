//! Several readers, several writers, and items routed to one of them.

use std::sync::atomic::{AtomicU32, Ordering};

use batch_runtime::prelude::*;
use batch_runtime::repository::Counters;

use crate::support::{World, step};

#[reader]
fn monday() -> impl Iterator<Item = i64> {
    1..=5
}

#[reader]
fn tuesday(to: i64) -> impl Iterator<Item = i64> {
    6..=to
}

#[writer]
fn save(numbers: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    insert("saved", numbers, tx)
}

#[writer]
fn audit(numbers: &[i64], tx: &Transaction<'_>, fail_at: Option<i64>) -> Result<(), anyhow::Error> {
    insert("audited", numbers, tx)?;
    anyhow::ensure!(fail_at.is_none_or(|bad| !numbers.contains(&bad)), "the audit found something");
    Ok(())
}

fn insert(table: &str, numbers: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch(&format!("CREATE TABLE IF NOT EXISTS {table} (number INTEGER, call INTEGER)"))?;
    let call: i64 =
        tx.query_row(&format!("SELECT ifnull(max(call), 0) + 1 FROM {table}"), [], |row| row.get(0))?;
    numbers.iter().try_for_each(|number| {
        tx.execute(&format!("INSERT INTO {table} VALUES (?1, ?2)"), [number, &call]).map(|_| ())
    })
}

#[step(chunk = 4)]
fn week() {
    (monday, tuesday) | (save, audit)
}

#[job]
fn weekly(to: i64, #[param(identifying = false)] fail_at: Option<i64>) {
    week;
}

#[test]
fn readers_are_read_one_after_another_and_a_restart_resumes_in_the_one_it_was_in() {
    let world = World::new();
    world.fails(&weekly(12, Some(3)));
    world.fails(&weekly(12, Some(7)));
    world.fails(&weekly(12, Some(12)));
    let report = world.completes(&weekly(12, None));
    for table in ["saved", "audited"] {
        assert_eq!(world.numbers(&format!("SELECT number FROM {table}")), (1..=12).collect::<Vec<_>>());
    }
    let week = step(&report, "week");
    assert_eq!(week.before.read + week.counters.read, 12);
}

#[derive(Clone, Copy)]
enum Size {
    Small,
    Large,
}

#[classifier]
fn size(number: &i64, limit: i64) -> Size {
    if *number < limit { Size::Small } else { Size::Large }
}

#[step(chunk = 6)]
fn sort_out() {
    (monday, tuesday)
        | match size {
            Size::Small => save,
            Size::Large => audit,
        }
}

#[job]
fn sorting(to: i64, limit: i64, fail_at: Option<i64>) {
    sort_out;
}

#[test]
fn each_item_goes_to_the_writer_of_its_kind_in_one_call_per_chunk() {
    let world = World::new();
    let report = world.completes(&sorting(12, 8, None));
    assert_eq!(world.numbers("SELECT number FROM saved"), (1..8).collect::<Vec<_>>());
    assert_eq!(world.numbers("SELECT number FROM audited"), (8..=12).collect::<Vec<_>>());
    assert_eq!(world.numbers("SELECT count(*) FROM saved GROUP BY call"), [6, 1]);
    assert_eq!(world.numbers("SELECT count(*) FROM audited GROUP BY call"), [5]);
    let counters = step(&report, "sort_out").counters;
    assert_eq!(counters, Counters { read: 12, write: 12, commit: 2, ..Counters::default() });
}

/// How often the resource was built, by this test alone.
static BUILT: AtomicU32 = AtomicU32::new(0);

struct Prices {
    factor: i64,
}

#[resource]
fn prices(factor: i64) -> Result<Prices, String> {
    BUILT.fetch_add(1, Ordering::Relaxed);
    Ok(Prices { factor })
}

#[processor]
fn price(number: i64, prices: &Prices) -> i64 {
    number * prices.factor
}

#[processor]
fn price_again(number: i64, prices: &Prices) -> i64 {
    number * prices.factor
}

#[step(chunk = 2)]
fn first_prices() {
    monday | price | price_again | save
}

#[step(chunk = 2)]
fn second_prices() {
    monday | price | save
}

#[job]
fn pricing(factor: i64) {
    first_prices;
    second_prices;
}

#[test]
fn a_resource_is_built_once_per_job_execution_and_shared() {
    let world = World::new();
    world.completes(&pricing(3));
    assert_eq!(BUILT.load(Ordering::Relaxed), 1);
    assert_eq!(world.numbers("SELECT number FROM saved"), [9, 18, 27, 36, 45, 3, 6, 9, 12, 15]);
}
