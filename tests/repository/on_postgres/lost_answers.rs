//! Workers whose answers are lost on the way.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use batch_runtime::postgres::Postgres;
use batch_runtime::repository::postgres::PostgresOptions;
use batch_runtime::repository::{StepStart, begin_step};
use batch_runtime::{DatabaseHandle, StopSignal};
use batch_tests::postgres::{Options, Server};
use batch_tests::proxy::{Cut, Proxy};

use super::leases::until;
use super::open;
use crate::place::{Place, Repo};
use crate::postgres::Schema;
use crate::support::*;
use crate::workers::{Manager, Worker, nothing, queue, refused};

const COMMIT: &[u8] = b"COMMIT\0";

#[test]
fn everything_that_a_worker_and_its_manager_write_survives_a_cut_at_its_commit() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let proxy = Proxy::in_front_of(server.port());
    for cut in [Cut::Before(COMMIT), Cut::After(COMMIT)] {
        let database = server.database();
        let place = Schema::at(database.url());
        let manager = Manager::of(&place, 4);
        let manager = Manager { repository: open(&proxy.url(database.url())), ..manager };
        let mut cuts = 0;
        let mut before = || {
            cuts += u32::from(!proxy.is_armed());
            proxy.cut(cut.clone());
        };
        before();
        assert_eq!(manager.reconcile().waiting, 4);
        before();
        let worker = Worker::joining(open(&proxy.url(database.url())), &StopSignal::new());
        before();
        let declined = worker.claim();
        before();
        queue(&worker.repository).decline(worker.id(), &declined, Some("no")).unwrap();
        before();
        let first = worker.claim();
        assert_eq!(first.partition.id, declined.partition.id);
        before();
        let step = worker.begin(&first);
        assert_eq!(step.starts, 1);
        before();
        worker.complete(&first);
        before();
        let second = worker.claim();
        before();
        queue(&worker.repository).give_up(worker.id(), second.partition.id, "no").unwrap();
        let third = worker.claim();
        worker.begin(&third);
        worker.hand_back(&third);
        before();
        assert_eq!(manager.reconcile().events.len(), 2);
        drop(worker);
        let other = Worker::of(&place);
        for _ in 0..3 {
            let claim = other.claim();
            other.begin(&claim);
            other.complete(&claim);
        }
        nothing(&other.look());
        let reconciled = manager.reconcile();
        assert_eq!((reconciled.completed, reconciled.held()), (4, 0), "{cut:?}");
        assert!(cuts >= 8, "{cuts}");
    }
}

#[test]
fn a_claim_that_nobody_knows_of_is_found_by_the_next_one() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let proxy = Proxy::in_front_of(server.port());
    let database = server.database();
    let place = Schema::at(database.url());
    let manager = Manager::offering(&place, 2);
    let hasty = PostgresOptions::new().patience(Duration::ZERO);
    let repository: Repo = Arc::new(hasty.open(&Postgres::at(proxy.url(database.url()))).unwrap());
    let worker = Worker::joining(repository, &StopSignal::new());
    proxy.cut(Cut::After(COMMIT));
    let queues = [crate::workers::QUEUE.to_owned()];
    queue(&worker.repository).claim(worker.id(), &queues, &BTreeSet::new()).unwrap_err();
    until("the commit", || manager.reconcile().held() == 1);
    let numbers: Vec<_> = [(); 2].map(|()| worker.claim().partition.number).into();
    assert_eq!(numbers, [0, 1]);
    nothing(&worker.look());
}

#[test]
fn a_chunk_that_is_cut_at_its_commit_while_its_worker_is_lost_is_refused() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let proxy = Proxy::in_front_of(server.port());
    for cut in [Some(Cut::Before(COMMIT)), None] {
        let database = server.database();
        let place = Schema::at(database.url());
        let manager = Manager::offering(&place, 1);
        let worker = Worker::joining(open(&proxy.url(database.url())), &StopSignal::new());
        let claim = worker.claim();
        let mut step = worker.begin(&claim);
        commit::<Schema>(&mut step, 1).unwrap();
        let chunk = step.chunks.commit(&mut record(2), |chunk, _| {
            Schema::insert(chunk, 2)?;
            queue(&manager.repository).give_up(worker.id(), claim.partition.id, "lost").unwrap();
            match &cut {
                Some(cut) => proxy.cut(cut.clone()),
                None => proxy.cut_now(),
            }
            Ok(())
        });
        assert!(is_fenced(&chunk), "{chunk:?}");
        assert!(is_fenced(&commit::<Schema>(&mut step, 3)));
        assert_eq!(manager.reconcile().waiting, 1);
        let other = Worker::of(&place);
        let mut step = other.begin(&other.claim());
        assert_eq!(step.context, context(1));
        commit::<Schema>(&mut step, 2).unwrap();
        assert_eq!(items(&place), ["1", "2"]);
    }
}

#[test]
fn a_chunk_in_another_database_that_is_cut_while_somebody_begins_the_partition_is_refused() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let proxy = Proxy::in_front_of(server.port());
    let (here, there) = (server.database(), server.database());
    let (place, stock) = (Schema::at(here.url()), Schema::at(there.url()));
    make_items(&stock);
    let manager = Manager::offering(&place, 1);
    let begin_there = |worker: &Worker, claim: &batch_runtime::repository::work_queue::Claim, url: &str| {
        let handle = DatabaseHandle::new(Postgres::at(url));
        let step = StepStart { elsewhere: Some(("stock", &handle)), ..start(&claim.partition.step) };
        begin_step(&worker.repository, claim.ownership, &step, Some(claim.partition.id))
    };
    let worker = Worker::of(&place);
    let claim = worker.claim();
    let mut step = begin_there(&worker, &claim, &proxy.url(there.url())).unwrap();
    commit::<Schema>(&mut step, 1).unwrap();
    let chunk = step.chunks.commit(&mut record(2), |chunk, _| {
        Schema::insert(chunk, 2)?;
        queue(&manager.repository).give_up(worker.id(), claim.partition.id, "lost").unwrap();
        manager.reconcile();
        // The next one reads the checkpoint there, and gets no further.
        let next = Worker::of(&place);
        let again = next.claim();
        queue(&next.repository).give_up(next.id(), again.partition.id, "lost").unwrap();
        refused(begin_there(&next, &again, there.url()));
        proxy.cut(Cut::Before(COMMIT));
        Ok(())
    });
    assert!(is_fenced(&chunk), "{chunk:?}");
    assert!(is_fenced(&commit::<Schema>(&mut step, 3)));
    manager.reconcile();
    let last = Worker::of(&place);
    let mut step = begin_there(&last, &last.claim(), there.url()).unwrap();
    assert_eq!(step.context, context(1));
    commit::<Schema>(&mut step, 2).unwrap();
    assert_eq!(items(&stock), ["1", "2"]);
}
