//! Steps after a replayed step run in full; steps before it or in parallel with it are not run again.

use std::fs;
use std::sync::Arc;

use batch_runtime::operator::JobOperator;
use batch_runtime::prelude::*;
use batch_runtime::readers::VecReader;
use batch_runtime::repository::BatchStatus;
use batch_runtime::{JobDefinition as _, JobInfo, Launch, Parameters, observe::JobReport};

use crate::support::{World, step};

#[reader]
fn numbers(input: PathBuf) -> Result<CsvReader<i64>, ReadError> {
    CsvReader::open(input)
}

#[derive(Debug, thiserror::Error)]
#[error("{0} is odd")]
struct Odd(i64);

/// Refuses odd numbers, unless they have been allowed since.
#[processor]
fn even(number: i64, input: PathBuf) -> Result<i64, Odd> {
    if number % 2 == 0 || input.with_extension("odd").exists() { Ok(number) } else { Err(Odd(number)) }
}

#[writer]
fn keep(numbers: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO kept VALUES (?1)", [number]).map(drop))
}

/// Starts with an empty table.
#[step]
fn table(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("DROP TABLE IF EXISTS kept; CREATE TABLE kept (number INTEGER)")
}

#[step(chunk = 2, skip(Odd))]
fn load() {
    numbers | even | keep
}

#[reader]
fn all_kept(db: &Connection) -> rusqlite::Result<VecReader<i64>> {
    let mut select = db.prepare("SELECT number FROM kept ORDER BY number")?;
    let kept = select.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    Ok(VecReader::new(kept))
}

#[writer]
fn file(input: PathBuf) -> CsvWriter<i64> {
    CsvWriter::create(input.with_extension("out")).header(["number"]).overwrite(true)
}

#[step(chunk = 2)]
fn publish() {
    all_kept | file
}

#[job]
fn published(input: PathBuf) {
    table;
    load;
    publish;
}

fn run(world: &World, launch: fn(PathBuf) -> Launch) -> JobReport {
    fs::write(world.path("in.csv"), "number\n1\n2\n3\n4\n").unwrap();
    world.completes(&launch(world.path("in.csv")))
}

fn replay(world: &World, job: &'static JobInfo, of: &JobReport) -> Result<JobReport, String> {
    let operator = JobOperator::new(Arc::clone(&world.repository)).with_jobs(&[job]);
    operator.replay(of.execution, &Parameters::new()).map_err(|error| error.to_string())
}

fn allow(world: &World) {
    fs::write(world.path("in.odd"), "").unwrap();
}

fn out(world: &World) -> String {
    fs::read_to_string(world.path("in.out")).unwrap()
}

fn kept(world: &World) -> Vec<i64> {
    world.numbers("SELECT number FROM kept ORDER BY number")
}

#[test]
fn a_step_after_the_replayed_one_reads_everything_that_is_there() {
    let world = World::new();
    let report = run(&world, published);
    assert_eq!(out(&world), "number\n2\n4\n");
    allow(&world);
    let replayed = replay(&world, published::INFO, &report).unwrap();
    assert_eq!(replayed.status, BatchStatus::Completed, "{}", replayed.exit.description);
    assert_eq!(replayed.passed, ["table"]);
    assert_eq!(step(&replayed, "load").counters.read, 2);
    assert_eq!(step(&replayed, "publish").counters.read, 4);
    assert_eq!(out(&world), "number\n1\n2\n3\n4\n");
}

#[step(chunk = 2, skip(Odd))]
fn check() {
    all_kept | even | file
}

#[job]
fn checked(input: PathBuf) {
    table;
    load;
    check;
}

#[test]
fn a_step_with_fault_rules_after_the_replayed_one_runs_in_full_too() {
    let world = World::new();
    let report = run(&world, checked);
    allow(&world);
    let replayed = replay(&world, checked::INFO, &report).unwrap();
    assert_eq!(step(&replayed, "check").counters.read, 4);
    assert_eq!(out(&world), "number\n1\n2\n3\n4\n");
}

#[step(chunk = 2)]
fn load_again() {
    numbers | keep
}

