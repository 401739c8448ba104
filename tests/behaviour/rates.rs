//! A step reads and processes no faster than a rate that its partitions share, and a stop ends the wait for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use batch_runtime::engine::Pause;
use batch_runtime::prelude::*;
use batch_runtime::readers::Throttled;
use batch_runtime::repository::BatchStatus;
use batch_runtime::{InvalidRate, Launch, RateLimit, StopSignal, Stopped};

use crate::support::{World, step, summed};

const ITEMS: i64 = 40;

/// All tests here share the rate, so they take turns.
static TURN: Mutex<()> = Mutex::new(());
/// Four items an hour, and the first wait asks the job to stop.
static IS_SLOW: AtomicBool = AtomicBool::new(false);

#[derive(Debug)]
struct Stopper;

impl Pause for Stopper {
    fn pause(&self, _: Duration, stop: &StopSignal) -> bool {
        stop.raise();
        false
    }

    fn random(&self) -> f64 {
        0.5
    }
}

#[resource]
fn quota() -> Result<RateLimit, InvalidRate> {
    if IS_SLOW.load(Ordering::Relaxed) {
        Ok(RateLimit::new(4, "1h")?.pause(Stopper))
    } else {
        RateLimit::new(10, "100ms")
    }
}

#[reader]
fn numbers() -> VecReader<i64> {
    VecReader::new((0..ITEMS).collect::<Vec<_>>())
}

#[reader]
fn slowly(quota: &RateLimit) -> Throttled<VecReader<i64>> {
    numbers().throttled(quota)
}

#[processor]
fn in_turn(number: i64, quota: &RateLimit, step: &StepContext) -> Result<i64, Stopped> {
    quota.wait(step.stop_signal())?;
    Ok(number)
}

#[writer]
fn save(numbers: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS saved (number INTEGER)")?;
    let mut insert = tx.prepare_cached("INSERT INTO saved VALUES (?1)")?;
    numbers.iter().try_for_each(|number| insert.execute([number]).map(drop))
}

#[step(chunk = 3, skip(Stopped, limit = 9), retry(Stopped, limit = 9))]
fn read_slowly() {
    slowly | save
}

#[step(chunk = 3, skip(Stopped, limit = 9), retry(Stopped, limit = 9))]
fn process_slowly() {
    numbers | in_turn | save
}

#[step(chunk = 3, partitions = 8, threads = 8)]
fn read_in_partitions() {
    slowly | save
}

#[step(chunk = 3, partitions = 8, threads = 8)]
fn process_in_partitions() {
    numbers | in_turn | save
}

#[job]
fn reading() {
    read_slowly;
}

#[job]
fn processing() {
    process_slowly;
}

/// Fails if a value of an interrupted call was kept.
#[step]
fn call_slowly(quota: &RateLimit, step: &StepContext, job: &JobContext) -> Result<(), Failure> {
    if job.get::<u32>("calls")?.is_some() {
        return Err(Failure::new("the interrupted call has left a value"));
    }
    job.put("calls", &1)?;
    (0..ITEMS).try_for_each(|_| quota.wait(step.stop_signal())).map_err(Failure::new)
}

#[job]
fn calling() {
    call_slowly;
}

#[job]
fn reading_in_partitions() {
    read_in_partitions;
}

#[job]
fn processing_in_partitions() {
    process_in_partitions;
}

fn is_complete(world: &World) {
    assert_eq!(world.numbers("SELECT number FROM saved ORDER BY 1"), (0..ITEMS).collect::<Vec<_>>());
}

#[test]
fn a_wait_for_a_turn_ends_at_a_stop_and_a_restart_is_exact() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for (launch, name) in [(reading(), "read_slowly"), (processing(), "process_slowly")] {
        let world = World::new();
        IS_SLOW.store(true, Ordering::Relaxed);
        let report = world.run(&launch);
        assert_eq!(report.status, BatchStatus::Stopped, "{}", report.exit.description);
        assert_eq!(world.numbers("SELECT number FROM saved"), [0, 1, 2], "{name}");
        IS_SLOW.store(false, Ordering::Relaxed);
        let report = world.completes(&launch);
        is_complete(&world);
        let all = summed(step(&report, name));
        assert_eq!((all.read, all.write, all.skips()), (40, 40, 0), "{name}");
    }
}

#[test]
fn a_tasklet_that_waits_for_a_turn_ends_as_stopped_at_a_stop_and_leaves_no_value() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let world = World::new();
    IS_SLOW.store(true, Ordering::Relaxed);
    let report = world.run(&calling());
    IS_SLOW.store(false, Ordering::Relaxed);
    assert_eq!(report.status, BatchStatus::Stopped, "{}", report.exit.description);
    world.completes(&calling());
}

#[test]
fn partitions_are_together_as_fast_as_the_rate() {
    fn runs(launch: &Launch) {
        let (world, begun) = (World::new(), Instant::now());
        world.completes(launch);
        is_complete(&world);
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(300), "40 items, ten in 100 ms, the first at once: {took:?}");
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    runs(&reading_in_partitions());
    runs(&processing_in_partitions());
}
