//! Values of any kind, including those that cause trouble.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// A value of any kind. It serializes as that kind.
#[derive(Debug, Clone)]
pub(super) enum Any {
    Bool(bool),
    Integer(i128),
    Large(u128),
    Single(f32),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
    Numbers(Vec<u8>),
    Integers(Vec<Option<i64>>),
    Reals(Vec<f64>),
    Texts(Vec<String>),
    Document(Value),
    Null,
    Twice,
}

impl Serialize for Any {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => value.serialize(serializer),
            // A value of a small type, like those of most fields.
            Self::Integer(value) => match i16::try_from(*value) {
                Ok(small) => small.serialize(serializer),
                Err(_) => value.serialize(serializer),
            },
            Self::Large(value) => value.serialize(serializer),
            Self::Single(value) => value.serialize(serializer),
            Self::Real(value) => value.serialize(serializer),
            Self::Text(value) => value.serialize(serializer),
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::Numbers(value) => value.serialize(serializer),
            Self::Integers(value) => value.serialize(serializer),
            Self::Reals(value) => value.serialize(serializer),
            Self::Texts(value) => value.serialize(serializer),
            Self::Document(value) => value.serialize(serializer),
            Self::Null => serializer.serialize_none(),
            Self::Twice => Some(None::<i32>).serialize(serializer),
        }
    }
}

/// Texts that mean something in a column of some type.
pub(super) const TEXTS: [&str; 47] = [
    "007",
    "7",
    "-7",
    "1.50",
    "-0",
    "1e5",
    "0.001",
    "NaN",
    "Infinity",
    "1234.5",
    "12345.25",
    " 7",
    "",
    " ",
    "a  ",
    "abc",
    "abcdef",
    "abcde ",
    "a\0b",
    "true",
    "null",
    "{}",
    "[1]",
    "2024-01-31",
    "2023-02-29",
    "0000-01-01",
    "-000044-03-15",
    "12:30:00",
    "12:30:00.25",
    "12:30:00.2500001",
    "24:00:00",
    "2024-01-31T12:30:00",
    "2024-01-31 12:30:00.5",
    "2024-01-31T12:30:00Z",
    "2024-01-31T12:30:00.0005+02:00",
    "2024-01-31T12:30:00+02:00[Europe/Berlin]",
    "9999-12-31",
    "infinity",
    "epoch",
    "now",
    "67e55044-10b1-426f-9247-bb680e5fe0c8",
    "67E55044-10B1-426F-9247-BB680E5FE0C8",
    "67e5504410b1426f9247bb680e5fe0c8",
    "good",
    "bad",
    "1 day",
    "127.0.0.1",
];

fn some_text() -> impl Strategy<Value = String> {
    prop_oneof![3 => select(&TEXTS[..]).prop_map(str::to_owned), 1 => any::<String>(), 1 => "-?[0-9]{0,4}(\\.[0-9]{0,3})?"]
}

pub(super) fn some_value() -> impl Strategy<Value = Any> {
    let integers = select(vec![
        0,
        1,
        -1,
        1200,
        1250,
        32_767,
        32_768,
        16_777_216,
        16_777_217,
        2_147_483_648,
        9_007_199_254_740_993,
        i128::from(i64::MAX),
        i128::from(i64::MIN) - 1,
        i128::MIN,
        i128::MAX,
        1 << 100,
    ]);
    let reals =
        select(vec![0.0, -0.0, 2.0, 0.1, 0.5, 1e15, 1e300, 9.3e18, 16_777_217.0, f64::NAN, f64::INFINITY]);
    let documents = select(vec![
        json!({ "a": [1, 2.5, null] }),
        json!([]),
        json!(-0.0),
        json!({ "a": "x\0y" }),
        json!("text"),
        json!(null),
        json!(7),
    ]);
    let integer = prop_oneof![integers, any::<i16>().prop_map(i128::from), any::<i128>()];
    let real = prop_oneof![reals, any::<f64>()];
    prop_oneof![
        1 => any::<bool>().prop_map(Any::Bool),
        3 => integer.prop_map(Any::Integer),
        1 => select(vec![7, u128::MAX]).prop_map(Any::Large),
        1 => any::<f32>().prop_map(Any::Single),
        3 => real.clone().prop_map(Any::Real),
        6 => some_text().prop_map(Any::Text),
        1 => vec(any::<u8>(), 0..5).prop_map(Any::Bytes),
        1 => vec(any::<u8>(), 0..5).prop_map(Any::Numbers),
        1 => vec(any::<Option<i64>>(), 0..3).prop_map(Any::Integers),
        1 => vec(select(vec![None, Some(5), Some(-1)]), 0..3).prop_map(Any::Integers),
        1 => vec(real, 0..3).prop_map(Any::Reals),
        1 => vec(some_text(), 0..3).prop_map(Any::Texts),
        2 => documents.prop_map(Any::Document),
        1 => Just(Any::Null),
        1 => Just(Any::Twice),
    ]
}
