//! The end of a step with `remote` when something is wrong in it or with its workers, and its restart.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use batch_runtime::StopSignal;
use batch_runtime::engine::RunOptions;
use batch_runtime::observe::JobReport;
use batch_runtime::prelude::*;
use batch_runtime::repository::BatchStatus;
use batch_runtime::workers::RemoteChunks;

use super::carrier::{Carrier, Mishaps};
use super::{Told, Workers, chunks, options, with_workers};
use crate::support::{World, step};

fn is_in_a_worker() -> bool {
    thread::current().name().is_some_and(|name| name.starts_with("chunks of"))
}

/// Waits until something has happened. Returns whether it has.
fn until(happened: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_mins(2);
    while !happened() {
        if Instant::now() > end {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Waits until a worker has begun. Returns whether this is a worker.
fn after_a_worker(begun: &AtomicBool) -> bool {
    let is_one = is_in_a_worker();
    if is_one {
        begun.store(true, Ordering::Relaxed);
    } else {
        until(|| begun.load(Ordering::Relaxed));
    }
    is_one
}

#[reader]
fn numbers(count: u64) -> impl Iterator<Item = u64> {
    0..count
}

#[writer]
fn keep(numbers: &[u64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("CREATE TABLE IF NOT EXISTS kept (number INTEGER PRIMARY KEY)", [])?;
    numbers
        .iter()
        .try_for_each(|number| tx.execute("INSERT INTO kept VALUES (?1)", [number.cast_signed()]).map(drop))
}

#[writer]
fn forget(_: &[u64]) {}

fn kept(world: &World) -> Vec<i64> {
    world.numbers("SELECT number FROM kept ORDER BY number")
}

fn all(count: i64) -> Vec<i64> {
    (0..count).collect()
}

fn fails_with(report: &JobReport, what: &str) {
    assert_eq!(report.status, BatchStatus::Failed);
    assert!(report.exit.description.contains(what), "{}", report.exit.description);
}

#[test]
fn a_panic_of_a_processor_in_a_worker_fails_the_step_with_its_place() {
    static BEGUN: AtomicBool = AtomicBool::new(false);

    #[processor]
    fn trips(number: u64) -> u64 {
        assert!(!after_a_worker(&BEGUN), "no {number} here");
        number
    }

    #[step(chunk = 1, threads = 1, remote)]
    fn tripping() {
        numbers | trips | forget
    }

    #[job]
    fn trip(count: u64) {
        tripping;
    }

    let report = with_workers(&World::new(), &trip(8), 1, Mishaps::default());
    fails_with(&report, "processing in `trips`");
    fails_with(&report, " here");
    fails_with(&report, "ends.rs");
}

#[test]
fn a_value_for_a_context_is_refused_because_it_would_be_lost() {
    static BEGUN: AtomicBool = AtomicBool::new(false);

    #[processor]
    fn notes(number: u64, context: &StepContext) -> Result<u64, Failure> {
        if after_a_worker(&BEGUN) {
            context.put("last", &number)?;
        }
        Ok(number)
    }

    #[step(chunk = 1, threads = 1, remote)]
    fn noting() {
        numbers | notes | forget
    }

    #[job]
    fn note(count: u64) {
        noting;
    }

    let report = with_workers(&World::new(), &note(8), 1, Mishaps::default());
    fails_with(&report, "a processor has put a value into a context");
}

#[test]
fn an_item_that_changes_on_its_way_is_refused_with_what_differs() {
    #[expect(clippy::option_option, reason = "this is the value that does not survive serialization")]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    struct Price {
        name: String,
        cents: Option<Option<u64>>,
    }

    #[reader]
    fn prices() -> impl Iterator<Item = Price> {
        (0..4).map(|number| Price { name: format!("price {number}"), cents: Some(None) })
    }

    #[processor]
    fn looks(price: Price) -> u64 {
        // The first chunk is to be sent meanwhile.
        thread::sleep(super::PATIENCE * 5);
        price.name.len() as u64
    }

    #[step(chunk = 1, threads = 1, remote)]
    fn looking() {
        prices | looks | forget
    }

    #[job]
    fn look() {
        looking;
    }

    let report = with_workers(&World::new(), &look(), 1, Mishaps::default());
    fails_with(
        &report,
        "changes on its way to another process: `cents` is `Some` of `None` before and `None` after",
    );
}

#[test]
fn a_chunk_too_long_for_a_message_is_refused() {
    #[processor]
    fn waits(number: u64) -> u64 {
        if number == 0 {
            thread::sleep(super::PATIENCE * 5);
        }
        number
    }

    #[step(chunk = 1_000, threads = 1, remote)]
    fn waiting() {
        numbers | waits | forget
    }

    #[job]
    fn wait(count: u64) {
        waiting;
    }

    let world = World::new();
    let carrier = Carrier::carrying(1, Mishaps::default(), 600);
    let launch = wait(5_000);
    let _workers = Workers::start(&world, &[launch.job], 1, &chunks(&carrier));
    let report = world.run_with(&launch, &options(chunks(&carrier)));
    fails_with(&report, "lower `chunk`");
}

#[test]
fn a_stop_ends_the_wait_for_a_worker_at_once_and_a_restart_goes_on() {
    static IS_STUCK: AtomicBool = AtomicBool::new(false);
    static IS_FREE: AtomicBool = AtomicBool::new(false);

    #[processor]
    fn sticks(number: u64) -> u64 {
        if is_in_a_worker() && number >= 30 {
            IS_STUCK.store(true, Ordering::Relaxed);
            until(|| IS_FREE.load(Ordering::Relaxed));
        } else if !is_in_a_worker() && number >= 30 && !IS_FREE.load(Ordering::Relaxed) {
            until(|| IS_STUCK.load(Ordering::Relaxed));
        }
        number
    }

    #[step(chunk = 5, threads = 1, remote)]
    fn sticking() {
        numbers | sticks | keep
    }

    #[job]
    fn stick(count: u64) {
        sticking;
    }

    let world = World::new();
    let carrier = Carrier::new(1, Mishaps::default());
    let launch = stick(200);
    // With this patience, no chunk is late before the stop.
    let patient =
        || RemoteChunks::over(Arc::new(carrier.clone())).build("test").patience(Duration::from_secs(30));
    let workers = Workers::start(&world, &[launch.job], 1, &patient());
    let stop = StopSignal::new();
    let (raise, raised) = (stop.clone(), Arc::new(std::sync::Mutex::new(None)));
    let at = Arc::clone(&raised);
    let stops = thread::spawn(move || {
        until(|| IS_STUCK.load(Ordering::Relaxed));
        thread::sleep(Duration::from_millis(100));
        *at.lock().unwrap() = Some(Instant::now());
        raise.raise();
    });
    let report = world.run_with(&launch, &RunOptions { stop, ..options(patient()) });
    let waited = raised.lock().unwrap().expect("it was stopped").elapsed();
    stops.join().unwrap();
    assert_eq!(report.status, BatchStatus::Stopped);
    assert!(waited < Duration::from_secs(20), "{waited:?}");
    IS_FREE.store(true, Ordering::Relaxed);
    drop(workers);
    let _workers = Workers::start(&world, &[launch.job], 1, &patient());
    let report = world.run_with(&launch, &options(patient()));
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
    assert_eq!(kept(&world), all(200));
}

#[test]
fn workers_that_come_and_go_change_nothing() {
    static IN_WORKERS: AtomicU64 = AtomicU64::new(0);

    #[processor]
    fn dawdles(number: u64) -> u64 {
        thread::sleep(Duration::from_millis(1));
        if is_in_a_worker() {
            IN_WORKERS.fetch_add(1, Ordering::Relaxed);
        }
        number
    }

    #[step(chunk = 5, threads = 1, remote)]
    fn dawdling() {
        numbers | dawdles | keep
    }

    #[job]
    fn dawdle(count: u64) {
        dawdling;
    }

    let world = World::new();
    let carrier = Carrier::new(1, Mishaps { dropped: 5, ..Mishaps::default() });
    let launch = dawdle(1_500);
    let is_over = AtomicBool::new(false);
    let report = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let workers = Workers::start(&world, &[launch.job], 2, &chunks(&carrier));
                thread::sleep(Duration::from_millis(150));
                drop(workers);
            }
        });
        let report = world.run_with(&launch, &options(chunks(&carrier)));
        is_over.store(true, Ordering::Relaxed);
        report
    });
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
    assert_eq!(kept(&world), all(1_500));
    assert!(IN_WORKERS.load(Ordering::Relaxed) > 100);
}