#[job]
fn beside(input: PathBuf) {
    table;
    split!(max = 1; load, load_again);
    publish;
}

#[test]
fn a_branch_parallel_to_the_replayed_step_is_not_run_again() {
    let world = World::new();
    let report = run(&world, beside);
    assert_eq!(kept(&world), [1, 2, 2, 3, 4, 4]);
    allow(&world);
    let replayed = replay(&world, beside::INFO, &report).unwrap();
    assert_eq!(replayed.passed, ["table", "load_again"]);
    assert_eq!(kept(&world), [1, 1, 2, 2, 3, 3, 4, 4]);
    assert_eq!(step(&replayed, "publish").counters.read, 8);
}

#[step(chunk = 2, skip(Odd))]
fn copy() {
    numbers | even | file
}

#[job]
fn copied(input: PathBuf) {
    copy;
}

#[test]
fn a_file_of_the_replayed_step_is_not_replaced_by_its_skipped_records() {
    let world = World::new();
    let report = run(&world, copied);
    allow(&world);
    let replayed = replay(&world, copied::INFO, &report).unwrap();
    assert_eq!(replayed.status, BatchStatus::Failed);
    let why = &replayed.exit.description;
    assert!(why.contains("in.out may hold what the replayed execution wrote"), "{why}");
    assert_eq!(out(&world), "number\n2\n4\n");
}

#[test]
fn a_repaired_input_is_refused_with_what_to_do() {
    let world = World::new();
    let report = run(&world, published);
    fs::write(world.path("in.csv"), "number\n10\n2\n30\n4\n").unwrap();
    let replayed = replay(&world, published::INFO, &report).unwrap();
    assert_eq!(replayed.status, BatchStatus::Failed);
    let why = &replayed.exit.description;
    assert!(why.contains("put repaired records into an input of their own"), "{why}");
    assert_eq!(kept(&world), [2, 4]);
}

mod without_rules {
    use super::*;

    #[step(chunk = 2)]
    fn load() {
        numbers | even | keep
    }

    #[job]
    pub(super) fn published(input: PathBuf) {
        table;
        load;
        publish;
    }
}

mod another_reader {
    use super::*;

    #[reader]
    fn others(input: PathBuf) -> Result<CsvReader<i64>, ReadError> {
        CsvReader::open(input)
    }

    #[step(chunk = 2, skip(Odd))]
    fn load() {
        others | even | keep
    }

    #[job]
    pub(super) fn published(input: PathBuf) {
        table;
        load;
        publish;
    }
}

mod another_way {
    use super::*;

    #[job]
    pub(super) fn published(input: PathBuf) {
        table;
        publish;
    }
}

#[test]
fn a_job_that_no_longer_finds_its_skipped_records_is_not_replayed() {
    let world = World::new();
    let report = run(&world, published);
    allow(&world);
    for (job, says) in [
        (without_rules::published::INFO, "step `load` no longer has `skip`"),
        (another_reader::published::INFO, "step `load` was begun with reader `numbers` (CsvReader)"),
        (another_way::published::INFO, "the job no longer reaches `load` the way that execution did"),
    ] {
        let refused = replay(&world, job, &report).unwrap_err();
        assert!(refused.contains(says), "{refused}");
    }
    assert_eq!(world.numbers("SELECT COUNT(*) FROM BATCH_JOB_EXECUTION"), [1]);
    assert_eq!(kept(&world), [2, 4]);
}

mod renamed {
    use super::*;

    #[step(chunk = 2, skip(Odd), renamed_from = "load")]
    fn load_all() {
        numbers | even | keep
    }

    #[job]
    pub(super) fn published(input: PathBuf) {
        table;
        load_all;
        publish;
    }
}

#[test]
fn a_renamed_step_finds_its_skipped_records() {
    let world = World::new();
    let report = run(&world, published);
    allow(&world);
    let replayed = replay(&world, renamed::published::INFO, &report).unwrap();
    assert_eq!(step(&replayed, "load_all").counters.read, 2);
    assert_eq!(kept(&world), [1, 2, 3, 4]);
}
