//! The body of a job: a journal that a restart replays.

use std::sync::Mutex;

use batch_runtime::prelude::*;
use batch_runtime::repository::{BatchStatus, Commit, Records, Side};
use batch_runtime::testing::{Sandbox, SandboxError};

use crate::support::{World, step};

/// The steps that ran, by the job's `tag`, so that tests that run at the same time do not see each other.
static RAN: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

fn note(tag: &str, what: impl Into<String>) {
    RAN.lock().unwrap().push((tag.to_owned(), what.into()));
}

fn ran(tag: &str) -> Vec<String> {
    RAN.lock().unwrap().iter().filter(|(of, _)| of == tag).map(|(_, what)| what.clone()).collect()
}

#[step]
fn first(tag: &str) {
    note(tag, "first");
}

#[step]
fn second(tag: &str, fail: Option<bool>) -> Result<(), String> {
    note(tag, "second");
    if fail == Some(true) { Err("told to fail".to_owned()) } else { Ok(()) }
}

#[step]
fn third(tag: &str) {
    note(tag, "third");
}

#[step]
fn rescue(tag: &str) {
    note(tag, "rescue");
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quality {
    Good,
    Bad,
}

#[decider]
fn quality(tag: &str, bad: Option<bool>) -> Quality {
    note(tag, "quality");
    if bad == Some(true) { Quality::Bad } else { Quality::Good }
}

#[step]
fn graded(tag: &str, bad: Option<bool>) -> Quality {
    note(tag, "graded");
    if bad == Some(true) { Quality::Bad } else { Quality::Good }
}

#[job]
fn in_order(tag: String, #[param(identifying = false)] fail: Option<bool>) {
    first;
    second;
    third;
}

#[test]
fn steps_run_in_order_and_a_restart_runs_none_that_completed() {
    let world = World::new();
    let tag = "in_order".to_owned();
    let failed = world.fails(&in_order(tag.clone(), Some(true)));
    assert!(failed.exit.description.contains("`second`"), "{}", failed.exit.description);
    assert!(failed.exit.description.contains("told to fail"), "{}", failed.exit.description);
    let report = world.completes(&in_order(tag.clone(), None));
    assert_eq!(ran(&tag), ["first", "second", "second", "third"]);
    assert_eq!(report.passed, ["first"]);
    assert_eq!(report.restarted_from, Some(failed.execution));
}

#[job]
fn routed(
    tag: String,
    #[param(identifying = false)] bad: Option<bool>,
    #[param(identifying = false)] fail: Option<bool>,
) {
    match quality {
        Quality::Good => second,
        Quality::Bad => {
            rescue;
            fail!("the quality is bad")
        }
    }
    third;
}

#[test]
fn a_restart_replays_the_answer_of_a_decider_and_does_not_ask_again() {
    let world = World::new();
    let tag = "replayed".to_owned();
    world.fails(&routed(tag.clone(), None, Some(true)));
    world.completes(&routed(tag.clone(), Some(true), None));
    assert_eq!(ran(&tag), ["quality", "second", "second", "third"]);
}

#[test]
fn fail_ends_the_job_as_failed_with_its_reason() {
    let world = World::new();
    let report = world.fails(&routed("failed".to_owned(), Some(true), None));
    assert_eq!(report.exit.description, "the quality is bad");
    assert_eq!(ran("failed"), ["quality", "rescue"]);
}

#[job]
fn by_value(
    tag: String,
    #[param(identifying = false)] bad: Option<bool>,
    #[param(identifying = false)] fail: Option<bool>,
) {
    match graded {
        Quality::Good => {}
        Quality::Bad => rescue,
    }
    second;
}

#[test]
fn a_tasklet_routes_by_the_value_it_returned_and_a_restart_remembers_the_route() {
    let world = World::new();
    let tag = "by_value".to_owned();
    world.fails(&by_value(tag.clone(), Some(true), Some(true)));
    world.completes(&by_value(tag.clone(), Some(false), None));
    assert_eq!(ran(&tag), ["graded", "rescue", "second", "second"]);
}

#[job]
fn handled(tag: String, fail: Option<bool>) {
    match second {
        Completed => third,
        Failed => rescue,
    }
}

#[test]
fn a_handled_failure_abandons_the_step_and_completes_the_job() {
    let world = World::new();
    let report = world.completes(&handled("handled".to_owned(), Some(true)));
    assert_eq!(ran("handled"), ["second", "rescue"]);
    assert_eq!(step(&report, "second").status, BatchStatus::Abandoned);
}

#[test]
fn a_step_that_completes_takes_the_arm_of_completed() {
    let world = World::new();
    world.completes(&handled("not handled".to_owned(), None));
    assert_eq!(ran("not handled"), ["second", "third"]);
}

#[decider]
fn more(tag: &str) -> bool {
    let pages = ran(tag).iter().filter(|what| *what == "page").count();
    note(tag, "more");
    pages < 3
}

#[step]
fn page(tag: &str, step: &StepContext, fail_page: Option<String>) -> Result<(), String> {
    if fail_page.as_deref() == Some(step.step()) {
        return Err(format!("{} was told to fail", step.step()));
    }
    note(tag, "page");
    Ok(())
}

#[job]
fn paged(tag: String, #[param(identifying = false)] fail_page: Option<String>) {
    while more {
        page;
    }
    third;
}

#[test]
fn each_iteration_of_a_loop_is_its_own_step_execution_and_a_restart_resumes_the_one_that_failed() {
    let world = World::new();
    let tag = "paged".to_owned();
    world.fails(&paged(tag.clone(), Some("page[2]".to_owned())));
    world.completes(&paged(tag.clone(), None));
    assert_eq!(ran(&tag), ["more", "page", "more", "page", "more", "page", "more", "third"]);
    assert_eq!(
        world.texts("SELECT STEP_NAME || ' ' || STATUS FROM BATCH_STEP_EXECUTION ORDER BY STEP_EXECUTION_ID"),
        ["page[1] COMPLETED", "page[2] FAILED", "page[2] COMPLETED", "page[3] COMPLETED", "third COMPLETED"],
    );
}

#[job]
fn looped(tag: String) {
    loop {
        first;
        match quality_of_third_round {
            Quality::Good => {}
            Quality::Bad => break,
        }
    }
    third;
}

#[decider]
fn quality_of_third_round(tag: &str) -> Quality {
    let rounds = ran(tag).iter().filter(|what| *what == "first").count();
    if rounds < 3 { Quality::Good } else { Quality::Bad }
}

/// Counts its calls in the job's context.
#[decider]
fn fewer_than_two(job: &JobContext) -> Result<bool, Failure> {
    let rounds: u32 = job.get("rounds")?.unwrap_or(0);
    job.put("rounds", &(rounds + 1))?;
    Ok(rounds < 2)
}

#[step]
fn counted_round(tag: &str) {
    note(tag, "round");
}

#[job]
fn counted(tag: String) {
    while fewer_than_two {
        counted_round;
    }
}

#[test]
fn the_values_that_a_decider_has_put_are_stored_with_its_answer() {
    let sandbox = Sandbox::new().unwrap();
    sandbox.fail_at(|commit: &Commit, side: Side| (commit.records, side) == (Records::Decision, Side::After));
    let tag = "counted".to_owned();
    assert!(matches!(sandbox.run(&counted(tag.clone())), Err(SandboxError::Died { .. })));
    sandbox.restart().unwrap().completed().unwrap();
    assert_eq!(ran(&tag), ["round", "round"]);
}

#[test]
fn a_loop_runs_until_it_breaks() {
    let world = World::new();
    world.completes(&looped("looped".to_owned()));
    assert_eq!(ran("looped"), ["first", "first", "first", "third"]);
}

#[job]
fn stopping(tag: String) {
    first;
    stop!("look at it first");
    third;
}

#[test]
fn a_restart_continues_after_a_stop() {
    let world = World::new();
    let launch = stopping("stopping".to_owned());
    let report = world.run(&launch);
    assert_eq!((report.status, report.exit.description.as_str()), (BatchStatus::Stopped, "look at it first"));
    world.completes(&launch);
    assert_eq!(ran("stopping"), ["first", "third"]);
}

#[job]
fn ending(tag: String, bad: Option<bool>) {
    match quality {
        Quality::Good => end!("NOTHING_TO_DO"),
        Quality::Bad => {}
    }
    third;
}

#[test]
fn end_completes_the_job_with_its_code_and_runs_nothing_after_it() {
    let world = World::new();
    let report = world.completes(&ending("ending".to_owned(), None));
    assert_eq!(report.exit.code, "NOTHING_TO_DO");
    assert_eq!(ran("ending"), ["quality"]);
}

#[flow]
fn tail() {
    second;
    third;
}

#[job]
fn with_flow(tag: String, #[param(identifying = false)] fail: Option<bool>) {
    first;
    tail;
}

#[test]
fn the_steps_of_a_flow_are_steps_of_the_job() {
    let world = World::new();
    let tag = "with_flow".to_owned();
    world.fails(&with_flow(tag.clone(), Some(true)));
    world.completes(&with_flow(tag.clone(), None));
    assert_eq!(ran(&tag), ["first", "second", "second", "third"]);
}

#[job]
fn inner(tag: String, #[param(identifying = false)] fail: Option<bool>) {
    first;
    second;
}

#[job]
fn outer(tag: String, #[param(identifying = false)] fail: Option<bool>) {
    inner;
    third;
}

#[test]
fn a_nested_job_is_its_own_instance_and_restarts_with_the_outer_one() {
    let world = World::new();
    let tag = "outer".to_owned();
    world.fails(&outer(tag.clone(), Some(true)));
    let report = world.completes(&outer(tag.clone(), None));
    assert_eq!(ran(&tag), ["first", "second", "second", "third"]);
    assert_eq!(step(&report, "inner/second").status, BatchStatus::Completed);
    assert_eq!(world.numbers("SELECT count(*) FROM BATCH_JOB_INSTANCE"), [2]);
    assert_eq!(world.numbers("SELECT count(*) FROM BATCH_JOB_EXECUTION"), [4]);
}

#[derive(Debug, serde::Serialize, serde::Deserialize, PartialEq, Eq, Clone)]
struct Total {
    sum: u64,
}

#[step]
fn sum_up(tag: &str) -> Total {
    note(tag, "sum_up");
    Total { sum: 42 }
}

#[step]
fn report_total(tag: &str, total: &Output<sum_up>, fail: Option<bool>) -> Result<(), String> {
    note(tag, format!("total {}", total.sum));
    if fail == Some(true) { Err("told to fail".to_owned()) } else { Ok(()) }
}

#[job]
fn totals(tag: String, #[param(identifying = false)] fail: Option<bool>) {
    sum_up;
    report_total;
}

#[test]
fn the_output_of_a_tasklet_reaches_later_steps_even_after_a_restart() {
    let world = World::new();
    let tag = "totals".to_owned();
    world.fails(&totals(tag.clone(), Some(true)));
    world.completes(&totals(tag.clone(), None));
    assert_eq!(ran(&tag), ["sum_up", "total 42", "total 42"]);
}

#[step(allow_start_if_complete = true)]
fn always(tag: &str) {
    note(tag, "always");
}

#[step(start_limit = 2)]
fn seldom(tag: &str, fail: Option<bool>) -> Result<(), String> {
    note(tag, "seldom");
    if fail == Some(true) { Err("told to fail".to_owned()) } else { Ok(()) }
}

#[job]
fn limited(tag: String, #[param(identifying = false)] fail: Option<bool>) {
    always;
    seldom;
}

#[test]
fn a_step_that_may_start_again_does_and_a_start_limit_is_enforced() {
    let world = World::new();
    let tag = "limited".to_owned();
    world.fails(&limited(tag.clone(), Some(true)));
    world.fails(&limited(tag.clone(), Some(true)));
    let report = world.fails(&limited(tag.clone(), None));
    assert_eq!(ran(&tag), ["always", "seldom", "always", "seldom", "always"]);
    assert!(report.exit.description.contains("start_limit"), "{}", report.exit.description);
}

#[step]
fn named(tag: &str, region: &str) {
    note(tag, region);
}

#[job]
fn twice(tag: String, home: String) {
    named(region = "eu") as named_eu;
    named(region = home) as named_home;
}

#[test]
fn a_step_runs_twice_under_two_names_with_its_bindings() {
    let world = World::new();
    let report = world.completes(&twice("twice".to_owned(), "nz".to_owned()));
    assert_eq!(ran("twice"), ["eu", "nz"]);
    assert_eq!(
        report.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(),
        ["named_eu", "named_home"]
    );
}

#[step]
fn collects(tag: &str, files: u64) -> Result<Exit, String> {
    note(tag, "collects");
    Ok(match files {
        0 => Exit::code("NOTHING_TO_DO").because("there are no new files"),
        count => Exit::completed().because(format!("{count} files")),
    })
}

#[job]
fn collecting(tag: String, files: u64, #[param(identifying = false)] fail: Option<bool>) {
    match collects {
        Completed => {}
        Failed => rescue,
    }
    second;
}

#[test]
fn a_tasklet_that_returns_an_exit_is_still_complete() {
    let world = World::new();
    let report = world.fails(&collecting("none".to_owned(), 0, Some(true)));
    let exit = &step(&report, "collects").exit;
    assert_eq!((exit.code.as_str(), exit.description.as_str()), ("NOTHING_TO_DO", "there are no new files"));
    let stored = "SELECT STATUS || ' ' || EXIT_CODE || ': ' || EXIT_MESSAGE FROM BATCH_STEP_EXECUTION WHERE STEP_NAME = 'collects'";
    assert_eq!(world.texts(stored), ["COMPLETED NOTHING_TO_DO: there are no new files"]);
    let journalled = "SELECT OUTCOME || ' ' || EXIT_CODE FROM BATCH_JOURNAL WHERE PATH = 'collects'";
    assert_eq!(world.texts(journalled), ["COMPLETED NOTHING_TO_DO"]);
    let report = world.completes(&collecting("none".to_owned(), 0, None));
    assert_eq!(report.passed, ["collects"]);
    let report = world.completes(&collecting("some".to_owned(), 3, None));
    assert_eq!(step(&report, "collects").exit.code, "COMPLETED");
    assert_eq!(step(&report, "collects").exit.description, "3 files");
}
