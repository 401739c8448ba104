//! Encodes positions and states into the step's context, and decodes them for a restart.

use std::ops::Range;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::definition::{Failure, Reader, States};
use crate::exact_json;
use crate::repository::{ContextMap, ExitStatus};

/// The framework's keys in a step's context; all others belong to the user.
const READER: &str = "batch.reader";
const WRITER: &str = "batch.writer";
const STATE: &str = "batch.state";
const TASKLET: &str = "batch.tasklet";

/// The stored form of a position: one JSON string in the context.
#[derive(Serialize, Deserialize)]
struct Versioned {
    v: u32,
    /// The text keeps each number as it is: a `Value` has no integer of more than 64 bits.
    at: Box<RawValue>,
    /// The number of records after `at` that are done. A restart reads and drops them.
    #[serde(default, skip_serializing_if = "is_zero")]
    ahead: u64,
    /// Ranges of records that are done although records before them are not. Counted from `at`, in the order
    /// of the input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    done: Vec<(u64, u64)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde requires this signature")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The version of a position without ranges.
const VERSION: u32 = 1;
/// The version of a position with ranges. A program that does not know ranges would process those records twice.
const WITH_RANGES: u32 = 2;

impl Versioned {
    fn of<P: Serialize>(position: &P, done: &[Range<u64>]) -> Result<Self, Failure> {
        let at = exact_json::to_raw_value(position)
            .map_err(|error| Failure::new(format!("its position cannot be stored: {error}")))?;
        Ok(Self::new(at, 0, done))
    }

    fn text(&self) -> Result<String, Failure> {
        serde_json::to_string(self).map_err(Failure::new)
    }

    fn new(at: Box<RawValue>, ahead: u64, done: &[Range<u64>]) -> Self {
        let done = done.iter().map(|range| (range.start, range.end)).collect();
        Self { v: VERSION, at, ahead, done }.normalized()
    }

    /// Extends `ahead` over the ranges that directly follow the first `ahead` records.
    fn normalized(mut self) -> Self {
        let mut reached = 0;
        while let Some((_, end)) = self.done.get(reached).filter(|(start, _)| *start <= self.ahead) {
            self.ahead = self.ahead.max(*end);
            reached += 1;
        }
        self.done.drain(..reached);
        self.v = if self.done.is_empty() { VERSION } else { WITH_RANGES };
        self
    }

    /// Returns whether the ranges are in order and do not overlap.
    fn is_in_order(&self) -> bool {
        let ends = std::iter::once(self.ahead).chain(self.done.iter().map(|(_, end)| *end));
        ends.zip(&self.done).all(|(before, (start, end))| before <= *start && start < end)
    }
}

/// A stored position, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place<P> {
    /// A position of the reader.
    pub(crate) at: P,
    /// The number of records after it that are done.
    pub(crate) ahead: u64,
    /// Further ranges that are done, counted from `at`, in order, with a gap before each.
    pub(crate) done: Vec<Range<u64>>,
}

/// Encodes a position as the string to store.
pub(crate) fn encode<P: Serialize>(position: &P) -> Result<String, Failure> {
    encode_with_ranges(position, &[])
}

/// Encodes a position, with the ranges of records after it that are done.
pub(crate) fn encode_with_ranges<P: Serialize>(position: &P, done: &[Range<u64>]) -> Result<String, Failure> {
    Versioned::of(position, done)?.text()
}

/// Adds ranges that are done to an encoded position.
pub(crate) fn add_ranges(position: &str, done: &[Range<u64>]) -> Result<String, Failure> {
    if done.is_empty() {
        return Ok(position.to_owned());
    }
    let Versioned { at, .. } = parsed(position)?;
    Versioned::new(at, 0, done).text()
}

/// Returns an encoded position with the next `records` records marked as done.
pub(crate) fn ahead_of(position: &str, records: u32) -> Result<String, Failure> {
    let mut versioned = parsed(position)?;
    versioned.ahead += u64::from(records);
    versioned.normalized().text()
}

/// Returns the place of a record, which is given by its number after an encoded position.
pub(crate) fn record_at(position: &str, record: u32) -> Result<String, Failure> {
    let Versioned { at, ahead, .. } = parsed(position)?;
    Versioned::new(at, ahead + u64::from(record), &[]).text()
}

fn parsed(position: &str) -> Result<Versioned, Failure> {
    serde_json::from_str(position).map_err(Failure::new)
}

