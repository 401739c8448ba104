//! The contexts of the running job and step that components ask for. Their values are saved with the next
//! commit and inherited by a restart.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use super::{Failure, Parameters, StopSignal, Values};
use crate::exact_json;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// `JOB_INSTANCE_ID`: a job with its identifying parameters.
    InstanceId;
    /// `JOB_EXECUTION_ID`: one attempt to run an instance.
    ExecutionId;
    /// `STEP_EXECUTION_ID`: one attempt to run a step.
    StepExecutionId;
}

/// The running job, injected as `&JobContext`.
#[derive(Debug)]
pub struct JobContext {
    pub(crate) job: String,
    pub(crate) instance: InstanceId,
    pub(crate) execution: ExecutionId,
    pub(crate) parameters: Parameters,
    pub(crate) stop: StopSignal,
    pub(crate) values: Values,
}

impl JobContext {
    /// The job's name.
    #[must_use]
    pub fn job(&self) -> &str {
        &self.job
    }

    /// The instance.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// The execution.
    #[must_use]
    pub fn execution(&self) -> ExecutionId {
        self.execution
    }

    /// The parameters of the launch, defaults included.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Returns a value that a component has [`put`](Self::put) here, in this execution or before a restart.
    ///
    /// # Errors
    /// If the value has another type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Failure> {
        get(&self.values, key)
    }

    /// Keeps a value for the following steps, saved with the next commit. Other branches of a `split!` see it
    /// after that commit; if two branches put the same key, the last commit wins.
    ///
    /// If a writer fails, the values that it has put since the beginning of its chunk are taken back. Those of processors
    /// stay, also if the processors run on other threads meanwhile.
    ///
    /// # Errors
    /// If the value cannot be serialised, if it would be read back as another one (NaN, an infinite number, `Some(None)`, an
    /// integer of more than 64 bits), or if the key begins with `batch.`.
    pub fn put(&self, key: &str, value: &impl Serialize) -> Result<(), Failure> {
        put(&self.values, key, value)
    }
}

/// The running step, injected as `&StepContext`.
#[derive(Debug)]
pub struct StepContext {
    pub(crate) step: String,
    pub(crate) id: StepExecutionId,
    pub(crate) execution: ExecutionId,
    pub(crate) starts: u32,
    pub(crate) stop: StopSignal,
    pub(crate) values: Values,
}

impl StepContext {
    /// The name of the step in its job, with the iteration if it is in a loop, as in `page[3]`.
    #[must_use]
    pub fn step(&self) -> &str {
        &self.step
    }

    /// The ID of the step execution.
    #[must_use]
    pub fn id(&self) -> StepExecutionId {
        self.id
    }

    /// The ID of the job execution it belongs to.
    #[must_use]
    pub fn execution(&self) -> ExecutionId {
        self.execution
    }

    /// How often the step was started in this instance, including this time: 1 the first time.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// The signal that asks the step to stop. Once raised, it ends every wait that takes it: [`StopSignal::pause`],
    /// [`RateLimit::wait`](crate::RateLimit::wait).
    ///
    /// ```
    /// use std::time::Duration;
    /// use batch_runtime::prelude::*;
    /// use batch_runtime::Stopped;
    ///
    /// /// Asks again after a minute, unless the job is asked to stop.
    /// #[step]
    /// fn wait_for_file(input: &Path, step: &StepContext) -> Result<Repeat, Stopped> {
    ///     if input.exists() {
    ///         return Ok(Repeat::Done);
    ///     }
    ///     step.stop_signal().pause(Duration::from_mins(1))?;
    ///     Ok(Repeat::Again)
    /// }
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn stop_signal(&self) -> &StopSignal {
        &self.stop
    }

    /// True after the job was asked to stop: long work outside the chunk loop should end soon.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_raised()
    }

    /// Returns a value that a component of the step has [`put`](Self::put) here, in this execution or before a
    /// restart.
    ///
    /// # Errors
    /// If the value has another type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Failure> {
        get(&self.values, key)
    }

    /// Keeps a value, saved with the next commit.
    ///
    /// # Errors
    /// If the value cannot be serialised, if it would be read back as another one (NaN, an infinite number, `Some(None)`, an
    /// integer of more than 64 bits), or if the key begins with `batch.`.
    pub fn put(&self, key: &str, value: &impl Serialize) -> Result<(), Failure> {
        put(&self.values, key, value)
    }
}

fn get<T: DeserializeOwned>(values: &Values, key: &str) -> Result<Option<T>, Failure> {
    values
        .get(key)
        .map(serde_json::from_value)
        .transpose()
        .map_err(|error| Failure::new(format!("context value `{key}` is of another type: {error}")))
}

fn put(values: &Values, key: &str, value: &impl Serialize) -> Result<(), Failure> {
    if key.starts_with("batch.") {
        return Err(Failure::new(format!("context keys that begin with `batch.` are reserved: `{key}`")));
    }
    let value = exact_json::to_value(value)
        .map_err(|error| Failure::new(format!("context value `{key}` cannot be kept: {error}")))?;
    values.put(key, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_would_be_read_back_as_another_one_is_refused() {
        let values = Values::default();
        let refused = |result: Result<(), Failure>| result.unwrap_err().to_string();
        let nan = refused(put(&values, "least", &f64::NAN));
        assert!(nan.contains("context value `least` cannot be kept: JSON has no number for NaN"), "{nan}");
        let none = refused(put(&values, "last", &Some(None::<u8>)));
        assert!(none.contains("a `Some` without a value"), "{none}");
        let wide = refused(put(&values, "sum", &(i128::from(u64::MAX) + 1)));
        assert!(wide.contains("out of range"), "{wide}");
        assert!(!values.changed());
        put(&values, "sum", &u64::MAX).unwrap();
        assert_eq!(get(&values, "sum").unwrap(), Some(u64::MAX));
    }
}
