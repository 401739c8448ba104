//! The requests to a repository, and its answers.

use std::fmt;

use super::{
    BatchStatus, ContextMap, Counters, ExitStatus, JournalEntry, Owner, Profile, Reached, Renamed,
    UnfinishedStep,
};
use crate::definition::{
    DatabaseHandle, Durability, ExecutionId, InstanceId, Parameters, StepExecutionId, StopSignal,
};

/// The right to write on behalf of an execution, proved by its ID and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    /// The instance.
    pub instance: InstanceId,
    /// The execution.
    pub execution: ExecutionId,
    /// The epoch of the launch.
    pub epoch: u64,
}

/// The rule for a running execution whose owner may be dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Recovery {
    /// Never take over.
    Strict,
    /// Take over if the owner is [`Dead`](super::OwnerState::Dead). In `PostgreSQL` this includes an owner whose lease
    /// has expired, which may still live: it is fenced.
    #[default]
    Detect,
    /// Always take over, and fence the previous owner.
    Force,
}

/// The history of an instance.
#[derive(Debug, Clone, Copy)]
pub struct SoFar<'a> {
    /// The places it has passed, oldest first.
    pub journal: &'a [JournalEntry],
    /// The steps that it has begun but not completed.
    pub unfinished: &'a [UnfinishedStep],
    /// The graph of the last execution.
    pub graph: &'a str,
}

/// Returns the steps that have another name in the graph, or an error that names the part of the history that
/// the graph lacks.
pub type Holds<'a> = dyn Fn(&SoFar<'_>) -> Result<Vec<Renamed>, String> + 'a;

/// Returns the journal entries for the places of the instance that run again, so that the job begins at the first of
/// them; or the reason why the job cannot begin there.
pub type Again<'a> = dyn Fn(&SoFar<'_>) -> Result<Vec<JournalEntry>, String> + 'a;

/// The outcome in the journal for a place that a restart was asked to run again: the place where it begins, and those
/// after it. Such a place counts as not passed, and a step there starts from its beginning.
pub(crate) const RUN_AGAIN: &str = "RUN AGAIN";

/// A request to launch a job.
#[derive(Clone, Copy)]
pub struct LaunchRequest<'a> {
    /// The job's name.
    pub job: &'a str,
    /// All parameters, including defaults; the identifying ones determine the instance.
    pub parameters: &'a Parameters,
    /// True if only one execution of the job may run at a time.
    pub exclusive: bool,
    /// True if the instance may be restarted after a failure or stop.
    pub restartable: bool,
    /// How often in a row an instance may be taken over from owners that died without a commit.
    pub max_recoveries: u32,
    /// The rule for a running execution.
    pub recovery: Recovery,
    /// The crash that commits must survive.
    pub durability: Durability,
    /// The graph of the job as text, stored with the instance.
    pub graph: &'a str,
    /// Checks that the graph contains everything the instance has done. Called inside the transaction if
    /// there is an earlier execution. Steps that have another name in the graph are renamed in the whole
    /// record of the instance.
    pub holds: &'a Holds<'a>,
    /// Set if the restart was asked to begin at a step: returns the entries that the transaction of the launch adds to
    /// the journal.
    pub again: Option<&'a Again<'a>>,
}

impl fmt::Debug for LaunchRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaunchRequest")
            .field("job", &self.job)
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

/// The action that a launch would take at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outlook {
    /// It would begin a new instance.
    Begins,
    /// It would resume the instance after the last commit of this execution, which has ended.
    Resumes(ExecutionId),
    /// It would take the instance over from this execution, whose owner is dead or has lost its lease, and resume it after
    /// its last commit.
    TakesOver(ExecutionId),
}

/// A launched execution. Dropping it releases the execution's lock.
#[derive(Debug)]
pub struct Launched {
    /// The right to write.
    pub ownership: Ownership,
    /// The previous execution of the same instance.
    pub restarted_from: Option<ExecutionId>,
    /// The owner that this launch took over from.
    pub recovered: Option<Owner>,
    /// Whether the instance was taken over from an owner that may still live and hold files that its steps write: by force,
    /// or because its lease ran out.
    pub owner_may_live: bool,
    /// The places that the instance has passed so far, oldest first.
    pub journal: Vec<JournalEntry>,
    /// The job's context, inherited.
    pub context: ContextMap,
    /// Held while the owner is alive.
    pub lock: ExecutionLock,
}

