//! A server that is lost for a while, and connections that are cut.

use std::time::{Duration, Instant};

use batch_runtime::DatabaseHandle;
use batch_runtime::postgres::Postgres;
use batch_runtime::repository::{
    BatchStatus, ChunkError, ChunkRecord, RepositoryError, StepFinish, StepStart, encode_context,
};
use batch_tests::postgres::{Database, Options, Server};
use batch_tests::proxy::{Cut, Proxy};

use super::open;
use super::whole_job::{commit_with_retries, write_everything};
use crate::place::{Place, Repo, Setup};
use crate::postgres::Schema;
use crate::support::*;

/// A server, and a database on it that is reached through a proxy.
struct Network {
    server: Server,
    proxy: Proxy,
    database: Database,
    repository: Repo,
}

fn network() -> Option<Network> {
    let server = Server::start(&Options::default())?;
    let database = server.database();
    let proxy = Proxy::in_front_of(server.port());
    database.connect().batch_execute("CREATE TABLE item (n BIGINT)").unwrap();
    let repository = open(&proxy.url(database.url()));
    Some(Network { server, proxy, database, repository })
}

impl Network {
    fn place(&self) -> Schema {
        Schema::at(self.database.url())
    }
}

const COMMIT: &[u8] = b"COMMIT\0";

fn all_once(network: &Network, many: i64) {
    assert_eq!(
        network.place().rows("SELECT COUNT(*), COUNT(DISTINCT n), MAX(n) FROM item"),
        [format!("{many}|{many}|{many}")]
    );
}

#[test]
fn a_chunk_whose_connection_is_cut_at_its_commit_is_committed_once() {
    let Some(network) = network() else { return };
    let launched = launch(&network.repository);
    let mut step = begin(&network.repository, launched.ownership);
    for position in (1..).step_by(2).take(5) {
        // Nothing reached the server: the chunk is written again.
        network.proxy.cut(Cut::Before(COMMIT));
        assert_eq!(commit_with_retries(&mut step, position), 1);
        // The server has the whole chunk. It commits, unless the check of the row comes first and prevents that.
        network.proxy.cut(Cut::After(COMMIT));
        assert!(commit_with_retries(&mut step, position + 1) <= 1);
        assert!(!network.proxy.is_armed());
    }
    all_once(&network, 10);
    let step = &network.repository.steps(launched.ownership.execution).unwrap()[0];
    assert_eq!((step.counters.read, step.context.clone()), (10, context(10)));
}

#[test]
fn a_chunk_whose_connection_is_cut_at_any_byte_is_committed_once() {
    let Some(network) = network() else { return };
    let launched = launch(&network.repository);
    let mut step = begin(&network.repository, launched.ownership);
    let mut position = 0;
    for (cut, most) in [(Cut::ToServer as fn(usize) -> Cut, 1_500), (Cut::ToClient as fn(usize) -> Cut, 600)]
    {
        for bytes in (1..most).step_by(41) {
            network.proxy.cut(cut(bytes));
            while network.proxy.is_armed() {
                position += 1;
                commit_with_retries(&mut step, position);
            }
        }
    }
    all_once(&network, position);
}

#[test]
fn skips_and_the_context_of_the_job_are_committed_once_with_a_chunk_that_is_cut() {
    use batch_runtime::repository::{SkipPhase, SkippedItem};

    let Some(network) = network() else { return };
    let launched = launch(&network.repository);
    let mut step = begin(&network.repository, launched.ownership);
    for (position, cut) in (1..).zip([Cut::Before(COMMIT), Cut::After(COMMIT), Cut::Before(COMMIT)]) {
        network.proxy.cut(cut);
        let skipped = SkippedItem {
            phase: SkipPhase::Write,
            position: String::new(),
            location: None,
            error: String::new(),
            item: Some(position.to_string()),
        };
        let changes = [(format!("of {position}"), position.into())].into();
        let mut record = ChunkRecord {
            skipped: vec![skipped],
            job_context: Some(encode_context(&changes)),
            ..record(position)
        };
        while let Err(error) = step.chunks.commit(&mut record, |chunk, _| Schema::insert(chunk, position)) {
            assert!(matches!(error, ChunkError::Again(_)), "{error}");
        }
    }
    let skipped = network.repository.skipped_items(launched.ownership.execution).unwrap();
    let skipped: Vec<_> = skipped.into_iter().map(|row| (row.sequence, row.item.item.unwrap())).collect();
    assert_eq!(skipped, [(1, "1".to_owned()), (2, "2".to_owned()), (3, "3".to_owned())]);
    all_once(&network, 3);
    fail(&network.repository, launched.ownership);
    assert_eq!(launch(&network.repository).context.len(), 3);
}

#[test]
fn everything_that_is_written_survives_a_cut_at_its_commit() {
    let Some(whole) = network() else { return };
    let expected = write_everything(&whole.place(), &whole.repository, || {});
    for cut in [Cut::Before(COMMIT), Cut::After(COMMIT)] {
        let database = whole.server.database();
        let place = Schema::at(database.url());
        make_items(&place);
        let repository = open(&whole.proxy.url(database.url()));
        let cuts = std::cell::Cell::new(0);
        let stored = write_everything(&place, &repository, || {
            cuts.set(cuts.get() + u32::from(!whole.proxy.is_armed()));
            whole.proxy.cut(cut.clone());
        });
        assert_eq!(stored, expected);
        // All but the release of a lock, which is not a transaction.
        assert!(cuts.get() >= 14, "{cuts:?}");
    }
}