#[test]
fn when_all_workers_are_gone_the_threads_of_the_step_do_what_is_left_and_the_user_is_told() {
    static SEEN: AtomicBool = AtomicBool::new(false);

    #[processor]
    fn vanishes(number: u64) -> u64 {
        if is_in_a_worker() {
            SEEN.store(true, Ordering::Relaxed);
        } else if !SEEN.load(Ordering::Relaxed) {
            until(|| SEEN.load(Ordering::Relaxed));
        }
        thread::sleep(Duration::from_millis(2));
        number
    }

    #[step(chunk = 5, threads = 1, remote)]
    fn vanishing() {
        numbers | vanishes | keep
    }

    #[job]
    fn vanish(count: u64) {
        vanishing;
    }

    let world = World::new();
    // After a while the only worker is cut off, and its messages are lost.
    let carrier = Carrier::new(1, Mishaps::default());
    let launch = vanish(600);
    let told = Arc::new(Told::default());
    let options = RunOptions { observer: Some(told.clone()), ..options(chunks(&carrier)) };
    let _workers = Workers::start(&world, &[launch.job], 2, &chunks(&carrier));
    let deaf = carrier.clone();
    let deafens = thread::spawn(move || {
        until(|| SEEN.load(Ordering::Relaxed));
        thread::sleep(Duration::from_millis(50));
        deaf.cut();
    });
    let report = world.run_with(&launch, &options);
    deafens.join().unwrap();
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
    assert_eq!(kept(&world), all(600));
    assert!(told.all().contains("no worker answers any more"), "{}", told.all());
}

