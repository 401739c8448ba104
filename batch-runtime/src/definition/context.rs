//! The contexts of the running job and step that components ask for. Their values are saved with the next
//! commit and inherited by a restart.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Failure, Parameters, StopSignal};

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

/// The values of a context: the committed ones, and those put since the last commit.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// Shared by all branches of a split.
    committed: Arc<Mutex<BTreeMap<String, Value>>>,
    put: Mutex<BTreeMap<String, Value>>,
    changed: AtomicBool,
}

impl Values {
    pub(crate) fn new(committed: BTreeMap<String, Value>) -> Self {
        Self { committed: Arc::new(Mutex::new(committed)), ..Self::default() }
    }

    /// The values as a branch of a split sees them. A branch sees a value of another branch only after that branch has
    /// committed it, so that no branch commits a value that another may still roll back.
    pub(crate) fn branch(&self) -> Self {
        Self {
            committed: Arc::clone(&self.committed),
            put: Mutex::new(lock(&self.put).clone()),
            changed: AtomicBool::new(self.changed()),
        }
    }

    /// Takes over the uncommitted values of a branch.
    pub(crate) fn join(&self, branch: &Self) {
        if branch.changed() {
            lock(&self.put).append(&mut lock(&branch.put));
            self.changed.store(true, Ordering::Release);
        }
    }

    fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Failure> {
        let put = lock(&self.put).get(key).cloned();
        put.or_else(|| lock(&self.committed).get(key).cloned())
            .map(serde_json::from_value)
            .transpose()
            .map_err(|error| Failure::new(format!("context value `{key}` is of another type: {error}")))
    }

    fn put(&self, key: &str, value: &impl Serialize) -> Result<(), Failure> {
        if key.starts_with("batch.") {
            return Err(Failure::new(format!("context keys that begin with `batch.` are reserved: `{key}`")));
        }
        let value = serde_json::to_value(value)
            .map_err(|error| Failure::new(format!("context value `{key}` cannot be serialised: {error}")))?;
        lock(&self.put).insert(key.to_owned(), value);
        self.changed.store(true, Ordering::Release);
        Ok(())
    }

    /// All values.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, Value> {
        let mut all = lock(&self.committed).clone();
        all.extend(self.changes());
        all
    }

    /// The values put since the last commit.
    pub(crate) fn changes(&self) -> BTreeMap<String, Value> {
        if self.changed() { lock(&self.put).clone() } else { BTreeMap::new() }
    }

    /// Returns whether a value was put since the last commit.
    pub(crate) fn changed(&self) -> bool {
        self.changed.load(Ordering::Acquire)
    }

    /// Marks the changes as committed.
    pub(crate) fn settle(&self) {
        // Load first: the swap costs as much as processing ten items, and usually nothing has changed.
        if self.changed() && self.changed.swap(false, Ordering::AcqRel) {
            let mut put = lock(&self.put);
            lock(&self.committed).append(&mut put);
        }
    }

    /// Adds values that another process has committed.
    pub(crate) fn take_over(&self, mut committed: BTreeMap<String, Value>) {
        lock(&self.committed).append(&mut committed);
    }

    /// Restores the uncommitted values to an earlier state, as returned by [`changes`](Self::changes).
    pub(crate) fn go_back(&self, to: &BTreeMap<String, Value>) {
        if self.changed() {
            lock(&self.put).clone_from(to);
            self.changed.store(!to.is_empty(), Ordering::Release);
        }
    }

    /// Drops the uncommitted values of a chunk that is rolled back.
    pub(crate) fn revert(&self) {
        if self.changed.swap(false, Ordering::AcqRel) {
            lock(&self.put).clear();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.values.get(key)
    }

    /// Keeps a value for the following steps, saved with the next commit. Other branches of a `split!` see it
    /// after that commit; if two branches put the same key, the last commit wins.
    ///
    /// # Errors
    /// If the value cannot be serialised, or the key begins with `batch.`.
    pub fn put(&self, key: &str, value: &impl Serialize) -> Result<(), Failure> {
        self.values.put(key, value)
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
        self.values.get(key)
    }

    /// Keeps a value, saved with the next commit.
    ///
    /// # Errors
    /// If the value cannot be serialised, or the key begins with `batch.`.
    pub fn put(&self, key: &str, value: &impl Serialize) -> Result<(), Failure> {
        self.values.put(key, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        let values = Values::default();
        values.put("a", &1).unwrap();
        values.settle();
        values
    }

    #[test]
    fn dropped_changes_vanish_and_settled_changes_stay() {
        let values = values();
        values.put("a", &2).unwrap();
        assert_eq!(values.get("a").unwrap(), Some(2));
        values.revert();
        assert_eq!(values.get("a").unwrap(), Some(1));
        assert!(!values.changed());
    }

    #[test]
    fn a_branch_neither_commits_nor_drops_the_changes_of_another() {
        let values = values();
        let (one, two) = (values.branch(), values.branch());
        one.put("one", &1).unwrap();
        two.put("two", &2).unwrap();
        assert_eq!(one.changes().into_keys().collect::<Vec<_>>(), ["one"]);
        two.revert();
        one.settle();
        assert_eq!(two.get("one").unwrap(), Some(1));
        assert_eq!(values.snapshot().into_keys().collect::<Vec<_>>(), ["a", "one"]);
    }

    #[test]
    fn uncommitted_changes_of_a_branch_are_committed_after_the_join() {
        let values = values();
        let branch = values.branch();
        branch.put("b", &2).unwrap();
        values.join(&branch);
        assert_eq!(values.changes().into_keys().collect::<Vec<_>>(), ["b"]);
    }
}
