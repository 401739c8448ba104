//! The network between client and server: delays, cuts, poolers.

use std::time::{Duration, Instant};

use batch_runtime::OpenTransaction as _;
use batch_runtime::postgres::{CommitError, Connection, PgError, Postgres, Session, Transaction};
use batch_tests::postgres::{Options, Pooler, Server};
use batch_tests::proxy::{Cut, Proxy};

const GUARD: &str =
    "SELECT 1 / count(*) FROM (SELECT WHERE current_setting('batch.chunk', true) = '7') AS guard";

/// A server, a proxy before it, and the URL of a database with the table `t` through the proxy.
fn proxied() -> Option<(Server, Proxy, String)> {
    let server = Server::start(&Options::default())?;
    let database = server.database();
    database.connect().batch_execute("CREATE TABLE t (id BIGINT PRIMARY KEY)").unwrap();
    let proxy = Proxy::in_front_of(server.port());
    let url = proxy.url(database.url());
    Some((server, proxy, url))
}

fn connect(url: &str) -> Session {
    Session::connect(&Postgres::at(url), "a test").unwrap()
}

fn count(session: &Session) -> i64 {
    session.query_one("SELECT count(*) FROM t", &[]).unwrap().get(0)
}

#[test]
fn a_chunk_is_one_round_trip_with_copy_and_with_statements() {
    let Some((_server, proxy, url)) = proxied() else { return };
    let tx = Transaction::on(connect(&url));
    let chunk = |id: i64| {
        tx.begin("7", true).unwrap();
        let mut copy = tx.copy("t", ["id"]).unwrap();
        (id..id + 3000).for_each(|id| copy.add(&[&id]).unwrap());
        copy.end_later().unwrap();
        tx.send("DELETE FROM t WHERE id = $1", &[&id]).unwrap();
        tx.begin_part().unwrap();
        tx.send("DELETE FROM t WHERE id = $1", &[&(id + 1)]).unwrap();
        tx.keep_part().unwrap();
        tx.session().commit_after(GUARD, &[]).unwrap();
    };
    chunk(0);
    let trip = Duration::from_millis(600);
    proxy.delay(trip / 2);
    let began = Instant::now();
    chunk(10_000);
    let took = began.elapsed();
    assert!(took >= trip && took < trip * 2, "{took:?}");
}

#[test]
fn a_cut_before_commit_rolls_back_and_after_it_commits_and_both_are_unknown() {
    let Some((_server, proxy, url)) = proxied() else { return };
    for (round, (cut, rows)) in
        [(Cut::Before(b"COMMIT\0"), 0), (Cut::After(b"COMMIT\0"), 1), (Cut::ToClient(1), 2)]
            .into_iter()
            .enumerate()
    {
        let session = connect(&url);
        session.query(GUARD, &[]).unwrap_err();
        session.prepare_insert();
        session.begin("SET LOCAL batch.chunk = '7'").unwrap();
        session.send(INSERT, &[&i64::try_from(round).unwrap()]).unwrap();
        proxy.cut(cut.clone());
        let error = session.commit_after(GUARD, &[]).unwrap_err();
        assert!(error.is_unknown() && error.error().is_connection(), "{cut:?}: {error}");
        assert!(session.is_closed());
        // The server ends the transaction as soon as it notices.
        let other = connect(&url);
        let deadline = Instant::now() + Duration::from_mins(2);
        while count(&other) != rows && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(count(&other), rows, "{cut:?}");
    }
}

const INSERT: &str = "INSERT INTO t VALUES ($1)";

trait Prepared {
    fn prepare_insert(&self);
}

impl Prepared for Session {
    /// Prepares the statements, so that a measured chunk prepares none.
    fn prepare_insert(&self) {
        self.begin("").unwrap();
        self.execute(INSERT, &[&-1_i64]).unwrap();
        self.rollback().unwrap();
    }
}

#[test]
fn a_connection_that_is_cut_anywhere_is_an_error_of_the_connection_and_never_a_hang() {
    let Some((_server, proxy, url)) = proxied() else { return };
    let run = || -> Result<(), PgError> {
        let tx = Transaction::on(Session::connect(&Postgres::at(&url), "a test")?);
        tx.begin("7", true)?;
        tx.send("DELETE FROM t", &[])?;
        let mut copy = tx.copy("t", ["id"])?;
        (0..40_i64).try_for_each(|id| copy.add(&[&id]))?;
        copy.end()?;
        tx.session().commit_after("SELECT 1", &[]).map_err(CommitError::into_error).map(|_| ())
    };
    let mut cuts = 0;
    for at in (1..1800).step_by(37) {
        for cut in [Cut::ToServer(at), Cut::ToClient(at)] {
            proxy.cut(cut.clone());
            if let Err(error) = run() {
                assert!(error.is_connection(), "{cut:?}: {error}");
                cuts += 1;
            }
        }
    }
    assert!(cuts > 40, "{cuts} cuts");
}

#[test]
fn a_server_that_does_not_answer_is_given_up_after_the_time_limit() {
    let Some((_server, proxy, url)) = proxied() else { return };
    proxy.swallow(true);
    let began = Instant::now();
    let limited = format!("{url}?connect_timeout=1");
    let error = Session::connect(&Postgres::at(limited), "a test").unwrap_err();
    assert!(error.is_connection() && error.to_string().contains("did not answer in time"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(8));
}

#[test]
fn everything_works_through_a_pooler() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let Some(pooler) = Pooler::in_front_of(&server) else { return };
    let database = server.database();
    database.connect().batch_execute("CREATE TABLE t (id BIGINT PRIMARY KEY)").unwrap();
    let url = pooler.url(database.url());
    std::thread::scope(|scope| {
        for worker in 0..6_i64 {
            let url = &url;
            scope.spawn(move || {
                let tx = Transaction::on(connect(url));
                let reading = Connection::open(&Postgres::at(url)).unwrap();
                for chunk in 0..20_i64 {
                    let id = (worker * 20 + chunk) * 10;
                    tx.begin("7", true).unwrap();
                    let mut copy = tx.copy("t", ["id"]).unwrap();
                    (id..id + 5).for_each(|id| copy.add(&[&id]).unwrap());
                    copy.end_later().unwrap();
                    tx.send(INSERT, &[&(id + 5)]).unwrap();
                    tx.session().commit_after(GUARD, &[]).unwrap();
                    let read =
                        reading.query("SELECT id FROM t WHERE id BETWEEN $1 AND $2", &[&id, &(id + 9)]);
                    assert_eq!(read.unwrap().len(), 6);
                }
            });
        }
    });
    assert_eq!(count(&connect(&url)), 6 * 20 * 6);
}
