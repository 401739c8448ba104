//! Workers that are lost.

use batch_runtime::repository::work_queue::Reconcile;

use super::*;
use crate::warehouse::{NEVER, Warehouse};

every_kind![
    the_partition_of_a_lost_worker_resumes_elsewhere_from_its_last_commit,
    a_claim_that_had_not_begun_is_lost_with_its_worker,
    a_lost_worker_that_comes_back_is_refused,
    a_worker_that_is_lost_with_several_partitions_loses_all_of_them,
    a_partition_that_is_given_up_is_lost_and_resumes_elsewhere,
    a_partition_that_has_lost_three_workers_in_a_row_fails,
    a_commit_in_between_forgives_the_losses_before,
    nothing_resumes_elsewhere_once_the_manager_ends,
    a_restart_forgives_the_losses_and_takes_files_over,
    a_step_whose_owner_died_counts_the_work_of_lost_workers,
    a_step_whose_name_begins_the_same_is_not_counted,
];

every_pair![
    a_lost_worker_that_comes_back_is_refused_in_another_database,
    a_lost_worker_that_begins_too_late_is_refused_in_another_database,
    what_a_lost_worker_has_committed_in_another_database_counts,
];

/// Claims and begins a partition, and commits one chunk at each position.
fn started<P: Place>(worker: &Worker, positions: &[i64]) -> (Claim, BegunStep) {
    let claim = worker.claim();
    let mut step = worker.begin(&claim);
    for position in positions {
        commit::<P>(&mut step, *position).unwrap();
    }
    (claim, step)
}

fn the_partition_of_a_lost_worker_resumes_elsewhere_from_its_last_commit<P: Place>(place: &P) {
    let manager = Manager::offering(place, 1);
    let worker = Worker::of(place);
    let id = worker.id();
    started::<P>(&worker, &[5, 7]);
    drop(worker);
    let reconciled = manager.reconcile();
    assert_eq!((reconciled.waiting, reconciled.held(), reconciled.failed), (1, 0, 0));
    let [event] = reconciled.events.as_slice() else { panic!("{reconciled:?}") };
    assert!(event.starts_with(&format!("worker {id} (process {} on host ", std::process::id())), "{event}");
    assert!(
        event.ends_with("was lost; another worker resumes `step:partition0` after its last commit"),
        "{event}"
    );
    assert!(manager.reconcile().events.is_empty());
    assert_eq!(reconciled.counters.read, 7);

    let other = Worker::of(place);
    let (claim, mut step) = started::<P>(&other, &[]);
    assert_eq!((step.context.clone(), step.before.read, step.starts), (context(7), 7, 2));
    commit::<P>(&mut step, 9).unwrap();
    other.complete(&claim);
    let reconciled = manager.reconcile();
    assert_eq!((reconciled.completed, reconciled.counters.read), (1, 16));
    assert_eq!(queue(&manager.repository).counters(manager.owner(), "step").unwrap().read, 16);
    assert_eq!(
        manager.exits(),
        [("WORKER_LOST"), ("COMPLETED")].map(|code| ("step:partition0".to_owned(), code.to_owned()))
    );
}

fn a_claim_that_had_not_begun_is_lost_with_its_worker<P: Place>(place: &P) {
    let manager = Manager::offering(place, 1);
    let worker = Worker::of(place);
    let claim = worker.claim();
    drop(worker.joined);
    assert_eq!(manager.reconcile().events.len(), 1);
    refused(begin_partition(&worker.repository, claim.ownership, &claim.partition));
    assert_ne!(Worker::of(place).claim().partition.id, claim.partition.id);
}

