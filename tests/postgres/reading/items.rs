//! Rows that become items, and rows that do not.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use batch_runtime::Reader;
use batch_runtime::prelude::*;
use batch_tests::postgres::database;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{all, error, people, query, rest};

#[test]
fn each_type_becomes_the_field_it_fits() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mood {
        Good,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapped(u8);
    #[derive(Debug, PartialEq, Deserialize)]
    struct All {
        a: i16,
        b: i32,
        c: u64,
        d: f32,
        e: f64,
        f: bool,
        g: String,
        h: String,
        i: String,
        j: Vec<u8>,
        k: Date,
        l: DateTime,
        m: Timestamp,
        n: jiff::civil::Time,
        o: String,
        p: String,
        q: i128,
        r: Option<i64>,
        s: Option<i64>,
        t: Mood,
        u: Mood,
        v: Wrapped,
        w: Vec<Option<i32>>,
        x: Vec<Vec<String>>,
        y: HashMap<String, f64>,
        z: (u32, u32),
    }
    let Some(database) = database() else { return };
    database
        .connect()
        .batch_execute(
            "CREATE TYPE mood AS ENUM ('bad', 'good'); CREATE DOMAIN small AS int2 CHECK (VALUE > 0)",
        )
        .unwrap();
    let sql =
        "SELECT 1 AS key, 2::int2 AS a, -3::int4 AS b, 4::int8 AS c, 0.5::float4 AS d, 0.25::float8 AS e,
        true AS f, 'text' AS g, 'var'::varchar(9) AS h, 'char'::char(6) AS i, '\\x0102'::bytea AS j,
        '2024-02-29'::date AS k, '2024-02-29 12:30:00.000001'::timestamp AS l,
        '2024-02-29 12:30:00+02'::timestamptz AS m, '23:59:59.9'::time AS n,
        '67e55044-10b1-426f-9247-bb680e5fe0c8'::uuid AS o, 12.50::numeric AS p,
        170141183460469231731687303715884105727::numeric AS q, NULL::int8 AS r, 5::int8 AS s,
        'good'::mood AS t, 'good'::text AS u, 6::small AS v, '{1,NULL,3}'::int4[] AS w,
        '{{a,b},{c,d}}'::text[] AS x, '{\"one\": 1, \"half\": 0.5}'::jsonb AS y, '{7,8}'::int8[] AS z";
    let expected = All {
        a: 2,
        b: -3,
        c: 4,
        d: 0.5,
        e: 0.25,
        f: true,
        g: "text".into(),
        h: "var".into(),
        i: "char  ".into(),
        j: vec![1, 2],
        k: "2024-02-29".parse().unwrap(),
        l: "2024-02-29T12:30:00.000001".parse().unwrap(),
        m: "2024-02-29T10:30:00Z".parse().unwrap(),
        n: "23:59:59.9".parse().unwrap(),
        o: "67e55044-10b1-426f-9247-bb680e5fe0c8".into(),
        p: "12.50".into(),
        q: i128::MAX,
        r: None,
        s: Some(5),
        t: Mood::Good,
        u: Mood::Good,
        v: Wrapped(6),
        w: vec![Some(1), None, Some(3)],
        x: vec![vec!["a".into(), "b".into()], vec!["c".into(), "d".into()]],
        y: HashMap::from([("one".into(), 1.0), ("half".into(), 0.5)]),
        z: (7, 8),
    };
    assert_eq!(all::<All>(query(&database, sql).key("key")), [expected]);
}

/// Reads one value.
fn value<T: DeserializeOwned>(database: &batch_tests::postgres::Database, sql: &str) -> T {
    let mut values = all::<(i32, T)>(query(database, &format!("SELECT 1 AS key, {sql} AS value")).key("key"));
    values.pop().unwrap().1
}

/// The error of one value.
fn refused<T: DeserializeOwned>(database: &batch_tests::postgres::Database, sql: &str) -> String {
    error::<(i32, T)>(query(database, &format!("SELECT 1 AS key, {sql} AS value")).key("key"))
}

