//! A replay reads skipped records again, by their place in the input, through the same step.

use std::fmt;
use std::path::Path;

use batch_runtime::operator::{JobOperator, OperatorError};
use batch_runtime::prelude::*;
use batch_runtime::readers::ReadError;
use batch_runtime::repository::BatchStatus;
use batch_runtime::{JobDefinition as _, Parameters, observe::JobReport};
use std::sync::Arc;

use crate::support::{World, step};

#[derive(Debug, Deserialize)]
struct Payment {
    id: i64,
    cents: i64,
}

#[derive(Debug)]
struct Negative(i64);

impl fmt::Display for Negative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is negative", self.0)
    }
}

impl std::error::Error for Negative {}

#[reader]
fn payments(input: PathBuf) -> Result<CsvReader<Payment>, ReadError> {
    CsvReader::open(input)
}

/// Refuses negative amounts, unless they have been allowed since.
#[processor]
fn positive(payment: Payment, allowed: PathBuf) -> Result<Payment, Negative> {
    if payment.cents < 0 && !allowed.exists() { Err(Negative(payment.cents)) } else { Ok(payment) }
}

#[writer]
fn book(payments: &[Payment], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    payments.iter().try_for_each(|payment| {
        tx.execute("INSERT INTO booked VALUES (?1, ?2)", (payment.id, payment.cents)).map(drop)
    })
}

/// Starts with an empty table.
#[step]
fn table(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch(
        "DROP TABLE IF EXISTS booked;
         CREATE TABLE booked (id INTEGER PRIMARY KEY, cents INTEGER CHECK (cents < 1000))",
    )
}

/// Fails as long as a file says so.
#[step]
fn balance(allowed: PathBuf) -> Result<(), String> {
    if allowed.with_extension("not-yet").exists() { Err("not yet".to_owned()) } else { Ok(()) }
}

#[step(chunk = 4, skip(Negative, ReadError, rusqlite::Error))]
fn book_payments() {
    payments | positive | book
}

#[job]
fn booking(input: PathBuf, #[param(identifying = false)] allowed: PathBuf) {
    table;
    book_payments;
    balance;
}

/// Ten payments: the third and fourth are negative, the sixth is malformed, and the ninth is too large.
fn write_payments(path: &Path) {
    let lines = ["1,10", "2,20", "3,-3", "4,-4", "5,50", "six", "7,70", "8,80", "9,9000", "10,100"];
    std::fs::write(path, format!("id,cents\n{}\n", lines.join("\n"))).unwrap();
}

fn book_all(world: &World) -> (JobOperator, JobReport) {
    write_payments(&world.path("in.csv"));
    let report = world.completes(&booking(world.path("in.csv"), world.path("allowed")));
    (JobOperator::new(Arc::clone(&world.repository)).with_jobs(&[booking::INFO]), report)
}

#[test]
fn a_replay_reads_the_skipped_records_and_nothing_else() {
    let world = World::new();
    let (operator, report) = book_all(&world);
    assert_eq!(step(&report, "book_payments").counters.skips(), 4);
    assert_eq!(world.numbers("SELECT id FROM booked"), [1, 2, 5, 7, 8, 10]);

    std::fs::write(world.path("allowed"), "").unwrap();
    let replay = operator.replay(report.execution, &Parameters::new()).unwrap();
    assert_eq!(replay.status, BatchStatus::Completed, "{}", replay.exit.description);
    let counters = step(&replay, "book_payments").counters;
    assert_eq!((counters.read, counters.write), (3, 2), "three, four and nine are read");
    assert_eq!((counters.read_skip, counters.write_skip), (1, 1), "six and nine are as bad as they were");
    assert_eq!(world.numbers("SELECT id FROM booked"), [1, 2, 3, 4, 5, 7, 8, 10]);
}

#[test]
fn records_skipped_in_a_replay_can_be_replayed_in_turn() {
    let world = World::new();
    let (operator, report) = book_all(&world);
    let first = operator.replay(report.execution, &Parameters::new()).unwrap();
    assert_eq!(step(&first, "book_payments").counters.skips(), 4);

    std::fs::write(world.path("allowed"), "").unwrap();
    let second = operator.replay(first.execution, &Parameters::new()).unwrap();
    assert_eq!(step(&second, "book_payments").counters.write, 2);
    assert_eq!(world.numbers("SELECT id FROM booked"), [1, 2, 3, 4, 5, 7, 8, 10]);
}

#[test]
fn steps_before_the_first_one_that_skipped_are_not_rerun_and_later_ones_are() {
    let world = World::new();
    let (operator, report) = book_all(&world);
    let replay = operator.replay(report.execution, &Parameters::new()).unwrap();
    assert_eq!(replay.passed, ["table"]);
    let run: Vec<_> = replay.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(run, ["book_payments", "balance"]);
    assert_eq!(world.numbers("SELECT id FROM booked"), [1, 2, 5, 7, 8, 10]);
}

#[test]
fn a_failed_replay_is_resumed_where_it_was() {
    let world = World::new();
    let (operator, report) = book_all(&world);
    let not_yet = world.path("allowed.not-yet");
    std::fs::write(world.path("allowed"), "").unwrap();
    std::fs::write(&not_yet, "").unwrap();
    let failed = operator.replay(report.execution, &Parameters::new()).unwrap();
    assert_eq!(failed.status, BatchStatus::Failed);
    std::fs::remove_file(&not_yet).unwrap();
    let restarted = operator.restart(failed.execution).unwrap();
    assert_eq!(restarted.status, BatchStatus::Completed, "{}", restarted.exit.description);
    assert_eq!(restarted.passed, ["table", "book_payments"]);
    assert_eq!(world.numbers("SELECT id FROM booked"), [1, 2, 3, 4, 5, 7, 8, 10]);
}

#[test]
fn a_missing_input_fails_a_replay_and_is_not_skipped() {
    let world = World::new();
    let (operator, report) = book_all(&world);
    std::fs::rename(world.path("in.csv"), world.path("moved.csv")).unwrap();
    let failed = operator.replay(report.execution, &Parameters::new()).unwrap();
    assert_eq!(failed.status, BatchStatus::Failed);
    assert_eq!(step(&failed, "book_payments").counters.skips(), 0);
    assert!(failed.exit.description.contains("cannot open"), "{}", failed.exit.description);
    std::fs::rename(world.path("moved.csv"), world.path("in.csv")).unwrap();
    let again = operator.restart(failed.execution).unwrap();
    assert_eq!(step(&again, "book_payments").counters.skips(), 4, "{}", again.exit.description);
}

#[test]
fn an_execution_is_replayed_once() {
    let world = World::new();
    let (operator, report) = book_all(&world);
    operator.replay(report.execution, &Parameters::new()).unwrap();
    let again = operator.replay(report.execution, &Parameters::new()).unwrap_err();
    assert!(again.to_string().contains("COMPLETED"), "{again}");
}

#[test]
fn an_execution_that_skipped_nothing_is_not_replayed() {
    let world = World::new();
    std::fs::write(world.path("in.csv"), "id,cents\n1,10\n").unwrap();
    let report = world.completes(&booking(world.path("in.csv"), world.path("allowed")));
    let operator = JobOperator::new(Arc::clone(&world.repository)).with_jobs(&[booking::INFO]);
    let refused = operator.replay(report.execution, &Parameters::new()).unwrap_err();
    assert!(matches!(refused, OperatorError::NothingSkipped(..)), "{refused}");
}
