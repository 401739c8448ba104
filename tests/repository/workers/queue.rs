//! Offers and claims.

use std::collections::BTreeSet;
use std::sync::Barrier;

use batch_runtime::Durability;
use batch_runtime::repository::work_queue::{Claimed, Fate, Reconcile, WorkerId};
use batch_runtime::repository::{ChunkRecord, ContextMap, OwnerState, RepositoryError, encode_context};

use super::*;

every_kind![
    a_worker_takes_a_partition_with_all_that_it_needs_to_run_it,
    nothing_is_taken_before_it_is_offered_or_from_another_queue,
    a_manager_that_tends_again_changes_nothing,
    no_more_partitions_than_asked_for_are_offered_or_held_at_once,
    at_the_end_nothing_more_is_offered_and_what_is_held_goes_on,
    partitions_that_an_earlier_owner_may_still_run_are_contested,
    a_partition_that_failed_withdraws_the_others_when_the_manager_ends,
    an_execution_that_is_to_stop_offers_nothing,
    an_execution_whose_owner_is_dead_offers_nothing,
    an_execution_that_was_taken_over_offers_nothing_and_its_manager_is_refused,
    the_partitions_of_a_declined_execution_are_passed_over_and_offered_to_others,
    a_partition_that_was_not_begun_waits_for_its_manager,
    a_worker_that_drains_takes_nothing_more,
    workers_are_listed_with_what_they_hold_until_they_end,
    a_worker_that_ended_normally_is_distinguished_from_one_that_was_lost,
    eight_workers_that_claim_two_hundred_partitions_at_once_take_each_once,
];

fn a_worker_takes_a_partition_with_all_that_it_needs_to_run_it<P: Place>(place: &P) {
    let manager = Manager::offering(place, 3);
    let mut step = begin_as(&manager.repository, manager.owner(), &start("before")).unwrap();
    let job_context = Some(encode_context(&context(3)));
    step.chunks.commit(&mut ChunkRecord { job_context, ..record(1) }, |_, _| Ok(())).unwrap();

    let worker = Worker::of(place);
    let claim = worker.claim();
    let partitions = manager.repository.partitions(manager.owner(), "step").unwrap();
    assert_eq!(claim.partition, partitions[0]);
    assert_eq!((claim.queue.as_str(), claim.job.as_str(), claim.step.as_str()), (QUEUE, "load", "step"));
    assert_eq!((claim.ownership, claim.durability), (manager.owner(), Durability::Process));
    assert_eq!(claim.job_context, context(3));
    assert_eq!(queue(&worker.repository).skipped(claim.ownership, "step").unwrap(), 0);
    assert!(claim.step_age < std::time::Duration::from_mins(1), "{:?}", claim.step_age);
    assert!(!claim.step_age.is_zero());
    assert_eq!(queue(&worker.repository).job_context(claim.ownership).unwrap(), context(3));
    let reconciled = manager.reconcile();
    assert_eq!((reconciled.waiting, reconciled.held), (2, vec![(worker.id(), 1)]));

    let mut step = worker.begin(&claim);
    assert_eq!((step.starts, step.context.clone(), step.contested), (1, ContextMap::new(), false));
    commit::<P>(&mut step, 7).unwrap();
    assert_eq!(manager.reconcile().counters.read, 7);
    worker.complete(&claim);
    let reconciled = manager.reconcile();
    assert_eq!(
        (reconciled.completed, reconciled.waiting, reconciled.held(), reconciled.failed),
        (1, 2, 0, 0)
    );
    assert_eq!((reconciled.counters.read, reconciled.events.len()), (7, 0));
    assert_eq!(queue(&manager.repository).counters(manager.owner(), "step").unwrap().read, 7);
    assert_eq!(worker.claim().partition, partitions[1]);
}

