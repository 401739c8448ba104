//! Everything that is written for a job in a repository, from its launch to its end.

use batch_runtime::repository::{BatchStatus, BegunStep, ChunkError, NewPartition, StepFinish, begin_step};

use crate::place::{Place, Repo, timeless};
use crate::postgres::Schema;
use crate::support::*;

/// Commits a chunk as the engine does: again if the database lost it. Returns how often it was lost.
pub(super) fn commit_with_retries(step: &mut BegunStep, position: i64) -> u32 {
    for lost in 0.. {
        match commit::<Schema>(step, position) {
            Ok(_) => return lost,
            Err(ChunkError::Again(_)) => assert!(lost < 5, "it is lost each time"),
            Err(error) => panic!("{position}: {error}"),
        }
    }
    unreachable!()
}

/// Writes everything that is written for a job, and calls `before` before each write. Returns what is stored.
pub(super) fn write_everything(place: &Schema, repository: &Repo, before: impl Fn()) -> Vec<String> {
    before();
    let first = launch(repository);
    before();
    let mut step = begin(repository, first.ownership);
    commit_with_retries(&mut step, 1);
    before();
    repository.record(first.ownership, &[passed("a", "x"), passed("b", "y")], None).unwrap();
    before();
    let finish = StepFinish {
        context: Some(context(2)),
        job_context: Some(context(3)),
        journal: vec![passed("step", "COMPLETED")],
        ..ended_step(BatchStatus::Completed, "COMPLETED")
    };
    repository.finish_step(first.ownership, step.id, &finish, None).unwrap();

    let split = begin_as(repository, first.ownership, &start("split")).unwrap();
    let new = [0, 1].map(|part| NewPartition { name: None, part: part.to_string() });
    before();
    let partitions = repository.begin_partitions(first.ownership, &start("split"), Some(&new)).unwrap();
    before();
    let mut partition =
        begin_step(repository, first.ownership, &start(&partitions[0].step), Some(partitions[0].id)).unwrap();
    assert_eq!(partition.starts, 1);
    commit_with_retries(&mut partition, 2);
    let completed = ended_step(BatchStatus::Completed, "COMPLETED");
    before();
    repository.finish_step(first.ownership, partition.id, &completed, None).unwrap();
    before();
    repository.end_partitions(first.ownership, "split").unwrap();
    let failed = ended_step(BatchStatus::Failed, "FAILED");
    repository.finish_step(first.ownership, split.id, &failed, None).unwrap();
    before();
    repository.request_stop(first.ownership.execution).unwrap();
    before();
    repository.finish(first.ownership, &ended(BatchStatus::Stopped, "STOPPED")).unwrap();

    before();
    let second = launch(repository);
    assert_eq!(second.restarted_from, Some(first.ownership.execution));
    assert_eq!((second.journal.len(), second.context.clone()), (3, context(3)));
    let split = begin_as(repository, second.ownership, &start("split")).unwrap();
    assert_eq!((split.starts, split.before.read), (2, 0));
    before();
    let again = repository.begin_partitions(second.ownership, &start("split"), None).unwrap();
    assert_eq!(again[0].status, BatchStatus::Completed);
    before();
    drop(second.lock);
    before();
    assert_eq!(repository.recover().unwrap(), [second.ownership.execution]);
    before();
    repository.abandon(second.ownership.execution).unwrap();

    let queries = [
        "SELECT JOB_NAME FROM BATCH_JOB_INSTANCE",
        "SELECT STATUS, EXIT_CODE, COUNT(END_TIME) FROM BATCH_JOB_EXECUTION GROUP BY 1, 2, JOB_EXECUTION_ID ORDER BY JOB_EXECUTION_ID",
        "SELECT STEP_NAME, STATUS, EXIT_CODE, COMMIT_COUNT, READ_COUNT FROM BATCH_STEP_EXECUTION ORDER BY JOB_EXECUTION_ID, STEP_EXECUTION_ID",
        "SELECT SHORT_CONTEXT FROM BATCH_STEP_EXECUTION_CONTEXT ORDER BY STEP_EXECUTION_ID",
        "SELECT SHORT_CONTEXT FROM BATCH_JOB_EXECUTION_CONTEXT ORDER BY JOB_EXECUTION_ID",
        "SELECT SEQUENCE, PATH, OUTCOME FROM BATCH_JOURNAL ORDER BY 1",
        "SELECT PARTITION, PART FROM BATCH_PARTITION ORDER BY 1",
        "SELECT EPOCH, RECOVERIES FROM BATCH_JOB_OWNER ORDER BY 1",
        "SELECT n FROM item ORDER BY n",
    ];
    timeless(&queries.iter().flat_map(|query| place.rows(query)).collect::<Vec<_>>())
}