fn a_lost_worker_that_comes_back_is_refused<P: Place>(place: &P) {
    let manager = Manager::offering(place, 1);
    let Worker { repository, joined } = Worker::of(place);
    let claim =
        match queue(&repository).claim(joined.id, &[QUEUE.to_owned()], &std::collections::BTreeSet::new()) {
            Ok(batch_runtime::repository::work_queue::Claimed::Partition(claim)) => *claim,
            other => panic!("{other:?}"),
        };
    let mut step = begin_partition(&repository, claim.ownership, &claim.partition).unwrap();
    commit::<P>(&mut step, 1).unwrap();
    drop(joined.lock);
    manager.reconcile();
    let other = Worker::of(place);
    for ends_first in [true, false] {
        let chunk = commit::<P>(&mut step, 2);
        assert!(is_fenced(&chunk), "{chunk:?}");
        let completed = ended_step(BatchStatus::Completed, "COMPLETED");
        refused(repository.finish_step(claim.ownership, claim.partition.id, &completed, None));
        refused(begin_partition(&repository, claim.ownership, &claim.partition));
        queue(&repository).give_up(joined.id, claim.partition.id, "no").unwrap();
        queue(&repository).decline(joined.id, &claim, Some("no")).unwrap();
        if ends_first {
            let again = other.claim();
            commit::<P>(&mut other.begin(&again), 3).unwrap();
            other.complete(&again);
        }
    }
    assert_eq!(items(place), ["1", "3"]);
    assert_eq!(manager.reconcile().completed, 1);
}

fn a_worker_that_is_lost_with_several_partitions_loses_all_of_them<P: Place>(place: &P) {
    let manager = Manager::offering(place, 4);
    let (worker, other) = (Worker::of(place), Worker::of(place));
    started::<P>(&worker, &[1]);
    let (kept, mut step) = started::<P>(&other, &[2]);
    worker.claim();
    drop(worker);
    let reconciled = manager.reconcile();
    assert_eq!((reconciled.events.len(), reconciled.waiting), (2, 3));
    assert_eq!(reconciled.held, [(other.id(), 1)]);
    commit::<P>(&mut step, 3).unwrap();
    other.complete(&kept);
    let numbers: std::collections::BTreeSet<_> = (0..3).map(|_| other.claim().partition.number).collect();
    assert_eq!(numbers, [0, 2, 3].into());
}

fn a_partition_that_is_given_up_is_lost_and_resumes_elsewhere<P: Place>(place: &P) {
    let manager = Manager::offering(place, 1);
    let worker = Worker::of(place);
    let (claim, mut step) = started::<P>(&worker, &[1]);
    queue(&worker.repository).give_up(worker.id(), claim.partition.id, "the disk is full").unwrap();
    let chunk = commit::<P>(&mut step, 2);
    assert!(is_fenced(&chunk), "{chunk:?}");
    let reconciled = manager.reconcile();
    assert_eq!(
        reconciled.events,
        ["the disk is full; another worker resumes `step:partition0` after its last commit"]
    );
    let (_, step) = started::<P>(&worker, &[]);
    // Files of the partition may still be open.
    assert_eq!((step.context.clone(), step.contested), (context(1), true));
}

fn lose<P: Place>(place: &P, positions: &[i64]) {
    let worker = Worker::of(place);
    started::<P>(&worker, positions);
    drop(worker);
}

fn a_partition_that_has_lost_three_workers_in_a_row_fails<P: Place>(place: &P) {
    let manager = Manager::offering(place, 2);
    let other = Worker::of(place);
    let (kept, mut step) = started::<P>(&other, &[1]);
    for _ in 0..2 {
        lose(place, &[]);
        assert_eq!(manager.reconcile().events.len(), 1);
    }
    let last = Worker::of(place);
    let (claim, mut begun) = started::<P>(&last, &[]);
    drop(last.joined);
    let reconciled = manager.reconcile();
    assert_eq!((reconciled.failed, reconciled.waiting, reconciled.held()), (1, 0, 1));
    assert!(reconciled.events.is_empty(), "{reconciled:?}");
    let failed = &manager.repository.partitions(manager.owner(), "step").unwrap()[1];
    assert_eq!((failed.status, failed.exit.code.as_str()), (BatchStatus::Failed, "FAILED"));
    let why = &failed.exit.description;
    assert!(
        why.starts_with("3 workers in a row were lost without a commit in between; the last: worker "),
        "{why}"
    );
    // The commit of the last worker comes too late, too.
    assert!(is_fenced(&commit::<P>(&mut begun, 9)));
    let completed = ended_step(BatchStatus::Completed, "COMPLETED");
    refused(last.repository.finish_step(claim.ownership, claim.partition.id, &completed, None));
    commit::<P>(&mut step, 2).unwrap();
    other.complete(&kept);
    assert_eq!(manager.reconcile().completed, 1);
}

