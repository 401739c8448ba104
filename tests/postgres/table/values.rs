//! Values that columns of their types can hold, including the extremes.

use batch_runtime::{Date, DateTime, Timestamp};
use jiff::civil::Time;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

pub(super) fn texts(max: usize) -> impl Strategy<Value = String> {
    let odd = select(vec![
        "", " ", "  ", "\\N", "\\", "\"", "'", "{}", "NULL", "\t\n\r", "é", "𝄞", "\u{200b}", "\u{1}",
    ]);
    prop_oneof![vec(any::<char>(), 0..=max).prop_map(String::from_iter), odd.prop_map(str::to_owned)]
        .prop_map(|text| text.replace('\0', "0"))
}

pub(super) fn exactly(length: usize) -> impl Strategy<Value = String> {
    vec(prop_oneof![Just(' '), any::<char>()], length)
        .prop_map(|text| String::from_iter(text).replace('\0', "0"))
}

pub(super) fn reals() -> impl Strategy<Value = f64> {
    let odd = [
        0.0,
        -0.0,
        f64::MIN,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        0.1,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    prop_oneof![any::<f64>(), select(odd.to_vec())]
}

pub(super) fn singles() -> impl Strategy<Value = f32> {
    let odd = [0.0, -0.0, f32::MIN, f32::MAX, 1e-45, 0.1, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    prop_oneof![any::<f32>(), select(odd.to_vec())]
}

pub(super) fn with_extremes<T: Arbitrary + Clone + std::fmt::Debug + 'static>(
    extremes: Vec<T>,
) -> impl Strategy<Value = T> {
    prop_oneof![4 => any::<T>(), 1 => select(extremes)]
}

pub(super) fn days() -> impl Strategy<Value = Date> {
    let (first, last) = (jiff::civil::date(-4713, 11, 24), Date::MAX);
    prop_oneof![
        8 => (0..5_373_484_i64).prop_map(move |days| first + jiff::Span::new().days(days)),
        1 => Just(first),
        1 => Just(last),
    ]
}

pub(super) fn hours() -> impl Strategy<Value = Time> {
    (0..86_400_000_000_i64).prop_map(|micros| Time::MIN + jiff::SignedDuration::from_micros(micros))
}

pub(super) fn moments() -> impl Strategy<Value = Timestamp> {
    let first = "-004713-11-24T00:00:00Z".parse::<Timestamp>().unwrap().as_microsecond();
    let last = 253_402_207_199_999_999;
    prop_oneof![first..=last, Just(first), Just(last), 0..=2_000_000_000_000_000_i64]
        .prop_map(|micros| Timestamp::from_microsecond(micros).unwrap())
}

pub(super) fn locals() -> impl Strategy<Value = DateTime> {
    (days(), hours()).prop_map(|(day, hour)| day.to_datetime(hour))
}

pub(super) fn uuids() -> impl Strategy<Value = String> {
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
}

pub(super) fn decimals() -> impl Strategy<Value = String> {
    // The numbers are written as the column prints them.
    prop_oneof![
        (any::<i64>(), 0..1_000_000_u32).prop_map(|(whole, part)| format!("{whole}.{part:06}")),
        (0..1_000_000_u32).prop_map(|part| format!("-0.{part:06}").replace("-0.000000", "0.000000")),
        Just("-999999999999999999999999.999999".to_owned()),
    ]
}

/// A document; only `json` keeps the sign of zero and NUL.
pub(super) fn documents(is_binary: bool) -> impl Strategy<Value = Value> {
    let texts = vec(any::<char>(), 0..6).prop_map(String::from_iter);
    let texts = texts.prop_map(move |text| if is_binary { text.replace('\0', "") } else { text });
    let numbers = any::<f64>().prop_filter("finite", |real| real.is_finite());
    // Without a point a large number is read back as an integer.
    let is_kept = |real: f64| real != 0.0 && (real.fract() != 0.0 || real.abs() < 1e15);
    let numbers = numbers.prop_map(move |real| if is_binary && !is_kept(real) { 0.5 } else { real });
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        numbers.prop_map(Value::from),
        texts.clone().prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(2, 6, 3, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::hash_map(texts.clone(), inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    // A text alone is refused, and `null` alone is NULL.
    nested.prop_map(|value| if value.is_string() || value.is_null() { json!([value]) } else { value })
}