/// Decodes a stored position, ignoring the records that are done after it.
pub(crate) fn decode<P: DeserializeOwned>(text: &str) -> Result<P, Failure> {
    decode_place(text).map(|place| place.at)
}

/// Decodes a stored position with the records that are done after it.
pub(crate) fn decode_place<P: DeserializeOwned>(text: &str) -> Result<Place<P>, Failure> {
    let refuse = |why: String| {
        Failure::new(format!(
            "the position that an earlier execution stored cannot be read ({why}): {text}; finish the instance with the program it began with, or start a new one with `--next`"
        ))
    };
    let versioned = serde_json::from_str::<Versioned>(text).map_err(|error| refuse(error.to_string()))?;
    let v = versioned.v;
    if !matches!(v, VERSION | WITH_RANGES) {
        return Err(refuse(format!(
            "its version is {v}, but this program knows only versions up to {WITH_RANGES}"
        )));
    }
    if !versioned.is_in_order() {
        return Err(refuse("the ranges of committed records are not in order".to_owned()));
    }
    let Versioned { at, ahead, done, .. } = versioned.normalized();
    let at = serde_json::from_str(at.get()).map_err(|error| refuse(error.to_string()))?;
    Ok(Place { at, ahead, done: done.into_iter().map(|(start, end)| start..end).collect() })
}

/// The position of the writer in a stored context, if there is one that this program can read.
pub(crate) fn writer_position(context: &ContextMap) -> Option<Value> {
    decode(context.get(WRITER)?.as_str()?).ok()
}

/// Reads and drops this many records. Unreadable records count too, as they did in the earlier execution.
pub(crate) fn pass<R: Reader>(reader: &mut R, records: u64) -> Result<(), Failure> {
    for _ in 0..records {
        match reader.read() {
            Ok(Some(_)) => {}
            Ok(None) => {
                return Err(Failure::new(format!(
                    "the input ends within the {records} records that an earlier execution read after its stored position"
                )));
            }
            Err(error) if reader.steps_over(&error) => {}
            Err(error) => return Err(Failure::new(error)),
        }
    }
    Ok(())
}

/// The state from which a step resumes.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Checkpoint {
    pub(crate) reader: Option<String>,
    pub(crate) writer: Option<String>,
    pub(crate) states: States,
    pub(crate) tasklet: Option<TaskletDone>,
}

/// The outcome of a tasklet whose transaction is committed, stored so that it is never called again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TaskletDone {
    /// The arm of the `match` on its value.
    pub(crate) arm: Option<String>,
    /// Its value as JSON.
    pub(crate) output: Option<String>,
    /// The exit status that it set, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exit: Option<ExitStatus>,
}

impl Checkpoint {
    /// Takes the framework's values out of an inherited context; the user's values stay.
    pub(crate) fn take(context: &mut ContextMap) -> Result<Self, Failure> {
        fn text(context: &mut ContextMap, key: &str) -> Option<String> {
            match context.remove(key)? {
                Value::String(text) => Some(text),
                other => Some(other.to_string()),
            }
        }
        let reader = text(context, READER);
        let writer = text(context, WRITER);
        let states = text(context, STATE).map(|text| decode::<States>(&text)).transpose()?;
        let tasklet = text(context, TASKLET).map(|text| decode(&text)).transpose()?;
        Ok(Self { reader, writer, states: states.unwrap_or_default(), tasklet })
    }

