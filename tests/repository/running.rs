//! The progress of running steps, as other processes see it.

use std::time::Duration;

use batch_runtime::Failure;
use batch_runtime::repository::{
    BatchStatus, BegunStep, ChunkRecord, Counters, NewPartition, Ownership, PartitionExecution, Reached,
    RunningPartitions, RunningStep,
};

use crate::place::{Place, Repo, Setup};
use crate::support::*;
use crate::warehouse::{NEVER, Warehouse};

every_kind![
    a_running_step_is_seen_with_what_it_has_committed,
    what_a_chunk_that_is_rolled_back_has_reached_is_not_seen,
    a_chunk_stores_how_far_it_is_only_at_the_interval,
    a_step_that_was_resumed_is_seen_with_what_was_read_before,
    a_step_with_partitions_is_seen_with_their_sum,
    partitions_that_an_earlier_execution_completed_were_done_before,
    an_owner_that_was_taken_over_stores_nothing,
];

every_pair![a_step_whose_rows_go_elsewhere_is_seen_as_well];

/// Opens the repository so that every chunk stores the step's progress.
fn open_at_once(place: &impl Place) -> Repo {
    place.open_with(Setup { mirror: Some(Duration::ZERO), wait: None })
}

fn reached(before: u64, done: u64, total: u64) -> Reached {
    Reached { before, done, total }
}

/// Commits a chunk after which the step has read this many items, and is at that place.
fn advance(step: &mut BegunStep, items: i64, reached: Reached) {
    let mut record = ChunkRecord { reached: Some(reached), ..record(items) };
    step.chunks.commit(&mut record, |_, _| Ok(())).unwrap();
}

fn running(repository: &Repo, owner: Ownership) -> Vec<RunningStep> {
    repository.running_steps(&[owner.execution]).unwrap()
}

fn seen(step: &RunningStep) -> Option<Reached> {
    step.reached.map(|(reached, _)| reached)
}

fn a_running_step_is_seen_with_what_it_has_committed<P: Place>(place: &P) {
    let repository = open_at_once(place);
    let owner = launch(&repository).ownership;
    assert_eq!(running(&repository, owner), []);
    let mut step = begin(&repository, owner);
    assert_eq!(running(&repository, owner)[0].reached, None, "its input is not open yet");
    for (items, done) in [(5, 50), (8, 80)] {
        advance(&mut step, items, reached(0, done, 100));
    }
    let other = begin_as(&repository, owner, &start("other")).unwrap();
    let elsewhere = place.open();
    let running = running(&elsewhere, owner);
    let names: Vec<_> = running.iter().map(|step| (step.id, step.name.as_str())).collect();
    assert_eq!(names, [(step.id, "step"), (other.id, "other")]);
    assert_eq!(seen(&running[0]), Some(reached(0, 80, 100)));
    assert_eq!((running[0].counters.read, running[0].read_before), (8, 0));
    let (_, at) = running[0].reached.unwrap();
    assert!(running[0].started <= at && at <= running[0].updated);
    assert_eq!((running[1].counters, running[1].reached), (Counters::default(), None));
    repository.finish_step(owner, step.id, &ended_step(BatchStatus::Completed, "COMPLETED"), None).unwrap();
    let left = elsewhere.running_steps(&[owner.execution]).unwrap();
    assert_eq!(left.iter().map(|step| step.id).collect::<Vec<_>>(), [other.id]);
    assert_eq!(elsewhere.running_steps(&[]).unwrap(), []);
}

fn what_a_chunk_that_is_rolled_back_has_reached_is_not_seen<P: Place>(place: &P) {
    let repository = open_at_once(place);
    let owner = launch(&repository).ownership;
    let mut step = begin(&repository, owner);
    advance(&mut step, 1, reached(0, 10, 100));
    let mut record = ChunkRecord { reached: Some(reached(0, 20, 100)), ..record(2) };
    step.chunks.commit(&mut record.clone(), |_, _| Err(Failure::new("no"))).unwrap_err();
    place.forbid_rows("BATCH_SKIPPED_ITEM");
    record.skipped = vec![batch_runtime::repository::SkippedItem {
        phase: batch_runtime::repository::SkipPhase::Read,
        position: "{}".to_owned(),
        location: None,
        error: "no".to_owned(),
        item: None,
    }];
    step.chunks.commit(&mut record, |_, _| Ok(())).unwrap_err();
    assert_eq!(seen(&running(&repository, owner)[0]), Some(reached(0, 10, 100)));
}

fn a_chunk_stores_how_far_it_is_only_at_the_interval<P: Place>(place: &P) {
    let repository = place.open_with(Setup { mirror: Some(NEVER), wait: None });
    let owner = launch(&repository).ownership;
    let mut step = begin(&repository, owner);
    for done in 1..20 {
        advance(&mut step, 1, reached(0, done, 100));
    }
    assert_eq!(place.rows("SELECT COUNT(*) FROM BATCH_STEP_PROGRESS"), ["0"]);
    let running = running(&repository, owner);
    assert_eq!((running[0].reached, running[0].counters.read), (None, 1), "counters are of every chunk");
}