fn a_commit_in_between_forgives_the_losses_before<P: Place>(place: &P) {
    let manager = Manager::offering(place, 1);
    for positions in [&[][..], &[], &[1], &[], &[2]] {
        lose(place, positions);
        assert_eq!(manager.reconcile().failed, 0);
    }
    // A partition that was handed back has a commit in between as well.
    for _ in 0..3 {
        let worker = Worker::of(place);
        let (claim, _) = started::<P>(&worker, &[3]);
        worker.hand_back(&claim);
        manager.reconcile();
        lose(place, &[]);
        assert_eq!(manager.reconcile().failed, 0);
    }
}

fn nothing_resumes_elsewhere_once_the_manager_ends<P: Place>(place: &P) {
    let manager = Manager::offering(place, 2);
    lose(place, &[1]);
    let reconciled = manager.reconcile_as(&Reconcile { ends: true, ..RECONCILE });
    assert_eq!((reconciled.held(), reconciled.failed), (0, 0));
    assert_eq!(manager.exits().len(), 2);
    nothing(&Worker::of(place).look());
    manager.repository.end_partitions(manager.owner(), "step").unwrap();
    fail(&manager.repository, manager.owner());
    let again = launch(&manager.repository).ownership;
    begin(&manager.repository, again);
    let left = manager.repository.begin_partitions(again, &start("step"), None).unwrap();
    assert_eq!(manager.repository.partition_context(again, left[0].id).unwrap(), context(1));
}

fn a_restart_forgives_the_losses_and_takes_files_over<P: Place>(place: &P) {
    let manager = Manager::offering(place, 1);
    for _ in 0..2 {
        lose(place, &[]);
        manager.reconcile();
    }
    let holder = Worker::of(place);
    let (claim, mut old) = started::<P>(&holder, &[1]);
    drop(manager.launched.lock);
    let repository = place.open();
    let again = launch(&repository);
    let before = begin(&repository, again.ownership).before;
    assert_eq!(before.read, 1);
    repository.begin_partitions(again.ownership, &start("step"), None).unwrap();
    let manager = Manager { repository, launched: again };
    manager.reconcile();
    let chunk = commit::<P>(&mut old, 2);
    assert!(is_fenced(&chunk), "{chunk:?}");
    refused(holder.finish(&claim, BatchStatus::Completed, "COMPLETED"));
    for _ in 0..2 {
        let worker = Worker::of(place);
        let (_, step) = started::<P>(&worker, &[]);
        assert!(step.contested, "the holder may still be alive");
        drop(worker);
        assert_eq!(manager.reconcile().failed, 0);
    }
}

fn a_step_whose_owner_died_counts_the_work_of_lost_workers<P: Place>(place: &P) {
    let manager = Manager::offering(place, 2);
    lose(place, &[5]);
    manager.reconcile();
    let worker = Worker::of(place);
    started::<P>(&worker, &[6]);
    drop(manager.launched.lock);
    let repository = place.open();
    let again = launch(&repository);
    assert_eq!(begin(&repository, again.ownership).before.read, 11);
}

fn a_step_whose_name_begins_the_same_is_not_counted<P: Place>(place: &P) {
    let manager = Manager::offering(place, 1);
    let owner = manager.owner();
    let mut other = begin_as(&manager.repository, owner, &start("step 2")).unwrap();
    commit::<P>(&mut other, 100).unwrap();
    assert_eq!(manager.reconcile().counters.read, 0);
    assert_eq!(queue(&manager.repository).counters(owner, "step").unwrap().read, 0);
}

