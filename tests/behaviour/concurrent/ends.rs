//! A step that ends cancels the calls in flight.

use std::future::pending;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use batch_runtime::StopSignal;
use batch_runtime::engine::{self, RunOptions};
use batch_runtime::prelude::*;
use batch_runtime::repository::BatchStatus;

use super::{keep, kept, numbers};
use crate::support::{World, step};

/// Counts the calls that started and never finished.
struct UnderWay<'c>(&'c AtomicU32);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

static STOP: LazyLock<StopSignal> = LazyLock::new(StopSignal::new);
static STOPPED: AtomicU32 = AtomicU32::new(0);

#[processor(concurrency = 4)]
async fn until_stopped(number: u32, stop_at: Option<u32>) -> u32 {
    if stop_at.is_some_and(|stop_at| number >= stop_at) {
        let _under_way = UnderWay(&STOPPED);
        if stop_at == Some(number) {
            STOP.raise();
        }
        pending::<()>().await;
    }
    number
}

#[step(chunk = 5)]
fn stopped() {
    numbers | until_stopped | keep
}

#[job]
fn stopping(count: u32, #[param(identifying = false)] stop_at: Option<u32>) {
    stopped;
}

#[test]
fn a_stop_cancels_the_calls_in_flight_and_a_restart_is_exact() {
    let world = World::new();
    let options = RunOptions { stop: STOP.clone(), ..RunOptions::default() };
    let report = engine::run(&world.repository, &stopping(30, Some(13)), &options).unwrap();
    assert_eq!(report.status, BatchStatus::Stopped);
    let read = step(&report, "stopped").counters.read;
    assert!(read <= 10 && read.is_multiple_of(5), "{read}");
    assert!((1..=4).contains(&STOPPED.load(Ordering::SeqCst)), "the calls in flight are cancelled");
    assert_eq!(kept(&world), (1..=i64::try_from(read).unwrap()).collect::<Vec<_>>());
    let report = world.completes(&stopping(30, None));
    assert_eq!(step(&report, "stopped").counters.read, 30 - read);
    assert_eq!(kept(&world), (1..=30).collect::<Vec<_>>());
}

static CANCELLED: AtomicU32 = AtomicU32::new(0);

#[processor(concurrency = 4)]
async fn until_failed(number: u32, fail_at: Option<u32>) -> Result<u32, String> {
    match fail_at {
        Some(fail_at) if number == fail_at => Err(format!("{number} fails")),
        Some(fail_at) if number > fail_at => {
            let _under_way = UnderWay(&CANCELLED);
            pending().await
        }
        _ => Ok(number),
    }
}

#[step(chunk = 5)]
fn failed() {
    numbers | until_failed | keep
}

#[job]
fn failing(count: u32, #[param(identifying = false)] fail_at: Option<u32>) {
    failed;
}

#[test]
fn a_failure_cancels_the_calls_in_flight_and_a_restart_is_exact() {
    let world = World::new();
    let report = world.fails(&failing(30, Some(13)));
    let counters = step(&report, "failed").counters;
    assert_eq!((counters.read, counters.commit, counters.rollback), (10, 2, 1));
    assert!(report.exit.description.contains("13 fails"), "{}", report.exit.description);
    assert!((1..=4).contains(&CANCELLED.load(Ordering::SeqCst)), "the calls after it are cancelled");
    world.completes(&failing(30, None));
    assert_eq!(kept(&world), (1..=30).collect::<Vec<_>>());
}

#[processor(concurrency = 4)]
async fn panics(number: u32) -> u32 {
    assert!(number != 12, "no dozens");
    if number > 12 {
        pending::<()>().await;
    }
    number
}

#[step(chunk = 5)]
fn panicking() {
    numbers | panics | keep
}

#[job]
fn panic_in_a_future(count: u32) {
    panicking;
}

#[test]
fn a_panic_in_a_future_fails_the_step_with_its_message_and_cancels_the_rest() {
    let world = World::new();
    let report = world.fails(&panic_in_a_future(30));
    let why = &report.exit.description;
    assert!(
        why.contains("processing in `panics`: item 12: panicked at") && why.contains("no dozens"),
        "{why}"
    );
    assert_eq!(kept(&world), (1..=10).collect::<Vec<_>>());
}

static GIVEN_UP: LazyLock<StopSignal> = LazyLock::new(StopSignal::new);

#[expect(clippy::unused_async, reason = "the test needs an async call that ends at once")]
#[processor(concurrency = 4)]
async fn never_well(number: u32) -> Result<u32, std::io::Error> {
    if number == 3 {
        GIVEN_UP.raise();
    }
    Err(std::io::Error::other("not well"))
}

#[step(chunk = 5, retry(std::io::Error, limit = 9, backoff = fixed("1h")))]
fn backing_off() {
    numbers | never_well | keep
}

#[job]
fn stopped_in_waits(count: u32) {
    backing_off;
}

#[test]
fn a_stop_interrupts_the_backoff_between_retries() {
    let world = World::new();
    let options = RunOptions { stop: GIVEN_UP.clone(), ..RunOptions::default() };
    let report = engine::run(&world.repository, &stopped_in_waits(30), &options).unwrap();
    assert_eq!(report.status, BatchStatus::Stopped);
    assert_eq!(step(&report, "backing_off").counters.read, 0);
}
