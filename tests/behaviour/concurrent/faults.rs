//! Concurrent calls filter, skip and retry exactly like calls for one item at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use batch_runtime::engine::{self, Pause, RunOptions};
use batch_runtime::prelude::*;
use batch_runtime::repository::{BatchStatus, Counters};
use batch_runtime::{Launch, StopSignal, TimedOut};

use super::{Tries, keep, kept, numbers, tries};
use crate::support::{World, step};

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0} is bad")]
    Bad(u32),
    #[error("busy with {0}")]
    Busy(u32),
    #[error("{0} is too much")]
    TooMuch(u32),
}

/// Every line is a number, except every 17th.
#[reader]
fn lines(input: PathBuf) -> Result<CsvReader<u32>, ReadError> {
    CsvReader::open(input)
}

#[processor]
fn allowed(number: u32) -> Result<u32, Trouble> {
    if number.is_multiple_of(19) { Err(Trouble::TooMuch(number)) } else { Ok(number) }
}

fn judge(number: u32, tries: &Tries) -> Result<Option<u32>, Trouble> {
    match number {
        number if number.is_multiple_of(7) => Ok(None),
        number if number.is_multiple_of(11) => Err(Trouble::Bad(number)),
        number if number.is_multiple_of(13) && tries.count(number) <= 2 => Err(Trouble::Busy(number)),
        number if number.is_multiple_of(23) => Err(Trouble::Busy(number)),
        number => Ok(Some(number)),
    }
}

/// The items that came through, as the checkpoint knows them.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Through(u32);

#[processor]
fn numbered(number: u32, #[state] through: &mut Through) -> Result<u32, Trouble> {
    through.0 += 1;
    if number.is_multiple_of(29) { Err(Trouble::Bad(number)) } else { Ok(number * 1_000 + through.0) }
}

mod one_by_one {
    use super::*;

    #[processor]
    pub(super) fn call(number: u32, tries: &Tries) -> Result<Option<u32>, Trouble> {
        judge(number, tries)
    }

    #[step(chunk = 10, skip(ReadError), skip(Trouble, limit = 60), retry(Trouble::Busy(_), limit = 2))]
    pub(super) fn load() {
        lines | allowed | call | numbered | keep
    }
}

mod async_by_value {
    use super::*;

    #[processor(concurrency = 8)]
    pub(super) async fn call(number: u32, tries: &Tries) -> Result<Option<u32>, Trouble> {
        for _ in 0..number % 5 {
            tokio::task::yield_now().await;
        }
        judge(number, tries)
    }

    #[step(chunk = 10, skip(ReadError), skip(Trouble, limit = 60), retry(Trouble::Busy(_), limit = 2))]
    pub(super) fn load() {
        lines | allowed | call | numbered | keep
    }
}

mod async_by_reference {
    use super::*;

    #[processor(concurrency = 3)]
    pub(super) async fn call(number: &u32, tries: &Tries) -> Result<Option<u32>, Trouble> {
        for _ in 0..number % 4 {
            tokio::task::yield_now().await;
        }
        judge(*number, tries)
    }

    #[step(chunk = 10, skip(ReadError), skip(Trouble, limit = 60), retry(Trouble::Busy(_), limit = 2))]
    pub(super) fn load() {
        lines | allowed | call | numbered | keep
    }
}

mod on_threads {
    use super::*;

    #[processor(concurrency = 4)]
    pub(super) fn call(number: u32, tries: &Tries) -> Result<Option<u32>, Trouble> {
        judge(number, tries)
    }

    #[step(chunk = 10, skip(ReadError), skip(Trouble, limit = 60), retry(Trouble::Busy(_), limit = 2))]
    pub(super) fn load() {
        lines | allowed | call | numbered | keep
    }
}

use async_by_reference::load as load_by_reference;
use async_by_value::load as load_by_value;
use on_threads::load as load_on_threads;
use one_by_one::load as load_one_by_one;

#[job]
fn serial(input: PathBuf) {
    load_one_by_one;
}

#[job]
fn by_value(input: PathBuf) {
    load_by_value;
}

#[job]
fn by_reference(input: PathBuf) {
    load_by_reference;
}

#[job]
fn threads(input: PathBuf) {
    load_on_threads;
}

/// Everything that a run leaves.
#[derive(Debug, PartialEq)]
struct Left {
    status: BatchStatus,
    why: String,
    counters: Counters,
    kept: Vec<i64>,
    skipped: Vec<String>,
    context: Vec<String>,
}

fn left_by(launch: impl Fn(PathBuf) -> Launch, lines: u32) -> Left {
    let world = World::new();
    let input = world.path("in.csv");
    let line = |line: u32| if line.is_multiple_of(17) { format!("x{line}\n") } else { format!("{line}\n") };
    std::fs::write(&input, format!("number\n{}", (1..=lines).map(line).collect::<String>())).unwrap();
    let report = world.run(&launch(input.clone()));
    let folder = world.folder().display().to_string();
    let texts =
        |sql: &str| world.texts(sql).into_iter().map(|text| text.replace(&folder, "")).collect::<Vec<_>>();
    Left {
        status: report.status,
        why: report.exit.description.replace(&folder, ""),
        counters: report.steps[0].counters,
        kept: kept(&world),
        skipped: texts(
            "SELECT PHASE || ' ' || SOURCE_POSITION || ' ' || coalesce(LOCATION, '-') || ' ' || ERROR
             FROM BATCH_SKIPPED_ITEM ORDER BY SEQUENCE",
        ),
        context: texts("SELECT SHORT_CONTEXT FROM BATCH_STEP_EXECUTION_CONTEXT"),
    }
}

