//! Workers on a server: their leases, and answers that are lost.

use std::time::{Duration, Instant};

use batch_runtime::StopSignal;
use batch_runtime::postgres::Session;
use batch_runtime::repository::work_queue::{Claimed, Reconcile};
use batch_runtime::repository::{BatchStatus, OwnerState};
use batch_tests::postgres::{Options, Server};
use batch_tests::proxy::Proxy;
use nix::sys::signal::Signal;

use super::leases::{LEASE, lease, until};
use super::schema;
use super::schemas::of_version;
use crate::place::{OWNER_OF, Place, Repo};
use crate::postgres::Schema;
use crate::processes::Owner;
use crate::support::*;
use crate::workers::{Manager, RECONCILE, Worker, queue, refused};

/// Acts as a worker: claims a partition, commits a chunk of it, and one more for every line it receives.
fn work(repository: &Repo) {
    let worker = Worker::joining(repository.clone(), &StopSignal::new());
    let claim = worker.claim();
    let mut step = worker.begin(&claim);
    commit::<Schema>(&mut step, 1).unwrap();
    println!("owner: committed");
    for (position, _) in (2..).zip(std::io::stdin().lines()) {
        match commit::<Schema>(&mut step, position) {
            Ok(_) => println!("owner: committed"),
            chunk if is_fenced(&chunk) => {
                refused(worker.finish(&claim, BatchStatus::Completed, "COMPLETED"));
                println!("owner: fenced");
            }
            Err(error) => println!("owner: {error}"),
        }
    }
}

fn process_of_the_worker(place: &Schema) -> String {
    place.rows("SELECT PROCESS FROM BATCH_WORKER ORDER BY WORKER_ID DESC LIMIT 1").remove(0)
}

/// Ends the leases of all workers, even if they renew them.
fn end_leases_of_workers(place: &Schema) {
    place.sql(
        "UPDATE BATCH_PROCESS SET LEASE = INTERVAL '-1 day' WHERE PROCESS IN (SELECT PROCESS FROM BATCH_WORKER)",
    );
}

#[test]
fn a_paused_worker_is_lost_after_its_lease_and_is_refused_when_it_wakes() {
    if let Ok(url) = std::env::var(OWNER_OF) {
        return work(&lease(&url));
    }
    let Some(place) = schema() else { return };
    let manager = Manager::offering(&place, 1);
    let test = "on_postgres::workers::a_paused_worker_is_lost_after_its_lease_and_is_refused_when_it_wakes";
    let mut paused = Owner::start(test, place.url());
    paused.signal(Signal::SIGSTOP);
    assert_eq!(manager.reconcile().held(), 1);
    until("the loss", || manager.reconcile().waiting == 1);
    let workers = queue(&manager.repository).workers().unwrap();
    assert!(workers.is_empty(), "{workers:?}");

    let other = Worker::of(&place);
    let claim = other.claim();
    let mut step = other.begin(&claim);
    // The lost worker may still be alive, so its files are taken over.
    assert_eq!((step.context.clone(), step.contested), (context(1), true));
    commit::<Schema>(&mut step, 7).unwrap();
    paused.signal(Signal::SIGCONT);
    for _ in 0..2 {
        assert_eq!(paused.order_a_chunk(), "fenced");
    }
    commit::<Schema>(&mut step, 8).unwrap();
    other.complete(&claim);
    assert_eq!(items(&place), ["1", "7", "8"]);
}

