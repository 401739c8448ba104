//! The lease of a process on its executions, and its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use batch_runtime::StopSignal;
use batch_runtime::postgres::{Postgres, Session};
use batch_runtime::repository::postgres::PostgresOptions;
use batch_runtime::repository::{
    BatchStatus, ChunkError, ExecutionFilter, Launched, OwnerState, RepositoryError, StepStart,
};
use batch_tests::postgres::{Options, Server};
use batch_tests::proxy::Proxy;
use nix::sys::signal::Signal;

use super::{open, schema};
use crate::place::{OWNER_OF, Place, Repo};
use crate::postgres::Schema;
use crate::processes::{Owner, own};
use crate::support::*;

/// A short lease, but long enough for a busy machine to renew it in time.
pub(super) const LEASE: Duration = Duration::from_secs(4);

pub(super) fn lease(url: &str) -> Repo {
    Arc::new(PostgresOptions::new().lease(LEASE).open(&Postgres::at(url)).unwrap())
}

/// Waits until the condition holds.
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_mins(1), "{what} takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Launches as soon as the lease of the owner lets it, and says whether it was refused before.
fn launch_after_the_lease(repository: &Repo) -> (Launched, bool) {
    let began = Instant::now();
    let mut was_refused = false;
    loop {
        match repository.launch(&request(&parameters("a"))) {
            Ok(launched) => return (launched, was_refused),
            Err(RepositoryError::AlreadyRunning { .. }) => was_refused = true,
            Err(error) => panic!("{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
        assert!(began.elapsed() < Duration::from_mins(1), "the lease never ends");
    }
}

#[test]
fn a_lease_is_renewed_and_other_launchers_are_told_how_long_it_runs() {
    let Some(place) = schema() else { return };
    let repository = lease(place.url());
    let launched = launch(&repository);
    let other = place.open();
    let began = Instant::now();
    while began.elapsed() < 2 * LEASE {
        let error = other.launch(&request(&parameters("a"))).unwrap_err().to_string();
        assert!(error.contains("whose lease runs for "), "{error}");
        assert!(other.recover().unwrap().is_empty());
        std::thread::sleep(Duration::from_millis(100));
    }
    fail(&repository, launched.ownership);
}

#[test]
fn a_paused_owner_is_taken_over_after_its_lease_and_is_fenced_when_it_wakes() {
    if let Ok(url) = std::env::var(OWNER_OF) {
        return own::<Schema>(&lease(&url));
    }
    let Some(place) = schema() else { return };
    make_items(&place);
    let repository = place.open();
    let test =
        "on_postgres::leases::a_paused_owner_is_taken_over_after_its_lease_and_is_fenced_when_it_wakes";
    for round in 0..5 {
        let mut owner = Owner::start(test, place.url());
        owner.signal(Signal::SIGSTOP);
        let (launched, _) = launch_after_the_lease(&repository);
        assert_eq!(launched.recovered.as_ref().unwrap().pid, owner.id());
        assert!(launched.owner_may_live);
        let mut step = begin(&repository, launched.ownership);
        owner.signal(Signal::SIGCONT);
        for _ in 0..2 {
            assert_eq!(owner.order_a_chunk(), "fenced", "round {round}");
        }
        commit::<Schema>(&mut step, 7).unwrap();
        fail(&repository, launched.ownership);
    }
    assert_eq!(items(&place), ["1", "1", "1", "1", "1", "7", "7", "7", "7", "7"]);
}

#[test]
fn an_owner_that_was_taken_over_after_its_lease_may_live_until_it_is_seen_to_be_dead() {
    if let Ok(url) = std::env::var(OWNER_OF) {
        return own::<Schema>(&lease(&url));
    }
    let Some(place) = schema() else { return };
    make_items(&place);
    let test = "on_postgres::leases::an_owner_that_was_taken_over_after_its_lease_may_live_until_it_is_seen_to_be_dead";
    let mut owner = Owner::start(test, place.url());
    owner.signal(Signal::SIGSTOP);
    let repository = place.open();
    until("the lease", || !repository.recover().unwrap().is_empty());
    for _ in 0..2 {
        let launched = launch(&repository);
        assert!(launched.recovered.is_none() && launched.owner_may_live);
        fail(&repository, launched.ownership);
    }
    owner.kill();
    assert!(!launch(&repository).owner_may_live);
}

#[test]
fn an_owner_on_another_machine_is_taken_over_after_its_lease_and_one_on_this_at_once() {
    if let Ok(url) = std::env::var(OWNER_OF) {
        return own::<Schema>(&lease(&url));
    }
    let Some(place) = schema() else { return };
    make_items(&place);
    let repository = place.open();
    let test = "on_postgres::leases::an_owner_on_another_machine_is_taken_over_after_its_lease_and_one_on_this_at_once";
    let other_machine = [
        "UPDATE BATCH_PROCESS SET HOST = 'elsewhere'",
        "UPDATE BATCH_PROCESS SET PID_SPACE = 'pid:[1]'",
        // An earlier boot of this machine: the process must be dead, but it is the lease that shows this.
        "UPDATE BATCH_PROCESS SET BOOT_ID = 'another'",
    ];
    for (is_here, change) in [(true, "SELECT")].into_iter().chain(other_machine.map(|change| (false, change)))
    {
        let mut owner = Owner::start(test, place.url());
        owner.kill();
        place.sql(change);
        if !is_here {
            // The lease is young, as the process was alive a moment ago, and not over before the first launch.
            place.sql("UPDATE BATCH_PROCESS SET RENEWED = clock_timestamp() + INTERVAL '2 seconds'");
        }
        let (launched, was_refused) = launch_after_the_lease(&repository);
        assert_eq!(was_refused, !is_here, "{change}");
        assert_eq!(launched.owner_may_live, !is_here, "{change}");
        fail(&repository, launched.ownership);
    }
}

#[test]
fn an_owner_that_is_cut_off_stops_by_itself_and_is_fenced_when_the_network_is_back() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let database = server.database();
    let proxy = Proxy::in_front_of(server.port());
    database.connect().batch_execute("CREATE TABLE item (n BIGINT)").unwrap();
    let cut_off = lease(&proxy.url(database.url()));
    let first = launch(&cut_off);
    let signal = StopSignal::new();
    let mut step =
        begin_as(&cut_off, first.ownership, &StepStart { stop: &signal, ..start("step") }).unwrap();
    commit::<Schema>(&mut step, 1).unwrap();

    proxy.swallow(true);
    let repository = open(database.url());
    let (second, _) = launch_after_the_lease(&repository);
    until("the stop", || signal.is_raised());
    let mut new = begin(&repository, second.ownership);
    assert_eq!(new.context, context(1));
    proxy.swallow(false);
    let chunk = commit::<Schema>(&mut step, 2);
    assert!(is_fenced(&chunk), "{chunk:?}");
    commit::<Schema>(&mut new, 3).unwrap();
    let rows = database.connect().query("SELECT n FROM item ORDER BY n", &[]).unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>(), [1, 3]);
}