/// Shows other processes that the owner of an execution is alive. When the process dies, the lock of an execution in
/// `SQLite` is released at once; in `PostgreSQL`, the lease of the process expires.
pub trait HeldLock: Send + Sync + fmt::Debug {}

/// A held lock of any kind.
pub type ExecutionLock = Box<dyn HeldLock>;

/// A step execution to begin.
#[derive(Debug, Clone, Copy)]
pub struct StepStart<'a> {
    /// The name of the step in the job, with the iteration if it is in a loop.
    pub name: &'a str,
    /// The maximum number of starts in the instance.
    pub start_limit: Option<u32>,
    /// The form of the step, to be stored: see [`UnfinishedStep::form`]. A partition has the form of its step.
    pub form: Option<&'a str>,
    /// Its earlier names. If its chunks are committed in another database, that database may still know it by
    /// one of them.
    pub earlier_names: &'a [String],
    /// The other database that its chunks are committed in, with its name.
    pub elsewhere: Option<(&'a str, &'a DatabaseHandle)>,
    /// The crash that its commits must survive.
    pub durability: Durability,
    /// Ends the wait for a locked database, both when the step begins and in its chunks.
    pub stop: &'a StopSignal,
}

/// The row of a step execution that has begun.
#[derive(Debug)]
pub struct StepRow {
    /// Its ID.
    pub id: StepExecutionId,
    /// The version of the row, which every write raises: a writer that finds another version is fenced.
    pub version: i64,
    /// How often the step was started in the instance, including this time.
    pub starts: u32,
    /// The inherited context, including the checkpoint.
    pub context: ContextMap,
    /// Its counters, summed over the earlier executions of the instance.
    pub before: Counters,
    /// Whether an earlier runner of the step may still be alive, so that its files have to be taken over.
    pub contested: bool,
}

/// The intervals at which a repository follows the commits of a step in another database.
#[derive(Debug, Clone, Copy)]
pub struct Intervals {
    /// Between copies of the counters, the contexts and the progress of a step.
    pub mirror: std::time::Duration,
    /// Between checks for a requested stop.
    pub poll: std::time::Duration,
}

impl Default for Intervals {
    /// One second for copies, and a tenth of a second for checks.
    fn default() -> Self {
        Self { mirror: std::time::Duration::from_secs(1), poll: std::time::Duration::from_millis(100) }
    }
}

/// The state of a step whose chunks are committed in another database, to be copied into the repository.
#[derive(Debug, Clone, Copy)]
pub struct StepCopy<'a> {
    /// The step execution.
    pub step: StepExecutionId,
    /// The version of its row before the copy.
    pub version: i64,
    /// The counters.
    pub counters: &'a Counters,
    /// The context, encoded.
    pub context: &'a str,
    /// The changed values of the job's context, encoded; the others stay.
    pub job_context: Option<&'a str>,
    /// How far the step execution has come.
    pub reached: Option<Reached>,
}

/// The outcome of a step execution.
#[derive(Debug, Clone)]
pub struct StepFinish {
    /// COMPLETED, STOPPED, FAILED, or ABANDONED if the control flow handles the failure.
    pub status: BatchStatus,
    /// The exit code and description.
    pub exit: ExitStatus,
    /// Its counters: the committed ones, plus rollbacks and other counts since the last commit.
    pub counters: Counters,
    /// Its time per activity.
    pub profile: Option<Profile>,
    /// The journal entries, if the job continues after the step.
    pub journal: Vec<JournalEntry>,
    /// The context of the step, if it changed after the last chunk.
    pub context: Option<ContextMap>,
    /// The changed values of the job's context; the others stay.
    pub job_context: Option<ContextMap>,
}

/// The outcome of an execution.
#[derive(Debug, Clone)]
pub struct ExecutionFinish {
    /// COMPLETED, STOPPED or FAILED.
    pub status: BatchStatus,
    /// The exit code and description.
    pub exit: ExitStatus,
    /// The changed values of the job's context; the others stay.
    pub context: Option<ContextMap>,
}
