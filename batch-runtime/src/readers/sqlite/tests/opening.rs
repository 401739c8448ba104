//! Queries and files that are refused when they are opened.

use super::*;

#[test]
fn a_parameter_that_is_nan_is_refused() {
    let connection = database(1);
    let bound =
        SqliteReader::query(&connection, "SELECT id FROM person WHERE id > :least").bind(":least", f64::NAN);
    let start = SqliteReader::query(&connection, "SELECT id FROM person WHERE id > :after").start(f64::NAN);
    for (query, name) in [(bound, ":least"), (start, ":after")] {
        let error = error::<i64>(query.key("id"));
        assert!(error.contains(&format!("the parameter `{name}` is NaN")), "{error}");
    }
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
        (
            query("SELECT id FROM person ORDER BY random() LIMIT 5").key("id"),
            "its `LIMIT` or `OFFSET` could choose other rows for each page; leave it out and add `.limit(n)` to the reader",
        ),
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
            "its parameter `:after` does not match a column of the key",
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
    assert!(
        error.to_string().contains("the item needs the column `id`, but the query returns only"),
        "{error}"
    );
    assert!(open("SELECT key, id, nick FROM person").is_ok());
}

#[test]
fn a_query_whose_columns_the_item_would_not_take_is_refused_when_it_is_opened() {
    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only the names of its fields matter")]
    struct Notes {
        a: Option<u8>,
        b: Option<u8>,
    }
    let connection = database(1);
    let query = |sql: &str| SqliteReader::query(&connection, sql).key("id");
    let strange = error::<Notes>(query("SELECT id, name AS A FROM person"));
    assert!(
        strange.contains(
            "no column of its result is a field of the item: it returns `id`, `A`, and the fields are `a`, `b`"
        ),
        "{strange}"
    );
    let twice = "SELECT id, 1 AS a, 2 AS a FROM person";
    for error in [
        error::<serde_json::Value>(query(twice)),
        error::<std::collections::HashMap<String, u8>>(query(twice)),
    ] {
        assert!(
            error.contains("two columns of its result are named `a`, of which the item would keep only one")
        );
    }
    assert!(query(twice).rows_as::<(u8, u8, u8)>().is_ok());
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
fn a_view_with_a_limit_or_a_key_from_a_window_function_is_refused() {
    let connection = database(1);
    connection
        .execute_batch(
            "CREATE VIEW few AS SELECT id FROM person LIMIT 5;
             CREATE VIEW fewer AS SELECT id FROM few WHERE id > 2;
             CREATE VIEW numbered(place, name) AS SELECT row_number() OVER (ORDER BY name), name FROM person;
             CREATE VIEW people AS SELECT id, name, (SELECT count(*) FROM few) AS few FROM person;",
        )
        .unwrap();
    let query = |sql: &str, key: &str| SqliteReader::query(&connection, sql).key(key);
    for sql in ["SELECT id FROM few", "SELECT a.id FROM person a JOIN main.\"fewer\" b ON a.id = b.id"] {
        let error = error::<i64>(query(sql, "id"));
        assert!(error.contains("its `LIMIT` or `OFFSET` could choose other rows"), "{error}");
    }
    let error = error::<i64>(query("SELECT place + 1 AS id FROM numbered", "id"));
    assert!(error.contains("it is computed by a window function"), "{error}");
    assert!(query("SELECT name FROM numbered", "name").rows_as::<String>().is_ok());
    assert!(query("SELECT id FROM people", "id").rows_as::<i64>().is_ok());
}
