//! A clock that is set forward or back during a job breaks nothing: nothing depends on the time of day.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use batch_runtime::engine;
use batch_runtime::operator::JobOperator;
use batch_runtime::prelude::*;
use batch_runtime::repository::sqlite::{SqliteOptions, SqliteRepository};
use batch_runtime::repository::{
    BatchStatus, Clock, ExecutionFilter, JobExecution, Recovery, Repository, RepositoryError,
};
use batch_runtime::{engine::JobError, engine::RunOptions};

use crate::support::step;

const DAY: i64 = 24 * 60 * 60 * 1_000;

/// The machine's clock, wrong by this many milliseconds.
#[derive(Debug, Clone, Default)]
struct ManualClock(Arc<AtomicI64>);

impl Clock for ManualClock {
    fn now(&self) -> jiff::Timestamp {
        let wrong = jiff::SignedDuration::from_millis(self.0.load(Ordering::Relaxed));
        jiff::Timestamp::now() + wrong
    }
}

/// The clock that the running job's processor sets.
static CLOCK: OnceLock<ManualClock> = OnceLock::new();
/// The tests share that clock, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

#[reader]
fn hours() -> impl Iterator<Item = i64> {
    1..=20
}

/// Sets the clock in the middle of every chunk, days forward or back.
#[processor]
fn set_the_clock(hour: i64, days: i64, fail_at: Option<i64>) -> Result<i64, String> {
    if let Some(clock) = CLOCK.get()
        && hour % 4 == 2
    {
        let sign = if hour % 8 == 2 { 1 } else { -1 };
        clock.0.fetch_add(days * sign * DAY, Ordering::Relaxed);
    }
    if fail_at == Some(hour) { Err(format!("hour {hour} is bad")) } else { Ok(hour) }
}

#[writer]
fn keep_hours(hours: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS hour (hour INTEGER)")?;
    hours.iter().try_for_each(|hour| tx.execute("INSERT INTO hour VALUES (?1)", [hour]).map(drop))
}

#[step(chunk = 4)]
fn pass_the_time() {
    hours | set_the_clock | keep_hours
}

#[job]
fn clockwork(days: i64, #[param(identifying = false)] fail_at: Option<i64>) {
    pass_the_time;
}

/// A repository that uses the clock, which is right at first.
fn world() -> (tempfile::TempDir, Arc<dyn Repository>, ManualClock) {
    let clock = CLOCK.get_or_init(ManualClock::default).clone();
    clock.0.store(0, Ordering::Relaxed);
    let folder = tempfile::tempdir().unwrap();
    let repository = SqliteOptions::new().clock(clock.clone()).open(folder.path().join("batch.db")).unwrap();
    (folder, Arc::new(repository), clock)
}

fn hours_kept(folder: &tempfile::TempDir) -> Vec<i64> {
    let database = rusqlite::Connection::open(folder.path().join("batch.db")).unwrap();
    let mut statement = database.prepare("SELECT hour FROM hour ORDER BY rowid").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn listed(repository: &Arc<dyn Repository>) -> Vec<JobExecution> {
    repository.executions(&ExecutionFilter::default()).unwrap()
}

#[test]
fn a_clock_that_jumps_by_a_day_between_chunks_changes_nothing_but_the_times() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for days in [1, -1] {
        let (folder, repository, _) = world();
        let report = engine::run(&repository, &clockwork(days, None), &RunOptions::default()).unwrap();
        assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
        assert_eq!(hours_kept(&folder), (1..=20).collect::<Vec<_>>());
        let counters = step(&report, "pass_the_time").counters;
        assert_eq!((counters.read, counters.write, counters.commit), (20, 20, 5));
    }
}

#[test]
fn a_restart_after_the_clock_was_set_forward_or_back_resumes_and_is_listed_as_the_newest() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for days in [1, -1] {
        let (folder, repository, clock) = world();
        let failed = engine::run(&repository, &clockwork(days, Some(11)), &RunOptions::default()).unwrap();
        assert_eq!(failed.status, BatchStatus::Failed);
        // The restart begins days before the first execution began, or days after it ended.
        clock.0.fetch_sub(5 * days * DAY, Ordering::Relaxed);
        let report = engine::run(&repository, &clockwork(days, None), &RunOptions::default()).unwrap();
        assert_eq!(report.status, BatchStatus::Completed);
        assert_eq!(report.restarted_from, Some(failed.execution));
        assert_eq!(step(&report, "pass_the_time").before.read, 8);
        assert_eq!(hours_kept(&folder), (1..=20).collect::<Vec<_>>());
        let listed = listed(&repository);
        let order: Vec<_> = listed.iter().map(|execution| execution.id).collect();
        assert_eq!(order, [report.execution, failed.execution]);
        assert_eq!(listed[0].started < listed[1].started, days > 0);
        let again = engine::run(&repository, &clockwork(days, None), &RunOptions::default()).unwrap_err();
        assert!(matches!(again, JobError::Repository(RepositoryError::AlreadyComplete { .. })), "{again}");
    }
}

#[test]
fn an_execution_that_ends_before_it_began_is_shown() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (folder, repository, clock) = world();
    // Together, the jumps of this run set the clock back.
    let failed = engine::run(&repository, &clockwork(-1, Some(11)), &RunOptions::default()).unwrap();
    assert!(clock.0.load(Ordering::Relaxed) < 0);
    let shown = JobOperator::new(Arc::clone(&repository)).show(failed.execution).unwrap();
    assert!(shown.execution.ended < shown.execution.started);
    let path = folder.path().join("batch.db");
    for line in ["show 1", "show 1 --json", "executions", "executions --json"] {
        let words = ["clocks", "--repository", path.to_str().unwrap()].into_iter().chain(line.split(' '));
        assert_eq!(batch_runtime::cli::run_from(words, &[], std::io::sink(), std::io::sink()), 0, "{line}");
    }
}

#[test]
fn the_lock_decides_which_owner_is_dead_and_not_the_clock() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (folder, repository, clock) = world();
    let parameters = batch_runtime::Parameters::new();
    let request = batch_runtime::repository::LaunchRequest {
        job: "other",
        parameters: &parameters,
        exclusive: false,
        restartable: true,
        max_recoveries: 3,
        recovery: Recovery::Detect,
        durability: batch_runtime::Durability::Process,
        graph: "other",
        holds: &|_| Ok(Vec::new()),
        again: None,
    };
    let alive = repository.launch(&request).unwrap();
    for days in [-1, 2] {
        clock.0.fetch_add(days * DAY, Ordering::Relaxed);
        let other = SqliteRepository::open(folder.path().join("batch.db")).unwrap();
        let refused = other.launch(&request).unwrap_err();
        assert!(matches!(refused, RepositoryError::AlreadyRunning { .. }), "{refused}");
        assert!(other.recover().unwrap().is_empty());
    }
    let first = alive.ownership.execution;
    drop(alive);
    assert_eq!(repository.recover().unwrap(), [first]);
    let recovered = repository.execution(first).unwrap();
    assert_eq!((recovered.status, recovered.exit.code.as_str()), (BatchStatus::Failed, "OWNER_LOST"));
}
