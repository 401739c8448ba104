//! A restart that begins at a given step.

use std::sync::{Arc, Mutex};

use batch_runtime::operator::{JobOperator, OperatorError, RestartFrom};
use batch_runtime::prelude::*;
use batch_runtime::repository::{BatchStatus, RepositoryError};
use batch_runtime::writers::JsonLinesWriter;
use batch_runtime::{ExecutionId, Launch, Parameters};

use crate::support::{World, step};

/// The steps that ran, by the job's `tag`.
static RAN: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

fn note(tag: &str, what: &str) {
    RAN.lock().unwrap().push((tag.to_owned(), what.to_owned()));
}

/// Returns the steps that ran since the last call.
fn ran(tag: &str) -> Vec<String> {
    let mut ran = RAN.lock().unwrap();
    let (of, others) = ran.drain(..).partition(|(of, _)| of == tag);
    *ran = others;
    of.into_iter().map(|(_, what): (String, String)| what).collect()
}

#[step]
fn task(tag: &str, step: &StepContext, fail: Option<String>) -> Result<(), String> {
    note(tag, step.step());
    if fail.as_deref() == Some(step.step()) { Err("told to".to_owned()) } else { Ok(()) }
}

#[step]
fn made(tag: &str, step: &StepContext) -> u64 {
    note(tag, step.step());
    RAN.lock().unwrap().len().try_into().unwrap_or(0)
}

#[decider]
fn again(tag: &str) -> bool {
    note(tag, "again?");
    true
}

fn from(world: &World, launch: &Launch, step: &str) -> Result<BatchStatus, String> {
    begin(world, launch, &RestartFrom::step(step))
}

fn begin(world: &World, launch: &Launch, from: &RestartFrom) -> Result<BatchStatus, String> {
    let operator = JobOperator::new(Arc::clone(&world.repository)).with_jobs(&[launch.job]);
    let last = world.numbers(&format!(
        "SELECT MAX(JOB_EXECUTION_ID) FROM BATCH_JOB_EXECUTION JOIN BATCH_JOB_INSTANCE USING (JOB_INSTANCE_ID)
         WHERE JOB_NAME = '{}'",
        launch.job.name
    ));
    match operator.restart_from(ExecutionId(last[0]), from, &launch.parameters) {
        Ok(report) => Ok(report.status),
        Err(OperatorError::Repository(RepositoryError::CannotBegin { what, .. })) => Err(what),
        Err(other) => panic!("{other}"),
    }
}

#[job]
fn in_order(tag: String, #[param(identifying = false)] fail: Option<String>) {
    task as a;
    made as b;
    match again {
        true => task as c,
        false => task as other,
    }
    task as d;
}

fn failed(tag: &str, at: &str) -> (World, Launch) {
    let world = World::new();
    world.fails(&in_order(tag.to_owned(), Some(at.to_owned())));
    ran(tag);
    (world, in_order(tag.to_owned(), Some(String::new())))
}

#[test]
fn the_step_and_all_after_it_run_again_and_what_is_before_it_stays() {
    let (world, launch) = failed("order", "d");
    assert_eq!(from(&world, &launch, "b"), Ok(BatchStatus::Completed));
    assert_eq!(ran("order"), ["b", "again?", "c", "d"]);
}

#[test]
fn a_decision_before_the_step_stays() {
    let (world, launch) = failed("decided", "d");
    assert_eq!(from(&world, &launch, "c"), Ok(BatchStatus::Completed));
    assert_eq!(ran("decided"), ["c", "d"]);
}

#[test]
fn the_restart_after_a_failed_one_resumes_where_that_one_was() {
    let (world, mut launch) = failed("goes on", "d");
    launch.parameters = in_order("goes on".to_owned(), Some("c".to_owned())).parameters;
    assert_eq!(from(&world, &launch, "b"), Ok(BatchStatus::Failed));
    assert_eq!(ran("goes on"), ["b", "again?", "c"]);
    world.completes(&in_order("goes on".to_owned(), None));
    assert_eq!(ran("goes on"), ["c", "d"]);
}

#[test]
fn an_unknown_step_is_refused_with_the_nearest() {
    let (world, launch) = failed("unknown", "d");
    let what = from(&world, &launch, "othr").unwrap_err();
    assert_eq!(what, "the job has no step `othr`; did you mean `other`?");
    assert_eq!(ran("unknown"), [] as [&str; 0]);
    assert_eq!(world.numbers("SELECT count(*) FROM BATCH_JOB_EXECUTION"), [1]);
}

#[test]
fn a_step_that_the_path_does_not_reach_is_refused() {
    let (world, launch) = failed("elsewhere", "d");
    let what = from(&world, &launch, "other").unwrap_err();
    assert!(what.contains("does not reach `other`"), "{what}");
}

#[test]
fn a_step_after_one_that_is_not_complete_is_refused_unless_forced() {
    let world = World::new();
    let launch = passing("over".to_owned(), Some("a".to_owned()));
    world.fails(&launch);
    ran("over");
    let what = from(&world, &launch, "c").unwrap_err();
    assert!(
        what.contains("`a`, `b`, which come before `c`, are not complete") && what.contains("--force"),
        "{what}"
    );
    let forced = RestartFrom::step("c").force(true);
    assert_eq!(begin(&world, &launch, &forced), Ok(BatchStatus::Completed));
    assert_eq!(ran("over"), ["c"]);
}

#[job]
fn passing(tag: String, #[param(identifying = false)] fail: Option<String>) {
    task as a;
    task as b;
    task as c;
}

#[job]
fn looping(tag: String, #[param(identifying = false)] fail: Option<String>) {
    loop {
        task as page;
        match third {
            true => break,
            false => {}
        }
    }
    task as last;
}

