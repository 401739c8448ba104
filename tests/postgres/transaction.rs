//! The transaction of a chunk: what components do with it, and what the engine does.

use batch_runtime::OpenTransaction as _;
use batch_runtime::postgres::{Connection, Postgres, Session, Transaction};
use batch_tests::postgres;

pub(crate) const GUARD: &str =
    "SELECT 1 / count(*) FROM (SELECT WHERE current_setting('batch.chunk', true) = '7') AS guard";

/// A transaction that has begun, in a database with the table `t`.
fn transaction(option: &str) -> Option<(postgres::Database, Transaction)> {
    let database = postgres::database()?;
    let session = Session::connect(&Postgres::at(database.url_with(option)), "a test").unwrap();
    session.batch_execute("CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, at TIMESTAMPTZ)").unwrap();
    let transaction = Transaction::on(session);
    transaction.begin("7", true).unwrap();
    Some((database, transaction))
}

fn names(session: &Session) -> Vec<(i64, Option<String>)> {
    let rows = session.query("SELECT id, name FROM t ORDER BY id", &[]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn copied_rows_are_committed_with_what_is_sent_around_them() {
    for option in ["statements=named", "statements=unnamed"] {
        let Some((_database, tx)) = transaction(option) else { return };
        for chunk in 0..3_i64 {
            if chunk > 0 {
                tx.begin("7", false).unwrap();
            }
            tx.send("DELETE FROM t WHERE id = $1", &[&(chunk * 10 - 9)]).unwrap();
            let mut copy = tx.copy("t", ["id", "name", "at"]).unwrap();
            for id in chunk * 10 + 1..chunk * 10 + 4 {
                let at = "2024-02-29T12:00:00Z".parse::<batch_runtime::Timestamp>().unwrap();
                copy.add(&[&id, &(id % 2 == 0).then_some("even"), &at]).unwrap();
            }
            copy.end_later().unwrap();
            tx.send("UPDATE t SET name = 'odd' WHERE name IS NULL", &[]).unwrap();
            tx.session().commit_after(GUARD, &[]).unwrap();
        }
        let ids: Vec<_> = names(tx.session()).into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, [2, 3, 12, 13, 21, 22, 23]);
        assert_eq!(names(tx.session())[0], (2, Some("even".to_owned())));
        assert_eq!(names(tx.session())[1], (3, Some("odd".to_owned())));
    }
}

#[test]
fn a_copy_of_many_rows_is_sent_as_it_comes_and_counts_its_rows() {
    let Some((_database, tx)) = transaction("") else { return };
    let mut copy = tx.copy("t", ["id", "name"]).unwrap();
    let name = "x".repeat(1000);
    for id in 0..30_000_i64 {
        copy.add(&[&id, &name]).unwrap();
    }
    assert_eq!(copy.end().unwrap(), 30_000);
    tx.session().commit_after(GUARD, &[]).unwrap();
    assert_eq!(tx.session().query_one("SELECT count(*) FROM t", &[]).unwrap().get::<_, i64>(0), 30_000);
}

#[test]
fn a_row_that_does_not_fit_is_named_and_left_out() {
    let Some((_database, tx)) = transaction("") else { return };
    let mut copy = tx.copy("t", ["id", "name"]).unwrap();
    copy.add(&[&1_i64, &"one"]).unwrap();
    let error = copy.add(&[&2_i64, &2_i64]).unwrap_err().to_string();
    assert!(error.starts_with("row 2, column `name`: cannot convert between the Rust type `i64`"), "{error}");
    let error = copy.add(&[&2_i64]).unwrap_err().to_string();
    assert!(
        error.starts_with("the copy has 2 columns, and 1 values are given, in `COPY t (id, name)"),
        "{error}"
    );
    assert_eq!(copy.end().unwrap(), 1);
}

#[test]
fn a_copy_that_the_server_refuses_says_so_and_the_session_goes_on() {
    let Some((_database, tx)) = transaction("") else { return };
    let missing = tx.copy("nowhere", ["id"]).unwrap_err();
    assert_eq!(missing.code(), Some("42P01"));
    tx.give_up().unwrap();
    tx.begin_again().unwrap();

    // Refused in the middle, wherever the rows are cut into packets: the rest of them is not sent.
    for size in (1..40).map(|round| round * round * 97) {
        let mut copy = tx.copy("t", ["id", "name"]).unwrap();
        let name = "x".repeat(size);
        let enough = 8_000_000 / i64::try_from(size).unwrap();
        let refused = (0..enough).find_map(|id| copy.add(&[&(id / 2), &name]).err());
        let refused = refused.unwrap_or_else(|| copy.end().unwrap_err());
        assert_eq!(refused.code(), Some("23505"), "{size}: {refused}");
        tx.give_up().unwrap();
        tx.begin_again().unwrap();
    }
    let mut copy = tx.copy("t", ["id", "name"]).unwrap();
    let name = "x".repeat(100_000);
    let refused = (0..10_000_i64).find_map(|id| copy.add(&[&(id / 2), &name]).err()).unwrap();
    assert_eq!(refused.code(), Some("23505"), "{refused}");
    assert!(copy.end().unwrap_err().to_string().contains("has failed already"));
    tx.give_up().unwrap();
    tx.begin_again().unwrap();

    // The server refuses before it takes any row, and does not read the rows that are sent after that.
    tx.batch_execute("CREATE VIEW v AS SELECT id, name FROM t").unwrap();
    let mut copy = tx.copy("v", ["id"]).unwrap();
    copy.add(&[&1_i64]).unwrap();
    copy.end_later().unwrap();
    tx.session().send_batch("SELECT 1").unwrap();
    let error = tx.session().commit_after(GUARD, &[]).unwrap_err();
    assert_eq!(error.error().code(), Some("42809"), "{error}");
    assert!(!error.is_unknown());
    tx.begin("7", true).unwrap();
    tx.execute("INSERT INTO t VALUES (1)", &[]).unwrap();
    tx.session().commit_after(GUARD, &[]).unwrap();
    assert_eq!(names(tx.session()).len(), 1);
}

#[test]
fn a_copy_that_is_not_ended_fails_the_chunk() {
    let Some((_database, tx)) = transaction("") else { return };
    let mut copy = tx.copy("t", ["id"]).unwrap();
    copy.add(&[&1_i64]).unwrap();
    drop(copy);
    let error = tx.settle().unwrap_err().to_string();
    assert!(error.contains("the copy was not ended: call `end` or `end_later`"), "{error}");

    tx.give_up().unwrap();
    tx.begin_again().unwrap();
    let mut copy = tx.copy("t", ["id"]).unwrap();
    copy.add(&[&1_i64]).unwrap();
    let between = tx.execute("SELECT 1", &[]).unwrap_err().to_string();
    assert_eq!(between, "end the copy first, in `COPY t (id) FROM STDIN (FORMAT binary)`");
    std::mem::forget(copy);
    let error = tx.session().commit_after(GUARD, &[]).unwrap_err();
    assert!(!error.is_unknown());
    tx.give_up().unwrap();
    assert!(names(tx.session()).is_empty());
}

#[test]
fn a_component_cannot_end_the_transaction() {
    let Some((_database, tx)) = transaction("") else { return };
    tx.execute("INSERT INTO t VALUES (1)", &[]).unwrap();
    for statement in ["COMMIT", "rollback", "SELECT 1; END", "BEGIN"] {
        let error = tx.batch_execute(statement).unwrap_err().to_string();
        assert!(error.contains("the engine begins and ends the transaction of a chunk"), "{error}");
        assert!(tx.is_alive());
    }
    assert!(tx.has_refused());
    tx.settle().unwrap();
    let copy = tx.batch_execute("COPY t FROM STDIN").unwrap_err().to_string();
    assert!(copy.contains("tx.copy(table, columns)"), "{copy}");
    tx.batch_execute("SAVEPOINT a; INSERT INTO t VALUES (2); ROLLBACK TO a; RELEASE a").unwrap();
    assert!(tx.is_alive());
    tx.session().commit_after(GUARD, &[]).unwrap();
    assert_eq!(names(tx.session()).len(), 1);
}

#[test]
fn a_transaction_that_ended_nevertheless_is_detected() {
    // Statements whose words do not show that they end the transaction, in each form.
    let hidden = "CREATE FUNCTION f() RETURNS INT BEGIN ATOMIC SELECT 1; END; ";
    for end in ["COMMIT", "ROLLBACK", "COMMIT; BEGIN", "ROLLBACK; BEGIN", "COMMIT AND CHAIN"] {
        let Some((_database, tx)) = transaction("") else { return };
        tx.execute("INSERT INTO t VALUES (1)", &[]).unwrap();
        assert!(tx.is_alive());
        tx.batch_execute(&format!("{hidden}{end}")).unwrap();
        assert!(!tx.is_alive(), "{end}");
        let error = tx.session().commit_after(GUARD, &[]).unwrap_err();
        assert!(!error.is_unknown(), "{end}: {error}");
        assert_eq!(error.error().code(), Some("22012"), "{end}: {error}");
    }
}

#[test]
fn a_part_is_taken_back_alone_whether_it_failed_at_once_or_later() {
    let Some((_database, tx)) = transaction("") else { return };
    assert!(tx.is_alive(), "also before the server has answered `BEGIN`");
    let insert = "INSERT INTO t (id, name) VALUES ($1, $2)";
    tx.begin_part().unwrap();
    tx.send(insert, &[&1_i64, &"kept"]).unwrap();
    tx.keep_part().unwrap();
    tx.begin_part().unwrap();
    tx.send(insert, &[&2_i64, &"taken back"]).unwrap();
    tx.send(insert, &[&1_i64, &"a duplicate"]).unwrap();
    assert!(tx.settle().is_err());
    assert!(tx.is_alive(), "a failed transaction waits for its savepoint");
    tx.roll_back_part().unwrap();
    tx.begin_part().unwrap();
    tx.execute(insert, &[&1_i64, &"a duplicate"]).unwrap_err();
    tx.roll_back_part().unwrap();
    tx.begin_part().unwrap();
    tx.send(insert, &[&3_i64, &"taken back unasked"]).unwrap();
    tx.roll_back_part().unwrap();
    tx.send(insert, &[&4_i64, &"kept"]).unwrap();
    tx.session().commit_after(GUARD, &[]).unwrap();
    let kept: Vec<_> = names(tx.session()).into_iter().map(|(id, _)| id).collect();
    assert_eq!(kept, [1, 4]);
}

#[test]
fn a_transaction_that_is_given_up_begins_again_as_it_began() {
    let Some((database, tx)) = transaction("") else { return };
    let (other, outside) =
        (database.connect(), "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass");
    tx.execute("INSERT INTO t VALUES (1)", &[]).unwrap();
    assert!(other.query_one(outside, &[]).unwrap().get::<_, i64>(0) > 0);
    tx.give_up().unwrap();
    assert_eq!(other.query_one(outside, &[]).unwrap().get::<_, i64>(0), 0, "no locks are left");
    assert!(!tx.is_alive());
    tx.begin_again().unwrap();
    assert!(tx.is_alive());
    tx.execute("INSERT INTO t VALUES (2)", &[]).unwrap();
    let set = tx.query_one("SELECT current_setting('idle_in_transaction_session_timeout')", &[]).unwrap();
    assert_eq!(set.get::<_, &str>(0), "5min");
    tx.session().commit_after(GUARD, &[]).unwrap();
    assert_eq!(names(tx.session()), [(2, None)]);
}

#[test]
fn a_time_limit_ends_a_statement() {
    let Some(database) = postgres::database() else { return };
    let limited = Postgres::at(database.url()).statement_timeout("200ms");
    let tx = Transaction::on(Session::connect(&limited, "a test").unwrap());
    tx.begin("7", true).unwrap();
    let error = tx.execute("SELECT pg_sleep(60)", &[]).unwrap_err();
    assert_eq!(error.code(), Some("57014"));
    assert!(error.to_string().contains("due to statement timeout") && !error.is_stopped(), "{error}");
}

#[test]
fn a_connection_for_reading_sees_what_is_committed_and_refuses_to_write() {
    for option in ["statements=named", "statements=unnamed"] {
        let Some((database, tx)) = transaction(option) else { return };
        let reading = Connection::open(&Postgres::at(database.url_with(option))).unwrap();
        let count = || reading.query_one("SELECT count(*) FROM t", &[]).unwrap().get::<_, i64>(0);
        tx.execute("INSERT INTO t VALUES (1)", &[]).unwrap();
        assert_eq!(count(), 0);
        tx.session().commit_after(GUARD, &[]).unwrap();
        assert_eq!(count(), 1);
        assert!(reading.query_opt("SELECT FROM t WHERE id = $1", &[&2_i64]).unwrap().is_none());
        let error = reading.query("DELETE FROM t RETURNING id", &[]).unwrap_err();
        assert_eq!(error.code(), Some("25006"), "{error}");
        assert_eq!(count(), 1);
    }
}
