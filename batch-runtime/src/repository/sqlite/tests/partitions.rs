//! The partitions of a step.

use super::*;
use crate::repository::{NewPartition, PartitionExecution};

fn new(many: u32) -> Vec<NewPartition> {
    (0..many)
        .map(|part| NewPartition { name: (part == 0).then(|| "first".to_owned()), part: part.to_string() })
        .collect()
}

fn made(repository: &SqliteRepository, owner: Ownership, many: u32) -> Vec<PartitionExecution> {
    begin(repository, owner);
    repository.begin_partitions(owner, &start("step"), Some(&new(many))).unwrap()
}

fn run(repository: &SqliteRepository, owner: Ownership, partition: &PartitionExecution) -> BegunStep {
    begin_partition(repository, owner, partition).unwrap()
}

fn statuses(partitions: &[PartitionExecution]) -> Vec<BatchStatus> {
    partitions.iter().map(|partition| partition.status).collect()
}

#[test]
fn partitions_are_read_back_unchanged_each_with_a_step_execution() {
    let repository = SqliteRepository::temporary().unwrap();
    let owner = launch(&repository).ownership;
    assert!(repository.partitions(owner, "step").unwrap().is_empty());
    let partitions = made(&repository, owner, 3);
    assert_eq!(repository.partitions(owner, "step").unwrap(), partitions);
    let names: Vec<_> = partitions.iter().map(|partition| partition.step.as_str()).collect();
    assert_eq!(names, ["step:partition0", "step:partition1", "step:partition2"]);
    assert_eq!((partitions[0].name.as_deref(), partitions[2].part.as_str()), (Some("first"), "2"));
    assert_eq!(statuses(&partitions), [BatchStatus::Starting; 3]);
    // Their IDs are not assigned again.
    let next = begin_as(&repository, owner, &start("next")).unwrap();
    assert!(partitions.iter().all(|partition| partition.id < next.id));
}

#[test]
fn only_the_first_to_begin_a_partition_runs_it() {
    let repository = SqliteRepository::temporary().unwrap();
    let owner = launch(&repository).ownership;
    let partitions = made(&repository, owner, 1);
    run(&repository, owner, &partitions[0]);
    let again = begin_partition(&repository, owner, &partitions[0]);
    assert!(matches!(again, Err(RepositoryError::Fenced { .. })));
}

#[test]
fn a_restart_has_step_executions_for_incomplete_partitions_with_their_commits() {
    let folder = Folder::new();
    let repository = folder.open();
    sql(&folder.file(), "CREATE TABLE item (n)");
    let first = launch(&repository);
    let partitions = made(&repository, first.ownership, 3);
    let complete = run(&repository, first.ownership, &partitions[0]);
    let finish = ended_step(BatchStatus::Completed, "COMPLETED");
    repository.finish_step(first.ownership, complete.id, &finish, None).unwrap();
    commit(&mut run(&repository, first.ownership, &partitions[1]), 7).unwrap();
    drop(first);

    let second = launch(&repository).ownership;
    begin(&repository, second);
    let again = repository.begin_partitions(second, &start("step"), None).unwrap();
    assert_eq!(statuses(&again), [BatchStatus::Completed, BatchStatus::Starting, BatchStatus::Starting]);
    assert_eq!(
        again[0],
        PartitionExecution {
            status: BatchStatus::Completed,
            exit: ExitStatus::code("COMPLETED"),
            ..partitions[0].clone()
        }
    );
    let resumed = run(&repository, second, &again[1]);
    assert_eq!((resumed.context, resumed.before.read, resumed.starts), (context(7), 7, 2));
    let fresh = run(&repository, second, &again[2]);
    assert_eq!((fresh.context, fresh.starts), (ContextMap::new(), 1));
}

#[test]
fn a_step_whose_owner_died_counts_what_its_partitions_have_committed() {
    let folder = Folder::new();
    let repository = folder.open();
    sql(&folder.file(), "CREATE TABLE item (n)");
    let first = launch(&repository);
    let partitions = made(&repository, first.ownership, 2);
    for partition in &partitions {
        commit(&mut run(&repository, first.ownership, partition), 7).unwrap();
    }
    drop(first);
    let second = launch(&repository).ownership;
    assert_eq!(begin(&repository, second).before.read, 14);
}

#[test]
fn partitions_that_were_not_begun_are_stopped_with_their_step() {
    let repository = SqliteRepository::temporary().unwrap();
    let owner = launch(&repository).ownership;
    let partitions = made(&repository, owner, 2);
    run(&repository, owner, &partitions[0]);
    repository.end_partitions(owner, "step").unwrap();
    let left = repository.partitions(owner, "step").unwrap();
    assert_eq!(statuses(&left), [BatchStatus::Started, BatchStatus::Stopped]);
}

#[test]
fn an_owner_that_was_taken_over_neither_creates_nor_begins_partitions() {
    let repository = SqliteRepository::temporary().unwrap();
    let old = launch(&repository);
    let partitions = made(&repository, old.ownership, 1);
    let parameters = parameters("a");
    let forced = LaunchRequest { recovery: Recovery::Force, ..request(&parameters) };
    let _new = repository.launch(&forced).unwrap();
    let fenced = |error: RepositoryError| assert!(matches!(error, RepositoryError::Fenced { .. }), "{error}");
    fenced(repository.begin_partitions(old.ownership, &start("step"), None).unwrap_err());
    fenced(begin_partition(&repository, old.ownership, &partitions[0]).unwrap_err());
    fenced(repository.end_partitions(old.ownership, "step").unwrap_err());
}
