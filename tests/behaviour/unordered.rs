//! With `order = none` each chunk is committed as soon as it is done, and a restart processes the missing ones.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use batch_runtime::prelude::*;
use batch_runtime::repository::BatchStatus;

use crate::support::{World, step};

/// The number of items written, for processors that wait until there are enough.
#[derive(Default)]
struct Written(Mutex<usize>, Condvar);

impl Written {
    fn add(&self, items: usize) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += items;
        self.1.notify_all();
    }

    /// False if that does not happen within a generous time.
    fn reaches(&self, items: usize) -> bool {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.1.wait_timeout_while(written, Duration::from_mins(2), |written| *written < items);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

#[resource]
fn written() -> Arc<Written> {
    Arc::default()
}

#[reader]
fn numbers(count: u64) -> impl Iterator<Item = u64> {
    0..count
}

/// The first item waits until this many are written. If `fails` is true, its processing then fails.
#[processor]
fn first_waits(number: u64, waits_for: u64, fails: bool, written: &Arc<Written>) -> Result<u64, String> {
    if number == 0 {
        if !written.reaches(usize::try_from(waits_for).unwrap()) {
            return Err("the other chunks wait for the first".to_owned());
        }
        if fails {
            return Err("zero is bad".to_owned());
        }
    }
    Ok(number)
}

#[writer]
fn keep(numbers: &[u64], written: &Arc<Written>, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS kept (number INTEGER)")?;
    for number in numbers {
        tx.execute("INSERT INTO kept VALUES (?1)", [number.cast_signed()])?;
    }
    written.add(numbers.len());
    Ok(())
}

#[step(chunk = 10, threads = 2, order = none)]
fn overtaking() {
    numbers | first_waits | keep
}

#[job]
fn overtake(
    count: u64,
    #[param(identifying = false)] waits_for: u64,
    #[param(identifying = false)] fails: bool,
) {
    overtaking;
}

mod in_order {
    use super::*;

    #[step(chunk = 7)]
    fn overtaking() {
        numbers | keep
    }

    #[job]
    pub(super) fn overtake(count: u64) {
        overtaking;
    }
}

#[test]
fn chunks_after_a_slow_one_are_committed_before_it() {
    let world = World::new();
    world.completes(&overtake(500, 490, false));
    let kept = world.numbers("SELECT number FROM kept ORDER BY rowid");
    assert_eq!(kept.len(), 500);
    assert_eq!(kept[490..], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_restart_processes_the_missing_chunks_and_nothing_twice() {
    let world = World::new();
    let report = world.run(&overtake(500, 490, true));
    assert_eq!(report.status, BatchStatus::Failed);
    assert_eq!(step(&report, "overtaking").counters.write, 490);
    let again = world.completes(&overtake(500, 0, false));
    assert_eq!(step(&again, "overtaking").counters.write, 10);
    let kept = world.numbers("SELECT number FROM kept ORDER BY number");
    assert!(kept.into_iter().eq(0..500));
}

#[test]
fn a_restart_in_the_order_of_the_input_processes_the_missing_chunks_and_nothing_twice() {
    let world = World::new();
    assert_eq!(world.run(&overtake(500, 490, true)).status, BatchStatus::Failed);
    let again = world.completes(&in_order::overtake(500));
    assert_eq!(step(&again, "overtaking").counters.write, 10);
    let kept = world.numbers("SELECT number FROM kept ORDER BY number");
    assert!(kept.into_iter().eq(0..500));
}

#[test]
fn the_checkpoint_after_a_hole_does_not_grow_with_the_input() {
    let world = World::new();
    assert_eq!(world.run(&overtake(5_000, 4_990, true)).status, BatchStatus::Failed);
    let context = &world.texts("SELECT SHORT_CONTEXT FROM BATCH_STEP_EXECUTION_CONTEXT")[0];
    assert!(context.len() < 300, "{context}");
}
