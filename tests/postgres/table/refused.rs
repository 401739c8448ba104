//! Any value in a column of any type: it reads back as the same value, or its row is refused.

use batch_runtime::postgres::Row;
use batch_runtime::writers::{PostgresTable, PostgresWriteError};
use batch_runtime::{Date, DateTime, Timestamp};
use jiff::civil::Time;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde_json::{Value, json};

use super::Place;
use super::any::{Any, TEXTS, some_value};

const TYPES: [&str; 36] = [
    "smallint",
    "int",
    "bigint",
    "real",
    "float8",
    "numeric",
    "numeric(6, 2)",
    "numeric(3, -2)",
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
    "uuid",
    "json",
    "jsonb",
    "mood",
    "small",
    "interval",
    "inet",
    "int[]",
    "text[]",
    "float8[]",
    "numeric(6, 2)[]",
    "varchar(5)[]",
    "jsonb[]",
    "bytea[]",
    "small[]",
    "interval[]",
];

/// A decimal number without needless zeros.
fn plain(number: &str) -> String {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent: usize = exponent.parse().unwrap();
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let part = format!("{part:0<exponent$}");
    let (more, part) = part.split_at(exponent);
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let whole = format!("{whole}{more}");
    let whole = whole.trim_start_matches('0');
    let part = part.trim_end_matches('0');
    if whole.is_empty() && part.is_empty() { "0".to_owned() } else { format!("{sign}{whole}.{part}") }
}

fn is_real(value: f64, read: f64) -> bool {
    value.to_bits() == read.to_bits() || value.is_nan() && read.is_nan()
}

/// Whether the text of a column is that number.
fn is_number(number: &str, column: &str, text: &str) -> bool {
    match column {
        "real" => format!("{:.0}", text.parse::<f32>().unwrap()) == number,
        "float8" => format!("{:.0}", text.parse::<f64>().unwrap()) == number,
        _ => plain(text) == plain(number),
    }
}

/// Whether the column holds the value. The last column has it as text.
fn is_same(value: &Any, column: &str, row: &Row) -> bool {
    let text: Option<&str> = row.get(2);
    let Some(text) = text else {
        return matches!(value, Any::Null) || matches!(value, Any::Document(value) if value.is_null());
    };
    let real = |text: &str| {
        if column == "real" { f64::from(text.parse::<f32>().unwrap()) } else { text.parse().unwrap() }
    };
    let is_real =
        |value: f64, read: f64| value.to_bits() == read.to_bits() || value.is_nan() && read.is_nan();
    match value {
        Any::Bool(value) => match column {
            "jsonb" | "json" => text == value.to_string(),
            _ => row.get::<_, bool>(1) == *value,
        },
        Any::Integer(value) => is_number(&value.to_string(), column, text),
        Any::Large(value) => is_number(&value.to_string(), column, text),
        Any::Single(value) => is_real(f64::from(*value), real(text)) || text.parse() == Ok(*value),
        Any::Real(value) => is_real(*value, real(text)),
        Any::Text(value) => match column {
            "date" => value.parse::<Date>().is_ok_and(|value| value == row.get(1)),
            "time" | "time(2)" => value.parse::<Time>().is_ok_and(|value| value == row.get(1)),
            "timestamp" | "timestamp(0)" => value.parse::<DateTime>().is_ok_and(|value| value == row.get(1)),
            "timestamptz" | "timestamptz(3)" => {
                value.parse::<Timestamp>().is_ok_and(|value| value == row.get(1))
            }
            "uuid" => text == value.to_lowercase(),
            "char(3)" => row.get::<_, &str>(1) == value,
            _ if column.starts_with("numeric") => plain(text) == plain(value),
            _ => text == value,
        },
        Any::Bytes(_) | Any::Numbers(_) | Any::Integers(_) | Any::Reals(_) | Any::Texts(_) => {
            is_same_sequence(value, column, text, row)
        }
        Any::Document(value) => match column {
            "json" | "jsonb" => serde_json::from_str::<Value>(text).unwrap() == *value,
            "bytea" => *value == json!([]) && text == "\\x",
            _ if value.is_string() => value.as_str() == Some(text),
            _ => text == "{}" && *value == json!([]) || plain(text) == plain(&value.to_string()),
        },
        Any::Null | Any::Twice => false,
    }
}

