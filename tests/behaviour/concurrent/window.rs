//! Tests of how many calls are in flight, and how far they are ahead of the commit.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use batch_runtime::engine::{self, RunOptions};
use batch_runtime::prelude::*;
use batch_runtime::repository::BatchStatus;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Barrier, watch};

use super::{keep, kept, numbers};
use crate::support::World;

/// The last finished number of each block of eight.
#[derive(Debug)]
struct Turns(watch::Sender<Vec<u32>>);

#[resource]
fn turns() -> Turns {
    Turns(watch::Sender::new(Vec::new()))
}

/// In each block of eight, the last call finishes first.
#[processor(concurrency = 8)]
async fn last_first(number: u32, turns: &Turns) -> u32 {
    if !number.is_multiple_of(8) {
        turns.0.subscribe().wait_for(|over| over.contains(&(number + 1))).await.unwrap();
    }
    turns.0.send_modify(|over| over.push(number));
    number
}

#[step(chunk = 5)]
fn turned_around() {
    numbers | last_first | keep
}

#[job]
fn order(count: u32) {
    turned_around;
}

#[test]
fn items_keep_their_order_whichever_call_finishes_first() {
    let world = World::new();
    world.completes(&order(40));
    assert_eq!(kept(&world), (1..=40).collect::<Vec<_>>());
}

#[resource]
fn eight() -> Barrier {
    Barrier::new(8)
}

/// No call returns before seven others are in flight.
#[processor(concurrency = 8, timeout = "60s")]
async fn with_seven_more(number: u32, eight: &Barrier) -> u32 {
    eight.wait().await;
    number
}

#[step(chunk = 2)]
fn small_chunks() {
    numbers | with_seven_more | keep
}

#[job]
fn across_chunks(count: u32) {
    small_chunks;
}

#[test]
fn the_window_does_not_end_with_the_chunk() {
    let world = World::new();
    world.completes(&across_chunks(32));
    assert_eq!(kept(&world), (1..=32).collect::<Vec<_>>());
}

/// Counts the items that are read, in flight and written, and keeps the largest values.
#[derive(Debug, Default)]
struct Gauge {
    read: AtomicU32,
    under_way: AtomicU32,
    written: AtomicU32,
    most_under_way: AtomicU32,
    most_ahead: AtomicU32,
}

#[resource]
fn gauge() -> Gauge {
    Gauge::default()
}

static SEEN: Mutex<Option<(u32, u32)>> = Mutex::new(None);

#[reader]
fn gauged(count: u32, gauge: &Gauge) -> impl Iterator<Item = u32> {
    (1..=count).inspect(|_| {
        let read = gauge.read.fetch_add(1, Ordering::SeqCst) + 1;
        gauge.most_ahead.fetch_max(read - gauge.written.load(Ordering::SeqCst), Ordering::SeqCst);
    })
}

#[processor(concurrency = 6)]
async fn slow(number: u32, gauge: &Gauge) -> u32 {
    let under_way = gauge.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    gauge.most_under_way.fetch_max(under_way, Ordering::SeqCst);
    for _ in 0..=number % 5 {
        tokio::task::yield_now().await;
    }
    gauge.under_way.fetch_sub(1, Ordering::SeqCst);
    number
}

#[writer]
fn count_down(items: &[u32], gauge: &Gauge) {
    gauge.written.fetch_add(u32::try_from(items.len()).unwrap(), Ordering::SeqCst);
    *SEEN.lock().unwrap() =
        Some((gauge.most_under_way.load(Ordering::SeqCst), gauge.most_ahead.load(Ordering::SeqCst)));
}

#[step(chunk = 4)]
fn gauged_step() {
    gauged | slow | count_down
}

#[job]
fn bounded(count: u32) {
    gauged_step;
}

#[test]
fn the_calls_in_flight_and_the_items_read_ahead_are_bounded() {
    World::new().completes(&bounded(500));
    let (under_way, ahead) = SEEN.lock().unwrap().expect("something was written");
    assert_eq!(under_way, 6);
    // The current chunk, then a window and a chunk after it.
    assert!((6..=4 + 6 + 4).contains(&ahead), "{ahead}");
}

static INSIDE: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[expect(clippy::unused_async, reason = "the test needs an async call that ends at once")]
#[processor(concurrency = 2)]
async fn where_it_runs(number: u32) -> u32 {
    INSIDE.lock().unwrap().push(Handle::current().id().to_string());
    number
}

#[step(chunk = 2)]
fn located() {
    numbers | where_it_runs | keep
}

#[job]
fn embedded(count: u32) {
    located;
}

#[test]
fn a_program_may_pass_its_own_runtime_and_start_the_job_inside_it() {
    let world = World::new();
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let options = RunOptions { runtime: Some(runtime.handle().clone()), ..RunOptions::default() };
    let report = runtime.block_on(async { engine::run(&world.repository, &embedded(4), &options) }).unwrap();
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
    assert_eq!(*INSIDE.lock().unwrap(), vec![runtime.handle().id().to_string(); 4]);
}

#[processor(concurrency = 2)]
async fn anywhere(number: u32) -> u32 {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    number
}

#[step(chunk = 2)]
fn somewhere() {
    numbers | anywhere | keep
}

#[job]
fn alone(count: u32) {
    somewhere;
}

#[test]
fn a_job_inside_a_runtime_that_was_not_passed_has_its_own() {
    let world = World::new();
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { world.completes(&alone(5)) });
    assert_eq!(kept(&world), [1, 2, 3, 4, 5]);
}
