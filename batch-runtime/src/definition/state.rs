//! The `#[state]` of processors and tasklets, as part of the checkpoint.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{AggregatedProcessor, Failure};

/// The maximum size of a state in the checkpoint, in bytes of JSON. Keep larger data in your own table.
pub const STATE_LIMIT: usize = 1024 * 1024;

/// A type that may be the `#[state]` of a processor or tasklet.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept as state",
    label = "a state is saved in the checkpoint",
    note = "add `#[derive(Default, Serialize, Deserialize)]` to `{Self}`"
)]
pub trait State: Serialize + DeserializeOwned + Default {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Default> State for T {}

fn restored<S: State>(component: &'static str, value: Value) -> Result<S, Failure> {
    serde_json::from_value(value).map_err(|error| {
        Failure::new(format!(
            "the state saved by an earlier execution does not fit its current type: {error}; restore the old type, or start a new instance with `--next`"
        ))
        .in_component(component)
    })
}

/// The states of the components of a step, in the order of its pipe.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct States {
    kept: Vec<(String, Value)>,
}

impl States {
    /// No states.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// True if no component keeps state.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Adds the state of `component`.
    ///
    /// # Errors
    /// If the state cannot be serialised, or takes more than [`STATE_LIMIT`].
    pub fn save<S: Serialize>(&mut self, component: &'static str, state: &S) -> Result<(), Failure> {
        let text =
            serde_json::to_string(state).map_err(|error| Failure::new(error).in_component(component))?;
        if text.len() > STATE_LIMIT {
            return Err(Failure::new(format!(
                "its state takes {} bytes of JSON, more than the {STATE_LIMIT} that a checkpoint holds; keep it in a table of your own",
                text.len()
            ))
            .in_component(component));
        }
        let value =
            serde_json::from_str(&text).map_err(|error| Failure::new(error).in_component(component))?;
        self.kept.push((component.to_owned(), value));
        Ok(())
    }

    /// Removes and returns the state of `component`, or its default if none was saved.
    ///
    /// # Errors
    /// If the saved state does not parse as `S`.
    pub fn restore<S: State>(&mut self, component: &'static str) -> Result<S, Failure> {
        let Some(index) = self.kept.iter().position(|(name, _)| name == component) else {
            return Ok(S::default());
        };
        let (_, value) = self.kept.remove(index);
        restored(component, value)
    }

    /// The state of `component`, even if its name has changed. Only for a step in which no other component saves a
    /// state.
    pub(crate) fn of_only<S: State>(self, component: &'static str) -> Result<S, Failure> {
        match self.kept.into_iter().next() {
            None => Ok(S::default()),
            Some((_, value)) => restored(component, value),
        }
    }

    /// The state of that processor, if one was saved.
    pub(crate) fn of(self, keeper: AggregatedProcessor) -> Option<Value> {
        // A state that is not stored has no position among the states with its name.
        let named = self.kept.into_iter().filter(|(name, _)| keeper.stored && name == keeper.name);
        named.map(|(_, value)| value).nth(keeper.before)
    }

    /// Returns one JSON value for the checkpoint.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.kept.iter().map(|(name, value)| serde_json::json!([name, value])).collect()
    }

    /// Parses the value from the checkpoint.
    ///
    /// # Errors
    /// If the value is not one that [`to_json`](Self::to_json) returned.
    pub fn from_json(value: Value) -> Result<Self, Failure> {
        Ok(Self { kept: serde_json::from_value(value).map_err(Failure::new)? })
    }
}
