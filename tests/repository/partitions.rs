//! The partitions of a step.

use batch_runtime::repository::{
    BatchStatus, BegunStep, ContextMap, ExitStatus, NewPartition, Ownership, PartitionExecution,
    RepositoryError,
};

use crate::place::{Place, Repo};
use crate::support::*;

every_kind![
    partitions_are_read_back_unchanged_each_with_a_step_execution,
    only_the_first_to_begin_a_partition_runs_it,
    of_workers_that_race_for_a_partition_one_runs_it,
    a_restart_has_step_executions_for_incomplete_partitions_with_their_commits,
    a_step_whose_owner_died_counts_what_its_partitions_have_committed,
    partitions_that_were_not_begun_are_stopped_with_their_step,
    an_owner_that_was_taken_over_neither_creates_nor_begins_partitions,
    a_completed_step_creates_its_partitions_again,
    partitions_commit_side_by_side,
    thousands_of_partitions_begin_in_one_transaction,
];

fn new(many: u32) -> Vec<NewPartition> {
    (0..many)
        .map(|part| NewPartition { name: (part == 0).then(|| "first".to_owned()), part: part.to_string() })
        .collect()
}

fn made(repository: &Repo, owner: Ownership, many: u32) -> Vec<PartitionExecution> {
    begin(repository, owner);
    repository.begin_partitions(owner, &start("step"), Some(&new(many))).unwrap()
}

fn run(repository: &Repo, owner: Ownership, partition: &PartitionExecution) -> BegunStep {
    begin_partition(repository, owner, partition).unwrap()
}

fn statuses(partitions: &[PartitionExecution]) -> Vec<BatchStatus> {
    partitions.iter().map(|partition| partition.status).collect()
}

fn partitions_are_read_back_unchanged_each_with_a_step_execution<P: Place>(place: &P) {
    let repository = place.open();
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

fn only_the_first_to_begin_a_partition_runs_it<P: Place>(place: &P) {
    let repository = place.open();
    let owner = launch(&repository).ownership;
    let partitions = made(&repository, owner, 1);
    run(&repository, owner, &partitions[0]);
    let again = begin_partition(&repository, owner, &partitions[0]);
    assert!(matches!(again, Err(RepositoryError::Fenced { .. })));
}

fn of_workers_that_race_for_a_partition_one_runs_it<P: Place>(place: &P) {
    let repository = place.open();
    let launched = launch(&repository);
    let partitions = made(&repository, launched.ownership, 4);
    for partition in &partitions {
        let begun = std::thread::scope(|scope| {
            let race =
                |_| scope.spawn(|| begin_partition(&repository, launched.ownership, partition).is_ok());
            let threads: Vec<_> = (0..4).map(race).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap().then_some(())).count()
        });
        assert_eq!(begun, 1);
    }
}

fn a_restart_has_step_executions_for_incomplete_partitions_with_their_commits<P: Place>(place: &P) {
    let repository = place.open();
    make_items(place);
    let first = launch(&repository);
    let partitions = made(&repository, first.ownership, 3);
    let complete = run(&repository, first.ownership, &partitions[0]);
    let finish = ended_step(BatchStatus::Completed, "COMPLETED");
    repository.finish_step(first.ownership, complete.id, &finish, None).unwrap();
    commit::<P>(&mut run(&repository, first.ownership, &partitions[1]), 7).unwrap();
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
    assert_eq!(repository.partition_context(second, again[1].id).unwrap(), context(7));
    let resumed = run(&repository, second, &again[1]);
    assert_eq!((resumed.context, resumed.before.read, resumed.starts), (context(7), 7, 2));
    let fresh = run(&repository, second, &again[2]);
    assert_eq!((fresh.context, fresh.starts), (ContextMap::new(), 1));
}