/// Begins a claimed partition whose rows go to the other database.
fn begin_there<R: Place, W: Place>(
    warehouse: &Warehouse<'_, R, W>,
    claim: &Claim,
) -> Result<BegunStep, RepositoryError> {
    let elsewhere = Some(("warehouse", &warehouse.handle));
    let step = batch_runtime::repository::StepStart { elsewhere, ..start(&claim.partition.step) };
    batch_runtime::repository::begin_step(
        &warehouse.repository,
        claim.ownership,
        &step,
        Some(claim.partition.id),
    )
}

fn manager_there<R: Place, W: Place>(warehouse: &Warehouse<'_, R, W>) -> Manager {
    let repository = warehouse.repository.clone();
    let launched = launch(&repository);
    begin(&repository, launched.ownership);
    let new = [NewPartition { name: None, part: String::new() }];
    repository.begin_partitions(launched.ownership, &start("step"), Some(&new)).unwrap();
    let manager = Manager { repository, launched };
    manager.reconcile();
    manager
}

fn a_lost_worker_that_comes_back_is_refused_in_another_database<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let manager = manager_there(&warehouse);
    let worker = Worker::of(here);
    let claim = worker.claim();
    let mut old = begin_there(&warehouse, &claim).unwrap();
    commit::<W>(&mut old, 1).unwrap();
    drop(worker.joined);
    manager.reconcile();
    // Until somebody else reaches the partition, the lost one still commits, and its work is read afterwards.
    commit::<W>(&mut old, 2).unwrap();
    let other = Worker::of(here);
    let again = other.claim();
    let mut new = begin_there(&warehouse, &again).unwrap();
    assert_eq!((new.context.clone(), new.before.read), (context(2), 2));
    let chunk = commit::<W>(&mut old, 3);
    assert!(is_fenced(&chunk), "{chunk:?}");
    refused(begin_there(&warehouse, &claim));
    let completed = ended_step(BatchStatus::Completed, "COMPLETED");
    refused(warehouse.finish(claim.ownership, &old, &completed));
    commit::<W>(&mut new, 4).unwrap();
    warehouse.finish(again.ownership, &new, &completed).unwrap();
    assert_eq!(items(there), ["1", "2", "4"]);
    assert_eq!(manager.reconcile().completed, 1);
}

fn a_lost_worker_that_begins_too_late_is_refused_in_another_database<R: Place, W: Place>(
    here: &R,
    there: &W,
) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let manager = manager_there(&warehouse);
    let worker = Worker::of(here);
    let claim = worker.claim();
    drop(worker.joined);
    manager.reconcile();
    let other = Worker::of(here);
    let again = other.claim();
    let mut new = begin_there(&warehouse, &again).unwrap();
    commit::<W>(&mut new, 1).unwrap();
    refused(begin_there(&warehouse, &claim));
    // The lost worker was too late to disturb the other one.
    commit::<W>(&mut new, 2).unwrap();
    assert_eq!(items(there), ["1", "2"]);
}

fn what_a_lost_worker_has_committed_in_another_database_counts<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let manager = manager_there(&warehouse);
    for (position, context_before) in [(5, None), (7, Some(5)), (9, Some(7))] {
        let worker = Worker::of(here);
        let claim = worker.claim();
        let mut step = begin_there(&warehouse, &claim).unwrap();
        assert_eq!(step.context, context_before.map(context).unwrap_or_default());
        commit::<W>(&mut step, position - 1).unwrap();
        commit::<W>(&mut step, position).unwrap();
        drop(worker);
        assert_eq!(manager.reconcile().failed, 0);
    }
    let worker = Worker::of(here);
    let claim = worker.claim();
    assert_eq!(begin_there(&warehouse, &claim).unwrap().before.read, 5 + 7 + 9);
    assert_eq!(manager.reconcile().counters.read, 5 + 7 + 9);
}
