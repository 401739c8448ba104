//! Rows that become items, and rows that do not.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Row;

use super::*;
use crate::readers::ReaderExt;

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
    assert_eq!(read("x'00'"), "row k = 1, column `a`: expected u8, found binary data of 1 bytes");
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

/// The value of an expression as a field, or the error about it.
fn value<T: serde::de::DeserializeOwned>(expression: &str) -> Result<T, String> {
    let sql = format!("SELECT 1 AS k, {expression} AS a");
    let mut reader = SqliteReader::query(&Database::new(), sql).key("k").rows_as::<(i64, T)>().unwrap();
    reader.read().map(|row| row.unwrap().1).map_err(|error| error.to_string())
}

#[test]
fn a_number_is_converted_only_if_it_stays_the_same() {
    assert_eq!(value::<f64>("9007199254740992"), Ok(9_007_199_254_740_992.0));
    assert_eq!(value::<f32>("0.5"), Ok(0.5));
    assert_eq!(value::<Option<f32>>("16777216"), Ok(Some(16_777_216.0)));
    assert_eq!(value::<f64>("9e999"), Ok(f64::INFINITY));
    assert_eq!(value::<serde_json::Value>("0.5"), Ok(serde_json::json!(0.5)));
    let refused = |read: Result<f64, String>| read.unwrap_err();
    assert_eq!(
        refused(value::<f64>("9007199254740993")),
        "row k = 1, column `a`: expected f64, which cannot hold 9007199254740993 exactly"
    );
    assert!(
        refused(value::<f32>("16777217").map(f64::from)).contains("f32, which cannot hold 16777217 exactly")
    );
    assert!(refused(value::<f32>("0.1").map(f64::from)).contains("f32, which cannot hold 0.1 exactly"));
    let infinite = value::<serde_json::Value>("-9e999").unwrap_err();
    assert!(infinite.starts_with("row k = 1, column `a`: JSON has no number -inf"), "{infinite}");
}

#[test]
fn a_date_or_time_that_would_lose_a_part_is_refused() {
    use jiff::civil::{Date, DateTime};
    assert!(value::<Date>("'2024-01-31'").is_ok() && value::<DateTime>("'2024-01-31 10:00'").is_ok());
    let error = value::<Option<Date>>("'2024-01-31 10:00'").unwrap_err();
    assert!(error.contains("column `a`: expected a date alone"), "{error}");
    let error = value::<DateTime>("'2024-01-31T10:00+02:00'").unwrap_err();
    assert!(
        error.contains("without an offset or zone") && error.contains("found text '2024-01-31T"),
        "{error}"
    );
}

#[test]
fn the_record_of_an_error_is_the_row_as_json() {
    let connection = database(3);
    connection
        .execute_batch(
            "UPDATE person SET name = x'ff' WHERE id = 20; UPDATE person SET name = NULL WHERE id = 30",
        )
        .unwrap();
    let sql = "SELECT id, name, 0.5 AS b FROM person";
    let mut reader = SqliteReader::query(&connection, sql).key("id").rows_as::<(i64, String, f64)>().unwrap();
    reader.read().unwrap();
    let error = reader.read().unwrap_err();
    assert_eq!(
        reader.record(&error).as_deref(),
        Some(r#"{"id":20,"name":"(expected any valid JSON value, found binary data of 1 bytes)","b":0.5}"#)
    );
    let error = reader.read().unwrap_err();
    assert_eq!(reader.record(&error).as_deref(), Some(r#"{"id":30,"name":null,"b":0.5}"#));
}