fn is_same_sequence(value: &Any, column: &str, text: &str, row: &Row) -> bool {
    match value {
        Any::Bytes(value) if column.starts_with("json") => {
            serde_json::from_str::<Vec<u8>>(text).unwrap() == *value
        }
        Any::Bytes(value) if column == "bytea" => row.get::<_, Vec<u8>>(1) == *value,
        Any::Numbers(value) if column == "bytea" => row.get::<_, Vec<u8>>(1) == *value,
        // The elements of an empty sequence have no type.
        Any::Integers(_) | Any::Reals(_) | Any::Texts(_) if column == "bytea" => text == "\\x",
        Any::Numbers(value) => {
            let value: Vec<_> = value.iter().map(|byte| Some(i64::from(*byte))).collect();
            are_numbers(&value, column, text)
        }
        Any::Integers(value) => are_numbers(value, column, text),
        Any::Reals(value) => match column {
            "jsonb" | "json" => serde_json::from_str::<Vec<f64>>(text).unwrap() == *value,
            "float8[]" => {
                row.get::<_, Vec<f64>>(1).iter().zip(value).all(|(read, value)| is_real(*value, *read))
            }
            "jsonb[]" => row
                .get::<_, Vec<Value>>(1)
                .iter()
                .map(|read| read.as_f64().unwrap())
                .eq(value.iter().copied()),
            _ => {
                let read = elements(text);
                let is_same = |(read, value): (&&str, &f64)| read.parse() == Ok(*value);
                read.len() == value.len() && read.iter().zip(value).all(is_same)
            }
        },
        Any::Texts(value) => match column {
            "jsonb" | "json" => serde_json::from_str::<Vec<String>>(text).unwrap() == *value,
            "text[]" | "varchar(5)[]" => row.get::<_, Vec<String>>(1) == *value,
            "numeric(6, 2)[]" => {
                let read = elements(text);
                read.len() == value.len()
                    && read.iter().zip(value).all(|(read, value)| plain(read) == plain(value))
            }
            _ => value.is_empty() && text == "{}",
        },
        _ => false,
    }
}

/// The elements of an array as text.
fn elements(text: &str) -> Vec<&str> {
    text.trim_matches(['{', '}']).split(',').filter(|element| !element.is_empty()).collect()
}

fn are_numbers(value: &[Option<i64>], column: &str, text: &str) -> bool {
    if column.starts_with("json") && !column.ends_with("[]") {
        return serde_json::from_str::<Vec<Option<i64>>>(text).unwrap() == value;
    }
    let read = elements(text);
    let is_same = |(value, read): (&Option<i64>, &&str)| match value {
        None => *read == "NULL",
        Some(value) => is_number(&value.to_string(), column.trim_end_matches("[]"), read),
    };
    read.len() == value.len() && value.iter().zip(&read).all(is_same)
}

#[test]
fn any_value_reads_back_as_the_same_value_or_its_row_is_refused() {
    let Some(place) = Place::with("CREATE TYPE mood AS ENUM ('good'); CREATE DOMAIN small AS INT") else {
        return;
    };
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    for (number, column) in TYPES.into_iter().enumerate() {
        let table = format!("t{number}");
        place
            .tx
            .session()
            .batch_execute(&format!("CREATE TABLE {table} (id BIGINT, value {column})"))
            .unwrap();
        let mut values = vec(some_value(), 400).new_tree(&mut runner).unwrap().current();
        values.extend(TEXTS.map(|text| Any::Text(text.to_owned())));
        if column == "mood" {
            // Only the server knows the names of the enum: it would refuse the whole chunk.
            values.retain(|value| !matches!(value, Any::Text(text) if text != "good"));
            values.retain(|value| !matches!(value, Any::Document(Value::String(_))));
        }
        // A row that is refused is left out.
        let mut writer = PostgresTable::<Vec<Any>>::rows(&*table, ["id", "value"], |values, rows| {
            for (id, value) in (0_i64..).zip(values) {
                match rows.add(&(id, value)) {
                    Ok(()) => {}
                    Err(PostgresWriteError::Item { column: Some(column), problem, .. }) => {
                        assert_eq!(&*column, "value");
                        assert!(!problem.is_empty());
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        });
        place
            .write(&mut writer, std::slice::from_ref(&values))
            .unwrap_or_else(|failure| panic!("{column}: {failure}"));
        let query = format!("SELECT id, value, value::text FROM {table} ORDER BY id");
        let mut kept = 0;
        for row in place.tx.session().query(&query, &[]).unwrap() {
            let value = &values[usize::try_from(row.get::<_, i64>(0)).unwrap()];
            assert!(
                is_same(value, column, &row),
                "{value:?} in {column} is {:?}",
                row.get::<_, Option<&str>>(2)
            );
            kept += usize::from(row.get::<_, Option<&str>>(2).is_some());
        }
        let is_written = !["interval", "inet"].contains(&column);
        assert_eq!(kept > 0, is_written, "{kept} values were kept in {column}");
    }
}