fn nothing_is_taken_before_it_is_offered_or_from_another_queue<P: Place>(place: &P) {
    let manager = Manager::of(place, 2);
    let worker = Worker::of(place);
    nothing(&worker.look());
    manager.reconcile_as(&Reconcile { queue: "a third", ..RECONCILE });
    nothing(&worker.look());
    let claimed = queue(&worker.repository).claim(worker.id(), &["a third".to_owned()], &BTreeSet::new());
    assert!(matches!(claimed, Ok(Claimed::Partition(_))));
}

fn a_manager_that_tends_again_changes_nothing<P: Place>(place: &P) {
    let manager = Manager::offering(place, 2);
    let before = place.rows("SELECT STEP_EXECUTION_ID, VERSION, STATUS FROM BATCH_STEP_EXECUTION ORDER BY 1");
    for _ in 0..3 {
        assert_eq!(manager.reconcile().waiting, 2);
    }
    let after = place.rows("SELECT STEP_EXECUTION_ID, VERSION, STATUS FROM BATCH_STEP_EXECUTION ORDER BY 1");
    assert_eq!(before, after);
}

fn no_more_partitions_than_asked_for_are_offered_or_held_at_once<P: Place>(place: &P) {
    let manager = Manager::of(place, 5);
    let two = Reconcile { at_once: Some(2), ..RECONCILE };
    let worker = Worker::of(place);
    manager.reconcile_as(&two);
    let first = worker.claim();
    manager.reconcile_as(&two);
    let second = worker.claim();
    manager.reconcile_as(&two);
    nothing(&worker.look());
    worker.begin(&first);
    worker.complete(&first);
    worker.begin(&second);
    assert_eq!(manager.reconcile_as(&two).held(), 1);
    let third = worker.claim();
    manager.reconcile_as(&two);
    nothing(&worker.look());
    assert_eq!(third.partition.number, 2);
    let all = manager.reconcile();
    assert_eq!((all.completed, all.held(), all.waiting), (1, 2, 2));
    worker.claim();
    worker.claim();
}

fn at_the_end_nothing_more_is_offered_and_what_is_held_goes_on<P: Place>(place: &P) {
    let manager = Manager::offering(place, 3);
    let worker = Worker::of(place);
    let claim = worker.claim();
    let ends = Reconcile { ends: true, ..RECONCILE };
    let reconciled = manager.reconcile_as(&ends);
    assert_eq!((reconciled.held(), reconciled.waiting), (1, 2));
    nothing(&worker.look());
    commit::<P>(&mut worker.begin(&claim), 1).unwrap();
    worker.complete(&claim);
    assert_eq!(manager.reconcile_as(&ends).completed, 1);
    manager.repository.end_partitions(manager.owner(), "step").unwrap();
    let left = manager.repository.partitions(manager.owner(), "step").unwrap();
    assert_eq!(left.iter().filter(|left| left.status == BatchStatus::Stopped).count(), 2);
}

fn partitions_that_an_earlier_owner_may_still_run_are_contested<P: Place>(place: &P) {
    let manager = Manager::of(place, 2);
    let worker = Worker::of(place);
    for contested in [true, false] {
        manager.reconcile_as(&Reconcile { at_once: Some(1), contested, ..RECONCILE });
        let claim = worker.claim();
        assert_eq!(worker.begin(&claim).contested, contested);
        worker.complete(&claim);
    }
}

fn a_partition_that_failed_withdraws_the_others_when_the_manager_ends<P: Place>(place: &P) {
    let manager = Manager::offering(place, 2);
    let worker = Worker::of(place);
    let claim = worker.claim();
    worker.begin(&claim);
    worker.finish(&claim, BatchStatus::Failed, "FAILED").unwrap();
    let reconciled = manager.reconcile();
    assert_eq!((reconciled.failed, reconciled.waiting, reconciled.has_failed()), (1, 1, true));
    manager.reconcile_as(&Reconcile { ends: true, ..RECONCILE });
    nothing(&worker.look());
}

fn an_execution_that_is_to_stop_offers_nothing<P: Place>(place: &P) {
    let manager = Manager::offering(place, 2);
    let worker = Worker::of(place);
    manager.repository.request_stop(manager.owner().execution).unwrap();
    assert!(manager.reconcile().stop_requested);
    nothing(&worker.look());
}

