//! Tests the summary of a report: its headline, its tables and its causes.

use super::*;
use crate::definition::{InstanceId, StepExecutionId};
use crate::observe::StepReport;
use crate::repository::{ComponentTime, StepUsage};

fn counters(read: u64, write: u64, commit: u64) -> Counters {
    Counters { read, filter: read - write, write, commit, ..Counters::default() }
}

const MS: u64 = 1_000_000;

/// The profile of a step that took 1,000 ms, 180 of them for its commits, with components that computed all the time.
/// The times are in milliseconds.
fn profile(threads: u32, components: &[(&str, &str, u64)]) -> Profile {
    let of = |(role, name, wall): &(&str, &str, u64)| ComponentTime {
        role: (*role).to_owned(),
        name: (*name).to_owned(),
        wall: *wall * MS,
        cpu: *wall * MS,
    };
    let components = components.iter().chain(&[("commit", "", 180)]).map(of).collect();
    let usage = StepUsage { elapsed: 1_000 * MS, threads, ..StepUsage::default() };
    Profile { components, usage: Some(usage), ..Profile::default() }
}

/// The line of the summary that says where the time of a step with that profile went.
fn time_of(profile: Profile) -> String {
    let text = Summary::from(&report(vec![StepReport { profile: Some(profile), ..load() }])).to_string();
    text.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn the_shares_of_a_step_on_one_thread_add_up_to_its_time() {
    let mut profile = profile(0, &[("reader", "flights", 300), ("writer", "save", 200)]);
    profile.usage = profile.usage.map(|usage| StepUsage { open: 100 * MS, finish: 20 * MS, ..usage });
    assert_eq!(
        time_of(profile),
        "load_delays  flights 30 %, save 20 %, committing 18 %, opening 10 %, finishing 2 %, other 20 %"
    );
}

#[test]
fn the_shares_of_several_threads_are_added_up() {
    let mut profile = profile(4, &[("reader", "flights", 900), ("processor", "late", 2_600)]);
    profile.usage = profile.usage.map(|usage| StepUsage { wait: 700 * MS, ..usage });
    assert_eq!(
        time_of(profile),
        "load_delays  flights 90 %, late 260 %, committing 18 %, waiting 70 % (on 4 more threads)"
    );
}

#[test]
fn a_component_that_hardly_computes_is_said_to_wait() {
    let mut profile = profile(0, &[("reader", "flights", 20), ("processor", "late", 800)]);
    profile.components[1].cpu = 10 * MS;
    assert_eq!(time_of(profile), "load_delays  flights 2 %, late 80 % (mostly waiting), committing 18 %");
}

#[test]
fn memory_that_grows_a_lot_is_reported() {
    let mut profile = profile(0, &[("reader", "flights", 820)]);
    let grown = |growth| {
        move |usage: StepUsage| StepUsage {
            peak_memory: Some(100 << 20),
            memory_growth: Some(growth),
            ..usage
        }
    };
    profile.usage = profile.usage.map(grown(20 << 20));
    assert!(!time_of(profile.clone()).contains("memory"));
    profile.usage = profile.usage.map(grown(40 << 20));
    assert!(time_of(profile).ends_with("; memory grew by 40 MB after its first chunks"));
}

#[test]
fn the_activities_of_an_older_record_are_shown_without_components() {
    let profile = Profile { read: 50, process: 20, write: 10, commit: 20, ..Profile::default() };
    assert_eq!(time_of(profile), "load_delays  reading 50 %, processing 20 %, writing 10 %, committing 20 %");
}

fn load() -> StepReport {
    StepReport {
        name: "load_delays".to_owned(),
        id: StepExecutionId(1),
        status: BatchStatus::Completed,
        exit: ExitStatus::code("COMPLETED"),
        counters: counters(196_776, 6_776, 197),
        before: Counters::default(),
        profile: Some(profile(
            0,
            &[("reader", "flights", 610), ("processor", "late", 90), ("writer", "save", 120)],
        )),
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

time
load_delays  flights 61 %, late 9 %, save 12 %, committing 18 %
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
