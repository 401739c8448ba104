use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use rusqlite::types::Value;
use rusqlite::{Connection, Row};
use serde::Deserialize;

use super::*;
use crate::definition::{Splittable, Sqlite};
use crate::readers::ReaderExt;

#[derive(Debug, PartialEq, Deserialize)]
struct Person {
    id: i64,
    name: Option<String>,
}

/// A separate database file, with a connection to it.
pub(super) struct Database {
    connection: Connection,
    pub(super) sqlite: Sqlite,
    folder: PathBuf,
}

impl Database {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("batch-sqlite-reader-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let sqlite = Sqlite::open(folder.join("rows.db"));
        let connection = Connection::open(sqlite.path()).unwrap();
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        Self { connection, sqlite, folder }
    }
}

impl Deref for Database {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

impl SqliteSource for &Database {
    fn into_connection(self) -> Result<Connection, SqliteReadError> {
        Ok(Connection::open(self.sqlite.path())?)
    }
}

pub(super) fn database(rows: i64) -> Database {
    let connection = Database::new();
    connection.execute_batch("CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT)").unwrap();
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)";
    connection
        .execute(&format!("{numbers} INSERT INTO person SELECT i * 10, 'p' || i FROM n"), [rows])
        .unwrap();
    connection
}

pub(super) fn rest<R: Reader<Error = SqliteReadError>>(reader: &mut R) -> Vec<R::Item> {
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

pub(super) fn ids(source: impl SqliteSource, page: usize) -> SqliteReader<i64> {
    SqliteReader::query(source, "SELECT id FROM person").key("id").page(page).rows_as().unwrap()
}

/// Returns the position as a restart gets it.
fn stored<R: Reader<Position = SqlitePosition>>(reader: &R) -> SqlitePosition {
    crate::readers::tests::stored(reader)
}

pub(super) fn error<T: serde::de::DeserializeOwned>(query: SqliteQuery) -> String {
    query.rows_as::<T>().map(|_| ()).unwrap_err().to_string()
}

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
fn reading_continues_after_a_row_that_is_not_an_item() {
    let connection = database(3);
    connection.execute("UPDATE person SET name = x'ff' WHERE id = 20", []).unwrap();
    let mut reader =
        SqliteReader::query(&connection, "SELECT * FROM person").key("id").rows_as::<Person>().unwrap();
    reader.read().unwrap();
    let error = reader.read().unwrap_err();
    assert!(reader.steps_over(&error));
    assert_eq!(reader.read().unwrap().unwrap().id, 30);
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
fn a_row_that_is_not_an_item_is_named_and_reading_continues_after_it() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Strict {
        id: i64,
        name: String,
    }
    let connection = database(3);
    connection.execute_batch("UPDATE person SET name = NULL WHERE id = 20").unwrap();
    let mut reader =
        SqliteReader::query(&connection, "SELECT * FROM person").key("id").rows_as::<Strict>().unwrap();
    assert_eq!(reader.read().unwrap().unwrap().id, 10);
    let error = reader.read().unwrap_err();
    assert_eq!(error.to_string(), "row id = 20, column `name`: expected a string, found NULL");
    assert!(error.is_about_a_row());
    assert_eq!(reader.location().unwrap(), "id = 20");
    assert_eq!(reader.read().unwrap().unwrap().id, 30);
}

#[test]
fn each_sqlite_type_becomes_the_field_it_fits() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Good,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapped(u8);
    #[derive(Debug, PartialEq, Deserialize)]
    struct All {
        a: u8,
        b: f64,
        c: f64,
        d: bool,
        e: Option<i64>,
        f: Option<i64>,
        g: Kind,
        h: Wrapped,
        i: Vec<u8>,
    }
    let connection = Database::new();
    let sql = "SELECT 1 AS k, 255 AS a, 2 AS b, 0.5 AS c, 1 AS d, NULL AS e, 3 AS f, 'good' AS g, 4 AS h, x'0102' AS i";
    let mut reader = SqliteReader::query(&connection, sql).key("k").rows_as::<All>().unwrap();
    let expected = All {
        a: 255,
        b: 2.0,
        c: 0.5,
        d: true,
        e: None,
        f: Some(3),
        g: Kind::Good,
        h: Wrapped(4),
        i: vec![1, 2],
    };
    assert_eq!(reader.read().unwrap(), Some(expected));
}