#[test]
fn a_run_leaves_the_same_as_one_item_at_a_time() {
    let expected = left_by(serial, 200);
    assert_eq!(expected.status, BatchStatus::Completed, "{}", expected.why);
    assert!(expected.counters.filter > 10 && expected.skipped.len() > 30, "{expected:?}");
    assert_eq!(left_by(by_value, 200), expected);
    assert_eq!(left_by(by_reference, 200), expected);
    assert_eq!(left_by(threads, 200), expected);
}

#[test]
fn the_limit_of_skips_is_reached_at_the_same_item() {
    let expected = left_by(serial, 1_000);
    assert_eq!(expected.status, BatchStatus::Failed);
    assert!(expected.why.contains("has reached its limit of 60"), "{}", expected.why);
    assert_eq!(left_by(by_value, 1_000), expected);
    assert_eq!(left_by(by_reference, 1_000), expected);
    assert_eq!(left_by(threads, 1_000), expected);
}

// Timeouts

#[processor(concurrency = 4, timeout = "30ms")]
async fn sometimes_endless(number: u32, tries: &Tries) -> u32 {
    if number.is_multiple_of(10) && (number.is_multiple_of(20) || tries.count(number) == 1) {
        std::future::pending::<()>().await;
    }
    number
}

#[step(chunk = 7, retry(TimedOut, limit = 1), skip(TimedOut, limit = 2))]
fn impatient() {
    numbers | sometimes_endless | keep
}

#[job]
fn timing(count: u32) {
    impatient;
}

#[test]
fn a_call_that_takes_too_long_is_retried_and_then_skipped() {
    let world = World::new();
    let report = world.completes(&timing(45));
    let counters = step(&report, "impatient").counters;
    assert_eq!((counters.read, counters.write, counters.process_skip), (45, 43, 2));
    assert_eq!(kept(&world), (1..=45).filter(|number| number % 20 != 0).collect::<Vec<_>>());
    let errors = world.texts("SELECT ERROR FROM BATCH_SKIPPED_ITEM");
    assert!(errors[0].contains("`timeout` of 30ms") && errors[0].contains("tried 2 times"), "{errors:?}");
}

// Backoff before a retry

#[derive(Debug, Default)]
struct Counted(AtomicU32);

impl Pause for Counted {
    fn pause(&self, wait: Duration, _: &StopSignal) -> bool {
        assert_eq!(wait, Duration::from_hours(1));
        self.0.fetch_add(1, Ordering::SeqCst);
        true
    }

    fn random(&self) -> f64 {
        0.0
    }
}

#[expect(clippy::unused_async, reason = "the test needs an async call that ends at once")]
#[processor(concurrency = 4)]
async fn busy_at_first(number: u32, tries: &Tries) -> Result<u32, Trouble> {
    if number.is_multiple_of(3) && tries.count(number) <= 2 { Err(Trouble::Busy(number)) } else { Ok(number) }
}

#[step(chunk = 5, retry(Trouble::Busy(_), limit = 2, backoff = fixed("1h")))]
fn patient() {
    numbers | busy_at_first | keep
}

#[job]
fn waiting_long(count: u32) {
    patient;
}

#[test]
fn a_retry_waits_with_the_pause_of_the_run_options() {
    let world = World::new();
    let pause = Arc::new(Counted::default());
    let options = RunOptions { pause: Arc::clone(&pause) as Arc<dyn Pause>, ..RunOptions::default() };
    let report = engine::run(&world.repository, &waiting_long(9), &options).unwrap();
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
    assert_eq!(pause.0.load(Ordering::SeqCst), 6);
    assert_eq!(kept(&world), (1..=9).collect::<Vec<_>>());
}

// A reader that breaks

/// Breaks once after every tenth number.
struct Fragile<'t> {
    next: u32,
    count: u32,
    tries: &'t Tries,
    broken: bool,
}

impl Reader for Fragile<'_> {
    type Item = u32;
    type Position = u32;
    type Error = Trouble;

    fn read(&mut self) -> Result<Option<u32>, Trouble> {
        assert!(!self.broken, "a reader that broke is not read from again");
        if self.next.is_multiple_of(10) && self.tries.count(1_000 + self.next) == 1 {
            self.broken = true;
            return Err(Trouble::Busy(self.next));
        }
        self.next += 1;
        Ok((self.next <= self.count).then_some(self.next))
    }

    fn position(&self) -> u32 {
        self.next
    }

    fn resume(&mut self, position: u32) -> Result<(), Trouble> {
        self.next = position;
        Ok(())
    }

    fn steps_over(&self, _: &Trouble) -> bool {
        false
    }
}

#[reader]
fn fragile(count: u32, tries: &Tries) -> Fragile<'_> {
    Fragile { next: 0, count, tries, broken: false }
}

#[processor(concurrency = 4)]
async fn plus_one(number: u32) -> u32 {
    tokio::task::yield_now().await;
    number + 1
}

#[step(chunk = 4, retry(Trouble, limit = 1))]
fn reopened() {
    fragile | plus_one | keep
}

#[job]
fn breaking(count: u32) {
    reopened;
}

#[test]
fn a_reader_that_breaks_is_reopened_at_its_position() {
    let world = World::new();
    let report = world.completes(&breaking(35));
    assert_eq!(kept(&world), (2..=36).collect::<Vec<_>>());
    let counters = step(&report, "reopened").counters;
    assert_eq!((counters.read, counters.write, counters.commit), (35, 35, 9));
}