fn a_step_that_was_resumed_is_seen_with_what_was_read_before<P: Place>(place: &P) {
    let repository = open_at_once(place);
    let first = launch(&repository);
    advance(&mut begin(&repository, first.ownership), 5, reached(0, 50, 100));
    drop(first.lock);
    let second = launch(&repository);
    assert_eq!(running(&repository, first.ownership), [], "it was taken over");
    let mut step = begin(&repository, second.ownership);
    advance(&mut step, 2, reached(50, 70, 100));
    let running = running(&repository, second.ownership);
    assert_eq!((running[0].counters.read, running[0].read_before), (2, 5));
    assert_eq!(seen(&running[0]), Some(reached(50, 70, 100)));
}

fn partitioned(repository: &Repo, owner: Ownership, many: u32) -> Vec<PartitionExecution> {
    let new: Vec<_> = (0..many).map(|part| NewPartition { name: None, part: part.to_string() }).collect();
    begin(repository, owner);
    repository.begin_partitions(owner, &start("step"), Some(&new)).unwrap()
}

fn complete(repository: &Repo, owner: Ownership, step: &BegunStep, items: i64) {
    let counters = record(items).counters;
    let finish =
        batch_runtime::repository::StepFinish { counters, ..ended_step(BatchStatus::Completed, "COMPLETED") };
    repository.finish_step(owner, step.id, &finish, None).unwrap();
}

fn a_step_with_partitions_is_seen_with_their_sum<P: Place>(place: &P) {
    let repository = open_at_once(place);
    let owner = launch(&repository).ownership;
    let partitions = partitioned(&repository, owner, 4);
    let mut steps: Vec<_> = partitions[..3]
        .iter()
        .map(|partition| begin_partition(&repository, owner, partition).unwrap())
        .collect();
    advance(&mut steps[0], 5, reached(0, 7, 7));
    complete(&repository, owner, &steps[0], 5);
    // The inputs of the others have different sizes; that of the third is not known yet.
    advance(&mut steps[1], 3, reached(0, 500, 2_000));
    let running = running(&place.open(), owner);
    let names: Vec<_> = running.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["step", "step:partition1", "step:partition2"]);
    assert_eq!(running[0].partitions, Some(RunningPartitions { total: 4, complete: 1 }));
    assert_eq!(seen(&running[0]), Some(reached(0, 1_250, 4_000)));
    assert_eq!(running[0].counters.read, 8);
    assert_eq!((seen(&running[1]), seen(&running[2])), (Some(reached(0, 500, 2_000)), None));
    assert_eq!(running[1].partitions, None);
    assert!(running[0].updated >= running[1].updated);
}

fn partitions_that_an_earlier_execution_completed_were_done_before<P: Place>(place: &P) {
    let repository = open_at_once(place);
    let first = launch(&repository);
    let partitions = partitioned(&repository, first.ownership, 2);
    let mut steps: Vec<_> = partitions
        .iter()
        .map(|partition| begin_partition(&repository, first.ownership, partition).unwrap())
        .collect();
    complete(&repository, first.ownership, &steps[0], 0);
    advance(&mut steps[1], 5, reached(0, 50, 100));
    drop(first.lock);
    let second = launch(&repository);
    begin(&repository, second.ownership);
    let partitions = repository.begin_partitions(second.ownership, &start("step"), None).unwrap();
    let mut step = begin_partition(&repository, second.ownership, &partitions[1]).unwrap();
    advance(&mut step, 2, reached(50, 80, 100));
    let running = running(&repository, second.ownership);
    assert_eq!(seen(&running[0]), Some(reached(1_500, 1_800, 2_000)));
    assert_eq!(running[0].counters.read, 2);
}

fn an_owner_that_was_taken_over_stores_nothing<P: Place>(place: &P) {
    let repository = open_at_once(place);
    let first = launch(&repository);
    let mut step = begin(&repository, first.ownership);
    let _second = force(&repository);
    let mut record = ChunkRecord { reached: Some(reached(0, 10, 100)), ..record(1) };
    assert!(is_fenced(&step.chunks.commit(&mut record, |_, _| Ok(()))));
    assert_eq!(place.rows("SELECT COUNT(*) FROM BATCH_STEP_PROGRESS"), ["0"]);
}

fn a_step_whose_rows_go_elsewhere_is_seen_as_well<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, Duration::ZERO);
    let owner = launch(&warehouse.repository).ownership;
    let mut step = warehouse.begin(owner).unwrap();
    for (items, done) in [(5, 50), (8, 80)] {
        advance(&mut step, items, reached(0, done, 100));
    }
    let running = running(&warehouse.repository, owner);
    assert_eq!((seen(&running[0]), running[0].counters.read), (Some(reached(0, 80, 100)), 8));
}
