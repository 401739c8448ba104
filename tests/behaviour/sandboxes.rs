//! `testing::Sandbox` runs jobs over several executions, with what the test gives them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use batch_runtime::prelude::*;
use batch_runtime::repository::{BatchStatus, Commit, Counters, ExecutionFilter, Side};
use batch_runtime::testing::{self, FailAt, Sandbox, SandboxError, StepTest, TestClock};
use batch_runtime::{Failure, InvalidRate, RateLimit, Sqlite};

#[reader]
fn numbers() -> impl Iterator<Item = i64> {
    1..=6
}

#[writer]
fn save(numbers: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS number (value INTEGER)")?;
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO number VALUES (?1)", [number]).map(drop))
}

#[step(chunk = 2)]
fn load() {
    numbers | save
}

#[job]
fn loading() {
    load;
}

fn died(ran: Result<batch_runtime::observe::JobReport, SandboxError>) -> (Commit, Side) {
    match ran {
        Err(SandboxError::Died { commit, side }) => (commit, side),
        ran => panic!("the run was not stopped: {ran:?}"),
    }
}

#[test]
fn a_run_stopped_before_a_commit_leaves_what_was_committed_before() {
    let sandbox = Sandbox::new().unwrap();
    sandbox.fail_at(FailAt::before_chunk("load", 2));
    let (commit, side) = died(sandbox.run(&loading()));
    assert_eq!(format!("{side} {commit}"), "before commit 4 (chunk 2 of step `load`)");
    assert_eq!(sandbox.rows("SELECT value FROM number").unwrap(), ["1", "2"]);
}

#[test]
fn a_run_stopped_after_a_commit_leaves_that_too_and_a_dead_owner() {
    let sandbox = Sandbox::new().unwrap();
    sandbox.fail_at(FailAt::after_chunk("load", 2));
    died(sandbox.run(&loading()));
    assert_eq!(sandbox.rows("SELECT value FROM number").unwrap(), ["1", "2", "3", "4"]);
    assert_eq!(sandbox.rows("SELECT STATUS FROM BATCH_JOB_EXECUTION").unwrap(), ["STARTED"]);

    let report = sandbox.restart().unwrap().completed().unwrap();
    assert_eq!(report.restarted_from.map(|execution| execution.0), Some(1));
    assert_eq!(report.steps[0].counters.read, 2);
    let first = sandbox.repository().unwrap().executions(&ExecutionFilter::default()).unwrap().pop().unwrap();
    assert_eq!((first.status, first.exit.code.as_str()), (BatchStatus::Failed, "OWNER_LOST"));
}

#[test]
fn a_fail_point_may_be_a_closure() {
    let sandbox = Sandbox::new().unwrap();
    sandbox.fail_at(|commit: &Commit, side: Side| commit.number == 1 && side == Side::After);
    assert_eq!(died(sandbox.run(&loading())).0.to_string(), "commit 1 (the launch)");
    sandbox.restart().unwrap().completed().unwrap();
}

#[test]
fn nothing_can_be_restarted_before_a_run() {
    assert!(matches!(Sandbox::new().unwrap().restart(), Err(SandboxError::NothingToRestart)));
}

#[listener(after_step)]
fn heard(_: &Counters, _: Option<&Failure>, note: &Path) -> std::io::Result<()> {
    std::fs::write(note, "heard")
}

#[step(chunk = 2, listeners(heard))]
fn load_heard() {
    numbers | save
}

#[job]
fn loading_heard(note: PathBuf) {
    load_heard;
}

#[test]
fn a_dead_run_tells_no_listener() {
    let sandbox = Sandbox::new().unwrap();
    sandbox.fail_at(FailAt::after_chunk("load_heard", 1));
    died(sandbox.run(&loading_heard(sandbox.path("note"))));
    assert!(!sandbox.path("note").exists());
    sandbox.restart().unwrap().completed().unwrap();
    assert!(sandbox.path("note").exists());
}

#[resource]
fn quota() -> Result<RateLimit, InvalidRate> {
    Err(RateLimit::new(0, "1h").unwrap_err())
}

#[processor]
fn limited(number: i64, quota: &RateLimit, step: &StepContext) -> Result<i64, batch_runtime::Stopped> {
    quota.wait(step.stop_signal())?;
    Ok(number)
}

#[step(chunk = 2)]
fn load_limited() {
    numbers | limited | save
}

#[job]
fn loading_limited() {
    load_limited;
}

#[test]
fn a_resource_is_given_in_place_of_its_function_and_its_waits_move_the_time_on() {
    let time = TestClock::fixed("2026-11-23T03:00:00Z".parse().unwrap());
    let sandbox = Sandbox::new().unwrap();
    let limit = RateLimit::new(2, "1h").unwrap().pause(time.clone());
    sandbox.time(&time).resource::<quota>(limit);
    sandbox.run(&loading_limited()).unwrap().completed().unwrap();
    let ended = sandbox.rows("SELECT END_TIME FROM BATCH_JOB_EXECUTION").unwrap();
    assert!(ended[0].starts_with("2026-11-23 05:00:00"), "six calls, two an hour: {ended:?}");
}

#[step(chunk = 1, timeout = "10s")]
fn load_slowly() {
    numbers | save
}

