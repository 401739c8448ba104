//! Keys of any type, and those by which a query cannot be read.

use rusqlite::types::Value;

use super::*;

#[test]
fn a_key_of_several_columns_of_any_type_goes_through_a_position() {
    let connection = Database::new();
    connection.execute_batch("CREATE TABLE t (a, b)").unwrap();
    let mut insert = connection.prepare("INSERT INTO t VALUES (?1, ?2)").unwrap();
    insert.execute((1, 0.1_f64 + 0.2)).unwrap();
    insert.execute((1, 0.3_f64)).unwrap();
    insert.execute((1, "x'y")).unwrap();
    insert.execute((1, b"\x00\xff")).unwrap();
    insert.execute(("é", i64::MIN)).unwrap();
    insert.execute(("é", f64::INFINITY)).unwrap();
    let read = || {
        SqliteReader::query(&connection, "SELECT rowid, a, b FROM t")
            .key(["a", "b"])
            .page(2)
            .rows(|row| row.get::<_, i64>(0))
            .unwrap()
    };
    let expected = [2, 1, 3, 4, 5, 6];
    assert_eq!(rest(&mut read()), expected);
    for taken in 0..=6 {
        let mut first = read();
        for _ in 0..taken {
            first.read().unwrap();
        }
        let mut restarted = read();
        restarted.resume(stored(&first)).unwrap();
        assert_eq!(rest(&mut restarted), expected[taken..]);
    }
}

#[test]
fn a_duplicate_key_is_named_wherever_the_page_ends() {
    let connection = Database::new();
    connection.execute_batch("CREATE TABLE t (day TEXT, id INTEGER)").unwrap();
    connection.execute_batch("INSERT INTO t VALUES ('mo', 1), ('tu', 2), ('tu', 3)").unwrap();
    for page in 1..=3 {
        let mut reader = SqliteReader::query(&connection, "SELECT * FROM t")
            .key("day")
            .page(page)
            .rows_as::<(String, i64)>()
            .unwrap();
        reader.read().unwrap();
        assert_eq!(
            reader.read().unwrap_err().to_string(),
            "key `day`: it is not unique: day = 'tu' occurs more than once; add columns to the key until it is unique"
        );
        assert_eq!(reader.read().unwrap(), None, "the error ends the input");
    }
}

#[test]
fn no_restart_resumes_after_a_duplicate_key() {
    let connection = Database::new();
    connection.execute_batch("CREATE TABLE t (day TEXT, id INTEGER)").unwrap();
    connection.execute_batch("INSERT INTO t VALUES ('mo', 1), ('tu', 2), ('tu', 3), ('we', 4)").unwrap();
    for page in 1..=4 {
        let days = || SqliteReader::query(&connection, "SELECT * FROM t").key("day").page(page);
        let mut reader = days().rows_as::<(String, i64)>().unwrap();
        reader.read().unwrap();
        let error = reader.read().unwrap_err();
        assert!(!reader.steps_over(&error));
        let mut restarted = days().rows_as::<(String, i64)>().unwrap();
        restarted.resume(stored(&reader)).unwrap();
        assert_eq!(restarted.read().unwrap_err().to_string(), error.to_string());
    }
}

#[test]
fn keys_that_only_the_collation_makes_equal_are_found() {
    let connection = Database::new();
    connection
        .execute_batch("CREATE TABLE loose (k TEXT COLLATE NOCASE); CREATE TABLE strict (k TEXT)")
        .unwrap();
    connection
        .execute_batch("INSERT INTO loose VALUES ('A'), ('a'); INSERT INTO strict VALUES ('A'), ('a')")
        .unwrap();
    let read =
        |sql: &str| SqliteReader::query(&connection, sql).key("k").page(1).rows_as::<String>().unwrap();
    let mut loose = read("SELECT k FROM loose");
    assert!(loose.read().unwrap_err().to_string().contains("not unique"));
    assert_eq!(rest(&mut read("SELECT k FROM strict")), ["A", "a"]);
}

#[test]
fn a_null_in_the_key_is_an_error() {
    let connection = Database::new();
    connection.execute_batch("CREATE TABLE t (k); INSERT INTO t VALUES (1), (NULL)").unwrap();
    let mut reader = SqliteReader::query(&connection, "SELECT k FROM t").key("k").rows_as::<i64>().unwrap();
    assert_eq!(
        reader.read().unwrap_err().to_string(),
        "key `k`: it is NULL in a row; exclude such rows, or read by another key"
    );
}

#[test]
fn numbers_and_texts_in_one_key_are_all_read() {
    let connection = Database::new();
    connection
        .execute_batch(
            "CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1), (2), (10);
             CREATE TABLE b (code TEXT PRIMARY KEY); INSERT INTO b VALUES ('05'), ('10'), ('x')",
        )
        .unwrap();
    for page in 1..=7 {
        let reader = SqliteReader::query(&connection, "SELECT id AS k FROM a UNION ALL SELECT code FROM b")
            .key("k")
            .page(page)
            .rows(|row| row.get::<_, Value>(0));
        let keys: Vec<_> = rest(&mut reader.unwrap());
        let text = |text: &str| Value::Text(text.to_owned());
        let expected =
            [Value::Integer(1), Value::Integer(2), Value::Integer(10), text("05"), text("10"), text("x")];
        assert_eq!(keys, expected, "pages of {page}");
    }
}

