//! The summary of a report: its headline, its tables and its causes.

use super::*;
use crate::definition::{InstanceId, StepExecutionId};
use crate::observe::StepReport;

fn counters(read: u64, write: u64, commit: u64) -> Counters {
    Counters { read, filter: read - write, write, commit, ..Counters::default() }
}

fn load() -> StepReport {
    StepReport {
        name: "load_delays".to_owned(),
        id: StepExecutionId(1),
        status: BatchStatus::Completed,
        exit: ExitStatus::code("COMPLETED"),
        counters: counters(196_776, 6_776, 197),
        before: Counters::default(),
        profile: Some(Profile { read: 610, process: 90, write: 120, commit: 180 }),
        elapsed: Duration::from_millis(1_900),
        remedy: None,
        failure: None,
    }
}

fn report(steps: Vec<StepReport>) -> JobReport {
    JobReport {
        job: "flight_delays".to_owned(),
        instance: InstanceId(1),
        execution: ExecutionId(2),
        restarted_from: None,
        recovered: None,
        status: BatchStatus::Completed,
        exit: ExitStatus::code("COMPLETED"),
        durability: Durability::Machine,
        steps,
        passed: Vec::new(),
        elapsed: Duration::from_millis(1_940),
    }
}

fn failed(why: &str) -> ExitStatus {
    ExitStatus::code("FAILED").because(why)
}

#[test]
fn a_restarted_step_shows_earlier_and_total_work() {
    let step = StepReport { before: counters(140_000, 4_000, 140), ..load() };
    let report = JobReport { restarted_from: Some(ExecutionId(1)), ..report(vec![step]) };
    assert_eq!(
        Summary::from(&report).to_string(),
        "\
flight_delays completed in 1.9 s (execution 2, continues execution 1)

step         status        read  filtered  written  skipped  commits   time  items/s
load_delays  completed  196,776   190,000    6,776        0      197  1.9 s  103,566
  before                140,000   136,000    4,000        0      140
  in all                336,776   326,000   10,776        0      337

time         reading  processing  writing  committing
load_delays     61 %         9 %     12 %        18 %
"
    );
}

#[test]
fn the_cause_of_a_failure_is_reported_once() {
    let why = "reading in `flights`: flights.csv, line 17: a number is expected";
    let step = StepReport { status: BatchStatus::Failed, exit: failed(why), ..load() };
    let report = JobReport {
        status: BatchStatus::Failed,
        exit: failed(&format!("load_delays: {why}")),
        ..report(vec![step])
    };
    assert_eq!(Summary::from(&report).causes(), [format!("load_delays failed: {why}")]);
}

#[test]
fn the_cause_of_a_nested_jobs_failure_is_reported_once() {
    let step = |name: &str, why: &str| StepReport {
        name: name.to_owned(),
        status: BatchStatus::Failed,
        exit: failed(why),
        ..load()
    };
    let steps = vec![step("nightly/load", "bad line"), step("nightly", "step `nightly/load`: bad line")];
    let report = JobReport {
        status: BatchStatus::Failed,
        exit: failed("step `nightly`: step `nightly/load`: bad line"),
        ..report(steps)
    };
    assert_eq!(Summary::from(&report).causes(), ["nightly/load failed: bad line"]);
}

#[test]
fn the_failure_of_another_branch_is_reported_with_the_failed_step() {
    let step = StepReport { status: BatchStatus::Failed, exit: failed("bad line; and more"), ..load() };
    let report = JobReport {
        status: BatchStatus::Failed,
        exit: failed("step `load_delays`: bad line; and more; too many are late"),
        ..report(vec![step])
    };
    assert_eq!(
        Summary::from(&report).causes(),
        ["load_delays failed: bad line; and more", "flight_delays failed: too many are late"]
    );
}

#[test]
fn a_failure_outside_of_steps_is_the_jobs() {
    let report =
        JobReport { status: BatchStatus::Failed, exit: failed("too many are late"), ..report(vec![load()]) };
    assert_eq!(Summary::from(&report).causes(), ["flight_delays failed: too many are late"]);
}

#[test]
fn a_failure_that_the_job_handled_is_not_its_cause() {
    let step = StepReport { status: BatchStatus::Abandoned, exit: failed("bad line"), ..load() };
    let summary = Summary::from(&report(vec![step]));
    assert_eq!(summary.causes(), Vec::<String>::new());
    assert!(summary.tables().contains("load_delays  failed, handled"), "{}", summary.tables());
}

#[test]
fn a_headline_names_unusual_facts() {
    let owner = Owner {
        uuid: String::new(),
        host: "host-7".to_owned(),
        pid: 4_711,
        start_ticks: 0,
        boot_id: String::new(),
    };
    let report = JobReport {
        recovered: Some(owner),
        durability: Durability::Process,
        exit: ExitStatus::code("NOTHING_NEW"),
        ..report(Vec::new())
    };
    assert_eq!(
        Summary::from(&report).headline(),
        "flight_delays completed as NOTHING_NEW in 1.9 s (execution 2, taken over from the dead process 4711 \
         on host-7, commits survive a crash of the process, but not of the machine)"
    );
}

#[test]
fn steps_that_were_complete_are_named() {
    let report = JobReport { passed: vec!["extract".to_owned(), "load".to_owned()], ..report(Vec::new()) };
    assert_eq!(Summary::from(&report).tables(), "already complete: extract, load\n");
}

#[test]
fn a_step_that_was_never_measured_has_no_shares_of_time() {
    let step = StepReport { profile: None, counters: counters(0, 0, 1), ..load() };
    assert_eq!(
        Summary::from(&report(vec![step])).tables(),
        "\
step         status     read  filtered  written  skipped  commits   time  items/s
load_delays  completed     0         0        0        0        1  1.9 s
"
    );
}
