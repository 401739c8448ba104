//! The texts of `end!`, `fail!` and `stop!` can contain values of the job.

use std::fmt;
use std::path::PathBuf;

use batch_runtime::graph::{GraphFormat, render};
use batch_runtime::prelude::*;
use batch_runtime::repository::BatchStatus;

use crate::support::World;

#[derive(serde::Serialize, serde::Deserialize, Debug)]
struct Total {
    rows: u64,
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Pads to the width that the text asks for.
        f.pad(&self.rows.to_string())
    }
}

#[step]
fn total(rows: u64) -> Total {
    Total { rows }
}

#[decider]
fn enough(total: &Output<total>, expected: Option<u64>) -> bool {
    expected.is_none_or(|expected| total.rows >= expected)
}

#[job]
fn loading(rows: u64, #[param(identifying = false)] expected: Option<u64>, input: PathBuf) {
    total;
    match enough {
        true => end!("LOADED", "{total} rows of {input}"),
        false => fail!("only {total:>3} rows of {input}, {{expected}} are {expected:?}"),
    }
}

#[test]
fn fail_shows_outputs_and_parameters_by_name() {
    let world = World::new();
    let report = world.fails(&loading(7, Some(9), "/in.csv".into()));
    assert_eq!(report.exit.description, "only   7 rows of /in.csv, {expected} are Some(9)");
    assert_eq!(
        world.texts("SELECT EXIT_MESSAGE FROM BATCH_JOB_EXECUTION"),
        ["only   7 rows of /in.csv, {expected} are Some(9)"]
    );
}

#[test]
fn a_text_after_a_restart_shows_the_output_of_the_passed_step_and_the_new_parameter() {
    let world = World::new();
    world.fails(&loading(7, Some(9), "/in.csv".into()));
    let report = world.fails(&loading(7, Some(8), "/in.csv".into()));
    assert_eq!(report.passed, ["total"]);
    assert_eq!(report.exit.description, "only   7 rows of /in.csv, {expected} are Some(8)");
}

#[test]
fn end_shows_the_reason_after_its_code() {
    let world = World::new();
    let report = world.completes(&loading(7, None, "/in.csv".into()));
    assert_eq!(
        (report.exit.code.as_str(), report.exit.description.as_str()),
        ("LOADED", "7 rows of /in.csv")
    );
}

#[step]
fn approve() {}

#[job]
fn approving(rows: u64, #[param(default = "nobody")] by: String) {
    total as sum;
    stop!("{by} has to look at {sum} rows");
    approve;
    end!("APPROVED", "by {by}, {{{sum}}}");
}

#[test]
fn stop_shows_its_values_and_a_restart_continues_after_it() {
    let world = World::new();
    let launch = approving(12, "Ada".to_owned());
    let report = world.run(&launch);
    assert_eq!(report.status, BatchStatus::Stopped);
    assert_eq!(report.exit.description, "Ada has to look at 12 rows");
    let report = world.completes(&launch);
    assert_eq!(report.passed, ["sum"]);
    assert_eq!(report.exit.description, "by Ada, {12}");
}

#[flow]
fn counted() {
    total;
    fail!("{total} rows too many");
}

#[job]
fn through_a_flow(rows: u64) {
    counted;
}

#[test]
fn a_text_in_a_flow_shows_the_output_of_a_step_of_the_flow() {
    let world = World::new();
    assert_eq!(world.fails(&through_a_flow(3)).exit.description, "3 rows too many");
}

#[job]
fn inner(rows: u64) {
    total;
    fail!("{total} rows in `inner`");
}

#[job]
fn outer(rows: u64) {
    inner;
}

#[test]
fn the_outer_job_reports_the_text_of_a_nested_job() {
    let world = World::new();
    let told = world.fails(&outer(3)).exit.description;
    assert!(told.contains("3 rows in `inner`"), "{told}");
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("cannot be shown")
    }
}

#[step]
fn breaks() -> Broken {
    Broken
}

#[job]
fn breaking() {
    breaks;
    stop!("it is {breaks}");
}

#[test]
fn a_value_that_panics_while_it_is_formatted_fails_the_job_before_the_stop() {
    let world = World::new();
    let report = world.fails(&breaking());
    assert!(report.exit.description.contains("`it is {breaks}`"), "{}", report.exit.description);
    assert!(report.exit.description.contains("cannot be shown"), "{}", report.exit.description);
    world.fails(&breaking());
}

#[test]
fn a_picture_shows_a_text_as_it_is_written() {
    let launch = approving(12, "Ada".to_owned());
    let drawn = render(launch.job, GraphFormat::Text);
    assert!(drawn.contains(" {by} has to look at {sum} rows "), "{drawn}");
    assert!(drawn.contains(" by {by}, {{{sum}}} "), "{drawn}");
}
