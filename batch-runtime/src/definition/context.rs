//! Receives: what the engine knows of the running job and step. Gives: the contexts that components ask for,
//! with values that are saved in the next commit and inherited by a restart.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Failure, Parameters};

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

/// Asks a running job to stop at the next chunk boundary. Clones are one signal.
#[derive(Debug, Clone, Default)]
pub struct StopSignal {
    flag: Arc<AtomicBool>,
    /// This one is raised with it.
    outer: Option<Outer>,
}

/// The signal that another is made of.
#[derive(Debug, Clone)]
enum Outer {
    /// That of all executions, where this is the signal of one.
    OfAll(Arc<StopSignal>),
    /// That of the execution, where this is a signal of the branches of a split, or of the threads of a step.
    OfExecution(Arc<StopSignal>),
}

impl Outer {
    fn signal(&self) -> &StopSignal {
        match self {
            Self::OfAll(outer) | Self::OfExecution(outer) => outer,
        }
    }
}

impl StopSignal {
    /// A signal that is not raised.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A signal that is raised by setting `flag`.
    #[must_use]
    pub fn from_flag(flag: Arc<AtomicBool>) -> Self {
        Self { flag, outer: None }
    }

    /// A signal of one execution, raised with this one; raising it stops that execution and no other.
    pub(crate) fn of_execution(&self) -> Self {
        Self { flag: Arc::default(), outer: Some(Outer::OfAll(Arc::new(self.clone()))) }
    }

    /// A signal of the branches of a split or the threads of a step, raised with this one, and by [`give_up`](Self::give_up) without it.
    pub(crate) fn of_branches(&self) -> Self {
        Self { flag: Arc::default(), outer: Some(Outer::OfExecution(Arc::new(self.clone()))) }
    }

    /// Asks to stop.
    pub fn raise(&self) {
        match &self.outer {
            Some(Outer::OfExecution(execution)) => execution.raise(),
            _ => self.flag.store(true, Ordering::Relaxed),
        }
    }

    /// Stops those branches or threads, and nothing else.
    pub(crate) fn give_up(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Was it asked?
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
            || self.outer.as_ref().is_some_and(|outer| outer.signal().is_raised())
    }
}

/// The values of a context: those that are committed, and what was put since.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// One for all branches of a split.
    committed: Arc<Mutex<BTreeMap<String, Value>>>,
    put: Mutex<BTreeMap<String, Value>>,
    changed: AtomicBool,
}

impl Values {
    pub(crate) fn new(committed: BTreeMap<String, Value>) -> Self {
        Self { committed: Arc::new(Mutex::new(committed)), ..Self::default() }
    }

    /// The values as a branch of a split sees them: what another branch puts once that is committed, so that none
    /// commits what another may yet give up.
    pub(crate) fn branch(&self) -> Self {
        Self {
            committed: Arc::clone(&self.committed),
            put: Mutex::new(lock(&self.put).clone()),
            changed: AtomicBool::new(self.changed()),
        }
    }

    /// Takes over what a branch has put and not committed.
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
            return Err(Failure::new(format!(
                "context keys that begin with `batch.` are the framework's: `{key}`"
            )));
        }
        let value = serde_json::to_value(value)
            .map_err(|error| Failure::new(format!("context value `{key}` does not serialise: {error}")))?;
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

    /// What was put since the last commit.
    pub(crate) fn changes(&self) -> BTreeMap<String, Value> {
        lock(&self.put).clone()
    }

    /// Was something put since the last commit?
    pub(crate) fn changed(&self) -> bool {
        self.changed.load(Ordering::Acquire)
    }

    /// What was put is committed.
    pub(crate) fn settle(&self) {
        // Looked at first: a swap costs as much as ten items, and mostly nothing has changed.
        if self.changed() && self.changed.swap(false, Ordering::AcqRel) {
            let mut put = lock(&self.put);
            lock(&self.committed).append(&mut put);
        }
    }

    /// Back to what was put at some moment since the last commit, as [`changes`](Self::changes) gave it.
    pub(crate) fn go_back(&self, to: &BTreeMap<String, Value>) {
        if self.changed() {
            lock(&self.put).clone_from(to);
            self.changed.store(!to.is_empty(), Ordering::Release);
        }
    }

    /// Back to the values of the last commit: what a given-up chunk put never was.
    pub(crate) fn revert(&self) {
        if self.changed.swap(false, Ordering::AcqRel) {
            lock(&self.put).clear();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The running job, asked for as `&JobContext`.
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

    /// A value that some component [`put`](Self::put), in this execution or in one before a restart.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Failure> {
        self.values.get(key)
    }

    /// Keeps a value for the steps that follow, saved with the next commit. Other branches of a `split!` see it from that
    /// commit on; of what two of them put under one key, the one committed last stays.
    ///
    /// # Errors
    /// When it does not serialise, or the key begins with `batch.`.
    pub fn put(&self, key: &str, value: &impl Serialize) -> Result<(), Failure> {
        self.values.put(key, value)
    }
}

/// The running step, asked for as `&StepContext`.
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
    /// The step's name in its job; in a loop with the iteration, as `page[3]`.
    #[must_use]
    pub fn step(&self) -> &str {
        &self.step
    }

    /// The step execution.
    #[must_use]
    pub fn id(&self) -> StepExecutionId {
        self.id
    }

    /// The job execution it is part of.
    #[must_use]
    pub fn execution(&self) -> ExecutionId {
        self.execution
    }

    /// How often the step was started in this instance, this time included: 1 the first time.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// True once the job was asked to stop: long work outside the chunk loop should end soon.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_raised()
    }

    /// A value that some component of the step [`put`](Self::put), in this execution or in one before a restart.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Failure> {
        self.values.get(key)
    }

    /// Keeps a value, saved with the next commit.
    ///
    /// # Errors
    /// When it does not serialise, or the key begins with `batch.`.
    pub fn put(&self, key: &str, value: &impl Serialize) -> Result<(), Failure> {
        self.values.put(key, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_stop_with_the_job_and_are_given_up_without_it() {
        let (job, other) = (StopSignal::new(), StopSignal::new());
        let (branches, inner) = (job.of_branches(), job.of_branches().of_branches());
        branches.give_up();
        assert!(branches.is_raised() && !job.is_raised() && !inner.is_raised());
        inner.raise();
        assert!(job.is_raised() && inner.is_raised() && !other.is_raised());
    }

    #[test]
    fn an_execution_stops_with_all_and_alone() {
        let all = StopSignal::new();
        let (one, other) = (all.of_execution(), all.of_execution());
        one.of_branches().raise();
        assert!(one.is_raised() && !other.is_raised() && !all.is_raised());
        all.raise();
        assert!(other.of_branches().is_raised());
    }

    fn values() -> Values {
        let values = Values::default();
        values.put("a", &1).unwrap();
        values.settle();
        values
    }

    #[test]
    fn what_is_given_up_never_was_and_what_is_settled_stays() {
        let values = values();
        values.put("a", &2).unwrap();
        assert_eq!(values.get("a").unwrap(), Some(2));
        values.revert();
        assert_eq!(values.get("a").unwrap(), Some(1));
        assert!(!values.changed());
    }

    #[test]
    fn a_branch_neither_commits_nor_gives_up_what_another_has_put() {
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
    fn what_a_branch_has_put_and_not_committed_is_committed_behind_the_join() {
        let values = values();
        let branch = values.branch();
        branch.put("b", &2).unwrap();
        values.join(&branch);
        assert_eq!(values.changes().into_keys().collect::<Vec<_>>(), ["b"]);
    }
}