#[test]
fn a_string_takes_the_texts_that_the_server_writes() {
    let Some(database) = database() else { return };
    let texts = [
        "'-0.00'::numeric",
        "1e40::numeric",
        "1e-40::numeric",
        "'NaN'::numeric",
        "12345678901234567890.12345678901234567890::numeric",
        "'67e55044-10b1-426f-9247-bb680e5fe0c8'::uuid",
        "'10000-02-01'::date",
        "'0044-03-15 BC'::date",
        "'infinity'::date",
        "'24:00:00'::time",
        "'12:00:00.5-03:30'::timetz",
        "'192.168.0.0/24'::inet",
        "'192.168.0.1'::inet",
        "'192.168.0.1/32'::cidr",
        "'2001:db8::1/64'::inet",
        "'x'::\"char\"",
        "'-infinity'::timestamptz",
        "'{\"b\": 1,  \"a\": [null]}'::json",
        "'{\"b\": 1,  \"a\": [null]}'::jsonb",
    ];
    for sql in texts {
        let expected: String =
            database.connect().query_one(&format!("SELECT format('%s', {sql})"), &[]).unwrap().get(0);
        assert_eq!(value::<String>(&database, sql), expected, "{sql}");
    }
    assert_eq!(
        value::<String>(&database, "'1 year 2 mons -3 days 04:05:06.7'::interval"),
        "P1Y2M-3DT4H5M6.7S"
    );
    assert_eq!(value::<jiff::Span>(&database, "'-90 minutes'::interval").get_hours(), -1);
    assert_eq!(value::<String>(&database, "'0044-03-15 12:00 BC'::timestamp"), "0044-03-15T12:00:00 BC");
}