#[test]
fn a_server_that_dies_in_mid_chunk_costs_time_and_loses_nothing() {
    let Some(network) = network() else { return };
    let launched = launch_durably(&network.repository);
    let mut step = begin(&network.repository, launched.ownership);
    let server = &network.server;
    for (position, end) in (1..).zip([Server::kill_9, Server::stop_immediate, Server::stop, Server::kill_9]) {
        commit_with_retries(&mut step, 10 * position + 1);
        // During a chunk; the server is back before the chunk continues.
        let dies = step.chunks.commit(&mut record(10 * position + 2), |chunk, _| {
            Schema::insert(chunk, 10 * position + 2)?;
            end(server);
            server.restart();
            Ok(())
        });
        assert!(matches!(dies, Err(ChunkError::Again(_))), "{dies:?}");
        commit_with_retries(&mut step, 10 * position + 2);
        // Between two chunks.
        end(server);
        server.restart();
        commit_with_retries(&mut step, 10 * position + 3);
        // While the server is away.
        end(server);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_secs(1));
                server.restart();
            });
            commit_with_retries(&mut step, 10 * position + 4);
        });
        assert!(!network.repository.stop_requested(launched.ownership).unwrap());
    }
    let items: Vec<i64> = items(&network.place()).iter().map(|item| item.parse().unwrap()).collect();
    let expected: Vec<i64> =
        (1..5).flat_map(|position| (1..5).map(move |item| 10 * position + item)).collect();
    assert_eq!(items, expected);
    fail(&network.repository, launched.ownership);
}

#[test]
fn commits_that_a_crash_of_the_server_lost_are_noticed_and_a_restart_continues() {
    let Some(network) = network() else { return };
    let repository = &network.repository;
    let launched = launch_durably(repository);
    let mut step = begin(repository, launched.ownership);
    commit_with_retries(&mut step, 1);
    // As if the crash had lost the second commit.
    commit_with_retries(&mut step, 2);
    let place = network.place();
    place.sql("DELETE FROM item WHERE n = 2; UPDATE BATCH_STEP_EXECUTION SET VERSION = VERSION - 1");
    let Err(ChunkError::Repository(error)) = commit::<Schema>(&mut step, 3) else {
        panic!("the lost commit is not noticed")
    };
    assert!(error.to_string().contains("the server has lost commits that it had confirmed"), "{error}");
    drop(launched.lock);
    launch(repository);
    assert_eq!(items(&place), ["1"]);
}

#[test]
fn a_server_that_is_away_is_waited_for_as_long_as_the_patience_lasts() {
    let Some(network) = network() else { return };
    let repository =
        network.place().open_with(Setup { wait: Some(Duration::from_secs(2)), ..Setup::default() });
    let launched = launch_durably(&repository);
    let mut step = begin(&repository, launched.ownership);
    network.server.stop();
    for attempt in 0..2 {
        let began = Instant::now();
        let error = if attempt == 0 {
            match commit::<Schema>(&mut step, 1) {
                Err(ChunkError::Repository(error)) => error,
                other => panic!("{other:?}"),
            }
        } else {
            repository.record(launched.ownership, &[passed("a", "b")], None).unwrap_err()
        };
        let waited = began.elapsed();
        assert!(waited >= Duration::from_secs(2) && waited < Duration::from_mins(1), "{waited:?}");
        assert!(matches!(error, RepositoryError::Database { .. }), "{error:?}");
        assert!(error.to_string().contains("the server cannot be reached"), "{error}");
    }
    network.server.restart();
    assert_eq!(commit_with_retries(&mut step, 1), 0);
    all_once(&network, 1);
}

#[test]
fn a_job_that_is_to_stop_does_not_wait_for_a_server_that_is_away() {
    let Some(network) = network() else { return };
    let repository = network.place().open();
    let launched = launch(&repository);
    let signal = batch_runtime::StopSignal::new();
    let mut step =
        begin_as(&repository, launched.ownership, &StepStart { stop: &signal, ..start("step") }).unwrap();
    network.server.stop();
    signal.raise();
    let began = Instant::now();
    assert!(commit::<Schema>(&mut step, 1).is_err());
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
}

#[test]
fn a_cut_in_another_database_loses_and_duplicates_nothing_there() {
    let Some(network) = network() else { return };
    let here = crate::sqlite::File::new().unwrap();
    let repository = here.open_with(Setup { mirror: Some(Duration::ZERO), wait: None });
    let handle = DatabaseHandle::new(Postgres::at(network.proxy.url(network.database.url())));
    let elsewhere = Some(("warehouse", &handle));
    let mut launched = launch(&repository);
    let mut position = 0;
    for round in 0..4 {
        let mut step =
            begin_as(&repository, launched.ownership, &StepStart { elsewhere, ..start("step") }).unwrap();
        assert_eq!(step.context.get("position").map_or(0, |at| at.as_i64().unwrap()), position);
        for cut in [Cut::Before(COMMIT), Cut::After(COMMIT), Cut::ToServer(700), Cut::ToClient(90)] {
            network.proxy.cut(cut);
            while network.proxy.is_armed() {
                position += 1;
                commit_with_retries(&mut step, position);
            }
        }
        // The end of the step, its fence and its skips are written there as well.
        network.proxy.cut(Cut::ToServer(100 + 150 * round));
        let finish =
            StepFinish { context: Some(context(position)), ..ended_step(BatchStatus::Failed, "FAILED") };
        batch_runtime::repository::finish_step(
            &*repository,
            launched.ownership,
            step.id,
            step.checkpoints.as_deref(),
            &finish,
        )
        .unwrap();
        fail(&repository, launched.ownership);
        launched = launch(&repository);
        network.proxy.cut(Cut::ToClient(1_000 + 20 * round));
    }
    all_once(&network, position);
}