#[test]
fn a_value_that_does_not_fit_is_shown_truncated() {
    #[derive(Debug, Deserialize)]
    struct Item {
        #[expect(dead_code, reason = "only its type matters")]
        a: u8,
    }
    let connection = Database::new();
    let read = |a: &str| {
        let sql = format!("SELECT 1 AS k, {a} AS a");
        let mut reader = SqliteReader::query(&connection, sql).key("k").rows_as::<Item>().unwrap();
        reader.read().unwrap_err().to_string()
    };
    assert_eq!(read("300"), "row k = 1, column `a`: expected u8, found integer 300");
    assert_eq!(read("'NA'"), "row k = 1, column `a`: expected u8, found text 'NA'");
    assert_eq!(read("x'00'"), "row k = 1, column `a`: expected u8, found a blob of 1 bytes");
    let long = read(&format!("'{}'", "x".repeat(500)));
    assert!(long.contains(&format!("'{}…'", "x".repeat(100))), "{long}");
}

#[test]
fn an_error_of_the_closure_names_the_row() {
    let connection = database(1);
    let mut reader = SqliteReader::query(&connection, "SELECT id, name FROM person")
        .key("id")
        .rows(|row| row.get::<_, i64>("name"))
        .unwrap();
    let error = reader.read().unwrap_err();
    assert!(error.to_string().starts_with("row id = 10: Invalid column type Text"), "{error}");
}

#[test]
fn after_a_panic_of_the_closure_every_row_of_the_page_is_read_once() {
    let connection = database(6);
    for page in [1, 3, 6, 1000] {
        let mut panics = true;
        let item = move |row: &Row<'_>| {
            let id: i64 = row.get("id")?;
            assert!(id != 50 || !std::mem::take(&mut panics), "the closure fell over");
            Ok(id)
        };
        let query = SqliteReader::query(&connection, "SELECT id FROM person").key("id").page(page);
        let reader = query.rows(item).unwrap().synchronized();
        let (mut read, mut panicked) = (Vec::new(), 0);
        loop {
            match catch_unwind(AssertUnwindSafe(|| reader.read_batch(1, &mut read).unwrap())) {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => panicked += 1,
            }
        }
        assert_eq!((panicked, read), (1, vec![10, 20, 30, 40, 50, 60]), "page of {page}");
    }
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
fn a_query_that_cannot_be_read_is_refused_when_it_is_opened() {
    let connection = database(1);
    let query = |sql: &str| SqliteReader::query(&connection, sql);
    let prefix = "the query cannot be read in pages: ";
    let cases = [
        (query("SELECT id FROM person"), "it has no key; add `.key(\"id\")`"),
        (
            query("SELECT name FROM person").key("id"),
            "the key `id` is not in its result, which has `name`; select it too",
        ),
        (query("SELECT id, id FROM person").key("id"), "two columns of its result are named `id`"),
        (query("DELETE FROM person RETURNING id").key("id"), "it writes; a reader takes a `SELECT`"),
        (query("SELECT id FROM person").key("id").page(0), "a page needs at least one row"),
        (
            query("SELECT id FROM person WHERE id > ?").key("id"),
            "it has a parameter without a name; write `:name`",
        ),
        (
            query("SELECT id FROM person WHERE id > :x").key("id"),
            "its parameter `:x` is not bound; add `.bind(\":x\", ..)`",
        ),
        (
            query("SELECT id FROM person").key("id").bind("x", 1),
            "it has no parameter `x`, but a value is bound to it",
        ),
        (query("SELECT id FROM person WHERE id > :after").key("id"), "it has `:after`; use `.start(..)`"),
        (
            query("SELECT id, name FROM person WHERE id > :after").key(["id", "name"]),
            "its parameter `:after` belongs to no column of the key",
        ),
    ];
    for (query, expected) in cases {
        let error = error::<i64>(query);
        assert!(error.starts_with(&format!("{prefix}{expected}")), "{error}");
    }
    let error = error::<i64>(query("SELECT id FROM nobody").key("id"));
    assert!(error.starts_with("the query failed: no such table: nobody"), "{error}");
}

#[test]
fn a_missing_file_and_one_that_is_not_a_database_are_refused() {
    let path = std::env::temp_dir().join(format!("batch-no-database-{}", uuid::Uuid::new_v4()));
    let error = SqliteReader::open(&path, "SELECT 1").map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot open database {}", path.display())), "{error}");
    std::fs::write(&path, "this is a text and not a database\n".repeat(100)).unwrap();
    let error = SqliteReader::open(&path, "SELECT 1").map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("file is not a database"), "{error}");
    std::fs::remove_file(path).unwrap();
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

