//! A chunk: filled, counted, and committed as one with its rows and its checkpoint.

use batch_runtime::prelude::*;
use batch_runtime::repository::Counters;

use crate::support::{World, step};

#[reader]
fn numbers(to: i64) -> impl Iterator<Item = i64> {
    1..=to
}

#[processor]
fn odd(number: &i64) -> Option<i64> {
    (number % 2 == 1).then_some(*number)
}

#[processor]
fn none(_number: i64) -> Option<i64> {
    None
}

#[processor]
fn times(number: i64) -> Many<Vec<i64>> {
    Many(vec![number; usize::try_from(number % 3).unwrap_or(0)])
}

#[processor(bulk)]
fn halve(numbers: &[i64]) -> Vec<Option<i64>> {
    numbers.iter().map(|number| (number % 2 == 0).then_some(number / 2)).collect()
}

#[writer]
fn keep(numbers: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS kept (number INTEGER, chunk INTEGER)")?;
    let chunk: i64 = tx.query_row("SELECT ifnull(max(chunk), 0) + 1 FROM kept", [], |row| row.get(0))?;
    for number in numbers {
        tx.execute("INSERT INTO kept VALUES (?1, ?2)", [number, &chunk])?;
    }
    assert!(!numbers.is_empty(), "a writer is never called with nothing");
    Ok(())
}

#[processor]
fn fragile(number: i64, fail_at: Option<i64>) -> Result<i64, String> {
    if fail_at == Some(number) { Err(format!("{number} is too much")) } else { Ok(number) }
}

#[writer]
fn keep_fragile(
    numbers: &[i64],
    tx: &Transaction<'_>,
    fail_write_at: Option<i64>,
) -> Result<(), anyhow::Error> {
    keep(numbers, tx)?;
    match fail_write_at {
        Some(bad) if numbers.contains(&bad) => anyhow::bail!("{bad} cannot be written"),
        _ => Ok(()),
    }
}

#[step(chunk = 10)]
fn keep_odd() {
    numbers | odd | keep
}

#[job]
fn odd_job(to: i64) {
    keep_odd;
}

#[step(chunk = 10)]
fn keep_none() {
    numbers | none | keep
}

#[job]
fn none_job(to: i64) {
    keep_none;
}

#[step(chunk = 10)]
fn keep_times() {
    numbers | times | keep
}

#[job]
fn times_job(to: i64) {
    keep_times;
}

#[step(chunk = 10)]
fn keep_halves() {
    numbers | halve | keep
}

#[job]
fn bulk_job(to: i64) {
    keep_halves;
}

#[step(chunk = 10)]
fn keep_fragiles() {
    numbers | fragile | keep_fragile
}

#[job]
fn fragile_job(
    to: i64,
    #[param(identifying = false)] fail_at: Option<i64>,
    #[param(identifying = false)] fail_write_at: Option<i64>,
) {
    keep_fragiles;
}

#[test]
fn a_chunk_is_filled_by_items_read_and_committed_once() {
    let world = World::new();
    let report = world.completes(&odd_job(25));
    let counters = step(&report, "keep_odd").counters;
    assert_eq!(counters, Counters { read: 25, filter: 12, write: 13, commit: 3, ..Counters::default() });
    assert_eq!(world.numbers("SELECT count(*) FROM kept GROUP BY chunk"), [5, 5, 3]);
}

#[test]
fn an_empty_last_chunk_is_not_committed() {
    let world = World::new();
    let report = world.completes(&odd_job(20));
    assert_eq!(step(&report, "keep_odd").counters.commit, 2);
}

#[test]
fn an_empty_input_completes_without_a_commit() {
    let world = World::new();
    let report = world.completes(&odd_job(0));
    assert_eq!(step(&report, "keep_odd").counters, Counters::default());
}

#[test]
fn a_chunk_that_is_wholly_filtered_still_commits_its_checkpoint() {
    let world = World::new();
    let report = world.completes(&none_job(25));
    let counters = step(&report, "keep_none").counters;
    assert_eq!(counters, Counters { read: 25, filter: 25, commit: 3, ..Counters::default() });
    let contexts = world.texts("SELECT SHORT_CONTEXT FROM BATCH_STEP_EXECUTION_CONTEXT");
    assert!(contexts[0].contains("25"), "{contexts:?}");
}

#[test]
fn an_item_that_becomes_many_counts_as_read_once_and_as_filtered_only_if_nothing_came_out() {
    let world = World::new();
    let report = world.completes(&times_job(9));
    let counters = step(&report, "keep_times").counters;
    assert_eq!(counters, Counters { read: 9, filter: 3, write: 9, commit: 1, ..Counters::default() });
}

#[test]
fn a_bulk_processor_counts_as_one_that_takes_items_one_by_one() {
    let world = World::new();
    let report = world.completes(&bulk_job(25));
    let counters = step(&report, "keep_halves").counters;
    assert_eq!(counters, Counters { read: 25, filter: 13, write: 12, commit: 3, ..Counters::default() });
    assert_eq!(world.numbers("SELECT number FROM kept"), (1..=12).collect::<Vec<_>>());
}

#[test]
fn a_failed_processor_keeps_the_earlier_chunks_and_nothing_of_the_failed_one() {
    let world = World::new();
    let report = world.fails(&fragile_job(25, Some(17), None));
    let failed = step(&report, "keep_fragiles");
    assert_eq!(
        failed.counters,
        Counters { read: 10, write: 10, commit: 1, rollback: 1, ..Counters::default() }
    );
    assert_eq!(world.numbers("SELECT number FROM kept"), (1..=10).collect::<Vec<_>>());
    assert!(failed.exit.description.contains("`fragile`"), "{}", failed.exit.description);
    assert!(failed.exit.description.contains("17 is too much"), "{}", failed.exit.description);
}

#[test]
fn a_failed_writer_rolls_back_its_part_of_the_chunk() {
    let world = World::new();
    let report = world.fails(&fragile_job(25, None, Some(17)));
    let failed = step(&report, "keep_fragiles");
    assert_eq!(
        failed.counters,
        Counters { read: 10, write: 10, commit: 1, rollback: 1, ..Counters::default() }
    );
    assert_eq!(world.numbers("SELECT number FROM kept"), (1..=10).collect::<Vec<_>>());
    assert!(failed.exit.description.contains("17 cannot be written"), "{}", failed.exit.description);
}

#[test]
fn a_restart_resumes_after_the_last_commit_and_counts_no_item_twice() {
    let world = World::new();
    for (fail_at, fail_write_at) in [(Some(17), None), (None, Some(18)), (Some(25), None)] {
        world.fails(&fragile_job(25, fail_at, fail_write_at));
    }
    let report = world.completes(&fragile_job(25, None, None));
    assert_eq!(world.numbers("SELECT number FROM kept"), (1..=25).collect::<Vec<_>>());
    let last = step(&report, "keep_fragiles");
    assert_eq!(last.before.read + last.counters.read, 25);
    assert_eq!(last.before.write + last.counters.write, 25);
}
