//! The changes that a failed call makes to a state are undone.

use batch_runtime::prelude::*;

use super::script::*;
use crate::support::{World, step};

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Seen {
    count: i64,
    sum: i64,
}

/// Counts the number, and adds 1,000 times the count to it. A call that fails has already changed the state.
#[processor]
fn counted(number: i64, #[state] seen: &mut Seen) -> Result<i64, Trouble> {
    seen.count += 1;
    seen.sum += number;
    trip(Place::Process, number)?;
    Ok(seen.count * 1000 + number)
}

#[step(chunk = 4, skip(Trouble::Bad(..)), retry(Trouble::Busy(..), limit = 2))]
fn load() {
    numbers | counted | save
}

#[job]
fn load_job() {
    load;
}

/// The results of `counted` if the input consists of these numbers only.
fn placed(left: &[i64]) -> Vec<i64> {
    (1..).zip(left).map(|(place, number)| place * 1000 + number).collect()
}

#[test]
fn a_skipped_item_leaves_the_state_as_it_was() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [1, 6, 7], ALWAYS);
    world.completes(&load_job());
    let left = without(20, &[1, 6, 7]);
    assert_eq!(world.numbers("SELECT number FROM saved"), placed(&left));
    let context = world.texts("SELECT SHORT_CONTEXT FROM BATCH_STEP_EXECUTION_CONTEXT");
    let sum: i64 = left.iter().sum();
    assert!(context[0].contains(&format!(r#"\"sum\":{sum}"#)), "{context:?}");
}

#[test]
fn a_repeated_call_leaves_the_state_as_if_it_had_succeeded_at_once() {
    let world = World::new();
    fails(Place::Process, Trouble::Busy, [1, 6, 7], 2);
    let (_, options) = Waits::default().options();
    world.run_with(&load_job(), &options);
    assert_eq!(world.numbers("SELECT number FROM saved"), placed(&without(20, &[])));
}

#[test]
fn a_restart_resumes_with_the_state_after_the_skips() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [2, 7], ALWAYS);
    fails(Place::Process, Trouble::Fatal, [11], ALWAYS);
    world.fails(&load_job());
    heal();
    world.completes(&load_job());
    assert_eq!(world.numbers("SELECT number FROM saved"), placed(&without(20, &[2, 7])));
}

#[step(chunk = 4, skip(Trouble::Bad(..)), retry(Trouble::Busy(..), limit = 2))]
fn chained() {
    numbers | remembered | take | save
}

#[processor]
fn remembered(number: i64, #[state] seen: &mut Seen) -> i64 {
    seen.count += 1;
    number
}

/// Returns whether the first processor has counted the 18 items that were not skipped.
fn counted_so_far(world: &World) -> bool {
    let context = world.texts("SELECT SHORT_CONTEXT FROM BATCH_STEP_EXECUTION_CONTEXT");
    context[0].contains(r#"\"count\":18"#)
}

#[job]
fn chained_job() {
    chained;
}

#[test]
fn a_failed_later_processor_undoes_earlier_states_on_a_skip_and_counts_once_on_a_retry() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [2, 7], ALWAYS);
    fails(Place::Process, Trouble::Busy, [3, 8], 2);
    let (_, options) = Waits::default().options();
    let counters = step(&world.run_with(&chained_job(), &options), "chained").counters;
    assert_eq!(counters.write, 18);
    assert!(counted_so_far(&world));
}

/// Counts its rows in the contexts of the step and the job, and only then fails.
#[writer]
fn noted(numbers: &[i64], tx: &Transaction<'_>, step: &StepContext, job: &JobContext) -> anyhow::Result<()> {
    insert("saved", numbers, tx)?;
    let noted: u64 = step.get("noted")?.unwrap_or(0);
    step.put("noted", &(noted + numbers.len() as u64))?;
    let noted: u64 = job.get("noted")?.unwrap_or(0);
    job.put("noted", &(noted + numbers.len() as u64))?;
    Ok(numbers.iter().try_for_each(|number| trip(Place::Write, *number))?)
}

#[processor]
fn prepared(number: i64, step: &StepContext) -> anyhow::Result<i64> {
    let seen: u64 = step.get("seen")?.unwrap_or(0);
    step.put("seen", &(seen + 1))?;
    trip(Place::Process, number)?;
    Ok(number)
}

#[step(chunk = 4, skip(Trouble::Bad(..)), retry(Trouble::Busy(..), limit = 2))]
fn noting() {
    numbers | prepared | noted
}

#[step]
fn after(job: &JobContext) -> anyhow::Result<()> {
    anyhow::ensure!(job.get::<u64>("noted")? == Some(18), "the job's context counts rolled-back rows");
    Ok(())
}

#[job]
fn noting_job() {
    noting;
    after;
}

#[test]
fn context_entries_of_a_writer_roll_back_with_its_rows() {
    let world = World::new();
    fails(Place::Write, Trouble::Bad, [2, 7], ALWAYS);
    fails(Place::Write, Trouble::Busy, [12], 2);
    let (_, options) = Waits::default().options();
    let report = world.run_with(&noting_job(), &options);
    assert_eq!(report.exit.description, "");
    let context =
        world.texts("SELECT SHORT_CONTEXT FROM BATCH_STEP_EXECUTION_CONTEXT ORDER BY STEP_EXECUTION_ID");
    assert!(context[0].contains(r#""noted":["java.lang.Long",18]"#), "{context:?}");
    assert!(context[0].contains(r#""seen":["java.lang.Long",20]"#), "{context:?}");
}
