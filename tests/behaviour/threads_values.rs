//! Values that processors put into a context while the step's thread writes or commits an earlier chunk.

use std::fmt;

use batch_runtime::Launch;
use batch_runtime::prelude::*;
use batch_runtime::repository::{Commit, Records, Side};
use batch_runtime::testing::{Sandbox, SandboxError};

use crate::splits::{meet, note, ran};

#[derive(Debug)]
enum Trouble {
    Busy,
    Bad,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "busy",
            Self::Bad => "bad",
        })
    }
}

impl std::error::Error for Trouble {}

/// Three chunks of two.
#[reader]
fn numbers() -> impl Iterator<Item = u64> {
    0..6
}

/// Puts values for the first number of the second chunk, as soon as it is told to.
fn put_when_told(number: u64, tag: &str, job: &JobContext, step: &StepContext) -> Result<u64, Failure> {
    if number == 2 {
        meet(tag, "put now").map_err(Failure::new)?;
        job.put("ahead", &1)?;
        job.put("both", &"processor")?;
        step.put("ahead", &1)?;
        note(tag, "put");
    }
    Ok(number)
}

#[processor]
fn ahead(number: u64, tag: &str, job: &JobContext, step: &StepContext) -> Result<u64, Failure> {
    put_when_told(number, tag, job, step)
}

#[processor(concurrency = 4)]
fn ahead_on_a_pool(number: u64, tag: &str, job: &JobContext, step: &StepContext) -> Result<u64, Failure> {
    put_when_told(number, tag, job, step)
}

/// Lets the processor put its values, and waits until it has.
fn let_the_processor_put(tag: &str) -> Result<(), Failure> {
    note(tag, "put now");
    meet(tag, "put").map_err(Failure::new)
}

/// Puts values and fails for the number 1: always if it is bad, or else only the first time. The processor puts its
/// values in the middle of the last call that fails.
#[writer]
fn failing(
    numbers: &[u64],
    _tx: &Transaction<'_>,
    tag: &str,
    bad: bool,
    job: &JobContext,
    step: &StepContext,
) -> anyhow::Result<()> {
    let is_last = !bad || numbers.len() == 1;
    if !numbers.contains(&1) || (!bad && ran(tag).iter().any(|noted| noted == "put")) {
        return Ok(());
    }
    job.put("both", &"writer")?;
    if is_last {
        let_the_processor_put(tag)?;
    }
    job.put("failed", &1)?;
    step.put("failed", &1)?;
    Err(if bad { Trouble::Bad } else { Trouble::Busy }.into())
}

#[writer]
fn nowhere(_numbers: &[u64]) {}

#[step]
fn show(tag: &str, job: &JobContext) -> Result<(), Failure> {
    let ahead = job.get::<u32>("ahead")?;
    let both = job.get::<String>("both")?;
    let failed = job.get::<u32>("failed")?;
    note(tag, format!("ahead {ahead:?}, both {both:?}, failed {failed:?}"));
    Ok(())
}

/// The values of the processor, and none of a rolled-back writer.
const KEPT: &str = r#"ahead Some(1), both Some("processor"), failed None"#;

#[step(chunk = 2, threads = 2)]
fn on_threads() {
    numbers | ahead | nowhere
}

#[job]
fn on_threads_job(tag: String) {
    on_threads;
    show;
}

#[step(chunk = 2)]
fn on_a_pool() {
    numbers | ahead_on_a_pool | nowhere
}

#[job]
fn on_a_pool_job(tag: String) {
    on_a_pool;
    show;
}

/// Runs a job whose processor puts values after the record of the first chunk is composed and before its commit. The
/// run dies after the commit of the second chunk, and is started again.
fn dies_after_values_are_put_during_a_commit(tag: &'static str, launch: &Launch) {
    let sandbox = Sandbox::new().unwrap();
    sandbox.fail_at(move |commit: &Commit, side: Side| match (commit.records, side) {
        (Records::Chunk(1), Side::Before) => {
            let_the_processor_put(tag).unwrap();
            false
        }
        (Records::Chunk(2), Side::After) => true,
        _ => false,
    });
    assert!(matches!(sandbox.run(launch), Err(SandboxError::Died { .. })));
    sandbox.restart().unwrap().completed().unwrap();
}

#[test]
fn a_value_that_a_thread_puts_during_a_commit_is_stored_with_the_next_chunk() {
    let tag = "threads, commit";
    dies_after_values_are_put_during_a_commit(tag, &on_threads_job(tag.to_owned()));
    assert_eq!(ran(tag).last().unwrap(), KEPT);
}

#[test]
fn a_value_that_a_pool_puts_during_a_commit_is_stored_with_the_next_chunk() {
    let tag = "pool, commit";
    dies_after_values_are_put_during_a_commit(tag, &on_a_pool_job(tag.to_owned()));
    assert_eq!(ran(tag).last().unwrap(), KEPT);
}

#[step(chunk = 2, threads = 2, retry(Trouble::Busy, limit = 1), skip(Trouble::Bad))]
fn failing_on_threads() {
    numbers | ahead | failing
}

#[job]
fn failing_on_threads_job(tag: String, bad: bool) {
    failing_on_threads;
    show;
}

#[step(chunk = 2, retry(Trouble::Busy, limit = 1), skip(Trouble::Bad))]
fn failing_on_a_pool() {
    numbers | ahead_on_a_pool | failing
}

#[job]
fn failing_on_a_pool_job(tag: String, bad: bool) {
    failing_on_a_pool;
    show;
}

/// Asserts that a writer's failure takes back its own values and none of the processor's.
fn keeps_the_values_of_the_processor(tag: &str, launch: &Launch) {
    let sandbox = Sandbox::new().unwrap();
    sandbox.run(launch).unwrap().completed().unwrap();
    assert_eq!(ran(tag).last().unwrap(), KEPT);
    let stored = sandbox
        .rows("SELECT SHORT_CONTEXT FROM BATCH_STEP_EXECUTION_CONTEXT ORDER BY STEP_EXECUTION_ID LIMIT 1")
        .unwrap();
    assert!(stored[0].contains("ahead") && !stored[0].contains("failed"), "{stored:?}");
}

#[test]
fn a_chunk_that_is_written_again_keeps_what_another_thread_has_put_meanwhile() {
    let tag = "threads, retry";
    keeps_the_values_of_the_processor(tag, &failing_on_threads_job(tag.to_owned(), false));
}

#[test]
fn an_item_that_cannot_be_written_keeps_what_another_thread_has_put_meanwhile() {
    let tag = "threads, skip";
    keeps_the_values_of_the_processor(tag, &failing_on_threads_job(tag.to_owned(), true));
}

#[test]
fn a_chunk_that_is_written_again_keeps_what_a_pool_has_put_meanwhile() {
    let tag = "pool, retry";
    keeps_the_values_of_the_processor(tag, &failing_on_a_pool_job(tag.to_owned(), false));
}

#[test]
fn an_item_that_cannot_be_written_keeps_what_a_pool_has_put_meanwhile() {
    let tag = "pool, skip";
    keeps_the_values_of_the_processor(tag, &failing_on_a_pool_job(tag.to_owned(), true));
}