#[test]
fn a_document_becomes_whatever_it_holds() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Address {
        street: String,
        zip: Option<u32>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    enum Shape {
        Circle { radius: f64 },
    }
    let Some(database) = database() else { return };
    for type_ in ["json", "jsonb"] {
        let document = |json: &str| format!("'{json}'::{type_}");
        let address = document(r#"{"street": "Main", "zip": null}"#);
        assert_eq!(value::<Address>(&database, &address), Address { street: "Main".into(), zip: None });
        assert_eq!(value::<Value>(&database, &address), json!({"street": "Main", "zip": null}));
        assert_eq!(
            value::<Shape>(&database, &document(r#"{"Circle": {"radius": 0.5}}"#)),
            Shape::Circle { radius: 0.5 }
        );
        assert_eq!(value::<Vec<i32>>(&database, &document("[1, 2]")), [1, 2]);
        assert_eq!(value::<(i32, bool)>(&database, &document("[1, true]")), (1, true));
        assert_eq!(value::<u8>(&database, &document("7")), 7);
        assert_eq!(value::<Option<f64>>(&database, &document("0.1")), Some(0.1));
        assert!(value::<bool>(&database, &document("true")));
        assert_eq!(value::<Box<RawValue>>(&database, &document("[1]")).get(), "[1]");
        assert_eq!(
            value::<Option<Value>>(&database, &document("null")),
            Some(Value::Null),
            "SQL NULL is `None`"
        );
        assert_eq!(value::<Option<Value>>(&database, &format!("NULL::{type_}")), None);
        let error = refused::<Address>(&database, &document(r#"{"street": 1}"#));
        assert!(
            error.starts_with(
                "row key = 1, column `value`: the JSON does not fit the item: invalid type: integer `1`"
            ),
            "{error}"
        );
        assert!(error.ends_with(r#"in {"street": 1}"#), "{error}");
    }
}

#[test]
fn a_number_is_converted_only_if_it_stays_the_same() {
    let Some(database) = database() else { return };
    assert_eq!(value::<Option<f64>>(&database, "0.1::numeric"), Some(0.1));
    assert_eq!(value::<Option<f32>>(&database, "0.1::numeric"), Some(0.1));
    assert_eq!(value::<i8>(&database, "-5.00::numeric"), -5);
    assert_eq!(value::<u64>(&database, "18446744073709551615::numeric"), u64::MAX);
    assert_eq!(value::<i32>(&database, "3::float8"), 3);
    assert_eq!(value::<Option<f64>>(&database, "9007199254740992::int8"), Some(9_007_199_254_740_992.0));
    assert!(value::<f64>(&database, "'NaN'::numeric").is_nan());
    assert_eq!(value::<Option<f32>>(&database, "'-Infinity'::float8"), Some(f32::NEG_INFINITY));
    assert!(value::<bool>(&database, "1"));
    for (sql, of_row) in [
        ("9007199254740993::int8", "expected f64, which cannot hold 9007199254740993 exactly"),
        ("0.12345678901234567891::numeric", "expected f64, which cannot hold 0.12345678901234567891 exactly"),
    ] {
        assert_eq!(refused::<f64>(&database, sql), format!("row key = 1, column `value`: {of_row}"));
    }
    assert!(refused::<f32>(&database, "0.1::float8").contains("expected f32, which cannot hold 0.1 exactly"));
    assert!(
        refused::<i32>(&database, "12.5::numeric").contains("expected i32, which cannot hold 12.5 exactly")
    );
    assert!(refused::<i32>(&database, "1e20::numeric").contains("cannot hold 100000000000000000000 exactly"));
    assert_eq!(
        refused::<u8>(&database, "300"),
        "row key = 1, column `value`: expected u8, found integer 300"
    );
}

#[test]
fn reading_continues_after_a_row_that_is_not_an_item() {
    #[derive(Debug, Deserialize)]
    struct Person {
        id: u32,
        name: String,
    }
    let Some(database) = database() else { return };
    people(&database, 4);
    database
        .connect()
        .batch_execute(
            "ALTER TABLE person ALTER name DROP NOT NULL; UPDATE person SET name = NULL WHERE id = 20",
        )
        .unwrap();
    for page in [1, 2, 1000] {
        let mut reader =
            query(&database, "SELECT * FROM person").key("id").page(page).rows_as::<Person>().unwrap();
        assert_eq!(reader.read().unwrap().unwrap().name, "p1");
        let error = reader.read().unwrap_err();
        assert_eq!(error.to_string(), "row id = 20, column `name`: expected a string, found NULL");
        assert!(error.is_about_a_row() && reader.steps_over(&error));
        assert_eq!(reader.location().unwrap(), "id = 20");
        assert_eq!(reader.read().unwrap().unwrap().id, 30);
    }
}

#[test]
fn a_column_of_a_type_that_no_row_could_have_fails_the_query() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its types matter")]
    struct Person {
        id: u32,
        name: i64,
    }
    let Some(database) = database() else { return };
    people(&database, 2);
    let mut reader = query(&database, "SELECT * FROM person").key("id").rows_as::<Person>().unwrap();
    for _ in 0..2 {
        let error = reader.read().unwrap_err();
        assert_eq!(
            error.to_string(),
            "no row of the query can be an item, column `name`: expected i64, found text 'p1'; the column is of type `text`"
        );
        assert!(!reader.steps_over(&error));
        assert!(reader.location().is_none(), "no row is read");
    }
    let error = refused::<String>(&database, "point(1, 2)");
    assert_eq!(
        error,
        "no row of the query can be an item, column `value`: the reader cannot read the type `point`; convert it in the query, as in `value::text AS value`"
    );
    assert_eq!(value::<serde::de::IgnoredAny>(&database, "point(1, 2)"), serde::de::IgnoredAny);
}

#[test]
fn the_query_must_have_the_columns_of_the_item() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its names matter")]
    struct Person {
        born: Date,
        id: u32,
    }
    let Some(database) = database() else { return };
    people(&database, 1);
    let error = |sql| error::<Person>(query(&database, sql).key("id"));
    assert_eq!(
        error("SELECT * FROM person"),
        "the query cannot be read in pages: the item needs the column `born`, but the query returns only `id`, `name`"
    );
    assert!(
        error("SELECT *, now()::date AS born, now()::date AS born FROM person")
            .contains("two columns of its result are named `born`; rename one with `AS`")
    );
    let error = super::error::<(i64, String, i64)>(query(&database, "SELECT * FROM person").key("id"));
    assert!(error.contains("its result has 2 columns: expected a tuple of size 3"), "{error}");
}

#[test]
fn an_array_that_is_not_the_items_is_refused() {
    let Some(database) = database() else { return };
    let error = refused::<(i32, i32)>(&database, "'{1,2,3}'::int4[]");
    assert_eq!(error, "row key = 1, column `value`: expected 2 elements of the array, found 3");
    let error = refused::<(i32, i32)>(&database, "'{1}'::int4[]");
    assert!(error.starts_with("row key = 1, column `value`: expected a tuple of size 2, found 1"), "{error}");
    let error = refused::<Vec<i32>>(&database, "'[0:1]={1,2}'::int4[]");
    assert!(error.contains("its first index is not 1"), "{error}");
    let error = refused::<Vec<i32>>(&database, "'{1,NULL}'::int4[]");
    assert_eq!(error, "row key = 1, column `value`: expected i32, found NULL");
    assert!(value::<Vec<i32>>(&database, "'{}'::int4[]").is_empty());
    assert_eq!(value::<Vec<Date>>(&database, "'{2024-01-01}'::date[]"), ["2024-01-01".parse().unwrap()]);
}

#[test]
fn an_error_of_the_closure_names_the_row() {
    let Some(database) = database() else { return };
    people(&database, 1);
    let mut reader = query(&database, "SELECT * FROM person")
        .key("id")
        .rows(|row| Ok(row.try_get::<_, i64>("name")?))
        .unwrap();
    let error = reader.read().unwrap_err();
    assert!(error.to_string().starts_with("row id = 10: error deserializing column"), "{error}");
    assert!(reader.steps_over(&error));
    assert_eq!(reader.read().unwrap(), None);
}

#[test]
fn after_a_panic_of_the_closure_every_row_of_the_page_is_read_once() {
    let Some(database) = database() else { return };
    people(&database, 6);
    for page in [1, 3, 6, 1000] {
        let mut panics = true;
        let item = move |row: &batch_runtime::postgres::Row| {
            let id: i64 = row.get("id");
            assert!(id != 50 || !std::mem::take(&mut panics), "the closure fell over");
            Ok(id)
        };
        let mut reader = query(&database, "SELECT id FROM person").key("id").page(page).rows(item).unwrap();
        let mut read = Vec::new();
        loop {
            match catch_unwind(AssertUnwindSafe(|| reader.read())) {
                Ok(Ok(Some(id))) => read.push(id),
                Ok(end) => break assert!(end.unwrap().is_none()),
                Err(_) => read.extend(rest(&mut reader)),
            }
        }
        assert_eq!(read, [10, 20, 30, 40, 50, 60]);
    }
}

#[test]
fn a_part_of_a_date_or_time_is_not_lost() {
    use batch_runtime::{Date, DateTime};
    let Some(database) = database() else { return };
    assert_eq!(value::<Date>(&database, "date '2024-01-31'").day(), 31);
    assert_eq!(value::<DateTime>(&database, "timestamp '2024-01-31 10:00'").hour(), 10);
    for (error, expected) in [
        (refused::<Date>(&database, "timestamp '2024-01-31 10:00'"), "expected a date alone"),
        (refused::<DateTime>(&database, "date '2024-01-31'"), "expected a date with its time"),
        (refused::<Date>(&database, "'2024-01-31T10:00'::text"), "expected a date alone"),
        (refused::<DateTime>(&database, "'2024-01-31T10:00+02:00'::text"), "without an offset or zone"),
    ] {
        assert!(error.starts_with("row key = 1, column `value`: ") && error.contains(expected), "{error}");
    }
}

#[test]
fn a_number_that_json_cannot_hold_is_refused_for_a_json_value() {
    let Some(database) = database() else { return };
    assert_eq!(value::<Value>(&database, "0.5::float8"), json!(0.5));
    for sql in ["'NaN'::float8", "'-Infinity'::float4"] {
        assert!(refused::<Value>(&database, sql).contains("JSON has no number"), "{sql}");
    }
}

#[test]
fn a_value_in_a_document_is_the_same_or_refused() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its errors matter")]
    struct Stay {
        arrives: Option<DateTime>,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its errors matter")]
    struct Flattened {
        id: i32,
        #[serde(flatten)]
        stay: Stay,
    }
    #[derive(Debug, Deserialize)]
    struct Ignoring {
        id: i32,
    }
    let Some(database) = database() else { return };
    for type_ in ["json", "jsonb"] {
        let document = |json: &str| format!("'{json}'::{type_}");
        let list = |json: &str| format!("ARRAY[NULL, '{{}}', '{json}']::{type_}[]");
        let (stay, late) = (r#"{"arrives": "2024-01-31T10:00+02:00"}"#, "without an offset or zone");
        let flat = r#"{"id": 7, "arrives": "2024-01-31T10:00+02:00"}"#;
        let (small, out_of_range) = (r#"{"id": 7, "x": 1e-400}"#, "number out of range");
        for (error, expected) in [
            (refused::<Stay>(&database, &document(stay)), late),
            (refused::<Vec<Option<Stay>>>(&database, &list(stay)), late),
            (refused::<Flattened>(&database, &document(flat)), late),
            (refused::<Vec<f64>>(&database, &document("[0.0, 1e-400]")), out_of_range),
            (refused::<f64>(&database, &document("1e-400")), out_of_range),
            (refused::<f32>(&database, &document("1e-50")), out_of_range),
            (refused::<HashMap<String, f64>>(&database, &document(small)), out_of_range),
            (refused::<Value>(&database, &document(small)), out_of_range),
            (refused::<Vec<Option<Value>>>(&database, &list(small)), out_of_range),
        ] {
            assert!(
                error.starts_with("row key = 1, column `value`: ") && error.contains(expected),
                "{error}"
            );
        }
        assert_eq!(value::<f64>(&database, &document("1e-50")).to_bits(), 1e-50_f64.to_bits());
        assert_eq!(value::<Ignoring>(&database, &document(small)).id, 7);
        assert_eq!(value::<Vec<f64>>(&database, &document("[0.0, 0e-999]")), [0.0, 0.0]);
    }
    let text = r#"{"id": 7, "x": 1e-400}"#;
    assert_eq!(value::<Box<RawValue>>(&database, &format!("'{text}'::json")).get(), text);
    assert_eq!(value::<String>(&database, &format!("'{text}'::json")), text);
    let twice = r#"'{"a": 1, "a": 2}'::json"#;
    for error in [refused::<Value>(&database, twice), refused::<HashMap<String, u8>>(&database, twice)] {
        assert!(error.contains("duplicate field `a`, of which the item would keep only one"), "{error}");
    }
}

#[test]
fn the_record_of_an_error_has_its_documents_as_they_are() {
    let Some(database) = database() else { return };
    let sql = r#"SELECT 1 AS key, '{"a": 1e-400, "a": 2}'::json AS value"#;
    let mut reader = query(&database, sql).key("key").rows_as::<(i32, Value)>().unwrap();
    let error = reader.read().unwrap_err();
    assert_eq!(reader.record(&error).unwrap(), r#"{"key":1,"value":{"a": 1e-400, "a": 2}}"#);
}

#[test]
fn the_record_of_an_error_is_the_row_as_json() {
    let Some(database) = database() else { return };
    people(&database, 1);
    let sql = "SELECT id, name, NULL::int AS age, 'NaN'::float8 AS b FROM person";
    let mut reader = query(&database, sql).key("id").rows_as::<(i64, String, i32, f64)>().unwrap();
    let error = reader.read().unwrap_err();
    let record = reader.record(&error).unwrap();
    assert!(
        record.starts_with(r#"{"id":10,"name":"p1","age":null,"b":"(JSON has no number NaN"#),
        "{record}"
    );
}

#[test]
fn a_query_whose_columns_the_item_would_not_take_is_refused_when_it_is_opened() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the names of its fields matter")]
    struct Notes {
        a: Option<i32>,
    }
    let Some(database) = database() else { return };
    people(&database, 1);
    let strange = error::<Notes>(query(&database, "SELECT id, name AS \"A\" FROM person").key("id"));
    assert!(
        strange.contains("no column of its result is a field of the item: it returns `id`, `A`"),
        "{strange}"
    );
    let twice = error::<Value>(query(&database, "SELECT id, 1 AS a, 2 AS a FROM person").key("id"));
    assert!(twice.contains("two columns of its result are named `a`"), "{twice}");
}
