//! A session: statements, pipelines, commits.

use batch_runtime::postgres::{Postgres, Session, TransactionStatus};
use batch_tests::postgres;

/// A session with a database that has the table `t`.
fn session(option: &str) -> Option<(postgres::Database, Session)> {
    let database = postgres::database()?;
    let session = Session::connect(&Postgres::at(database.url_with(option)), "a test").unwrap();
    session.batch_execute("CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT)").unwrap();
    Some((database, session))
}

fn rows(session: &Session) -> Vec<i64> {
    session.query("SELECT id FROM t ORDER BY id", &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn statements_run_prepared_and_unnamed_alike() {
    for option in ["statements=named", "statements=unnamed"] {
        let Some((_database, session)) = session(option) else { return };
        let insert = "INSERT INTO t VALUES ($1, $2)";
        assert_eq!(session.execute(insert, &[&1_i64, &"one"]).unwrap(), 1);
        assert_eq!(session.execute(insert, &[&2_i64, &None::<String>]).unwrap(), 1);
        let row = session.query_one("SELECT name FROM t WHERE id = $1", &[&1_i64]).unwrap();
        assert_eq!(row.get::<_, &str>(0), "one");
        assert!(session.query_opt("SELECT name FROM t WHERE id = $1", &[&3_i64]).unwrap().is_none());
        let ids = [1_i64, 2, 3];
        let found = session.query("SELECT id FROM t WHERE id = ANY($1)", &[&&ids[..]]).unwrap();
        assert_eq!(found.len(), 2);
        let several = session.query_one("SELECT id FROM t", &[]).unwrap_err().to_string();
        assert_eq!(several, "the query has 2 rows instead of one, in `SELECT id FROM t`");
    }
}

#[test]
fn statements_are_sent_in_order_and_the_first_error_comes_out_of_the_next_wait() {
    for option in ["statements=named", "statements=unnamed"] {
        let Some((_database, session)) = session(option) else { return };
        let insert = "INSERT INTO t (id) VALUES ($1)";
        session.begin("SET LOCAL batch.chunk = '1'").unwrap();
        for id in [1_i64, 2, 2, 3] {
            session.send(insert, &[&id]).unwrap();
        }
        assert!(!session.is_settled());
        let error = session.settle().unwrap_err();
        assert_eq!(
            error.to_string(),
            "duplicate key value violates unique constraint \"t_pkey\": Key (id)=(2) already exists \
             (SQLSTATE 23505), in `INSERT INTO t (id) VALUES ($1)`"
        );
        assert_eq!((error.code(), error.constraint()), (Some("23505"), Some("t_pkey")));
        assert!(!error.is_connection());
        assert_eq!(session.status(), TransactionStatus::Failed);
        session.rollback().unwrap();
        assert_eq!(session.status(), TransactionStatus::None);
        assert!(rows(&session).is_empty());
    }
}

#[test]
fn a_query_and_commit_are_one_round_trip_after_what_was_sent() {
    let Some((_database, session)) = session("") else { return };
    for round in 0..3_i64 {
        session.begin("SET LOCAL batch.chunk = '1'").unwrap();
        session.send("INSERT INTO t (id) VALUES ($1)", &[&round]).unwrap();
        session.send("UPDATE t SET name = 'new' WHERE id = $1", &[&round]).unwrap();
        let guard = "SELECT count(*), current_setting('batch.chunk', true) FROM t WHERE name = 'new'";
        let row = session.commit_after(guard, &[]).unwrap().pop().unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (round + 1, "1"));
        assert_eq!(session.status(), TransactionStatus::None);
    }
    assert_eq!(rows(&session), [0, 1, 2]);
}

#[test]
fn a_failed_query_or_statement_before_commit_rolls_back_and_is_named() {
    let Some((_database, session)) = session("") else { return };
    session.begin("").unwrap();
    session.send("INSERT INTO t (id) VALUES (1)", &[]).unwrap();
    let error = session.commit_after("SELECT 1 / count(*) FROM t WHERE id = 7", &[]).unwrap_err();
    assert!(!error.is_unknown());
    assert_eq!(error.error().code(), Some("22012"));

    session.begin("").unwrap();
    session.send("INSERT INTO t (id) VALUES (1)", &[]).unwrap();
    session.send("INSERT INTO t (id) VALUES (1)", &[]).unwrap();
    let error = session.commit_after("SELECT 1", &[]).unwrap_err();
    assert!(!error.is_unknown());
    assert_eq!(error.error().code(), Some("23505"));

    // The driver says that this COMMIT succeeded.
    session.begin("").unwrap();
    session.execute("SELECT 1 / 0", &[]).unwrap_err();
    let error = session.commit().unwrap_err();
    assert!(!error.is_unknown());
    assert_eq!(session.status(), TransactionStatus::None);
    assert!(rows(&session).is_empty());
}

#[test]
fn an_error_that_comes_with_the_commit_itself_rolls_back() {
    let Some((_database, session)) = session("") else { return };
    let deferred = "CREATE TABLE u (id BIGINT REFERENCES t DEFERRABLE INITIALLY DEFERRED)";
    session.batch_execute(deferred).unwrap();
    session.begin("").unwrap();
    session.send("INSERT INTO u VALUES (1)", &[]).unwrap();
    let error = session.commit_after("SELECT 1", &[]).unwrap_err();
    assert!(!error.is_unknown());
    assert_eq!(error.error().code(), Some("23503"));
    assert_eq!(session.query_one("SELECT count(*) FROM u", &[]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn many_statements_are_sent_with_bounded_memory() {
    let Some((_database, session)) = session("") else { return };
    session.begin("").unwrap();
    let name = "x".repeat(1000);
    for id in 0..20_000_i64 {
        session.send("INSERT INTO t VALUES ($1, $2)", &[&id, &name]).unwrap();
    }
    session.commit().unwrap();
    assert_eq!(session.query_one("SELECT count(*) FROM t", &[]).unwrap().get::<_, i64>(0), 20_000);
}

#[test]
fn large_values_go_both_ways_while_others_are_in_flight() {
    let Some((_database, session)) = session("") else { return };
    session.begin("").unwrap();
    let large = "y".repeat(20_000_000);
    for _ in 0..3 {
        session.send("SELECT $1::text", &[&large]).unwrap();
    }
    let back = session.query_one("SELECT $1::text", &[&large]).unwrap();
    assert_eq!(back.get::<_, &str>(0).len(), large.len());
    session.commit().unwrap();
}

#[test]
fn a_statement_survives_a_change_of_its_table() {
    let Some((_database, session)) = session("") else { return };
    assert!(session.query("SELECT * FROM t", &[]).unwrap().is_empty());
    session.batch_execute("ALTER TABLE t ADD COLUMN more TEXT").unwrap();
    assert!(session.query("SELECT * FROM t", &[]).unwrap().is_empty());
    session.batch_execute("DEALLOCATE ALL").unwrap();
    assert!(session.query("SELECT * FROM t", &[]).unwrap().is_empty());
}

#[test]
fn values_that_do_not_fit_are_named() {
    let Some((_database, session)) = session("") else { return };
    let insert = "INSERT INTO t VALUES ($1, $2)";
    let missing = session.send(insert, &[&1_i64]).unwrap_err().to_string();
    assert_eq!(
        missing,
        "the statement has 2 parameters, and 1 values are given, in `INSERT INTO t VALUES ($1, $2)`"
    );
    let wrong = session.execute(insert, &[&"1", &"one"]).unwrap_err().to_string();
    assert!(
        wrong.starts_with("$1: cannot convert between the Rust type `&str` and the Postgres type"),
        "{wrong}"
    );
}

#[test]
fn a_session_moves_between_threads() {
    let Some((_database, session)) = session("") else { return };
    let session = std::thread::spawn(move || {
        session.execute("INSERT INTO t (id) VALUES (1)", &[]).unwrap();
        session
    })
    .join()
    .unwrap();
    assert_eq!(rows(&session), [1]);
}

#[cfg(feature = "async")]
#[test]
fn a_session_works_on_the_threads_of_a_runtime() {
    let Some((database, _)) = session("") else { return };
    let database = std::sync::Arc::new(database);
    let used = |database: &postgres::Database, id: i64| {
        let session = database.connect();
        session.execute("INSERT INTO t (id) VALUES ($1)", &[&id]).unwrap();
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(async {
        used(&database, 1);
        let other = std::sync::Arc::clone(&database);
        tokio::spawn(async move { used(&other, 2) }).await.unwrap();
        let other = std::sync::Arc::clone(&database);
        tokio::task::spawn_blocking(move || used(&other, 3)).await.unwrap();
    });
    assert_eq!(rows(&database.connect()), [1, 2, 3]);
}

#[test]
fn the_server_shows_the_name_of_the_application() {
    let Some((_database, session)) = session("") else { return };
    let name = session.query_one("SELECT current_setting('application_name')", &[]).unwrap();
    assert_eq!(name.get::<_, &str>(0), "a test");
}
