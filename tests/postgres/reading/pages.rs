//! Pages: restarts between any two rows, rows that change meanwhile, and what the server holds.

use std::time::{Duration, Instant};

use batch_runtime::Reader;
use batch_runtime::postgres::Postgres;
use batch_runtime::readers::PostgresReader;
use batch_tests::postgres::{Database, database};

use super::{all, error, people, query, rest, stored};

#[test]
fn every_page_size_and_every_restart_reads_each_row_once() {
    let Some(database) = database() else { return };
    people(&database, 7);
    for sql in ["SELECT id FROM person", "SELECT id FROM person JOIN (VALUES (1)) AS v ON true"] {
        for page in 1..=9 {
            let open = || query(&database, sql).key("id").page(page).rows_as::<i64>().unwrap();
            for rows in 0..=7 {
                let mut reader = open();
                let mut read: Vec<i64> = (0..rows).map(|_| reader.read().unwrap().unwrap()).collect();
                let mut restarted = open();
                restarted.resume(stored(&reader)).unwrap();
                read.extend(rest(&mut restarted));
                assert_eq!(read, [10, 20, 30, 40, 50, 60, 70], "{page} per page, {rows} before the restart");
            }
        }
    }
}

#[test]
fn pages_whose_size_follows_that_of_their_rows_read_each_row_once() {
    let Some(database) = database() else { return };
    let writer = database.connect();
    writer
        .batch_execute(
            "CREATE TABLE note (id bigint PRIMARY KEY, text text NOT NULL);
             INSERT INTO note SELECT n, repeat('x', CASE WHEN n BETWEEN 6000 AND 8000 THEN 300 ELSE 1 END)
                 FROM generate_series(1, 19000) AS n",
        )
        .unwrap();
    for sql in [
        "SELECT id FROM note",
        "SELECT id, text FROM note",
        "SELECT id, text FROM note JOIN (VALUES (1)) AS v ON true",
    ] {
        let open = || query(&database, sql).key("id").rows(|row| Ok(row.try_get::<_, i64>(0)?)).unwrap();
        for rows in [0, 999, 1000, 1001, 4999, 5000, 7321, 18_999, 19_000] {
            let mut reader = open();
            let mut read: Vec<i64> = (0..rows).map(|_| reader.read().unwrap().unwrap()).collect();
            let mut restarted = open();
            restarted.resume(stored(&reader)).unwrap();
            while let Some(id) = restarted.read().unwrap() {
                read.push(id);
            }
            assert!(read.iter().copied().eq(1..=19_000), "{sql}, {rows} before the restart");
        }
    }
}

#[test]
fn rows_added_and_removed_after_the_page_in_flight_are_seen_and_those_before_the_key_are_not() {
    let Some(database) = database() else { return };
    people(&database, 9);
    let writer = database.connect();
    let mut reader = query(&database, "SELECT id FROM person").key("id").page(2).rows_as::<i64>().unwrap();
    assert_eq!(reader.read().unwrap(), Some(10));
    // 30 and 40 are in flight by now.
    writer
        .batch_execute(
            "INSERT INTO person VALUES (5, ''), (45, ''), (95, ''); DELETE FROM person WHERE id IN (20, 60)",
        )
        .unwrap();
    assert_eq!(rest(&mut reader), [20, 30, 40, 45, 50, 70, 80, 90, 95]);
}

#[test]
fn the_row_of_the_last_key_may_be_gone() {
    let Some(database) = database() else { return };
    people(&database, 4);
    let mut reader = query(&database, "SELECT id FROM person").key("id").page(1).rows_as::<i64>().unwrap();
    reader.read().unwrap();
    let position = stored(&reader);
    database.connect().batch_execute("DELETE FROM person WHERE id = 10").unwrap();
    let mut restarted = query(&database, "SELECT id FROM person").key("id").rows_as::<i64>().unwrap();
    restarted.resume(position).unwrap();
    assert_eq!(rest(&mut restarted), [20, 30, 40]);
}