fn an_execution_whose_owner_is_dead_offers_nothing<P: Place>(place: &P) {
    let Manager { launched, repository } = Manager::offering(place, 2);
    let worker = Worker::of(place);
    let claim = worker.claim();
    drop(launched.lock);
    nothing(&worker.look());
    // The partition that it already holds goes on, and counts.
    commit::<P>(&mut worker.begin(&claim), 1).unwrap();
    worker.complete(&claim);
    let again = launch(&repository);
    begin(&repository, again.ownership);
    let left = worker.repository.begin_partitions(again.ownership, &start("step"), None).unwrap();
    let statuses: Vec<_> = left.iter().map(|left| left.status).collect();
    assert_eq!(statuses, [BatchStatus::Completed, BatchStatus::Starting]);
}

fn an_execution_that_was_taken_over_offers_nothing_and_its_manager_is_refused<P: Place>(place: &P) {
    let manager = Manager::offering(place, 2);
    let worker = Worker::of(place);
    let claim = worker.claim();
    let repository = place.open();
    let second = force(&repository);
    nothing(&worker.look());
    let reconciled = queue(&manager.repository).reconcile(manager.owner(), "step", &RECONCILE);
    assert!(matches!(reconciled, Err(RepositoryError::Fenced { .. })), "{reconciled:?}");
    refused(worker.try_begin(&claim));
    queue(&worker.repository).decline(worker.id(), &claim, Some("no")).unwrap();
    queue(&worker.repository).give_up(worker.id(), claim.partition.id, "no").unwrap();
    nothing(&worker.look());
    begin(&repository, second.ownership);
    repository.begin_partitions(second.ownership, &start("step"), None).unwrap();
    assert_eq!(queue(&repository).reconcile(second.ownership, "step", &RECONCILE).unwrap().waiting, 2);
    assert_eq!(worker.claim().ownership, second.ownership);
}

fn the_partitions_of_a_declined_execution_are_passed_over_and_offered_to_others<P: Place>(place: &P) {
    let manager = Manager::offering(place, 2);
    let (worker, other) = (Worker::of(place), Worker::of(place));
    let claim = worker.claim();
    queue(&worker.repository).decline(worker.id(), &claim, Some("it wants the secret `key`")).unwrap();
    nothing(&worker.look_except(&BTreeSet::from([claim.ownership.execution])));
    assert_eq!(manager.reconcile().waiting, 2);
    let row = queue(&manager.repository).workers().unwrap().remove(0);
    assert_eq!((row.id, row.declined.as_deref()), (worker.id(), Some("it wants the secret `key`")));
    let again = other.claim();
    assert_eq!(again.partition.id, claim.partition.id);
    // A worker that has declined it no longer holds it.
    queue(&worker.repository).decline(worker.id(), &claim, Some("no")).unwrap();
    queue(&worker.repository).give_up(worker.id(), claim.partition.id, "no").unwrap();
    commit::<P>(&mut other.begin(&again), 1).unwrap();
    assert_eq!(manager.reconcile().held, [(other.id(), 1)]);
}

fn a_partition_that_was_not_begun_waits_for_its_manager<P: Place>(place: &P) {
    let manager = Manager::offering(place, 1);
    let worker = Worker::of(place);
    let claim = worker.claim();
    queue(&worker.repository).decline(worker.id(), &claim, None).unwrap();
    nothing(&worker.look());
    let reconciled = manager.reconcile();
    assert_eq!((reconciled.waiting, reconciled.held()), (1, 0));
    assert_eq!(worker.claim().partition.id, claim.partition.id);
    assert!(queue(&manager.repository).workers().unwrap()[0].declined.is_none());
}

