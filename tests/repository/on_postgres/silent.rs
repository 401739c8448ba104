//! A server that never answers: no wait outlives the lease for long, and afterwards nothing is lost or doubled.

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use batch_runtime::StopSignal;
use batch_runtime::postgres::{Postgres, Session};
use batch_runtime::repository::postgres::PostgresOptions;
use batch_runtime::repository::{BatchStatus, ExecutionFilter, StepStart};
use batch_tests::postgres::{Options, Server};
use batch_tests::proxy::{Proxy, Way};

use super::leases::{LEASE, lease, until};
use crate::place::{Place, Repo};
use crate::postgres::Schema;
use crate::support::*;
use crate::workers::{Manager, QUEUE, Worker, queue};

/// Many leases, and still less than a wait without a limit.
const MOST: Duration = LEASE.saturating_mul(20);

/// A call of a repository, which returns whether it has failed.
type Call = Box<dyn FnOnce(&Repo) -> bool + Send>;

/// Lets the repository open that many connections, so that as many queries are in flight at the same time.
fn open_connections(place: &Schema, repository: &Repo, many: usize) {
    let execution = repository.executions(&ExecutionFilter::default()).unwrap()[0].id;
    let locks = Session::connect(&place.database(), "locks").unwrap();
    locks.batch_execute("BEGIN; LOCK TABLE BATCH_STEP_EXECUTION").unwrap();
    thread::scope(|scope| {
        for _ in 0..many {
            scope.spawn(|| repository.steps(execution).unwrap());
        }
        let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        until("the queries", || place.rows(waiting) == [many.to_string()]);
        locks.batch_execute("ROLLBACK").unwrap();
    });
}

#[test]
fn no_query_of_a_worker_waits_for_a_silent_server_long_after_its_lease() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let database = server.database();
    let place = Schema::at(database.url());
    let manager = Manager::offering(&place, 1);
    let proxy = Proxy::in_front_of(server.port());
    let lost = StopSignal::new();
    let worker = Worker::joining(lease(&proxy.url(database.url())), &lost);
    let claim = worker.claim();
    let mut step = worker.begin(&claim);
    commit::<Schema>(&mut step, 1).unwrap();
    let (repository, owner, id) = (worker.repository.clone(), claim.ownership, worker.id());
    let partition = claim.partition.id;
    let mut calls: Vec<(&str, Call)> = vec![
        ("steps", Box::new(move |of| of.steps(owner.execution).is_err())),
        ("stop_requested", Box::new(move |of| of.stop_requested(owner).is_err())),
        ("drains", Box::new(move |of| queue(of).drains(id).is_err())),
        ("skipped", Box::new(move |of| queue(of).skipped(owner, "step").is_err())),
        ("workers", Box::new(move |of| queue(of).workers().is_err())),
        ("claim", Box::new(move |of| queue(of).claim(id, &[QUEUE.to_owned()], &BTreeSet::new()).is_err())),
        ("give_up", Box::new(move |of| queue(of).give_up(id, partition, "lost").is_err())),
        (
            "finish_step",
            Box::new(move |of| {
                let finish = ended_step(BatchStatus::Stopped, "HANDED_BACK");
                of.finish_step(owner, partition, &finish, None).is_err()
            }),
        ),
    ];
    open_connections(&place, &repository, calls.len());
    calls.push(("commit", Box::new(move |_| commit::<Schema>(&mut step, 2).is_err())));
    proxy.lose(Way::ToClient);
    let (ended, ends) = mpsc::channel();
    let mut all: Vec<&str> = calls.iter().map(|(name, _)| *name).collect();
    for (name, call) in calls {
        let (repository, ended) = (repository.clone(), ended.clone());
        thread::spawn(move || ended.send((name, call(&repository))));
    }
    while !all.is_empty() {
        let (name, has_failed) = ends.recv_timeout(MOST).unwrap_or_else(|_| panic!("{all:?} still wait"));
        assert!(has_failed, "{name}");
        all.retain(|one| *one != name);
    }
    assert!(lost.is_raised());

    // The statements may have been executed, although their answers were lost.
    until("the loss", || manager.reconcile().waiting == 1);
    proxy.heal();
    let other = Worker::of(&place);
    let mut step = other.begin(&other.claim());
    let committed = step.context["position"].as_i64().unwrap();
    commit::<Schema>(&mut step, committed + 1).unwrap();
    let expected: Vec<_> = (1..=committed + 1).map(|number| number.to_string()).collect();
    assert_eq!(items(&place), expected);
}

#[test]
fn a_lease_is_renewed_on_another_connection_if_the_first_is_dead() {
    const LONG: Duration = Duration::from_secs(15);
    let Some(server) = Server::start(&Options::default()) else { return };
    let database = server.database();
    let place = Schema::at(database.url());
    let proxy = Proxy::in_front_of(server.port());
    let options = PostgresOptions::new().lease(LONG);
    let repository: Repo = Arc::new(options.open(&Postgres::at(proxy.url(database.url()))).unwrap());
    let launched = launch(&repository);
    let lost = StopSignal::new();
    let _step =
        begin_as(&repository, launched.ownership, &StepStart { stop: &lost, ..start("step") }).unwrap();
    let renewed = || place.rows("SELECT RENEWED::text FROM BATCH_PROCESS").remove(0);
    let mut seen = renewed();
    let mut is_renewed = || {
        let before = std::mem::replace(&mut seen, renewed());
        before != seen
    };
    until("the first renewal", &mut is_renewed);
    // The next renewal is due in this time, and its connection is dead from then on.
    proxy.lose(Way::ToServer);
    thread::sleep(LONG / 3 + Duration::from_secs(1));
    proxy.heal();
    for _ in 0..3 {
        until("a renewal", &mut is_renewed);
    }
    assert!(!lost.is_raised());
}
