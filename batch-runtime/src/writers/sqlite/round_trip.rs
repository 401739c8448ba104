//! Writes random values to columns of random types with [`SqliteTable`], and reads them back with
//! `SqliteReader`.

#![expect(clippy::float_cmp, reason = "the number read back is identical")]
#![expect(clippy::option_option, reason = "a column cannot hold it and must refuse it")]

use proptest::prelude::*;
use proptest::sample::select;
use rusqlite::Connection;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::*;
use crate::definition::Reader;
use crate::readers::SqliteReader;

const TYPES: [&str; 12] = [
    "",
    "INTEGER",
    "INT",
    "REAL",
    "DOUBLE",
    "TEXT",
    "VARCHAR(5)",
    "BLOB",
    "NUMERIC",
    "DATE",
    "ANY",
    "BOOLEAN",
];
const STRICT: [&str; 5] = ["INTEGER", "REAL", "TEXT", "BLOB", "ANY"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Good,
    #[serde(rename = "12")]
    Twelve,
}

/// Serializes as bytes instead of a sequence of numbers.
#[derive(Debug, Clone, PartialEq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

#[derive(Debug, Clone)]
enum Any {
    Bool(Option<bool>),
    Signed(i64),
    Small(i16),
    Unsigned(u64),
    Wide(i128),
    Single(f32),
    Real(f64),
    Text(String),
    Char(char),
    Bytes(Bytes),
    Kind(Kind),
    Twice(Option<Option<i32>>),
    Optional(Option<String>),
    Unit,
}

fn any_value() -> impl Strategy<Value = Any> {
    let texts: &[&str] = &[
        "007",
        "12abc",
        "1e5",
        " 7 ",
        "",
        "a\0b",
        "1\0",
        "NaN",
        "0x10",
        "9007199254740993",
        "2024-01-31",
        "-",
        ".",
    ];
    let integers: &[i64] =
        &[0, 1, -1, 9_007_199_254_740_992, 9_007_199_254_740_993, i64::MAX, i64::MIN, i64::MAX - 512];
    let reals: &[f64] = &[
        0.0,
        -0.0,
        2.0,
        0.1,
        1e15,
        1e300,
        9_007_199_254_740_992.0,
        9.3e18,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        5e-324,
    ];
    prop_oneof![
        any::<Option<bool>>().prop_map(Any::Bool),
        prop_oneof![any::<i64>(), select(integers)].prop_map(Any::Signed),
        any::<i16>().prop_map(Any::Small),
        prop_oneof![any::<u64>(), Just(u64::MAX), Just(1 << 63)].prop_map(Any::Unsigned),
        prop_oneof![any::<i128>(), any::<i64>().prop_map(i128::from)].prop_map(Any::Wide),
        any::<f32>().prop_map(Any::Single),
        prop_oneof![any::<f64>(), select(reals)].prop_map(Any::Real),
        prop_oneof![".{0,6}", "[ +\\-0-9.eE]{0,6}", select(texts).prop_map(str::to_owned)]
            .prop_map(Any::Text),
        any::<char>().prop_map(Any::Char),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| Any::Bytes(Bytes(bytes))),
        prop_oneof![Just(Kind::Good), Just(Kind::Twelve)].prop_map(Any::Kind),
        any::<Option<Option<i32>>>().prop_map(Any::Twice),
        any::<Option<String>>().prop_map(Any::Optional),
        Just(Any::Unit),
    ]
}

#[derive(Serialize, Deserialize)]
struct Row<T> {
    id: i64,
    value: T,
}

/// Writes the value and reads it back; returns `Ok(None)` if it was refused.
fn back<T: Serialize + DeserializeOwned + Clone>(
    value: &T,
    declared: &str,
    strict: bool,
) -> Result<Option<T>, String> {
    let mut connection = Connection::open_in_memory().unwrap();
    let strict = if strict { " STRICT" } else { "" };
    connection
        .execute_batch(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, value {declared}){strict}"))
        .unwrap();
    let tx = connection.transaction().unwrap();
    let written =
        SqliteTable::into("t").write(&[Row { id: 1, value: value.clone() }], &ChunkTransaction::sqlite(&tx));
    tx.commit().unwrap();
    match written {
        Err(SqliteWriteError::Item { .. } | SqliteWriteError::Row { .. }) => return Ok(None),
        written => written.map_err(|error| error.to_string())?,
    }
    let mut reader =
        SqliteReader::query(connection, "SELECT id, value FROM t").key("id").rows_as::<Row<T>>().unwrap();
    let row = reader.read().map_err(|error| error.to_string())?;
    row.map(|row| Some(row.value)).ok_or_else(|| "there is no row".to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(500),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_written_value_is_read_back_unchanged_or_was_refused(
        value in any_value(),
        (declared, strict) in prop_oneof![(select(&TYPES[..]), Just(false)), (select(&STRICT[..]), Just(true))],
    ) {
        macro_rules! same {
            ($value:expr) => {
                match back($value, declared, strict) {
                    Ok(None) => {}
                    Ok(Some(read)) => prop_assert_eq!(&read, $value),
                    Err(error) => prop_assert!(false, "{}", error),
                }
            };
        }
        match &value {
            Any::Bool(value) => same!(value),
            Any::Signed(value) => same!(value),
            Any::Small(value) => same!(value),
            Any::Unsigned(value) => same!(value),
            Any::Wide(value) => same!(value),
            Any::Single(value) => same!(value),
            Any::Real(value) => same!(value),
            Any::Text(value) => same!(value),
            Any::Char(value) => same!(value),
            Any::Bytes(value) => same!(value),
            Any::Kind(value) => same!(value),
            Any::Twice(value) => same!(value),
            Any::Optional(value) => same!(value),
            Any::Unit => same!(&()),
        }
    }
}

#[test]
fn a_value_that_the_column_can_hold_is_not_refused() {
    assert_eq!(back(&f64::INFINITY, "REAL", false), Ok(Some(f64::INFINITY)));
    assert_eq!(back(&2.0, "INTEGER", false), Ok(Some(2.0)));
    assert_eq!(back(&7_i64, "REAL", false), Ok(Some(7)));
    assert_eq!(back(&"2024-01-31".to_owned(), "DATE", false), Ok(Some("2024-01-31".to_owned())));
    assert_eq!(back(&"007".to_owned(), "ANY", true), Ok(Some("007".to_owned())));
    assert_eq!(back(&Bytes(Vec::new()), "TEXT", false), Ok(Some(Bytes(Vec::new()))));
    assert_eq!(back(&"a\0b".to_owned(), "TEXT", false), Ok(Some("a\0b".to_owned())));
}