#[job]
fn loading_slowly() {
    load_slowly;
}

#[test]
fn a_time_that_moves_on_makes_a_step_late() {
    let sandbox = Sandbox::new().unwrap();
    sandbox.time(&TestClock::advancing("2026-11-23T03:00:00Z".parse().unwrap(), Duration::from_secs(3)));
    let failed = sandbox.run(&loading_slowly()).unwrap().completed().unwrap_err();
    assert!(failed.to_string().contains("longer than its `timeout` of 10s"), "{failed}");
}

#[step(chunk = 1_000_000, chunk_time = "30m")]
fn load_by_the_hour() {
    numbers | limited | save
}

#[job]
fn loading_by_the_hour() {
    load_by_the_hour;
}

#[test]
fn a_chunk_is_committed_when_its_time_is_up_by_the_clock_of_the_test() {
    let time = TestClock::fixed("2026-11-23T03:00:00Z".parse().unwrap());
    let sandbox = Sandbox::new().unwrap();
    sandbox.time(&time).resource::<quota>(RateLimit::new(2, "1h").unwrap().pause(time.clone()));
    sandbox.run(&loading_by_the_hour()).unwrap().completed().unwrap();
    // The third and the fifth item wait for an hour each.
    assert_eq!(sandbox.rows("SELECT COMMIT_COUNT FROM BATCH_STEP_EXECUTION").unwrap(), ["3"]);
}

#[database]
fn warehouse() -> Result<Sqlite, String> {
    Err("the real warehouse is not for tests".to_owned())
}

#[writer]
fn store(numbers: &[i64], tx: &Transaction<'_, warehouse>) -> rusqlite::Result<()> {
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO number VALUES (?1)", [number]).map(drop))
}

#[step(chunk = 2)]
fn load_warehouse() {
    numbers | store
}

#[job]
fn loading_warehouse() {
    load_warehouse;
}

fn a_warehouse(sandbox: &Sandbox) -> Sqlite {
    Sqlite::open(sandbox.path("w.db")).on_connect(|connection| {
        connection.execute_batch("CREATE TABLE IF NOT EXISTS number (value INTEGER)")
    })
}

#[test]
fn a_database_is_given_in_place_of_its_function() {
    let sandbox = Sandbox::new().unwrap();
    sandbox.database::<warehouse>(a_warehouse(&sandbox)).unwrap();
    sandbox.run(&loading_warehouse()).unwrap().completed().unwrap();
    assert_eq!(sandbox.rows_of("w.db", "SELECT count(*) FROM number").unwrap(), ["6"]);
    StepTest::<load_warehouse>::new().database_of::<warehouse>(a_warehouse(&sandbox)).unwrap().run().unwrap();
    assert_eq!(sandbox.rows_of("w.db", "SELECT count(*) FROM number").unwrap(), ["12"]);
}

#[test]
fn a_step_test_writes_into_the_database_of_the_test() -> Result<(), Failure> {
    let sandbox = Sandbox::new().unwrap();
    StepTest::<load>::new().database(&sandbox.connection().unwrap())?.run()?;
    assert_eq!(sandbox.rows("SELECT value FROM number").unwrap().len(), 6);
    let refused = StepTest::<load>::new().database(&rusqlite::Connection::open_in_memory().unwrap());
    assert!(refused.unwrap_err().to_string().contains("in a file"));
    Ok(())
}

#[step]
fn count(tx: &Transaction<'_>) -> rusqlite::Result<i64> {
    tx.query_row("SELECT count(*) FROM number", [], |row| row.get(0))
}

#[job]
fn counting() {
    load;
    count;
}

#[test]
fn the_output_of_a_step_is_found_by_its_type() {
    let sandbox = Sandbox::new().unwrap();
    let report = sandbox.run(&counting()).unwrap().completed().unwrap();
    assert_eq!(sandbox.output::<count>(report.execution).unwrap(), Some(6));
}

#[reader]
fn bad_lines(input: &Path) -> Result<CsvReader<(i64,)>, ReadError> {
    CsvReader::open(input)
}

#[writer]
fn ignore(_: &[(i64,)]) {}

#[step(chunk = 2)]
fn load_file() {
    bad_lines | ignore
}

#[job]
fn loading_file(input: PathBuf) {
    load_file;
}

#[test]
fn a_failed_job_says_its_cause_component_and_place() {
    let sandbox = Sandbox::new().unwrap();
    let input = sandbox.file("in.csv", "number\n1\ntwo\n").unwrap();
    let failed = sandbox.run(&loading_file(input)).unwrap().completed().unwrap_err();
    let said = format!("{failed:?}");
    for part in ["loading_file failed", "load_file failed", "bad_lines", "in.csv", "line 3", "two"] {
        assert!(said.contains(part), "`{part}` is missing: {said}");
    }
    assert_eq!(failed.status(), BatchStatus::Failed);
}

#[test]
fn contexts_are_made_for_functions_that_ask_for_them() {
    let (step, job) = (testing::step_context(), testing::job_context(&loading()).unwrap());
    step.put("seen", &3).unwrap();
    assert_eq!((step.get("seen").unwrap(), job.job()), (Some(3), "loading"));
}