#[test]
fn a_process_whose_lease_was_declared_lost_stops_and_may_launch_again() {
    let Some(place) = schema() else { return };
    let repository = lease(place.url());
    let launched = launch(&repository);
    let signal = StopSignal::new();
    let mut step =
        begin_as(&repository, launched.ownership, &StepStart { stop: &signal, ..start("step") }).unwrap();
    let _other = repository.launch(&request(&parameters("b"))).unwrap();
    place.sql("UPDATE BATCH_PROCESS SET LOST = clock_timestamp(), LOST_TO = 'somebody'");
    until("the stop", || signal.is_raised());

    // The launch that finds one execution of a lost process takes over all of them.
    let second = launch(&place.open());
    assert!(second.owner_may_live);
    let ended = place.open().executions(&ExecutionFilter::default()).unwrap();
    let ended: Vec<_> =
        ended.iter().map(|execution| (execution.id.0, execution.exit.code.as_str())).collect();
    assert_eq!(ended, [(3, "EXECUTING"), (2, "OWNER_LOST"), (1, "OWNER_LOST")]);
    assert!(is_fenced(&step.chunks.commit(&mut record(1), |_, _| Ok(()))));
    drop(second.lock);
    let other = place.open().launch(&request(&parameters("b"))).unwrap();
    assert!(other.recovered.is_none() && other.owner_may_live);

    let third = launch(&repository);
    let execution = repository.execution(third.ownership.execution).unwrap();
    std::thread::sleep(LEASE + Duration::from_secs(1));
    assert_eq!(place.open().owner_state(&execution).unwrap(), OwnerState::Alive);
}