#[test]
fn the_parts_of_a_query_are_the_whole_and_restart_everywhere() {
    for rows in [0, 1, 7, 23] {
        let connection = database(rows);
        for page in [1, 3, 100] {
            crate::readers::tests::splits_everywhere(|| ids(&connection, page));
        }
    }
    let connection = Database::new();
    connection
        .execute_batch("CREATE TABLE t (day TEXT COLLATE NOCASE, n REAL, PRIMARY KEY (day, n))")
        .unwrap();
    for n in 0..20_u8 {
        let day = ["a", "B", "c"][usize::from(n % 3)];
        connection.execute("INSERT INTO t VALUES (?1, ?2)", (day, f64::from(n) / 7.0)).unwrap();
    }
    crate::readers::tests::splits_everywhere(|| {
        SqliteReader::query(&connection, "SELECT * FROM t")
            .key(["day", "n"])
            .rows_as::<(String, f64)>()
            .unwrap()
    });
    crate::readers::tests::splits_everywhere(|| {
        SqliteReader::query(&connection, "SELECT day, max(n) AS n FROM t WHERE day > :after GROUP BY day")
            .key("day")
            .start("")
            .rows_as::<(String, f64)>()
            .unwrap()
    });
}

#[test]
fn a_part_counts_its_own_rows_and_rows_added_later_belong_to_the_last() {
    let connection = database(9);
    let open = || {
        SqliteReader::query(&connection, "SELECT id FROM person")
            .key("id")
            .counted()
            .rows_as::<i64>()
            .unwrap()
    };
    let parts = open().split(3).unwrap();
    connection.execute("INSERT INTO person VALUES (95, 'new')", []).unwrap();
    let read: Vec<_> = parts
        .into_iter()
        .map(|part| {
            let mut reader = open();
            reader.narrow(part).unwrap();
            (reader.progress().unwrap().total, rest(&mut reader).len())
        })
        .collect();
    assert_eq!(read, [(3, 3), (3, 3), (4, 4)]);
}

#[test]
fn a_part_of_another_key_is_refused() {
    let connection = database(3);
    let part = ids(&connection, 10).split(2).unwrap().remove(0);
    let mut other =
        SqliteReader::query(&connection, "SELECT name FROM person").key("name").rows_as::<String>().unwrap();
    assert!(other.narrow(part).unwrap_err().to_string().contains("the key is `name` now"));
}

#[test]
fn a_query_without_a_column_that_the_item_needs_is_refused_when_it_is_opened() {
    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only the names of its fields matter")]
    struct Person {
        id: i64,
        #[serde(alias = "nick")]
        name: String,
    }
    let connection = || {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE person (key INTEGER PRIMARY KEY, id INTEGER, nick TEXT)")
            .unwrap();
        connection
    };
    let open = |sql: &str| SqliteReader::query(connection(), sql).key("key").rows_as::<Person>();
    let error = open("SELECT key, nick FROM person").unwrap_err();
    assert!(error.to_string().contains("it has no column `id`, which the item needs, only"), "{error}");
    assert!(open("SELECT key, id, nick FROM person").is_ok());
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
fn comments_and_semicolons_after_the_query_do_not_matter() {
    let connection = database(2);
    for after in ["; -- x", " -- x", ";\n/* x */ ;"] {
        let sql = format!("SELECT id FROM person{after}");
        let mut reader = SqliteReader::query(&connection, sql).key("id").page(1).rows_as::<i64>().unwrap();
        assert_eq!(rest(&mut reader), [10, 20]);
    }
    let two = SqliteReader::query(&connection, "SELECT id FROM person; SELECT 1").key("id");
    assert!(error::<i64>(two).contains("more than one statement"));
}

#[test]
fn an_error_in_the_columns_is_not_an_error_of_a_row() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the names of its fields matter")]
    struct Tall {
        id: i64,
        height: i64,
    }
    let connection = database(2);
    let refused = |error: SqliteReadError, reader: &dyn Fn(&SqliteReadError) -> bool| {
        assert!(!reader(&error), "no rule skips it");
        error.to_string()
    };
    let query = || SqliteReader::query(&connection, "SELECT id, name FROM person").key("id");

    let mut by_name = query().rows_as::<Tall>().unwrap();
    let error = by_name.read().unwrap_err();
    assert_eq!(
        refused(error, &|error| by_name.steps_over(error)),
        "no row of the query can be an item: the column `height` is not in its result; select it, or make the field optional with `#[serde(default)]`"
    );
    assert_eq!(by_name.position(), SqlitePosition::default(), "no row is skipped");
    let mut by_place = query().rows_as::<(i64, String, i64)>().unwrap();
    let error = by_place.read().unwrap_err();
    assert!(refused(error, &|error| by_place.steps_over(error)).contains("its result has 2 columns"));
    let mut alone = query().rows_as::<i64>().unwrap();
    let error = alone.read().unwrap_err();
    assert!(refused(error, &|error| alone.steps_over(error)).contains("the item is a single value"));
    let mut closure = query().rows(|row| row.get::<_, i64>("height")).unwrap();
    let error = closure.read().unwrap_err();
    assert!(refused(error, &|error| closure.steps_over(error)).contains("height"));
}
