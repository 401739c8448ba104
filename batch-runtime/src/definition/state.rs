//! The `#[state]` of processors and tasklets, as part of the checkpoint.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{AggregatedProcessor, Failure};
use crate::exact_json;

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

fn restored<S: State>(component: &'static str, value: &RawValue) -> Result<S, Failure> {
    serde_json::from_str(value.get()).map_err(|error| {
        Failure::new(format!(
            "the state saved by an earlier execution does not fit its current type: {error}; restore the old type, or start a new instance with `--next`"
        ))
        .in_component(component)
    })
}

/// The states of the components of a step, in the order of its pipe.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct States {
    /// The texts keep each number as it is: a `Value` has no integer of more than 64 bits.
    kept: Vec<(String, Box<RawValue>)>,
}

impl PartialEq for States {
    fn eq(&self, other: &Self) -> bool {
        let texts = |states: &Self| -> Vec<(String, String)> {
            states.kept.iter().map(|(name, value)| (name.clone(), value.get().to_owned())).collect()
        };
        texts(self) == texts(other)
    }
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
    /// If the state cannot be serialised, if a restart would not restore the same value (JSON has no number for NaN, and
    /// `null` for `Some(None)`), or if it takes more than [`STATE_LIMIT`].
    pub fn save<S: Serialize>(&mut self, component: &'static str, state: &S) -> Result<(), Failure> {
        let value = exact_json::to_raw_value(state).map_err(|error| {
            Failure::new(format!("its state cannot be kept in the checkpoint: {error}"))
                .in_component(component)
        })?;
        if value.get().len() > STATE_LIMIT {
            return Err(Failure::new(format!(
                "its state takes {} bytes of JSON, more than the {STATE_LIMIT} that a checkpoint holds; keep it in a table of your own",
                value.get().len()
            ))
            .in_component(component));
        }
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
        restored(component, &value)
    }

    /// The state of `component`, even if its name has changed. Only for a step in which no other component saves a
    /// state.
    pub(crate) fn of_only<S: State>(self, component: &'static str) -> Result<S, Failure> {
        match self.kept.into_iter().next() {
            None => Ok(S::default()),
            Some((_, value)) => restored(component, &value),
        }
    }

    /// The state of that processor, if one was saved.
    pub(crate) fn of(self, keeper: AggregatedProcessor) -> Option<Box<RawValue>> {
        // A state that is not stored has no position among the states with its name.
        let named = self.kept.into_iter().filter(|(name, _)| keeper.stored && name == keeper.name);
        named.map(|(_, value)| value).nth(keeper.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Kept {
        least: f64,
        sum: i128,
        #[expect(clippy::option_option, reason = "JSON cannot hold it and must refuse it")]
        last: Option<Option<u8>>,
    }

    fn after_a_restart(state: &Kept) -> Result<Kept, Failure> {
        let mut states = States::new();
        states.save("total", state)?;
        let stored = serde_json::to_string(&states).unwrap();
        serde_json::from_str::<States>(&stored).unwrap().restore("total")
    }

    #[test]
    fn a_state_is_restored_as_it_was() {
        for state in [
            Kept { least: -0.0, sum: i128::MIN, last: None },
            Kept { least: 5e-324, sum: i128::from(u64::MAX) + 1, last: Some(Some(7)) },
            Kept { least: f64::MAX, sum: 12_345_678_901_234_567_890_123, last: None },
        ] {
            let restored = after_a_restart(&state).unwrap();
            assert_eq!(restored.least.to_bits(), state.least.to_bits());
            assert_eq!(restored, state);
        }
    }

    #[test]
    fn a_state_that_no_restart_could_restore_is_refused_when_it_is_saved() {
        for (state, problem) in [
            (Kept { least: f64::INFINITY, ..Kept::default() }, "field `least`: JSON has no number for inf"),
            (Kept { least: f64::NAN, ..Kept::default() }, "field `least`: JSON has no number for NaN"),
            (Kept { last: Some(None), ..Kept::default() }, "field `last`: a `Some` without a value"),
        ] {
            let refused = after_a_restart(&state).unwrap_err();
            assert_eq!(refused.component(), Some("total"));
            let message = refused.to_string();
            assert!(
                message.contains(&format!("its state cannot be kept in the checkpoint: {problem}")),
                "{message}"
            );
        }
    }
}