#[test]
fn a_slow_chunk_is_not_sent_twice() {
    /// Long enough for a worker to say that it is working on a chunk, also on a busy machine.
    const PATIENCE: Duration = Duration::from_millis(1_500);
    static CALLS: AtomicU64 = AtomicU64::new(0);

    #[processor]
    fn slow(number: u64) -> u64 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        if is_in_a_worker() {
            // Longer than an answer may take before it is late.
            thread::sleep(PATIENCE * 3);
        } else if number < 2 {
            thread::sleep(PATIENCE * 4);
        }
        number
    }

    #[step(chunk = 1, threads = 1, remote)]
    fn slowly() {
        numbers | slow | keep
    }

    #[job]
    fn slow_job(count: u64) {
        slowly;
    }

    let world = World::new();
    let launch = slow_job(8);
    let chunks =
        RemoteChunks::over(Arc::new(Carrier::new(1, Mishaps::default()))).patience(PATIENCE).build("test");
    let _workers = Workers::start(&world, &[launch.job], 2, &chunks);
    let report = world.run_with(&launch, &options(chunks));
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
    assert_eq!(kept(&world), all(8));
    assert_eq!(CALLS.load(Ordering::Relaxed), 8);
}

#[test]
fn a_chunk_that_a_worker_begins_after_a_later_one_is_not_sent_twice() {
    const PATIENCE: Duration = Duration::from_millis(1_500);
    static CALLS: AtomicU64 = AtomicU64::new(0);

    #[processor]
    fn counts(number: u64) -> u64 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // All other chunks wait longer than an answer may take before it is late.
        thread::sleep(if is_in_a_worker() { PATIENCE * 2 } else { PATIENCE * 4 });
        number
    }

    #[step(chunk = 1, threads = 1, remote)]
    fn counting() {
        numbers | counts | keep
    }

    #[job]
    fn count_calls(count: u64) {
        counting;
    }

    let delay = PATIENCE / 3;
    thread::scope(|scope| {
        for mishaps in [
            Mishaps { delay_of_first: delay, ..Mishaps::default() },
            Mishaps { delay_of_second: delay, ..Mishaps::default() },
        ] {
            scope.spawn(move || {
                let world = World::new();
                let launch = count_calls(6);
                let chunks =
                    RemoteChunks::over(Arc::new(Carrier::new(1, mishaps))).patience(PATIENCE).build("test");
                let _workers = Workers::start(&world, &[launch.job], 2, &chunks);
                let report = world.run_with(&launch, &options(chunks));
                assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
                assert_eq!(kept(&world), all(6));
            });
        }
    });
    assert_eq!(CALLS.load(Ordering::Relaxed), 12);
}

#[test]
fn a_worker_that_lacks_something_says_so_and_the_threads_of_the_step_do_it() {
    #[resource]
    fn lamp() -> Result<HashMap<u64, u64>, Failure> {
        if is_in_a_worker() { Err(Failure::new("it is dark here")) } else { Ok(HashMap::new()) }
    }

    #[processor]
    fn lights(number: u64, lamp: &HashMap<u64, u64>) -> u64 {
        thread::sleep(Duration::from_millis(2));
        number + lamp.len() as u64
    }

    #[step(chunk = 5, threads = 1, remote)]
    fn lighting() {
        numbers | lights | keep
    }

    #[job]
    fn light(count: u64) {
        lighting;
    }

    let world = World::new();
    let carrier = Carrier::new(1, Mishaps::default());
    let launch = light(200);
    let told = Arc::new(Told::default());
    let _workers = Workers::start(&world, &[launch.job], 1, &chunks(&carrier));
    let report =
        world.run_with(&launch, &RunOptions { observer: Some(told.clone()), ..options(chunks(&carrier)) });
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
    assert_eq!(kept(&world), all(200));
    assert!(told.all().contains("it is dark here"), "{}", told.all());
}

#[test]
fn with_order_none_each_item_is_written_once() {
    #[processor]
    fn passes(number: u64) -> u64 {
        thread::sleep(Duration::from_micros(300));
        number
    }

    #[step(chunk = 5, threads = 2, order = none, remote)]
    fn passing() {
        numbers | passes | keep
    }

    #[job]
    fn pass(count: u64) {
        passing;
    }

    for seed in 1..4 {
        let world = World::new();
        let mishaps =
            Mishaps { lost: 3, duplicated: 10, late: 10, forged: 5, dropped: 3, ..Mishaps::default() };
        let report = with_workers(&world, &pass(1_000), seed, mishaps);
        assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
        assert_eq!(kept(&world), all(1_000), "seed {seed}");
        assert_eq!(step(&report, "passing").counters.write, 1_000);
    }
}
