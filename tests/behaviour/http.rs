//! A step reads the pages of an HTTP API: in partitions, on threads, with skips, and through stops and restarts.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use batch_runtime::StopSignal;
use batch_runtime::engine::RunOptions;
use batch_runtime::prelude::*;
use batch_runtime::readers::http::{Request, Response, Token, numbered, token};
use batch_runtime::repository::BatchStatus;

use crate::support::{World, step, summed};

const PAGE: usize = 5;
const ITEMS: usize = 203;

/// All tests here share the server, so they take turns.
static TURN: Mutex<()> = Mutex::new(());
static REQUESTS: AtomicUsize = AtomicUsize::new(0);
/// One in this many requests is refused; 0 refuses none.
static FAILS_EVERY: AtomicUsize = AtomicUsize::new(0);
/// If true, the server asks for a pause of an hour, and asks the job to stop.
static IS_ASLEEP: AtomicBool = AtomicBool::new(false);
static STOP: LazyLock<Mutex<StopSignal>> = LazyLock::new(|| Mutex::new(StopSignal::new()));

fn turn() -> MutexGuard<'static, ()> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    REQUESTS.store(0, Ordering::Relaxed);
    FAILS_EVERY.store(0, Ordering::Relaxed);
    IS_ASLEEP.store(false, Ordering::Relaxed);
    *STOP.lock().unwrap_or_else(PoisonError::into_inner) = StopSignal::new();
    turn
}

fn stop() -> StopSignal {
    STOP.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn answer(request: &Request) -> io::Result<Response> {
    let requests = REQUESTS.fetch_add(1, Ordering::Relaxed) + 1;
    let every = FAILS_EVERY.load(Ordering::Relaxed);
    if every > 0 && requests.is_multiple_of(every) {
        return Ok(Response::new(503, "").header("Retry-After", "0"));
    }
    if IS_ASLEEP.load(Ordering::Relaxed) && requests > 3 {
        stop().raise();
        return Ok(Response::new(503, "").header("Retry-After", "3600"));
    }
    let (_, page) = request.url().rsplit_once('=').unwrap_or(("", "0"));
    let page: usize = page.parse().map_err(io::Error::other)?;
    let items: Vec<String> = (page * PAGE..ITEMS.min((page + 1) * PAGE))
        .map(|number| if number % 100 == 50 { format!("\"{number}\"") } else { number.to_string() })
        .collect();
    let next = if (page + 1) * PAGE < ITEMS { (page + 1).to_string() } else { "null".to_owned() };
    Ok(Response::new(200, format!(r#"{{"list": [{}], "total": {ITEMS}, "next": {next}}}"#, items.join(","))))
}

#[resource]
fn api(key: String) -> Http {
    Http::with_client("http://api.test", answer).bearer(key).retry(3, "2h").rate(1_000_000, "1s")
}

#[reader]
fn numbers(api: &Http) -> HttpPages<u32> {
    api.get("numbers").items("/list").pages(numbered("page").size_is(5).total("/total"))
}

#[reader]
fn chained(api: &Http) -> HttpPages<u32, Token> {
    api.get("numbers").items("/list").pages(token("page", "/next"))
}

#[writer]
fn save(numbers: &[u32], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS saved (number INTEGER)")?;
    let mut insert = tx.prepare_cached("INSERT INTO saved VALUES (?1)")?;
    numbers.iter().try_for_each(|number| insert.execute([number]).map(drop))
}

#[step(chunk = 7, partitions = 8, threads = 4, skip(HttpError, limit = 10), retry(HttpError, limit = 1))]
fn in_partitions() {
    numbers | save
}

#[step(chunk = 7, threads = 3, skip(HttpError, limit = 10))]
fn on_threads() {
    chained | save
}

#[step(chunk = 7)]
fn alone() {
    numbers | save
}

#[job]
fn partitioned(#[param(secret)] key: String) {
    in_partitions;
}

#[job]
fn threaded(#[param(secret)] key: String) {
    on_threads;
}

#[job]
fn strict(#[param(secret)] key: String) {
    alone;
}

fn good() -> Vec<i64> {
    (0..).take(ITEMS).filter(|number| number % 100 != 50).collect()
}

#[test]
fn partitions_read_every_item_once_whatever_the_server_refuses_at_first() {
    let _turn = turn();
    FAILS_EVERY.store(3, Ordering::Relaxed);
    let world = World::new();
    let report = world.completes(&partitioned("k3y".into()));
    assert_eq!(world.numbers("SELECT number FROM saved ORDER BY 1"), good());
    let counters = step(&report, "in_partitions").counters;
    assert_eq!((counters.read, counters.read_skip, counters.write), (201, 2, 201));
    let partitions = "SELECT count(*) FROM BATCH_STEP_EXECUTION WHERE STEP_NAME LIKE 'in_partitions:%'";
    assert_eq!(world.numbers(partitions), [8]);
    let skipped = world.texts("SELECT ITEM FROM BATCH_SKIPPED_ITEM ORDER BY 1");
    assert_eq!(skipped, ["\"150\"", "\"50\""], "the JSON of the items");
    let errors = world.texts("SELECT ERROR FROM BATCH_SKIPPED_ITEM ORDER BY 1");
    assert!(errors[0].contains("GET numbers?page=10, item 1: invalid type: string"), "{errors:?}");
    assert!(errors.iter().all(|error| !error.contains("k3y")), "{errors:?}");
}

#[test]
fn a_wait_for_a_busy_server_ends_at_a_stop_and_a_restart_is_exact() {
    for launch in [partitioned("k3y".into()), threaded("k3y".into())] {
        let _turn = turn();
        let world = World::new();
        IS_ASLEEP.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        let options = RunOptions { stop: stop(), ..RunOptions::default() };
        let report = world.run_with(&launch, &options);
        assert_eq!(report.status, BatchStatus::Stopped, "{}", report.exit.description);
        assert!(begun.elapsed().as_secs() < 60, "the server asked for an hour");
        IS_ASLEEP.store(false, Ordering::Relaxed);
        let report = world.completes(&launch);
        assert_eq!(world.numbers("SELECT number FROM saved ORDER BY 1"), good());
        let all = summed(&report.steps[0]);
        assert_eq!((all.read, all.read_skip, all.write), (201, 2, 201));
    }
}

#[test]
fn without_skip_an_item_that_does_not_fit_fails_the_step_with_its_place() {
    let _turn = turn();
    let world = World::new();
    let report = world.fails(&strict("k3y".into()));
    let why = &report.exit.description;
    assert!(
        why.contains(
            "reading in `numbers`: GET numbers?page=10, item 1: invalid type: string \"50\", expected u32"
        ),
        "{why}"
    );
    assert_eq!(world.numbers("SELECT max(number) FROM saved"), [48]);
}
