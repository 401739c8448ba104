//! A report describes a failure in parts: the component, the operation, the place, the record and the reason.

use std::io;

use batch_runtime::Phase;
use batch_runtime::observe::{JobReport, StepFailure};
use batch_runtime::prelude::*;
use serde::Deserialize;

use crate::support::{World, step};

#[derive(Debug, Clone, Deserialize)]
struct Row {
    number: u32,
}

#[reader]
fn rows(input: PathBuf) -> Result<CsvReader<Row>, ReadError> {
    CsvReader::open(input)
}

#[processor]
fn checked(row: Row, at: &str) -> io::Result<Row> {
    assert!(at != "panic" || row.number != 3, "the processor is broken");
    if at == "processor" && row.number == 3 { Err(io::Error::other("no such number")) } else { Ok(row) }
}

#[writer]
fn keep(rows: &[Row], at: &str) -> io::Result<()> {
    if at == "writer" && rows.iter().any(|row| row.number == 3) {
        return Err(io::Error::other("no room"));
    }
    Ok(())
}

#[step(chunk = 2)]
fn load() {
    rows | checked | keep
}

#[step]
fn wrap_up(at: &str) -> io::Result<()> {
    if at == "tasklet" { Err(io::Error::other("not today")) } else { Ok(()) }
}

#[job]
fn told(input: PathBuf, at: String) {
    load;
    wrap_up;
}

#[job]
fn handled(input: PathBuf, at: String) {
    match load {
        Completed => {}
        Failed => wrap_up,
    }
}

const GOOD: &str = "number\n1\n2\n3\n";

fn run(content: &str, at: &str) -> JobReport {
    let world = World::new();
    let input = world.path("in.csv");
    std::fs::write(&input, content).expect("the folder is there");
    world.fails(&told(input, at.to_owned()))
}

fn failure<'r>(report: &'r JobReport, name: &str) -> &'r StepFailure {
    step(report, name).failure.as_ref().expect("the step has failed")
}

#[test]
fn an_unreadable_record_is_reported_with_its_place_and_its_text() {
    let report = run("number\n1\nx\n", "nowhere");
    let failure = failure(&report, "load");
    assert_eq!((failure.component.as_deref(), failure.phase), (Some("rows"), Some(Phase::Read)));
    assert!(
        failure.location.as_deref().is_some_and(|place| place.ends_with("in.csv, line 3")),
        "{failure:?}"
    );
    assert_eq!(failure.record.as_deref(), Some("x"));
    assert!(failure.error.contains("column `number`"), "{failure:?}");
    assert!(!failure.panicked);
}

#[test]
fn the_error_of_a_processor_is_reported_separately_from_its_place() {
    let report = run(GOOD, "processor");
    let failure = failure(&report, "load");
    assert_eq!((failure.component.as_deref(), failure.phase), (Some("checked"), Some(Phase::Process)));
    assert_eq!(failure.error, "no such number");
    assert!(
        failure.location.as_deref().is_some_and(|place| place.ends_with("in.csv, line 4")),
        "{failure:?}"
    );
}

#[test]
fn the_error_of_a_writer_is_reported() {
    let report = run(GOOD, "writer");
    let failure = failure(&report, "load");
    assert_eq!((failure.component.as_deref(), failure.phase), (Some("keep"), Some(Phase::Write)));
    assert_eq!(failure.error, "no room");
}

#[test]
fn a_panic_is_reported_as_one_with_its_place_in_the_source() {
    let report = run(GOOD, "panic");
    let failure = failure(&report, "load");
    assert_eq!((failure.component.as_deref(), failure.phase), (Some("checked"), Some(Phase::Process)));
    assert!(failure.panicked);
    assert!(failure.error.starts_with("panicked at "), "{failure:?}");
    assert!(failure.error.ends_with("the processor is broken"), "{failure:?}");
}

#[test]
fn the_error_of_a_tasklet_is_reported_and_the_step_before_it_has_no_failure() {
    let report = run(GOOD, "tasklet");
    assert_eq!(step(&report, "load").failure, None);
    let failure = failure(&report, "wrap_up");
    assert_eq!((failure.component.as_deref(), failure.phase), (Some("wrap_up"), Some(Phase::Tasklet)));
    assert_eq!((failure.error.as_str(), failure.location.as_deref()), ("not today", None));
}

#[test]
fn a_failure_that_the_job_handles_is_reported_too() {
    let world = World::new();
    let input = world.path("in.csv");
    std::fs::write(&input, GOOD).expect("the folder is there");
    let report = world.completes(&handled(input, "writer".to_owned()));
    assert_eq!(failure(&report, "load").error, "no room");
}
