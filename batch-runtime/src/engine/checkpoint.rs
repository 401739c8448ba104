//! Receives: positions and states at the end of a chunk. Gives: the step's context as it is committed, and back from it what a
//! restart goes on with.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::definition::{Failure, Reader, States};
use crate::repository::ContextMap;

/// The keys of ours in a step's context; all else is the user's.
const READER: &str = "batch.reader";
const WRITER: &str = "batch.writer";
const STATE: &str = "batch.state";
const TASKLET: &str = "batch.tasklet";

/// The form of a position in the context: one JSON string.
#[derive(Serialize, Deserialize)]
struct Versioned<P> {
    v: u32,
    at: P,
    /// Records behind `at`: read and dropped by who goes on there.
    #[serde(default, skip_serializing_if = "is_zero")]
    ahead: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

const VERSION: u32 = 1;

/// Encodes a position as the string that is stored.
pub(crate) fn encode<P: Serialize>(position: &P) -> Result<String, Failure> {
    serde_json::to_string(&Versioned { v: VERSION, at: position, ahead: 0 })
        .map_err(|error| Failure::new(format!("its position does not serialise: {error}")))
}

/// The place so many records behind an encoded position.
pub(crate) fn ahead_of(position: &str, records: u32) -> Result<String, Failure> {
    let mut versioned: Versioned<Value> = serde_json::from_str(position).map_err(Failure::new)?;
    versioned.ahead += u64::from(records);
    serde_json::to_string(&versioned).map_err(Failure::new)
}

/// Decodes a stored position that is that of a commit.
pub(crate) fn decode<P: DeserializeOwned>(text: &str) -> Result<P, Failure> {
    decode_ahead(text).map(|(at, _)| at)
}

/// Decodes a stored position: that of a commit, and how many records behind it.
pub(crate) fn decode_ahead<P: DeserializeOwned>(text: &str) -> Result<(P, u64), Failure> {
    let refuse = |why: String| {
        Failure::new(format!(
            "the position that an earlier execution stored cannot be read ({why}): {text}; finish the instance with the program it began with, or run it anew with `--next`"
        ))
    };
    let Versioned { v, at, ahead } =
        serde_json::from_str::<Versioned<Value>>(text).map_err(|error| refuse(error.to_string()))?;
    if v != VERSION {
        return Err(refuse(format!("its version is {v}, this program knows {VERSION}")));
    }
    let at = serde_json::from_value(at).map_err(|error| refuse(error.to_string()))?;
    Ok((at, ahead))
}

/// Reads and drops so many records: what could not be read counts as well, as it did when they were counted.
pub(crate) fn pass<R: Reader>(reader: &mut R, records: u64) -> Result<(), Failure> {
    for _ in 0..records {
        match reader.read() {
            Ok(Some(_)) => {}
            Ok(None) => {
                return Err(Failure::new(format!(
                    "the input ends before the {records} records behind the position that an earlier execution stored"
                )));
            }
            Err(error) if reader.steps_over(&error) => {}
            Err(error) => return Err(Failure::new(error)),
        }
    }
    Ok(())
}

/// What a step goes on with.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Checkpoint {
    pub(crate) reader: Option<String>,
    pub(crate) writer: Option<String>,
    pub(crate) states: States,
    pub(crate) tasklet: Option<TaskletDone>,
}

/// What is kept of a tasklet whose transaction is committed, so that it is never called again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TaskletDone {
    /// The arm of the `match` on its value.
    pub(crate) arm: Option<String>,
    /// Its value as JSON.
    pub(crate) output: Option<String>,
}

impl Checkpoint {
    /// Takes what is ours out of an inherited context; the user's values stay.
    pub(crate) fn take(context: &mut ContextMap) -> Result<Self, Failure> {
        fn text(context: &mut ContextMap, key: &str) -> Option<String> {
            match context.remove(key)? {
                Value::String(text) => Some(text),
                other => Some(other.to_string()),
            }
        }
        let reader = text(context, READER);
        let writer = text(context, WRITER);
        let states =
            text(context, STATE).map(|text| decode(&text)).transpose()?.map(States::from_json).transpose()?;
        let tasklet = text(context, TASKLET).map(|text| decode(&text)).transpose()?;
        Ok(Self { reader, writer, states: states.unwrap_or_default(), tasklet })
    }

    /// The whole context: the user's values and what is ours.
    pub(crate) fn into_context(self, mut values: ContextMap) -> Result<ContextMap, Failure> {
        let mut put = |key: &str, text: Option<String>| {
            if let Some(text) = text {
                values.insert(key.to_owned(), Value::String(text));
            }
        };
        put(READER, self.reader);
        put(WRITER, self.writer);
        put(STATE, (!self.states.is_empty()).then(|| encode(&self.states.to_json())).transpose()?);
        put(TASKLET, self.tasklet.as_ref().map(encode).transpose()?);
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_comes_back_from_the_context_and_leaves_the_users_values() {
        let mut states = States::new();
        states.save("dedupe", &vec![1, 2]).unwrap();
        let checkpoint = Checkpoint {
            reader: Some(encode(&17_u64).unwrap()),
            writer: Some(encode(&()).unwrap()),
            states,
            tasklet: Some(TaskletDone { arm: Some("Quality::Good".into()), output: None }),
        };
        let values = ContextMap::from([("mine".to_owned(), Value::from(3))]);
        let mut context = checkpoint.clone().into_context(values.clone()).unwrap();
        assert_eq!(Checkpoint::take(&mut context).unwrap(), checkpoint);
        assert_eq!(context, values);
    }

    #[test]
    fn a_place_behind_a_position_counts_its_records() {
        let at = encode(&"somewhere").unwrap();
        let behind = ahead_of(&ahead_of(&at, 2).unwrap(), 3).unwrap();
        assert_eq!(decode_ahead::<String>(&behind).unwrap(), ("somewhere".to_owned(), 5));
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
