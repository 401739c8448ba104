//! Receives: positions and states at the end of a chunk. Gives: the step's context as it is committed, and back from it what a
//! restart goes on with.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::definition::{Failure, States};
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
}

const VERSION: u32 = 1;

/// Encodes a position as the string that is stored.
pub(crate) fn encode<P: Serialize>(position: &P) -> Result<String, Failure> {
    serde_json::to_string(&Versioned { v: VERSION, at: position })
        .map_err(|error| Failure::new(format!("its position does not serialise: {error}")))
}

/// Decodes a stored position.
pub(crate) fn decode<P: DeserializeOwned>(text: &str) -> Result<P, Failure> {
    let refuse = |why: String| {
        Failure::new(format!(
            "the position that an earlier execution stored cannot be read ({why}): {text}; finish the instance with the program it began with, or run it anew with `--next`"
        ))
    };
    let Versioned { v, at } =
        serde_json::from_str::<Versioned<Value>>(text).map_err(|error| refuse(error.to_string()))?;
    if v != VERSION {
        return Err(refuse(format!("its version is {v}, this program knows {VERSION}")));
    }
    serde_json::from_value(at).map_err(|error| refuse(error.to_string()))
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
    fn a_position_of_another_type_or_version_is_refused_with_its_text() {
        let stored = encode(&"somewhere").unwrap();
        let refused = decode::<u64>(&stored).unwrap_err().to_string();
        assert!(refused.contains(&stored) && refused.contains("--next"), "{refused}");
        let refused = decode::<u64>(r#"{"v":9,"at":1}"#).unwrap_err().to_string();
        assert!(refused.contains("version is 9"), "{refused}");
    }
}
