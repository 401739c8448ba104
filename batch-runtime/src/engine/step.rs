//! Defines what the code of a step runs against ([`StepRun`]), and how a step can end ([`StepEnd`], [`Halt`]).

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use crate::definition::{
    Durability, Environment, Failure, Mark, Moment, Phase, Scope, Sizes, StepContext, StepEnvironment,
    StepInfo,
};
use crate::engine::chunk::checkpoint::Checkpoint;
use crate::engine::faults::retry::Retrying;
#[cfg(feature = "remote-chunks")]
use crate::engine::threads::remote::run::RemoteRun;
use crate::graph::Arm;
use crate::observe::StepLive;
use crate::repository::{
    ChunkError, ChunkRecord, ChunkStore, Counters, ExitStatus, Profile, RepositoryError, Stored,
    encode_context,
};

/// The maximum number of times in a row that a transaction is repeated because the database lost it.
pub(crate) const MAX_AGAIN: u32 = 5;

/// The arms of the `match` that a step is the subject of, and the function that picks one for an outcome.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    pub(crate) arms: &'static [Arm],
    pub(crate) arm_of: fn(Box<dyn Any>) -> usize,
}

impl Route {
    pub(crate) fn label(self, outcome: Box<dyn Any>) -> &'static str {
        self.arms[(self.arm_of)(outcome)].label
    }

    pub(crate) fn arm_named(self, label: &str) -> Option<usize> {
        self.arms.iter().position(|arm| arm.label == label)
    }
}

/// A step execution that is about to run. Generated code receives it and passes it on to
/// [`run_chunks`](super::run_chunks) or [`run_tasklet`](super::run_tasklet).
pub struct StepRun<'r> {
    pub(crate) info: &'static StepInfo,
    pub(crate) environment: &'r Environment,
    pub(crate) own: &'r StepEnvironment,
    /// The scope, with the bindings of the step's use in its job.
    pub(crate) scope: Scope<'r>,
    pub(crate) sizes: Sizes,
    pub(crate) store: RefCell<ChunkStore>,
    pub(crate) inherited: Checkpoint,
    pub(crate) durability: Durability,
    /// The work of the step in earlier executions of the instance.
    pub(crate) before: Counters,
    /// Marks the output of the step's writers with its owner.
    pub(crate) mark: Mark,
    /// Whether a previous owner of the instance may still be alive and have the output of the step open.
    pub(crate) owner_may_live: bool,
    /// In a replay, the places of the records that the step reads. It reads no others.
    pub(crate) replayed: Option<Vec<String>>,
    pub(crate) live: Arc<StepLive>,
    pub(crate) route: Option<Route>,
    /// The connection to workers that process the step's chunks, if there is one.
    #[cfg(feature = "remote-chunks")]
    pub(crate) remote: Option<RemoteRun<'r>>,
}

impl fmt::Debug for StepRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepRun").field("step", &self.info.name).finish_non_exhaustive()
    }
}

impl<'r> StepRun<'r> {
    /// The scope with which the step's components are opened.
    #[must_use]
    pub fn scope(&self) -> &Scope<'r> {
        &self.scope
    }
}

