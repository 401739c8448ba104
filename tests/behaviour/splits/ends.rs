//! The ends of branches, and of the split with them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use batch_runtime::StopSignal;
use batch_runtime::engine::{self, JobError, RunOptions};
use batch_runtime::prelude::*;
use batch_runtime::repository::{BatchStatus, RepositoryError};

use super::{PATIENCE, meet, names, note, sorted, task, waiting};
use crate::support::{World, step};

#[job]
fn both_failing(tag: String, #[param(identifying = false)] fail: Option<String>) {
    split! {
        { task as left; fail!("left is no good") }
        , { task as right; fail!("right is no better") }
    }
}

#[test]
fn the_failures_of_all_branches_are_reported_in_the_order_of_the_body() {
    let world = World::new();
    let report = world.fails(&both_failing("both_failing".to_owned(), None));
    assert_eq!(report.exit.description, "left is no good; right is no better");
    assert_eq!(sorted("both_failing"), ["left begins", "left ends", "right begins", "right ends"]);
}

#[job]
fn handled(tag: String, fail: Option<String>) {
    split! {
        match task as left {
            Completed => {}
            Failed => task as rescue,
        },
        task as right,
    }
    task as last;
}

#[test]
fn a_failure_that_its_branch_handles_does_not_fail_the_job() {
    let world = World::new();
    let report = world.completes(&handled("handled in a branch".to_owned(), Some("left".to_owned())));
    assert_eq!(names(&report), ["left", "rescue", "right", "last"]);
    assert_eq!(step(&report, "left").status, BatchStatus::Abandoned);
}

#[job]
fn ending(tag: String, #[param(identifying = false)] fail: Option<String>) {
    split! {
        { task as left; end!("ENOUGH") },
        { waiting(after = "left ends") as right; task as later; },
    }
}

#[test]
fn end_in_a_branch_ends_the_job_once_the_others_have_ended() {
    let world = World::new();
    let report = world.completes(&ending("ending".to_owned(), None));
    assert_eq!(report.exit.code, "ENOUGH");
    assert_eq!(names(&report), ["left", "right", "later"]);
}

#[test]
fn a_failure_is_worse_than_an_end() {
    let world = World::new();
    world.fails(&ending("ending worse".to_owned(), Some("later".to_owned())));
    let report = world.completes(&ending("ending worse".to_owned(), None));
    assert_eq!((report.exit.code.as_str(), names(&report)), ("ENOUGH", vec!["later"]));
}

#[job]
fn stopping(tag: String, fail: Option<String>) {
    split! {
        { task as left; stop!("look at it"); task as later; },
        { waiting(after = "left ends") as right; task as other; },
    }
    task as last;
}

#[test]
fn stop_in_a_branch_stops_the_job_after_the_join_and_a_restart_resumes_in_that_branch() {
    let world = World::new();
    let launch = stopping("stopping".to_owned(), None);
    let report = world.run(&launch);
    assert_eq!((report.status, report.exit.description.as_str()), (BatchStatus::Stopped, "look at it"));
    assert_eq!(names(&report), ["left", "right", "other"]);
    assert_eq!(names(&world.completes(&launch)), ["later", "last"]);
}

/// Raises the stop once the other branch is in the middle of its chunks.
#[step]
fn raise(tag: &str, step: &StepContext) -> Result<(), String> {
    meet(tag, "a chunk")?;
    SIGNALS.lock().unwrap()[tag].raise();
    note(tag, "raised");
    assert!(step.is_stopping());
    Ok(())
}

static SIGNALS: Mutex<BTreeMap<String, StopSignal>> = Mutex::new(BTreeMap::new());

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..10
}

/// Before the transaction: in it, the other branch would wait for this one.
#[processor]
fn slow(number: u32, tag: &str) -> Result<u32, String> {
    note(tag, "a chunk");
    meet(tag, "raised").map(|()| number)
}

#[writer]
fn nowhere(_numbers: &[u32]) {}

#[step(chunk = 1)]
fn chunks() {
    numbers | slow | nowhere
}

#[job]
fn stopped(tag: String, fail: Option<String>) {
    split! {
        { raise; task as never; },
        chunks,
    }
    task as last;
}

#[test]
fn a_stop_reaches_all_branches() {
    let world = World::new();
    let (tag, stop) = ("stopped".to_owned(), StopSignal::new());
    SIGNALS.lock().unwrap().insert(tag.clone(), stop.clone());
    let launch = stopped(tag, None);
    let options = RunOptions { stop, ..RunOptions::default() };
    let report = engine::run(&world.repository, &launch, &options).unwrap();
    assert_eq!((report.status, report.exit.description.as_str()), (BatchStatus::Stopped, "asked to stop"));
    assert_eq!(names(&report), ["raise", "chunks"]);
    assert_eq!(step(&report, "chunks").counters.write, 1);
    assert_eq!(names(&world.completes(&launch)), ["never", "chunks", "last"]);
}

#[step]
fn panics(fail: Option<String>) {
    assert!(fail.is_none(), "the branch is sawn off");
}

#[job]
fn panicking(tag: String, #[param(identifying = false)] fail: Option<String>) {
    split! { panics, task as beside }
}

#[test]
fn a_panic_in_a_branch_is_a_failure_of_its_step() {
    let world = World::new();
    let report = world.fails(&panicking("panicking".to_owned(), Some("yes".to_owned())));
    assert!(report.exit.description.contains("the branch is sawn off"), "{}", report.exit.description);
    assert_eq!(step(&report, "beside").status, BatchStatus::Completed);
}

/// Acts like another process that takes the execution over.
#[step]
fn takes_over(batch: &Path) -> rusqlite::Result<()> {
    rusqlite::Connection::open(batch)?.execute("UPDATE BATCH_JOB_OWNER SET EPOCH = EPOCH + 1", []).map(drop)
}

/// Ends only when it is asked to.
#[step]
fn until_stopped(step: &StepContext) -> Result<(), String> {
    let began = Instant::now();
    while !step.is_stopping() {
        if began.elapsed() > PATIENCE {
            return Err("nobody asked to stop".to_owned());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

#[job]
fn until_stopped_within() {
    until_stopped as within;
}

#[job]
fn lost(batch: PathBuf) {
    split! { takes_over, until_stopped, until_stopped_within }
}

#[test]
fn a_branch_that_lost_its_execution_ends_the_others_and_does_not_raise_the_callers_signal() {
    let world = World::new();
    let stop = StopSignal::new();
    let options = RunOptions { stop: stop.clone(), ..RunOptions::default() };
    let ended = engine::run(&world.repository, &lost(world.path("batch.db")), &options);
    assert!(matches!(ended, Err(JobError::Repository(RepositoryError::Fenced { .. }))), "{ended:?}");
    assert!(!stop.is_raised());
}