#[test]
fn a_killed_worker_is_lost_at_once_on_this_machine_and_after_its_lease_on_another() {
    if let Ok(url) = std::env::var(OWNER_OF) {
        return work(&lease(&url));
    }
    let Some(place) = schema() else { return };
    let manager = Manager::offering(&place, 1);
    let test = "on_postgres::workers::a_killed_worker_is_lost_at_once_on_this_machine_and_after_its_lease_on_another";
    for is_here in [true, false] {
        let worker = Owner::start(test, place.url());
        // Before anybody has asked how it ended.
        worker.signal(Signal::SIGKILL);
        if !is_here {
            place.sql("UPDATE BATCH_PROCESS SET HOST = 'elsewhere', RENEWED = clock_timestamp() + INTERVAL '2 seconds' WHERE LOST IS NULL AND PROCESS IN (SELECT PROCESS FROM BATCH_WORKER)");
            assert_eq!(manager.reconcile().held(), 1);
        }
        until("the loss", || manager.reconcile().waiting == 1);
        let take_over = place.rows("SELECT TAKE_OVER FROM BATCH_PARTITION");
        assert_eq!(take_over, [(!is_here).to_string()]);
    }
    assert_eq!(items(&place), ["1", "1"]);
}

#[test]
fn a_worker_that_is_declared_lost_is_told_to_stop_and_may_join_again() {
    let Some(place) = schema() else { return };
    let manager = Manager::offering(&place, 2);
    let lost = StopSignal::new();
    let worker = Worker::joining(lease(place.url()), &lost);
    let claim = worker.claim();
    let mut step = worker.begin(&claim);
    let process = process_of_the_worker(&place);
    // As if the worker had been away for that long. It may renew its lease at any moment.
    until("the loss", || {
        place.sql(&format!(
            "UPDATE BATCH_PROCESS SET RENEWED = clock_timestamp() - INTERVAL '1 hour' WHERE PROCESS = '{process}'"
        ));
        manager.reconcile().waiting == 2
    });
    assert!(queue(&worker.repository).drains(worker.id()).unwrap());
    assert!(matches!(worker.look(), Claimed::Drain));
    until("the stop", || lost.is_raised());
    assert!(is_fenced(&commit::<Schema>(&mut step, 1)));

    let again = Worker::joining(worker.repository.clone(), &StopSignal::new());
    assert_ne!(again.id(), worker.id());
    std::thread::sleep(LEASE + Duration::from_secs(1));
    let claim = again.claim();
    commit::<Schema>(&mut again.begin(&claim), 2).unwrap();
    assert_eq!(manager.reconcile().held, [(again.id(), 1)]);
}

#[test]
fn a_worker_that_is_cut_off_stops_by_itself() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let database = server.database();
    let place = Schema::at(database.url());
    let manager = Manager::offering(&place, 1);
    let proxy = Proxy::in_front_of(server.port());
    let lost = StopSignal::new();
    let worker = Worker::joining(lease(&proxy.url(database.url())), &lost);
    let claim = worker.claim();
    let mut step = worker.begin(&claim);
    proxy.swallow(true);
    until("the loss", || manager.reconcile().waiting == 1);
    until("the stop", || lost.is_raised());
    proxy.swallow(false);
    assert!(is_fenced(&commit::<Schema>(&mut step, 1)));
}

#[test]
fn a_worker_whose_lease_is_renewed_in_time_is_not_lost() {
    let Some(place) = schema() else { return };
    let manager = Manager::offering(&place, 1);
    let worker = Worker::joining(lease(place.url()), &StopSignal::new());
    let claim = worker.claim();
    let mut step = worker.begin(&claim);
    let began = Instant::now();
    while began.elapsed() < 2 * LEASE {
        assert_eq!(manager.reconcile().held(), 1);
        assert_eq!(queue(&manager.repository).workers().unwrap()[0].state, OwnerState::Alive);
        std::thread::sleep(Duration::from_millis(50));
    }
    commit::<Schema>(&mut step, 1).unwrap();
}

#[test]
fn workers_that_died_idle_are_listed_until_another_one_joins() {
    let Some(place) = schema() else { return };
    let died = Worker::of(&place);
    end_leases_of_workers(&place);
    let repository = place.open();
    let listed = queue(&repository).workers().unwrap();
    assert_eq!((listed.len(), listed[0].state), (1, OwnerState::Dead));
    let joined = Worker::of(&place);
    let listed = queue(&repository).workers().unwrap();
    assert_eq!((listed.len(), listed[0].id), (1, joined.id()));
    // It may only have been paused, so it is asked to drain.
    assert!(queue(&died.repository).drains(died.id()).unwrap());
}