#[decider]
fn third(tag: &str) -> bool {
    RAN.lock().unwrap().iter().any(|(of, what)| of == tag && what == "page[3]")
}

#[test]
fn a_step_in_a_loop_is_named_with_its_iteration() {
    let world = World::new();
    let launch = looping("loop".to_owned(), Some("last".to_owned()));
    world.fails(&launch);
    assert_eq!(ran("loop"), ["page[1]", "page[2]", "page[3]", "last"]);
    let what = from(&world, &launch, "page").unwrap_err();
    assert!(what.ends_with("ran as `page[1]`, `page[2]`, `page[3]`"), "{what}");
    assert_eq!(from(&world, &launch, "page[2]"), Ok(BatchStatus::Failed));
    assert_eq!(ran("loop"), ["page[2]", "page[3]", "last"]);
}

#[job]
fn branching(tag: String, #[param(identifying = false)] fail: Option<String>) {
    split! {
        { task as left; task as left_end },
        { task as right; task as right_end },
    }
    task as last;
}

#[test]
fn a_step_in_a_branch_leaves_the_other_branches_as_they_are() {
    let world = World::new();
    let launch = branching("branch".to_owned(), Some("last".to_owned()));
    world.fails(&launch);
    ran("branch");
    assert_eq!(from(&world, &launch, "right_end"), Ok(BatchStatus::Failed));
    assert_eq!(ran("branch"), ["right_end", "last"]);
}

#[job]
fn inner(tag: String, #[param(identifying = false)] fail: Option<String>) {
    task as first;
    task as second;
}

#[job]
fn outer(tag: String, #[param(identifying = false)] fail: Option<String>) {
    inner;
    task as last;
}

#[test]
fn a_nested_job_runs_again_as_a_whole_and_a_step_in_it_is_refused() {
    for fail in ["second", "last"] {
        let world = World::new();
        let launch = outer(fail.to_owned(), Some(fail.to_owned()));
        world.fails(&launch);
        ran(fail);
        let what = from(&world, &launch, "inner/second").unwrap_err();
        assert!(what.ends_with("begin at `inner`"), "{what}");
        assert_eq!(from(&world, &launch, "inner"), Ok(BatchStatus::Failed));
        assert_eq!(ran(fail)[..2], ["first", "second"]);
        assert_eq!(world.numbers("SELECT count(*) FROM BATCH_JOB_INSTANCE"), [3]);
    }
}

#[reader]
fn numbers() -> impl Iterator<Item = i64> {
    1..=10
}

#[writer]
fn save(numbers: &[i64], tx: &Transaction<'_>, fail_at: Option<i64>) -> Result<(), anyhow::Error> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS saved (number INTEGER)")?;
    for number in numbers {
        anyhow::ensure!(fail_at != Some(*number), "told to");
        tx.execute("INSERT INTO saved VALUES (?1)", [number])?;
    }
    Ok(())
}

#[writer]
fn lines(output: PathBuf) -> JsonLinesWriter<i64> {
    JsonLinesWriter::create(output).overwrite(true)
}

#[step(chunk = 4)]
fn load() {
    numbers | (save, lines)
}

#[job]
fn loading(
    output: PathBuf,
    tag: String,
    #[param(identifying = false)] fail_at: Option<i64>,
    #[param(identifying = false)] fail: Option<String>,
) {
    load;
    task as last;
}

#[test]
fn a_step_that_runs_again_begins_with_nothing_whether_it_is_complete_or_not() {
    for (fail_at, fail) in [(Some(6), ""), (None, "last")] {
        let world = World::new();
        let output = world.path("out.jsonl");
        let launch =
            |fail_at, fail: &str| loading(output.clone(), "rows".to_owned(), fail_at, Some(fail.to_owned()));
        world.fails(&launch(fail_at, fail));
        let before = world.numbers("SELECT count(*) FROM saved")[0];
        // The rows are written once more. With `None`, the restart would keep the earlier value of the parameter.
        let came = from(&world, &launch(Some(99), ""), "load");
        assert_eq!(
            came,
            Ok(BatchStatus::Completed),
            "{fail_at:?} {:?}",
            world.texts("SELECT EXIT_MESSAGE FROM BATCH_JOB_EXECUTION")
        );
        assert_eq!(world.numbers("SELECT count(*) FROM saved"), [before + 10]);
        assert_eq!(std::fs::read_to_string(&output).unwrap().lines().count(), 10);
    }
}

#[test]
fn a_step_that_was_to_run_again_and_was_not_reached_begins_with_nothing_in_the_next_restart() {
    let world = World::new();
    let launch = |fail: &str, fail_at| two_loads("later".to_owned(), Some(fail.to_owned()), Some(fail_at));
    world.fails(&launch("", 6));
    assert_eq!(from(&world, &launch("first", 99), "first"), Ok(BatchStatus::Failed));
    let report = world.completes(&launch("", 99));
    assert_eq!(step(&report, "store").counters.read, 10);
}

#[step(chunk = 4)]
fn store() {
    numbers | save
}

#[job]
fn two_loads(
    tag: String,
    #[param(identifying = false)] fail: Option<String>,
    #[param(identifying = false)] fail_at: Option<i64>,
) {
    task as first;
    store;
}

#[test]
fn a_complete_instance_stays_complete() {
    let world = World::new();
    let launch = passing("complete".to_owned(), None);
    let report = world.completes(&launch);
    let operator = JobOperator::new(Arc::clone(&world.repository)).with_jobs(&[launch.job]);
    let refused = operator.restart_from(report.execution, &RestartFrom::step("b"), &Parameters::new());
    assert!(matches!(refused, Err(OperatorError::Repository(RepositoryError::AlreadyComplete { .. }))));
}