fn a_step_whose_owner_died_counts_what_its_partitions_have_committed<P: Place>(place: &P) {
    let repository = place.open();
    make_items(place);
    let first = launch(&repository);
    let partitions = made(&repository, first.ownership, 2);
    for partition in &partitions {
        commit::<P>(&mut run(&repository, first.ownership, partition), 7).unwrap();
    }
    drop(first);
    let second = launch(&repository).ownership;
    assert_eq!(begin(&repository, second).before.read, 14);
}

fn partitions_that_were_not_begun_are_stopped_with_their_step<P: Place>(place: &P) {
    let repository = place.open();
    let owner = launch(&repository).ownership;
    let partitions = made(&repository, owner, 2);
    run(&repository, owner, &partitions[0]);
    repository.end_partitions(owner, "step").unwrap();
    let left = repository.partitions(owner, "step").unwrap();
    assert_eq!(statuses(&left), [BatchStatus::Started, BatchStatus::Stopped]);
}

fn an_owner_that_was_taken_over_neither_creates_nor_begins_partitions<P: Place>(place: &P) {
    let repository = place.open();
    let old = launch(&repository);
    let partitions = made(&repository, old.ownership, 1);
    let _new = force(&repository);
    let fenced = |error: RepositoryError| assert!(matches!(error, RepositoryError::Fenced { .. }), "{error}");
    fenced(repository.begin_partitions(old.ownership, &start("step"), None).unwrap_err());
    fenced(begin_partition(&repository, old.ownership, &partitions[0]).unwrap_err());
    fenced(repository.end_partitions(old.ownership, "step").unwrap_err());
}

fn a_completed_step_creates_its_partitions_again<P: Place>(place: &P) {
    let repository = place.open();
    let first = launch(&repository);
    let step = begin(&repository, first.ownership);
    repository.begin_partitions(first.ownership, &start("step"), Some(&new(2))).unwrap();
    let finish = ended_step(BatchStatus::Completed, "COMPLETED");
    repository.finish_step(first.ownership, step.id, &finish, None).unwrap();
    fail(&repository, first.ownership);

    let second = launch(&repository);
    begin(&repository, second.ownership);
    assert!(repository.partitions(second.ownership, "step").unwrap().is_empty());
    let again = repository.begin_partitions(second.ownership, &start("step"), Some(&new(3))).unwrap();
    assert_eq!(statuses(&again), [BatchStatus::Starting; 3]);
}

fn partitions_commit_side_by_side<P: Place>(place: &P) {
    let repository = place.open();
    make_items(place);
    let launched = launch(&repository);
    let partitions = made(&repository, launched.ownership, 4);
    std::thread::scope(|scope| {
        for partition in &partitions {
            let (repository, owner) = (&repository, launched.ownership);
            scope.spawn(move || {
                let mut step = run(repository, owner, partition);
                for position in 0..25 {
                    commit::<P>(&mut step, position).unwrap();
                }
                let finish = ended_step(BatchStatus::Completed, "COMPLETED");
                repository.finish_step(owner, step.id, &finish, None).unwrap();
            });
        }
    });
    assert_eq!(place.rows("SELECT COUNT(*) FROM item"), ["100"]);
    let left = repository.partitions(launched.ownership, "step").unwrap();
    assert_eq!(statuses(&left), [BatchStatus::Completed; 4]);
}

fn thousands_of_partitions_begin_in_one_transaction<P: Place>(place: &P) {
    let repository = place.open();
    let first = launch(&repository);
    let partitions = made(&repository, first.ownership, 3_000);
    assert_eq!(partitions.len(), 3_000);
    assert!(partitions.is_sorted_by_key(|partition| (partition.number, partition.id)));
    drop(first);
    let second = launch(&repository);
    begin(&repository, second.ownership);
    let again = repository.begin_partitions(second.ownership, &start("step"), None).unwrap();
    assert!(again.iter().zip(&partitions).all(|(again, before)| again.part == before.part));
    assert!(again.iter().all(|again| again.execution == second.ownership.execution));
}