fn a_worker_that_drains_takes_nothing_more<P: Place>(place: &P) {
    let manager = Manager::offering(place, 2);
    let worker = Worker::of(place);
    let claim = worker.claim();
    let (ours, theirs) = (queue(&manager.repository), queue(&worker.repository));
    assert!(!theirs.drains(worker.id()).unwrap());
    assert!(ours.drain(worker.id()).unwrap());
    assert!(ours.drain(worker.id()).unwrap());
    assert!(theirs.drains(worker.id()).unwrap());
    assert!(matches!(worker.look(), Claimed::Drain));
    commit::<P>(&mut worker.begin(&claim), 1).unwrap();
    worker.complete(&claim);
    assert!(ours.workers().unwrap()[0].drains);
    let Worker { joined, repository } = worker;
    let id = joined.id;
    drop(joined);
    assert!(!ours.drain(id).unwrap());
    assert!(queue(&repository).drains(id).unwrap());
    assert!(!ours.drain(WorkerId(99)).unwrap());
}

fn workers_are_listed_with_what_they_hold_until_they_end<P: Place>(place: &P) {
    let manager = Manager::offering(place, 3);
    assert!(queue(&manager.repository).workers().unwrap().is_empty());
    let (first, second) = (Worker::of(place), Worker::of(place));
    let claims = [second.claim(), second.claim()];
    second.begin(&claims[1]);
    let rows = queue(&manager.repository).workers().unwrap();
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    assert_eq!(ids, [first.id(), second.id()]);
    assert!(rows[0].holds.is_empty());
    assert_eq!(rows[1].holds, ["step:partition0", "step:partition1"]);
    let row = &rows[1];
    assert_eq!((row.queues.as_slice(), row.slots), (&["another".to_owned(), QUEUE.to_owned()][..], 2));
    assert_eq!((row.owner.pid, row.state, row.drains), (std::process::id(), OwnerState::Alive, false));
    assert!(row.started <= manager.repository.now().unwrap());
    drop(first.joined);
    let rows = queue(&manager.repository).workers().unwrap();
    assert_eq!(rows.len(), 1);
    second.complete(&claims[1]);
    let rows = queue(&manager.repository).workers().unwrap();
    assert_eq!(rows[0].holds, ["step:partition0"]);
}

fn a_worker_that_ended_normally_is_distinguished_from_one_that_was_lost<P: Place>(place: &P) {
    let repository = place.open();
    let (first, second) = (Worker::of(place), Worker::of(place));
    let (ended, lost) = (first.id(), second.id());
    let fate = |worker| queue(&repository).fate(worker).unwrap();
    assert_eq!((fate(ended), fate(lost)), (Fate::Lives, Fate::Lives));
    drop(first.joined);
    // As if another process had found it dead and recorded that.
    let declare = match P::KIND {
        "sqlite" => format!("UPDATE BATCH_PROCESS SET ENDED = STARTED WHERE PROCESS_ID = {lost}"),
        _ => format!(
            "UPDATE batch_process SET lost = clock_timestamp() WHERE process = (
                 SELECT process FROM batch_worker WHERE worker_id = {lost})"
        ),
    };
    place.sql(&declare);
    assert_eq!(fate(ended), Fate::Ended);
    assert_eq!(fate(WorkerId(99)), Fate::Ended);
    let Fate::Lost(name) = fate(lost) else { panic!("it is not lost") };
    assert!(name.starts_with(&format!("worker {lost} (process {} on host ", std::process::id())), "{name}");
}

fn eight_workers_that_claim_two_hundred_partitions_at_once_take_each_once<P: Place>(place: &P) {
    const MANY: u32 = 200;
    let manager = Manager::offering(place, MANY);
    let barrier = Barrier::new(8);
    let taken: Vec<u32> = std::thread::scope(|scope| {
        let race = |_| {
            scope.spawn(|| {
                let worker = Worker::of(place);
                barrier.wait();
                let mut taken = Vec::new();
                while let Claimed::Partition(claim) = worker.look() {
                    worker.begin(&claim);
                    worker.complete(&claim);
                    taken.push(claim.partition.number);
                }
                taken
            })
        };
        let threads: Vec<_> = (0..8).map(race).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(taken.len(), MANY as usize);
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), MANY as usize);
    assert_eq!(manager.reconcile().completed, u64::from(MANY));
}
