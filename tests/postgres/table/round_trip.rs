//! Values of Rust's types in columns of any type, written with [`PostgresTable`] and read back with `PostgresReader`.
//!
//! `PROPTEST_CASES` sets the number of cases.

use std::fmt::Debug;

use batch_runtime::postgres::Postgres;
use batch_runtime::readers::PostgresReader;
use batch_runtime::writers::{PostgresTable, PostgresWriteError};
use batch_runtime::{Date, DateTime, Reader as _, Timestamp};
use jiff::civil::Time;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{TestCaseError, TestRunner};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Place;
use super::values::{days, documents, hours, locals, moments, reals, singles, texts};

const TYPES: [&str; 25] = [
    "smallint",
    "int",
    "bigint",
    "real",
    "float8",
    "numeric",
    "numeric(6, 2)",
    "boolean",
    "text",
    "varchar(5)",
    "char(3)",
    "bytea",
    "date",
    "time",
    "time(2)",
    "timestamp",
    "timestamp(0)",
    "timestamptz",
    "timestamptz(3)",
    "json",
    "jsonb",
    "int[]",
    "text[]",
    "float8[]",
    "bytea[]",
];

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Kind {
    Good,
    #[serde(rename = "12")]
    Twelve,
}

/// Serializes as bytes instead of a sequence of numbers.
#[derive(Debug, Clone)]
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

/// A document with optional members.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Document {
    name: Option<String>,
    real: Option<f64>,
    #[expect(clippy::option_option, reason = "a document cannot hold it and must refuse it")]
    twice: Option<Option<i32>>,
    numbers: Vec<Option<u64>>,
}

macro_rules! values {
    ($($name:ident: $type:ty = $strategy:expr;)*) => {
        /// Values of one type.
        #[derive(Debug, Clone)]
        enum Values {
            $($name(Vec<$type>),)*
        }

        fn values() -> impl Strategy<Value = Values> {
            prop_oneof![$(vec($strategy, 1..8).prop_map(Values::$name)),*]
        }

        impl Values {
            /// True for texts, whose notation only a column of text keeps: the number `0` may be read back as `0.00`.
            fn are_texts(&self) -> bool {
                matches!(self, Self::Text(_) | Self::Maybe(_) | Self::Character(_) | Self::Kinds(_))
            }

            fn are_read_back_or_refused(&self, place: &Place, number: usize) -> Result<(), TestCaseError> {
                match self {
                    $(Self::$name(values) => are_read_back_or_refused(values, place, number),)*
                }
            }
        }
    };
}

type Twice = Option<Option<i32>>;

values! {
    Bool: Option<bool> = any::<Option<bool>>();
    Small: i16 = any::<i16>();
    Signed: i64 = prop_oneof![any::<i64>(), select(vec![0, 1, -1, 1 << 53, (1 << 53) + 1, i64::MIN])];
    Unsigned: u64 = prop_oneof![any::<u64>(), Just(1 << 63)];
    Wide: i128 = prop_oneof![any::<i128>(), any::<i64>().prop_map(i128::from)];
    Single: f32 = singles();
    Real: f64 = prop_oneof![reals(), (-99_999_i32..99_999).prop_map(|cents| f64::from(cents) / 100.0)];
    Text: String = prop_oneof![texts(6), "[0-9]{1,3}", Just("a\0b".to_owned())];
    Maybe: Option<String> = prop::option::of(texts(6));
    Character: char = any::<char>();
    Raw: Bytes = vec(any::<u8>(), 0..6).prop_map(Bytes);
    Kinds: Kind = select(vec![Kind::Good, Kind::Twelve]);
    Twice: Twice = any::<Option<Option<i32>>>();
    Day: Date = days().prop_map(|day| if day.year() > 0 { day } else { Date::MAX });
    Hour: Time = hours();
    Local: DateTime = locals().prop_map(|local| if local.year() > 0 { local } else { DateTime::MAX });
    Moment: Timestamp = moments().prop_map(|moment| if moment >= first_year() { moment } else { first_year() });
    Any: Value = documents(true);
    Documents: Document = (
        prop::option::of(texts(4)),
        prop::option::of(reals()),
        any::<Option<Option<i32>>>(),
        vec(any::<Option<u64>>(), 0..3),
    )
        .prop_map(|(name, real, twice, numbers)| Document { name, real, twice, numbers });
    Integers: Vec<i32> = vec(any::<i32>(), 0..4);
    Reals: Vec<f64> = vec(reals(), 0..4);
    Texts: Vec<String> = vec(texts(4), 0..4);
}

/// The begin of the first year. A reader refuses the text of an earlier time, which ends in `BC`.
fn first_year() -> Timestamp {
    "0001-01-01T00:00:00Z".parse().unwrap()
}

/// Writes the values to the table with that number, leaves out the rows that are refused, and reads the others.
fn are_read_back_or_refused<T>(values: &[T], place: &Place, number: usize) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + Debug + Clone + Send + Sync + 'static,
{
    let table = format!("t{number}");
    place.tx.session().batch_execute(&format!("DELETE FROM {table}")).unwrap();
    let mut writer = PostgresTable::<Vec<T>>::rows(&*table, ["id", "value"], |values, rows| {
        for (id, value) in (0_i64..).zip(values) {
            match rows.add(&(id, value)) {
                Ok(()) | Err(PostgresWriteError::Item { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    });
    let written = place.write(&mut writer, &[values.to_vec()]);
    written.map_err(|failure| TestCaseError::fail(failure.to_string()))?;
    if place.numbers(&format!("SELECT count(*) FROM {table}")) == [0] {
        return Ok(());
    }
    let database = Postgres::at(place.database.url());
    let query = PostgresReader::query(&database, format!("SELECT id, value FROM {table}")).key("id");
    let reader = query.rows_as::<(i64, T)>();
    let mut reader = reader.map_err(|error| TestCaseError::fail(error.to_string()))?;
    while let Some((id, read)) = reader.read().map_err(|error| TestCaseError::fail(error.to_string()))? {
        // The texts of two NaN are the same, and those of 0.0 and -0.0 differ.
        let value = &values[usize::try_from(id).unwrap()];
        prop_assert_eq!(format!("{read:?}"), format!("{value:?}"));
    }
    Ok(())
}

#[test]
fn a_written_value_is_read_back_unchanged_or_was_refused() {
    let tables: Vec<String> = (0..)
        .zip(TYPES)
        .map(|(number, column)| format!("CREATE TABLE t{number} (id BIGINT PRIMARY KEY, value {column})"))
        .collect();
    let Some(place) = Place::with(&tables.join("; ")) else { return };
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let tried = TestRunner::new(config).run(&(values(), 0..TYPES.len()), |(values, number)| {
        let keeps_kind = match &values {
            values if values.are_texts() => ["text", "varchar(5)", "char(3)"].contains(&TYPES[number]),
            // An empty sequence has no type, so a column of bytes takes it as well.
            Values::Any(_) | Values::Integers(_) | Values::Reals(_) | Values::Texts(_) => {
                TYPES[number] != "bytea"
            }
            _ => true,
        };
        if !keeps_kind {
            return Ok(());
        }
        values
            .are_read_back_or_refused(&place, number)
            .map_err(|error| TestCaseError::fail(format!("{} {values:?}: {error}", TYPES[number])))
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}
