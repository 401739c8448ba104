//! Partitions that a worker hands back.

use super::*;

every_kind![
    a_partition_that_is_handed_back_resumes_elsewhere_and_counts_as_no_loss,
    partitions_of_a_worker_that_drains_and_ends_are_all_taken_by_others,
];

fn a_partition_that_is_handed_back_resumes_elsewhere_and_counts_as_no_loss<P: Place>(place: &P) {
    let manager = Manager::offering(place, 1);
    for position in 1..6 {
        let worker = Worker::of(place);
        let claim = worker.claim();
        let mut step = worker.begin(&claim);
        assert!(!step.contested);
        commit::<P>(&mut step, position).unwrap();
        worker.hand_back(&claim);
        drop(worker);
        let reconciled = manager.reconcile();
        assert_eq!((reconciled.waiting, reconciled.failed, reconciled.events.len()), (1, 0, 1));
    }
    let worker = Worker::of(place);
    let claim = worker.claim();
    assert_eq!(worker.begin(&claim).context, context(5));
    worker.complete(&claim);
    assert_eq!(manager.reconcile().completed, 1);
    assert_eq!(items(place), ["1", "2", "3", "4", "5"]);
}

fn partitions_of_a_worker_that_drains_and_ends_are_all_taken_by_others<P: Place>(place: &P) {
    let manager = Manager::offering(place, 3);
    let worker = Worker::of(place);
    let (begun, claimed) = (worker.claim(), worker.claim());
    worker.begin(&begun);
    queue(&manager.repository).drain(worker.id()).unwrap();
    worker.hand_back(&begun);
    queue(&worker.repository).decline(worker.id(), &claimed, None).unwrap();
    drop(worker);
    assert_eq!(manager.reconcile().waiting, 3);
    let other = Worker::of(place);
    for _ in 0..3 {
        let claim = other.claim();
        other.begin(&claim);
        other.complete(&claim);
    }
    assert_eq!(manager.reconcile().completed, 3);
}