impl StepRun<'_> {
    pub(crate) fn context(&self) -> &StepContext {
        self.own.context.as_ref().expect("a step runs with its context")
    }

    pub(crate) fn retrying(&self) -> &Retrying {
        self.own.retrying.as_ref().expect("a step runs with its rules")
    }

    /// Fails if the step has taken longer than its `timeout`.
    pub(crate) fn check_time(&self) -> Result<(), Halt> {
        match self.info.options.timeout {
            Some(bound) if self.retrying().is_late() => {
                let why = format!(
                    "the step has taken longer than its `timeout` of {bound:?}; a restart resumes after its last commit"
                );
                Err(Halt::Failed(Failure::new(why)))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.environment.job.stop.is_raised()
    }

    /// Adds the contexts to the record: the whole context of the step, and the changes that components made to the
    /// job's context. Returns the moment up to which the record holds what was put into them.
    pub(crate) fn add_contexts(
        &self,
        checkpoint: Checkpoint,
        record: &mut ChunkRecord,
    ) -> Result<Moments, Failure> {
        let step = self.context().values.snapshot();
        let job = self.environment.job.values.changes();
        record.context = encode_context(&checkpoint.into_context(step.values)?);
        record.job_context = (!job.values.is_empty()).then(|| encode_context(&job.values));
        Ok(Moments { step: step.until, job: job.until })
    }

    /// The present moment in the histories of the contexts.
    pub(crate) fn now(&self) -> Moments {
        Moments { step: self.context().values.now(), job: self.environment.job.values.now() }
    }

    /// Returns whether components have put values into the contexts since the last commit.
    pub(crate) fn has_uncommitted_values(&self) -> bool {
        self.context().values.changed() || self.environment.job.values.changed()
    }

    /// Takes back every uncommitted value that this thread has put into the contexts since that moment.
    ///
    /// The values of other threads stay, because their processors do not run again for the same items.
    pub(crate) fn take_back(&self, since: Moments) {
        self.context().values.go_back(since.step);
        self.environment.job.values.go_back(since.job);
    }

    /// Commits a record without rows. Repeats the transaction if the database loses it.
    pub(crate) fn commit_record(
        &self,
        record: &mut ChunkRecord,
        mut fill: impl FnMut(&mut ChunkRecord) -> Result<(), Failure>,
    ) -> Result<Stored, ChunkError> {
        let mut again = 0;
        loop {
            match self.store.borrow_mut().commit(record, |_, record| fill(record)) {
                Err(ChunkError::Again(_)) if again < MAX_AGAIN && !self.is_stopping() => again += 1,
                committed => return committed,
            }
        }
    }

    /// Marks what a record holds of the contexts as committed. The values put after `until` go with the next commit,
    /// and so do those of the job if the record is stored without them.
    pub(crate) fn settle(&self, until: Moments, stored: Stored) {
        self.context().values.settle(until.step);
        if stored.has_job_context {
            self.environment.job.values.settle(until.job);
        }
    }

    /// Sets the phase of a failure, and names the component if the step has only one for that phase.
    pub(crate) fn blame(&self, failure: Failure, phase: Phase) -> Failure {
        blame(self.info, failure, phase)
    }

    /// Names the component with this role if the step has only one.
    pub(crate) fn of_role(&self, failure: Failure, role: &str) -> Failure {
        of_role(self.info, failure, role)
    }
}

/// Sets the phase of a failure, and names the component if the step has only one for that phase.
pub(crate) fn blame(step: &StepInfo, failure: Failure, phase: Phase) -> Failure {
    let role = match phase {
        Phase::Read => "reader",
        Phase::Process => "processor",
        Phase::Write => "writer",
        Phase::Tasklet => "tasklet",
        Phase::Open | Phase::Aggregate | Phase::Decide => return failure.during(phase),
    };
    of_role(step, failure, role).during(phase)
}

/// Names the component with this role if the step has only one.
pub(crate) fn of_role(step: &StepInfo, failure: Failure, role: &str) -> Failure {
    let mut of_role = step.components.iter().filter(|component| component.role == role);
    match (of_role.next(), of_role.next()) {
        (Some(only), None) => failure.in_component(only.name),
        _ => failure,
    }
}

/// A moment in the histories of the values in the contexts of a step and its job.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moments {
    step: Moment,
    job: Moment,
}

/// How a step execution ended.
#[derive(Debug)]
pub struct StepEnd {
    pub(crate) result: Result<StepOutcome, Halt>,
    pub(crate) counters: Counters,
    pub(crate) profile: Option<Profile>,
}

/// The outcome of a completed step, as the control flow needs it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct StepOutcome {
    /// The label of the arm that takes the outcome, if the step is the subject of a `match`.
    pub(crate) arm: Option<String>,
    /// The value of the step as JSON.
    pub(crate) output: Option<String>,
    /// The exit status, if it says more than that the step completed.
    pub(crate) exit: Option<ExitStatus>,
}

/// Why a step did not complete.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The execution was asked to stop.
    Stopped,
    /// The code of the step failed.
    Failed(Failure),
    /// The repository fenced this execution or is broken. The step is not at fault, so no `match` routes by it.
    Lost(RepositoryError),
}

impl Halt {
    /// Returns whether another owner has the execution. If so, this one changes nothing more and notifies no listener.
    pub(crate) const fn is_fenced(&self) -> bool {
        matches!(self, Self::Lost(RepositoryError::Fenced { .. }))
    }
}

impl From<ChunkError> for Halt {
    fn from(error: ChunkError) -> Self {
        match error {
            ChunkError::Work(failure) if failure.is_interrupted() => Self::Stopped,
            error @ ChunkError::SkipLimit { .. } => Self::Failed(Failure::new(error)),
            ChunkError::Work(failure) | ChunkError::Refused(failure) | ChunkError::Again(failure) => {
                Self::Failed(failure)
            }
            ChunkError::Stopped => Self::Stopped,
            // The component ended the transaction itself; nothing is wrong with the repository.
            ChunkError::Repository(error @ RepositoryError::TransactionEnded) => {
                Self::Failed(Failure::new(error))
            }
            ChunkError::Repository(error) => Self::Lost(error),
        }
    }
}
