//! Tests of how items and failures arrive in another process.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, ToSpan as _};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::codec;
use super::failure::SentFailure;
use super::item_codec::{compare, pack, unpack};
use super::shape::Shape;
use crate::definition::{
    Covers, Failure, FaultRules, Phase, Rank, SkipRule, StepInfo, StepKind, StepOptions,
};
use crate::engine::step::StepEnd;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Numbers {
    large: u64,
    small: i64,
    huge: i128,
    positive: u128,
    real: f64,
    short: f32,
    maybe: Option<f64>,
    letter: char,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Text(String),
    Record { name: String, value: Option<i32> },
    List(Vec<i32>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "what", rename_all = "snake_case")]
enum Tagged {
    Nothing,
    One(u8),
    Two(u8, String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Texts {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    note: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Untagged>,
    bytes: Vec<u8>,
    tagged: Tagged,
    pairs: Vec<(u32, Option<bool>)>,
    by_number: BTreeMap<i64, String>,
    unit: (),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Times {
    day: Date,
    moment: DateTime,
    stamp: Timestamp,
    long: std::time::Duration,
}

/// The item after it was sent.
fn sent<T: Serialize + serde::de::DeserializeOwned + Send + Clone>(item: &T) -> T {
    let mut message = Vec::new();
    pack(&mut message, std::slice::from_ref(item)).unwrap();
    let mut items: Vec<T> = unpack(&message).unwrap();
    compare(std::slice::from_ref(item)).unwrap();
    items.remove(0)
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let (real, short) = (any::<u64>().prop_map(f64::from_bits), any::<u32>().prop_map(f32::from_bits));
    let maybe = proptest::option::of(any::<u64>().prop_map(f64::from_bits));
    (any::<u64>(), any::<i64>(), any::<i128>(), any::<u128>(), real, short, maybe, any::<char>()).prop_map(
        |(large, small, huge, positive, real, short, maybe, letter)| Numbers {
            large,
            small,
            huge,
            positive,
            real,
            short,
            maybe,
            letter,
        },
    )
}

fn untagged() -> impl Strategy<Value = Untagged> {
    prop_oneof![
        any::<u64>().prop_map(Untagged::Number),
        any::<String>().prop_map(Untagged::Text),
        (any::<String>(), any::<Option<i32>>()).prop_map(|(name, value)| Untagged::Record { name, value }),
        proptest::collection::vec(any::<i32>(), 0..4).prop_map(Untagged::List),
    ]
}

fn texts() -> impl Strategy<Value = Texts> {
    let rest = proptest::collection::btree_map("[a-f]x", untagged(), 0..4);
    let tagged = prop_oneof![
        Just(Tagged::Nothing),
        any::<u8>().prop_map(Tagged::One),
        (any::<u8>(), any::<String>()).prop_map(|(number, text)| Tagged::Two(number, text)),
    ];
    let bytes = proptest::collection::vec(any::<u8>(), 0..300);
    let pairs = proptest::collection::vec((any::<u32>(), any::<Option<bool>>()), 0..4);
    let by_number = proptest::collection::btree_map(any::<i64>(), any::<String>(), 0..4);
    (any::<String>(), any::<Option<String>>(), rest, bytes, tagged, pairs, by_number).prop_map(
        |(name, note, rest, bytes, tagged, pairs, by_number)| Texts {
            name,
            note,
            rest,
            bytes,
            tagged,
            pairs,
            by_number,
            unit: (),
        },
    )
}

proptest! {
    #[test]
    fn numbers_arrive_to_the_last_bit(before in numbers()) {
        let after = sent(&before);
        prop_assert_eq!(before.real.to_bits(), after.real.to_bits());
        prop_assert_eq!(before.short.to_bits(), after.short.to_bits());
        prop_assert_eq!(before.maybe.map(f64::to_bits), after.maybe.map(f64::to_bits));
        prop_assert_eq!(Shape::of(&before).unwrap(), Shape::of(&after).unwrap());
    }

    #[test]
    fn texts_bytes_and_enums_of_every_form_arrive(before in texts()) {
        prop_assert_eq!(&sent(&before), &before);
    }

    #[test]
    fn times_arrive(days in -700_000..700_000_i32, nanoseconds in 0..86_400_000_000_000_i64) {
        let day = Date::new(1970, 1, 1).unwrap().checked_add(days.days()).unwrap();
        let moment = day.at(0, 0, 0, 0).checked_add(nanoseconds.nanoseconds()).unwrap();
        let stamp = Timestamp::from_nanosecond(i128::from(nanoseconds) * 1_000).unwrap();
        let long = std::time::Duration::from_nanos(nanoseconds.unsigned_abs());
        let before = Times { day, moment, stamp, long };
        prop_assert_eq!(&sent(&before), &before);
    }

    #[test]
    fn arbitrary_bytes_read_as_a_message_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = super::key_of(&bytes);
        let _ = super::asked(&bytes);
        let _ = super::messages::answered(&bytes);
        let _ = unpack::<Texts>(&bytes);
    }
}

#[test]
fn another_order_of_a_map_or_set_is_not_a_difference() {
    let map: HashMap<u32, HashSet<u32>> = (0..50).map(|key| (key, (0..50).collect())).collect();
    compare(&[map]).unwrap();
}

#[test]
fn a_difference_is_reported_with_its_place() {
    #[derive(Clone)]
    struct Rounded(f64);

    impl Serialize for Rounded {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_f64(self.0)
        }
    }

    impl<'de> Deserialize<'de> for Rounded {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Ok(Self(f64::deserialize(deserializer)?.round()))
        }
    }

