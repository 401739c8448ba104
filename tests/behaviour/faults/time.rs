//! Time limits.

use std::time::Duration;

use batch_runtime::prelude::*;

use super::script::*;
use crate::support::{World, step, summed};

#[step(chunk = 1_000_000, chunk_time = "20ms")]
fn often() {
    numbers | save
}

#[job]
fn often_job() {
    often;
}

#[test]
fn a_chunk_that_fills_slowly_is_committed_when_its_time_is_up() {
    let world = World::new();
    let (_, options) = Waits { tick: Duration::from_millis(5), ..Waits::default() }.options();
    let counters = step(&world.run_with(&often_job(), &options), "often").counters;
    // Four looks at the clock are 20 ms: one after each item, and one more before the first of the next chunk.
    assert_eq!((counters.read, counters.write, counters.commit), (20, 20, 5));
}

#[step(chunk = 1_000_000, chunk_time = "20ms", threads = 2)]
fn often_on_threads() {
    numbers_of_all | pass | save
}

#[reader]
fn numbers_of_all() -> impl Iterator<Item = i64> {
    1..=20
}

#[processor]
fn pass(number: i64) -> i64 {
    number
}

#[job]
fn often_on_threads_job() {
    often_on_threads;
}

#[test]
fn threads_look_at_the_same_clock() {
    let world = World::new();
    let (_, options) = Waits { tick: Duration::from_hours(1), ..Waits::default() }.options();
    let counters = step(&world.run_with(&often_on_threads_job(), &options), "often_on_threads").counters;
    assert_eq!((counters.read, counters.write, counters.commit), (20, 20, 20));
}

#[step(chunk = 4, chunk_time = "1ns")]
fn at_once() {
    numbers | save
}

#[job]
fn at_once_job() {
    at_once;
}

#[test]
fn a_chunk_whose_time_is_up_at_once_still_takes_an_item() {
    let world = World::new();
    let counters = step(&world.completes(&at_once_job()), "at_once").counters;
    assert_eq!((counters.read, counters.write, counters.commit), (20, 20, 20));
}

#[step(chunk = 2, timeout = "12ms", skip(Trouble::Bad(..)))]
fn bounded() {
    numbers | take | save
}

#[job]
fn bounded_job() {
    bounded;
}

#[test]
fn a_step_that_takes_too_long_fails_between_chunks_and_a_restart_resumes() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [1], ALWAYS);
    let slow = || Waits { tick: Duration::from_millis(4), ..Waits::default() }.options().1;
    let report = world.run_with(&bounded_job(), &slow());
    let failed = step(&report, "bounded");
    assert!(failed.exit.description.contains("`timeout` of 12ms"), "{}", failed.exit.description);
    assert_eq!(failed.counters.rollback, 0, "nothing is rolled back");
    let mut all = summed(failed);
    // The step checks the time before each chunk: after 4 ms, after 8 ms, and then too late.
    assert_eq!(all.read, 4);
    for _ in 0..20 {
        all = summed(step(&world.run_with(&bounded_job(), &slow()), "bounded"));
        if all.read == 20 {
            break;
        }
    }
    assert_eq!((all.read, all.write, all.process_skip), (20, 19, 1));
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[1]));
}

#[step(chunk = 4, timeout = "1h", retry(Trouble::Busy(..), limit = 9, backoff = exponential("25m")))]
fn patient() {
    numbers | take | save
}

#[job]
fn patient_job() {
    patient;
}

#[test]
fn no_wait_begins_that_would_end_after_the_timeout() {
    let world = World::new();
    fails(Place::Process, Trouble::Busy, [1], ALWAYS);
    let (waits, options) = Waits::default().options();
    let report = world.run_with(&patient_job(), &options);
    assert_eq!(waits.milliseconds(), [25 * 60_000, 50 * 60_000]);
    assert!(step(&report, "patient").exit.description.contains("1 is busy; tried 3 times"));
}

#[step(timeout = "50ms")]
fn endless(tx: &Transaction<'_>) -> rusqlite::Result<Repeat> {
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS call (call INTEGER PRIMARY KEY); INSERT INTO call VALUES (NULL)",
    )?;
    Ok(Repeat::Again)
}

#[job]
fn endless_job() {
    endless;
}

#[test]
fn a_repeated_tasklet_fails_once_it_takes_too_long_and_keeps_its_commits() {
    let world = World::new();
    let (_, options) = Waits { tick: Duration::from_millis(10), ..Waits::default() }.options();
    let report = world.run_with(&endless_job(), &options);
    let failed = step(&report, "endless");
    assert!(failed.exit.description.contains("`timeout` of 50ms"), "{}", failed.exit.description);
    assert_eq!((failed.counters.commit, world.numbers("SELECT count(*) FROM call")), (4, vec![4]));
}