#[test]
fn a_lost_worker_that_sleeps_in_a_transaction_holds_nobody_up() {
    let Some(place) = schema() else { return };
    let manager = Manager::offering(&place, 1);
    let worker = Worker::of(&place);
    worker.begin(&worker.claim());
    let process = process_of_the_worker(&place);
    // As if the worker slept at the end of its partition, and in a chunk.
    let sleeping = [
        "UPDATE BATCH_JOB_OWNER SET EPOCH = EPOCH",
        "UPDATE BATCH_STEP_EXECUTION SET VERSION = VERSION + 1 WHERE STEP_NAME = 'step:partition0'",
    ]
    .map(|statement| {
        let sleeping = Session::connect(&place.database(), &format!("batch {process}")).unwrap();
        sleeping.batch_execute(&format!("BEGIN; {statement}")).unwrap();
        sleeping
    });
    end_leases_of_workers(&place);
    let began = Instant::now();
    assert_eq!(manager.reconcile().waiting, 1);
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    for sleeping in sleeping {
        let error = sleeping.query("SELECT 1", &[]).unwrap_err();
        assert!(error.to_string().contains("terminating connection"), "{error}");
    }
}

#[test]
fn a_takeover_is_not_held_up_by_a_lost_worker_that_sleeps_in_a_transaction() {
    let Some(place) = schema() else { return };
    let manager = Manager::offering(&place, 1);
    let worker = Worker::of(&place);
    worker.begin(&worker.claim());
    let process = process_of_the_worker(&place);
    let sleeping = Session::connect(&place.database(), &format!("batch {process}")).unwrap();
    sleeping
        .batch_execute(
            "BEGIN; UPDATE BATCH_STEP_EXECUTION SET VERSION = VERSION + 1 WHERE STEP_NAME <> 'step'",
        )
        .unwrap();
    end_leases_of_workers(&place);
    drop(manager.launched.lock);
    let began = Instant::now();
    launch(&place.open());
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
}

#[test]
fn two_managers_that_lose_the_same_workers_get_back_what_is_theirs() {
    let Some(place) = schema() else { return };
    let manager = Manager::offering(&place, 2);
    let repository = place.open();
    let other = repository.launch(&request(&parameters("b"))).unwrap();
    begin(&repository, other.ownership);
    let new = [0, 1]
        .map(|part: u32| batch_runtime::repository::NewPartition { name: None, part: part.to_string() });
    repository.begin_partitions(other.ownership, &start("step"), Some(&new)).unwrap();
    queue(&repository).reconcile(other.ownership, "step", &RECONCILE).unwrap();
    let workers = [(); 2].map(|()| Worker::of(&place));
    for worker in &workers {
        worker.begin(&worker.claim());
    }
    for worker in workers.iter().rev() {
        worker.begin(&worker.claim());
    }
    end_leases_of_workers(&place);
    std::thread::scope(|scope| {
        let ours = scope.spawn(|| manager.reconcile());
        let theirs =
            scope.spawn(|| queue(&repository).reconcile(other.ownership, "step", &RECONCILE).unwrap());
        for reconciled in [ours, theirs] {
            let reconciled = reconciled.join().unwrap();
            assert_eq!(
                (reconciled.waiting, reconciled.held(), reconciled.events.len()),
                (2, 0, 2),
                "{reconciled:?}"
            );
        }
    });
    // An expired lease does not prove a death, not even to the second manager that sees it.
    assert_eq!(place.rows("SELECT DISTINCT TAKE_OVER FROM BATCH_PARTITION"), ["true"]);
}

#[test]
fn a_repository_of_the_version_without_workers_takes_them_after_its_update() {
    let Some(place) = schema() else { return };
    of_version(1, &place);
    let manager = Manager::offering(&place, 1);
    manager.reconcile_as(&Reconcile { ends: true, ..RECONCILE });
}
