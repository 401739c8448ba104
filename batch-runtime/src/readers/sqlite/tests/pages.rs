//! Pages, and restarts from any row of one.

use super::*;

#[test]
fn every_row_is_read_once_whatever_the_page() {
    let connection = database(10);
    for page in [1, 2, 3, 9, 10, 11, 1000] {
        assert_eq!(rest(&mut ids(&connection, page)), (1..=10).map(|n| n * 10).collect::<Vec<_>>());
    }
}

#[test]
fn a_restart_resumes_after_any_row() {
    let connection = database(7);
    for read in 0..=7 {
        let mut first = ids(&connection, 3);
        for _ in 0..read {
            first.read().unwrap();
        }
        let mut restarted = ids(&connection, 2);
        restarted.resume(stored(&first)).unwrap();
        assert_eq!(rest(&mut restarted), (1..=7).skip(read).map(|n| n * 10).collect::<Vec<_>>());
    }
}

#[test]
fn rows_added_or_deleted_before_the_position_change_nothing_after_it() {
    let connection = database(4);
    let mut first = ids(&connection, 2);
    first.read().unwrap();
    first.read().unwrap();
    let position = stored(&first);
    connection
        .execute_batch("DELETE FROM person WHERE id = 10; INSERT INTO person VALUES (5, 'new'), (6, 'new')")
        .unwrap();
    let mut restarted = ids(&connection, 2);
    restarted.resume(position).unwrap();
    assert_eq!(rest(&mut restarted), [30, 40]);
}

#[test]
fn no_read_transaction_is_open_between_two_pages() {
    let writer = Database::new();
    writer.pragma_update(None, "journal_mode", "WAL").unwrap();
    writer
        .execute_batch(
            "CREATE TABLE person (id INTEGER PRIMARY KEY); INSERT INTO person VALUES (1), (2), (3)",
        )
        .unwrap();

    let mut reader = SqliteReader::open(writer.sqlite.path(), "SELECT id FROM person")
        .unwrap()
        .key("id")
        .page(2)
        .rows_as::<i64>()
        .unwrap();
    assert_eq!(reader.read().unwrap(), Some(1));
    writer.execute_batch("INSERT INTO person VALUES (4)").unwrap();
    let busy: i64 = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0, "a reader in the way would make the checkpoint fail");
    assert_eq!(rest(&mut reader), [2, 3, 4]);
}

#[test]
fn a_failed_query_is_reopened_after_the_last_good_row() {
    let connection = database(7);
    for page in [1, 2, 3, 10] {
        for good in 0..7 {
            // The query fails at the row after `good`: rows fetched before it on its page are lost.
            let sql = format!(
                "SELECT CASE WHEN id = {} THEN abs(-9223372036854775808) ELSE id END AS id FROM person",
                (good + 1) * 10
            );
            let mut reader =
                SqliteReader::query(&connection, sql).key("id").page(page).rows_as::<i64>().unwrap();
            let mut items = Vec::new();
            let error = loop {
                match reader.read() {
                    Ok(item) => items.extend(item),
                    Err(error) => break error,
                }
            };
            assert!(!reader.steps_over(&error), "{error}");
            let mut reopened = ids(&connection, page);
            reopened.resume(stored(&reader)).unwrap();
            items.extend(rest(&mut reopened));
            assert_eq!(items, [10, 20, 30, 40, 50, 60, 70]);
        }
    }
}

#[test]
fn parameters_are_bound_on_every_page() {
    let connection = database(9);
    let mut reader = SqliteReader::query(
        &connection,
        "SELECT id, name FROM person WHERE id <> :but AND id > :from -- all but one",
    )
    .key("id")
    .page(2)
    .bind(":but", 50)
    .bind(":from", "30")
    .rows_as::<(i64, String)>()
    .unwrap();
    let read: Vec<_> = rest(&mut reader).into_iter().map(|(id, _)| id).collect();
    assert_eq!(read, [40, 60, 70, 80, 90]);
}

#[test]
fn a_query_may_have_the_condition_in_it() {
    let connection = database(6);
    let read = || {
        SqliteReader::query(
            &connection,
            "SELECT id / 20 AS pair, count(*) AS n FROM person WHERE id / 20 > :after GROUP BY 1",
        )
        .key("pair")
        .page(2)
        .start(-1)
        .rows_as::<(i64, i64)>()
        .unwrap()
    };
    let expected = [(0, 1), (1, 2), (2, 2), (3, 1)];
    assert_eq!(rest(&mut read()), expected);
    let mut first = read();
    first.read().unwrap();
    let mut restarted = read();
    restarted.resume(stored(&first)).unwrap();
    assert_eq!(rest(&mut restarted), expected[1..]);
}

#[test]
fn progress_counts_rows_on_request_and_continues_after_a_restart() {
    let connection = database(5);
    let read = || {
        SqliteReader::query(&connection, "SELECT id FROM person")
            .key("id")
            .counted()
            .rows_as::<i64>()
            .unwrap()
    };
    let mut first = read();
    first.read().unwrap();
    assert_eq!(first.progress(), Some(Progress { done: 1, total: 5 }));
    let mut restarted = read();
    restarted.resume(stored(&first)).unwrap();
    restarted.read().unwrap();
    assert_eq!(restarted.progress(), Some(Progress { done: 2, total: 5 }));
    assert_eq!(ids(&connection, 1).progress(), None);
}

#[test]
fn a_position_of_another_key_is_refused() {
    let connection = database(2);
    let mut first = ids(&connection, 1);
    first.read().unwrap();
    let mut other = SqliteReader::query(&connection, "SELECT id, name FROM person")
        .key("name")
        .rows_as::<Person>()
        .unwrap();
    assert_eq!(
        other.resume(stored(&first)).unwrap_err().to_string(),
        "an earlier execution stopped at id = 10, but the key is `name` now; restore the old key, or start a new instance (`--next`)"
    );
}

#[test]
fn each_page_is_found_by_the_index() {
    let connection = database(1);
    let reader = ids(&connection, 10);
    let plan: String = connection
        .query_row(&format!("EXPLAIN QUERY PLAN {}", reader.page.sql.later), [1, 2], |row| row.get("detail"))
        .unwrap();
    assert_eq!(plan, "SEARCH person USING INTEGER PRIMARY KEY (rowid>?)");
}