#[test]
fn an_empty_result_has_no_rows_and_stays_at_its_beginning() {
    let Some(database) = database() else { return };
    people(&database, 0);
    for sql in ["SELECT id FROM person", "SELECT id FROM person UNION SELECT id FROM person"] {
        let mut reader = query(&database, sql).key("id").counted().rows_as::<i64>().unwrap();
        assert_eq!(reader.read().unwrap(), None);
        assert_eq!(reader.location(), None);
        assert_eq!(reader.progress().unwrap().total, 0);
    }
}

#[test]
fn parameters_are_bound_in_their_order() {
    let Some(database) = database() else { return };
    people(&database, 5);
    let sql = "SELECT id, $2::text AS text FROM person WHERE id > $1 -- more than that; ";
    let rows = all::<(i64, String)>(query(&database, sql).bind(20_i64).bind("x").key("id").page(2));
    assert_eq!(rows, [(30, "x".into()), (40, "x".into()), (50, "x".into())]);
    let missing = error::<(i64, String)>(query(&database, sql).bind(20_i64).key("id"));
    assert!(missing.contains("it has 2 parameters, but `.bind(..)` is called 1 times"), "{missing}");
    let wrong = error::<(i64, String)>(query(&database, sql).bind("20").bind("x").key("id"));
    assert!(wrong.contains("its parameter `$1`: cannot convert between the Rust type"), "{wrong}");
}

#[test]
fn a_statement_that_is_not_a_select_is_refused_and_nothing_is_written() {
    let Some(database) = database() else { return };
    people(&database, 2);
    database
        .connect()
        .batch_execute(
            "CREATE FUNCTION wipe() RETURNS bigint LANGUAGE sql AS 'DELETE FROM person; SELECT 1::bigint'; CREATE SEQUENCE s",
        )
        .unwrap();
    let error = |sql: &str| error::<i64>(query(&database, sql).key("id"));
    assert!(error("DELETE FROM person RETURNING id").contains("syntax error"));
    assert!(
        error("WITH gone AS (DELETE FROM person RETURNING id) SELECT id FROM gone").contains("top level")
    );
    assert!(error("SELECT wipe() AS id").contains("read-only transaction"));
    assert!(error("SELECT nextval('s') AS id").contains("read-only transaction"));
    assert!(
        error("SELECT id FROM person; SELECT 1").contains("it is more than one statement; pass one `SELECT`")
    );
    assert!(error("SELECT FROM person").contains("it returns no columns"));
    assert!(
        error("SELECT id FROM nowhere").starts_with("the query failed: relation \"nowhere\" does not exist")
    );
    assert_eq!(all::<(i64, String)>(query(&database, "TABLE person; -- all").key("id").page(1)).len(), 2);
}

#[test]
fn a_limit_that_could_choose_other_rows_for_each_page_is_refused() {
    let Some(database) = database() else { return };
    people(&database, 5);
    for sql in [
        "SELECT id FROM person LIMIT 3",
        "SELECT id FROM person ORDER BY random() LIMIT 3",
        "SELECT id FROM person ORDER BY name FETCH FIRST 3 ROWS ONLY",
        "SELECT id FROM (SELECT id FROM person OFFSET 1) AS p",
        "SELECT p.id FROM person AS p JOIN person AS q USING (name) LIMIT 3",
    ] {
        let error = error::<i64>(query(&database, sql).key("id"));
        assert!(
            error.contains("its `LIMIT` or `OFFSET` could choose other rows for each page"),
            "{sql}: {error}"
        );
    }
    for sql in [
        "SELECT id FROM person OFFSET 0",
        "SELECT id FROM person WHERE id IN (SELECT id FROM person ORDER BY id LIMIT 9)",
        "SELECT p.id FROM person AS p, LATERAL (SELECT FROM person AS q WHERE q.name = p.name LIMIT 1) AS one",
    ] {
        assert_eq!(all::<i64>(query(&database, sql).key("id").page(2)).len(), 5, "{sql}");
    }
}

/// Returns whether a connection of a reader is busy, in a transaction or holding a snapshot.
fn holds_a_snapshot(database: &Database) -> bool {
    let sql = "SELECT bool_or(state <> 'idle' OR backend_xmin IS NOT NULL) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'batch reader'";
    database.connect().query_one(sql, &[]).unwrap().get(0)
}