#[test]
fn a_condition_in_the_query_loses_no_row_where_numbers_end() {
    let connection = Database::new();
    connection
        .execute_batch(
            "CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1), (2), (10);
             CREATE TABLE b (code TEXT PRIMARY KEY); INSERT INTO b VALUES ('05'), ('10'), ('x')",
        )
        .unwrap();
    for page in 1..=7 {
        let sql = "SELECT id AS k FROM a WHERE id > :after UNION ALL SELECT code FROM b WHERE code > :after";
        let query = SqliteReader::query(&connection, sql).key("k").start(0).page(page);
        assert_eq!(rest(&mut query.rows(|row| row.get::<_, Value>(0)).unwrap()).len(), 6, "pages of {page}");
    }
}

#[test]
fn a_text_that_is_compared_as_a_number_is_read_all_the_same() {
    let connection = Database::new();
    connection
        .execute_batch(
            "CREATE TABLE a (k INTEGER); INSERT INTO a VALUES (1), (7);
             CREATE TABLE b (k TEXT); INSERT INTO b VALUES ('05'), ('10'), ('9')",
        )
        .unwrap();
    for page in 1..=5 {
        let query =
            SqliteReader::query(&connection, "SELECT k FROM a FULL JOIN b USING (k)").key("k").page(page);
        assert_eq!(rest(&mut query.rows(|row| row.get::<_, Value>(0)).unwrap()).len(), 5, "pages of {page}");
    }
}

#[test]
fn an_integer_and_the_real_next_to_it_are_two_keys() {
    let connection = Database::new();
    connection
        .execute_batch("CREATE TABLE t (k); INSERT INTO t VALUES (9007199254740993), (9007199254740992.0)")
        .unwrap();
    let mut reader = SqliteReader::query(&connection, "SELECT k FROM t")
        .key("k")
        .page(1)
        .rows(|row| row.get::<_, Value>(0))
        .unwrap();
    assert_eq!(
        rest(&mut reader),
        [Value::Real(9_007_199_254_740_992.0), Value::Integer(9_007_199_254_740_993)]
    );
}

#[test]
fn a_key_that_changes_by_itself_is_refused() {
    let database = database(5);
    for (sql, problem) in [
        ("SELECT abs(random()) AS key, name FROM person", "it changes each time the query is run"),
        ("SELECT hex(randomblob(8)) AS key, name FROM person", "it changes each time the query is run"),
        ("SELECT id AS key, name FROM person ORDER BY random()", ""),
        ("SELECT row_number() OVER () AS key, name FROM person", "it is computed by a window function"),
        (
            "SELECT CAST(rank() OVER (ORDER BY name) AS TEXT) AS key, name FROM person",
            "it is computed by a window function",
        ),
    ] {
        for page in [1, 2, 1000] {
            let query = SqliteReader::query(&database.sqlite, sql).key("key").page(page);
            let read = query.rows_as::<serde_json::Value>().and_then(|mut reader| {
                std::iter::from_fn(|| reader.read().transpose()).collect::<Result<Vec<_>, _>>()
            });
            match read {
                Ok(rows) => assert!(problem.is_empty() && rows.len() == 5, "{sql}: {rows:?}"),
                Err(error) => {
                    let expected = format!("key `key`: {problem}");
                    assert!(
                        !problem.is_empty() && error.to_string().starts_with(&expected),
                        "{sql}: {error}"
                    );
                }
            }
        }
    }
    // A window function beside the key, or that chooses rows, does no harm.
    for sql in [
        "SELECT id, row_number() OVER (ORDER BY name) AS place FROM person",
        "SELECT id, n FROM (SELECT id, row_number() OVER (PARTITION BY name ORDER BY id) AS n FROM person) WHERE n = 1",
    ] {
        let mut reader =
            SqliteReader::query(&database.sqlite, sql).key("id").page(2).rows_as::<(i64, i64)>().unwrap();
        assert_eq!(rest(&mut reader).len(), 5, "{sql}");
    }
}

#[test]
fn a_page_whose_keys_may_change_is_fetched_again_after_a_panic() {
    let database = database(4);
    let mut panics = true;
    let mut reader =
        SqliteReader::query(&database.sqlite, "SELECT id + 0 * total_changes() AS id FROM person")
            .key("id")
            .page(2)
            .rows(move |row| {
                let id: i64 = row.get("id")?;
                assert!(id != 30 || !std::mem::take(&mut panics), "the closure fell over");
                Ok(id)
            })
            .unwrap();
    assert_eq!((reader.read().unwrap(), reader.read().unwrap()), (Some(10), Some(20)));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reader.read())).unwrap_err();
    database.execute_batch("INSERT INTO person VALUES (50, 'p5')").unwrap();
    assert_eq!(rest(&mut reader), [30, 40, 50], "no old snapshot is left");
}