    /// Returns the whole context: the user's values and the framework's.
    pub(crate) fn into_context(self, mut values: ContextMap) -> Result<ContextMap, Failure> {
        let mut put = |key: &str, text: Option<String>| {
            if let Some(text) = text {
                values.insert(key.to_owned(), Value::String(text));
            }
        };
        put(READER, self.reader);
        put(WRITER, self.writer);
        put(STATE, (!self.states.is_empty()).then(|| encode(&self.states)).transpose()?);
        put(TASKLET, self.tasklet.as_ref().map(encode).transpose()?);
        Ok(values)
    }
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "one range is meant")]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_round_trips_through_the_context_and_leaves_the_users_values() {
        let mut states = States::new();
        states.save("dedupe", &vec![1, 2]).unwrap();
        let checkpoint = Checkpoint {
            reader: Some(encode(&17_u64).unwrap()),
            writer: Some(encode(&()).unwrap()),
            states,
            tasklet: Some(TaskletDone { arm: Some("Quality::Good".into()), output: None, exit: None }),
        };
        let values = ContextMap::from([("mine".to_owned(), Value::from(3))]);
        let mut context = checkpoint.clone().into_context(values.clone()).unwrap();
        assert_eq!(Checkpoint::take(&mut context).unwrap(), checkpoint);
        assert_eq!(context, values);
    }

    #[test]
    fn a_place_after_a_position_counts_the_records_between() {
        let at = encode(&"somewhere").unwrap();
        let after = ahead_of(&ahead_of(&at, 2).unwrap(), 3).unwrap();
        let place = Place { at: "somewhere".to_owned(), ahead: 5, done: Vec::new() };
        assert_eq!(decode_place::<String>(&after).unwrap(), place);
    }

    #[test]
    fn a_position_keeps_its_numbers_and_is_refused_if_json_cannot() {
        let at = i128::from(u64::MAX) + 1;
        let text = ahead_of(&encode(&at).unwrap(), 2).unwrap();
        assert_eq!(decode_place::<i128>(&text).unwrap(), Place { at, ahead: 2, done: Vec::new() });
        let refused = encode(&f64::INFINITY).unwrap_err().to_string();
        assert!(refused.contains("its position cannot be stored: JSON has no number for inf"), "{refused}");
    }

    #[test]
    fn a_position_without_ranges_keeps_its_stored_form() {
        let at = encode(&7).unwrap();
        assert_eq!(at, r#"{"v":1,"at":7}"#);
        assert_eq!(ahead_of(&at, 3).unwrap(), r#"{"v":1,"at":7,"ahead":3}"#);
        assert_eq!(decode_place::<u64>(&at).unwrap(), Place { at: 7, ahead: 0, done: Vec::new() });
    }

    #[test]
    fn ranges_round_trip_and_have_their_own_version() {
        let text = encode_with_ranges(&7, &[3..5, 9..10]).unwrap();
        assert_eq!(text, r#"{"v":2,"at":7,"done":[[3,5],[9,10]]}"#);
        assert_eq!(decode_place::<u64>(&text).unwrap(), Place { at: 7, ahead: 0, done: vec![3..5, 9..10] });
        assert_eq!(add_ranges(&encode(&7).unwrap(), &[3..5, 9..10]).unwrap(), text);
    }

    #[test]
    fn a_range_that_is_reached_is_merged() {
        let text = encode_with_ranges(&7, &[3..5, 9..10]).unwrap();
        assert_eq!(ahead_of(&text, 2).unwrap(), r#"{"v":2,"at":7,"ahead":2,"done":[[3,5],[9,10]]}"#);
        let after = ahead_of(&text, 3).unwrap();
        assert_eq!(after, r#"{"v":2,"at":7,"ahead":5,"done":[[9,10]]}"#);
        assert_eq!(ahead_of(&after, 4).unwrap(), r#"{"v":1,"at":7,"ahead":10}"#);
        assert_eq!(encode_with_ranges(&7, &[0..3]).unwrap(), r#"{"v":1,"at":7,"ahead":3}"#);
        let place = decode_place::<u64>(r#"{"v":2,"at":7,"done":[[0,3],[3,4],[6,8]]}"#).unwrap();
        assert_eq!(place, Place { at: 7, ahead: 4, done: vec![6..8] });
    }

    #[test]
    fn the_place_of_a_record_carries_no_ranges() {
        let text = ahead_of(&encode_with_ranges(&7, &[3..5]).unwrap(), 1).unwrap();
        assert_eq!(record_at(&text, 1).unwrap(), r#"{"v":1,"at":7,"ahead":2}"#);
    }

    #[test]
    fn ranges_out_of_order_are_refused() {
        for done in ["[[3,3]]", "[[5,4]]", "[[9,10],[3,5]]", "[[1,4]]"] {
            let text = format!(r#"{{"v":2,"at":1,"ahead":2,"done":{done}}}"#);
            let refused = decode_place::<u64>(&text).unwrap_err().to_string();
            assert!(refused.contains("not in order"), "{refused}");
        }
    }

    #[test]
    fn a_position_of_another_type_or_version_is_refused_with_its_text() {
        let stored = encode(&"somewhere").unwrap();
        let refused = decode::<u64>(&stored).unwrap_err().to_string();
        assert!(refused.contains(&stored) && refused.contains("--next"), "{refused}");
        let refused = decode::<u64>(r#"{"v":9,"at":1}"#).unwrap_err().to_string();
        assert!(refused.contains("version is 9"), "{refused}");
    }
}