#[test]
fn no_snapshot_is_held_while_the_items_of_a_page_are_processed() {
    let Some(database) = database() else { return };
    let session = database.connect();
    session
        .batch_execute("CREATE TABLE wide (id int PRIMARY KEY, text text NOT NULL); INSERT INTO wide SELECT n, repeat('x', 250) FROM generate_series(1, 4000) AS n")
        .unwrap();
    // Pages that are read ahead, up to the largest, and one that is too large for that.
    for page in [10, 900, 2000] {
        let open = query(&database, "SELECT * FROM wide").key("id").page(page);
        let mut reader = open.rows_as::<(i32, String)>().unwrap();
        for _ in 0..page {
            reader.read().unwrap();
        }
        reader.read().unwrap();
        let deadline = Instant::now() + Duration::from_mins(2);
        while holds_a_snapshot(&database) {
            assert!(Instant::now() < deadline, "a snapshot is held between two pages of {page} rows");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(rest(&mut reader).len(), 4000 - page - 1);
    }
}

#[test]
fn a_reader_can_move_to_another_thread_in_the_middle_of_a_page() {
    let Some(database) = database() else { return };
    people(&database, 9);
    let mut reader = query(&database, "SELECT id FROM person").key("id").page(4).rows_as::<i64>().unwrap();
    assert_eq!(reader.read().unwrap(), Some(10));
    let mut reader = std::thread::spawn(move || {
        assert_eq!(reader.read().unwrap(), Some(20));
        reader
    })
    .join()
    .unwrap();
    assert_eq!(rest(&mut reader), [30, 40, 50, 60, 70, 80, 90]);
}

#[test]
fn a_lost_connection_is_an_error_that_is_not_about_a_row_and_a_new_reader_goes_on() {
    let Some(database) = database() else { return };
    people(&database, 9);
    let mut reader = query(&database, "SELECT id FROM person").key("id").page(2).rows_as::<i64>().unwrap();
    let mut read: Vec<i64> = (0..3).map(|_| reader.read().unwrap().unwrap()).collect();
    database
        .connect()
        .batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'batch reader'",
        )
        .unwrap();
    let error = loop {
        match reader.read() {
            Ok(id) => read.push(id.unwrap()),
            Err(error) => break error,
        }
    };
    assert!(!reader.steps_over(&error), "{error}");
    let mut again = query(&database, "SELECT id FROM person").key("id").page(2).rows_as::<i64>().unwrap();
    again.resume(stored(&reader)).unwrap();
    read.extend(rest(&mut again));
    assert_eq!(read, [10, 20, 30, 40, 50, 60, 70, 80, 90]);
}

#[test]
fn a_reader_without_prepared_statements_reads_the_same() {
    let Some(database) = database() else { return };
    people(&database, 7);
    database.connect().batch_execute("CREATE TYPE mood AS ENUM ('good')").unwrap();
    let unnamed = Postgres::at(database.url_with("statements=unnamed"));
    for sql in [
        "SELECT id, name, 'good'::mood AS mood FROM person WHERE id > $1 AND name <> $2",
        "SELECT id, name, 'good'::mood AS mood FROM person JOIN (VALUES (1)) AS v ON id > $1 AND name <> $2",
    ] {
        let open =
            || PostgresReader::query(&unnamed, sql).bind(10_i64).bind("p3").key(["name", "id"]).page(2);
        let mut reader = open().counted().rows_as::<(i64, String, String)>().unwrap();
        assert_eq!(reader.progress().unwrap().total, 5);
        reader.read().unwrap();
        let mut restarted = open().rows_as::<(i64, String, String)>().unwrap();
        restarted.resume(stored(&reader)).unwrap();
        assert_eq!(rest(&mut restarted).into_iter().map(|row| row.0).collect::<Vec<_>>(), [40, 50, 60, 70]);
    }
}

#[test]
fn a_server_that_is_not_there_is_named_without_its_password() {
    let nowhere = Postgres::at("postgres://me:hunter2@127.0.0.1:1/home");
    let error = PostgresReader::query(&nowhere, "SELECT 1 AS id").key("id").rows_as::<i64>().unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("database postgres://me@127.0.0.1:1/home: "), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}