    #[derive(Clone, Serialize, Deserialize)]
    struct Order {
        lines: Vec<Line>,
    }

    #[derive(Clone, Serialize, Deserialize)]
    struct Line {
        price: Rounded,
    }

    let orders = [1.0, 2.5].map(|price| Order { lines: vec![Line { price: Rounded(price) }] });
    let told = compare(&orders).unwrap_err().to_string();
    assert!(
        told.contains("item 2 of the chunk") && told.contains("`lines.0.price` is 2.5 before and 3 after"),
        "{told}"
    );
}

#[test]
fn a_type_that_does_not_read_what_it_writes_is_refused() {
    #[derive(Serialize, Deserialize)]
    struct Odd {
        #[serde(serialize_with = "as_text")]
        number: u32,
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde requires this signature")]
    fn as_text<S: serde::Serializer>(number: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    let told = compare(&[Odd { number: 3 }]).unwrap_err();
    assert!(told.is_fatal() && told.to_string().contains("`Deserialize` does not accept"), "{told}");
}

#[derive(Debug)]
struct Inner;

#[derive(Debug)]
struct Outer(Inner);

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("inner")
    }
}

impl std::error::Error for Inner {}

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outer")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

const INNER: Covers = |error, _| error.is::<Inner>().then_some(true);
const NOBODY: Covers = |_, _| None;

const fn rule(what: &'static str, covers: Covers, skips: bool) -> SkipRule {
    SkipRule { what, of: None, rank: Rank::Type, covers, skips, limit: Some(7) }
}

const STEP: &StepInfo = &StepInfo {
    id: "load",
    name: "load",
    doc: "",
    kind: StepKind::Chunk,
    options: StepOptions::DEFAULT,
    components: &[],
    kinds: None,
    run: never,
};

fn never(_: &crate::engine::StepRun<'_>) -> StepEnd {
    unreachable!("the step is not run")
}

fn arrived(failure: &Failure, rules: &FaultRules) -> Failure {
    let mut message = Vec::new();
    codec::write(&mut message, &SentFailure::of(failure, rules)).unwrap();
    codec::read::<SentFailure>(&mut &message[..]).unwrap().received(STEP)
}

#[test]
fn a_failure_says_the_same_after_it_was_sent() {
    let failure = Failure::new(Outer(Inner)).during(Phase::Process).at("line 3").with_note("tried 3 times");
    let after = arrived(&failure, FaultRules::NONE);
    assert_eq!(failure.to_string(), after.to_string());
    assert_eq!(after.to_string(), "processing: line 3: outer: inner; tried 3 times");
    assert_eq!((after.phase(), after.location()), (failure.phase(), failure.location()));
}

#[test]
fn the_rule_that_covers_an_error_covers_it_after_it_was_sent() {
    const SKIPS: &FaultRules =
        &FaultRules { skip: &[rule("Other", NOBODY, true), rule("Inner", INNER, true)], retry: &[] };
    const FORBIDS: &FaultRules = &FaultRules { skip: &[rule("Inner", INNER, false)], retry: &[] };
    let after = arrived(&Failure::new(Outer(Inner)), SKIPS);
    let by = SKIPS.skipped_by(&after, 3).expect("a rule covers it");
    assert_eq!((by.what, by.limit), ("Inner", Some(7)));
    assert!(SKIPS.skipped_by(&arrived(&Failure::new("another"), SKIPS), 0).is_none());
    assert!(FORBIDS.skipped_by(&arrived(&Failure::new(Outer(Inner)), FORBIDS), 0).is_none());
}

#[test]
fn a_panic_and_a_fatal_failure_stay_what_they_are() {
    assert!(arrived(&Failure::panic("panicked".to_owned()), FaultRules::NONE).is_panic());
    let fatal = arrived(&Failure::new("no").fatal(), FaultRules::NONE);
    assert!(fatal.is_fatal() && !fatal.is_panic());
}