#[test]
fn the_time_without_a_server_does_not_count_against_a_lease() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let database = server.database();
    database.connect().batch_execute("CREATE TABLE item (n BIGINT)").unwrap();
    let repository = lease(database.url());
    let launched = launch_durably(&repository);
    let signal = StopSignal::new();
    let mut step =
        begin_as(&repository, launched.ownership, &StepStart { stop: &signal, ..start("step") }).unwrap();
    server.stop_immediate();
    std::thread::sleep(LEASE / 2);
    server.restart();
    // The lease would be over now if the time without a server counted.
    let error = open(database.url()).launch(&request(&parameters("a"))).unwrap_err();
    assert!(matches!(error, RepositoryError::AlreadyRunning { .. }), "{error}");
    loop {
        match commit::<Schema>(&mut step, 1) {
            Ok(_) => break,
            Err(ChunkError::Again(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(open(database.url()).recover().unwrap().is_empty());
    assert_eq!(repository.execution(launched.ownership.execution).unwrap().status, BatchStatus::Started);
}

#[test]
fn a_takeover_ends_a_connection_that_sleeps_in_a_transaction_of_the_lost_process() {
    let Some(place) = schema() else { return };
    make_items(&place);
    let repository = place.open();
    let first = launch(&repository);
    let mut step = begin(&repository, first.ownership);
    commit::<Schema>(&mut step, 1).unwrap();
    // As if the owner slept between its guard and its commit.
    let process = place.rows("SELECT PROCESS FROM BATCH_PROCESS").remove(0);
    let sleeping = Session::connect(&place.database(), &format!("batch {process}")).unwrap();
    sleeping.batch_execute("BEGIN; UPDATE BATCH_STEP_EXECUTION SET VERSION = VERSION + 1").unwrap();
    let other = place.open();
    let began = Instant::now();
    let second = force(&other);
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    let error = sleeping.query("SELECT 1", &[]).unwrap_err();
    assert!(error.to_string().contains("terminating connection"), "{error}");
    // The old owner does not know of the takeover, and finds its connections closed.
    let chunk = commit::<Schema>(&mut step, 2);
    assert!(is_fenced(&chunk), "{chunk:?}");
    assert!(matches!(repository.stop_requested(first.ownership), Err(RepositoryError::Fenced { .. })));
    assert_eq!(begin(&other, second.ownership).context, context(1));
    assert_eq!(items(&place), ["1"]);
}

#[test]
fn a_session_of_another_program_that_holds_the_rows_of_a_lost_owner_is_named() {
    let Some(place) = schema() else { return };
    let repository = place.open();
    let first = launch(&repository);
    begin(&repository, first.ownership);
    let other = Session::connect(&place.database(), "an editor").unwrap();
    other.batch_execute("BEGIN; UPDATE BATCH_STEP_EXECUTION SET EXIT_MESSAGE = 'looked at'").unwrap();
    let pid: i32 = other.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    drop(first.lock);
    let began = Instant::now();
    let error = place.open().launch(&request(&parameters("a"))).unwrap_err().to_string();
    assert!(
        error.contains(&format!(
            "is locked, probably by session {pid} of the server (`an editor` of user `batch`, idle in transaction)"
        )),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    other.batch_execute("ROLLBACK").unwrap();
    launch(&place.open());
}

#[test]
fn a_takeover_waits_for_a_chunk_in_flight_or_ends_it_and_never_duplicates_it() {
    let Some(place) = schema() else { return };
    make_items(&place);
    let (old, new) = (place.open(), place.open());
    for _ in 0..10 {
        let first = force(&old);
        let mut step = begin(&old, first.ownership);
        let from = step.context.get("position").map_or(0, |position| position.as_i64().unwrap());
        let (committed, seen) = std::sync::mpsc::channel();
        let owner = std::thread::spawn(move || {
            for position in from + 1.. {
                // A takeover ends the session of the owner; the engine then tries again with another one.
                let mut attempt = commit::<Schema>(&mut step, position);
                while let Err(ChunkError::Again(_)) = attempt {
                    attempt = commit::<Schema>(&mut step, position);
                }
                if let Err(error) = attempt {
                    return error;
                }
                let _ = committed.send(position);
            }
            unreachable!()
        });
        // At any moment of a chunk.
        while seen.recv().unwrap() < from + 3 {}
        let second = force(&new);
        let error = owner.join().unwrap();
        let is_fenced = matches!(error, ChunkError::Repository(RepositoryError::Fenced { execution }) if execution == first.ownership.execution);
        assert!(is_fenced, "{error}");
        let last = begin(&new, second.ownership).context["position"].as_i64().unwrap();
        fail(&new, second.ownership);
        assert_eq!(
            place.rows("SELECT COUNT(*), COUNT(DISTINCT n), MAX(n) FROM item"),
            [format!("{last}|{last}|{last}")]
        );
    }
}
