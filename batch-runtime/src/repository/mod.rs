//! Records the decisions of the engine so that the record survives a crash at any point.
//!
//! # The crash contract
//! - Every method is one transaction: after a crash it has either happened completely or not at all.
//! - Every write on behalf of an execution carries its [`Ownership`], and is refused as
//!   [`RepositoryError::Fenced`] if the stored epoch is another: a paused owner that wakes up after a takeover
//!   changes nothing.
//! - A chunk is committed in one place, [`ChunkStore::commit`]: business rows (if they are in the same
//!   database), counters, context with the checkpoint, skipped items and the fence, in one transaction.
//! - The end of a step and its journal entry are one transaction, and so are a launch and its lock.

mod clock;
mod encoding;
mod error;
mod key;
mod model;
pub mod sqlite;

use std::fmt;

use jiff::Timestamp;

pub use clock::{Clock, SystemClock};
pub use encoding::{decode_context, encode_context};
pub use error::{ChunkError, RepositoryError};
pub use key::job_key;
pub use model::{
    BatchStatus, ContextMap, Counters, ExitStatus, JobExecution, JobInstance, JournalEntry, NewPartition,
    Owner, OwnerState, PartitionExecution, Profile, Renamed, SkipPhase, SkippedItem, SkippedRow,
    StepExecution, StoredParameter, UnfinishedStep,
};

use crate::definition::{
    ChunkTransaction, DatabaseHandle, Durability, ExecutionId, Failure, InstanceId, Parameters,
    StepExecutionId, StopSignal,
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

/// What to do with a running execution whose owner may be dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Recovery {
    /// Never take over.
    Strict,
    /// Take over if the owner's lock proves that it is dead.
    #[default]
    Detect,
    /// Always take over: the previous owner is fenced.
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

/// Says which places of the instance are taken back, so that the job begins at one of them; or why it cannot.
pub type Again<'a> = dyn Fn(&SoFar<'_>) -> Result<Vec<JournalEntry>, String> + 'a;

/// What the journal says of a place that a restart was told to begin at, or to run again after that: it counts as not passed, and a
/// step there begins with nothing.
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
    /// What to do with a running execution.
    pub recovery: Recovery,
    /// The crash that commits must survive.
    pub durability: Durability,
    /// The graph of the job as text, stored with the instance.
    pub graph: &'a str,
    /// Checks that the graph contains everything the instance has done. Called inside the transaction if
    /// there is an earlier execution. Steps that have another name in the graph are renamed in the whole
    /// record of the instance.
    pub holds: &'a Holds<'a>,
    /// What is added to the journal of the instance, in the transaction of the launch, where the restart is told to begin at a step.
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

/// A launched execution. Dropping it releases the execution's lock.
#[derive(Debug)]
pub struct Launched {
    /// The right to write.
    pub ownership: Ownership,
    /// The previous execution of the same instance.
    pub restarted_from: Option<ExecutionId>,
    /// The owner that this launch took over from.
    pub recovered: Option<Owner>,
    /// The places that the instance has passed so far, oldest first.
    pub journal: Vec<JournalEntry>,
    /// The job's context, inherited.
    pub context: ContextMap,
    /// Held while the owner is alive.
    pub lock: ExecutionLock,
}

/// Proof that the owner of an execution is alive: released as soon as the process dies.
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
    /// The form of the step, to be stored: see [`UnfinishedStep::form`]. A partition has that of its step.
    pub form: Option<&'a str>,
    /// Its earlier names. If its chunks are committed in another database, it may still be known there by one
    /// of them.
    pub was: &'a [String],
    /// The other database that its chunks are committed in, with its name.
    pub elsewhere: Option<(&'a str, &'a DatabaseHandle)>,
    /// Ends the wait for a locked database, both of the beginning step and of its chunks.
    pub stop: &'a StopSignal,
}

/// A step execution that has begun.
#[derive(Debug)]
pub struct BegunStep {
    /// Its ID.
    pub id: StepExecutionId,
    /// How often the step was started in the instance, including this time.
    pub starts: u32,
    /// The inherited context, including the checkpoint.
    pub context: ContextMap,
    /// Its counters, summed over the earlier executions of the instance.
    pub before: Counters,
    /// The place where its chunks are committed.
    pub chunks: ChunkStore,
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

/// The record of a chunk, committed together with its rows.
#[derive(Debug, Clone, Default)]
pub struct ChunkRecord {
    /// The counters of the step execution, including this chunk.
    pub counters: Counters,
    /// The whole context of the step with the checkpoint, as [`encode_context`] writes it.
    pub context: String,
    /// The values of the job's context that a component changed, written in the same way. The others stay,
    /// since branches of a split commit concurrently.
    pub job_context: Option<String>,
    /// The items that this chunk skipped, in the order of the input, stored with it. The caller clears it
    /// before the next chunk.
    pub skipped: Vec<SkippedItem>,
}

/// The result of a chunk's commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// A stop was requested through the repository.
    pub stop_requested: bool,
}

/// The place where the chunks of one step execution are committed, and the only one. It is an enum rather
/// than a trait object so that the work inside is a static call.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChunkStore {
    /// Nowhere, for a step that runs without a repository.
    Nowhere,
    /// A `SQLite` database: the repository's own, or another.
    Sqlite(sqlite::ChunkStore),
}

impl ChunkStore {
    /// Returns whether the commits of a step are stored anywhere.
    pub(crate) const fn keeps(&self) -> bool {
        !matches!(self, Self::Nowhere)
    }

    /// Commits one chunk: begins the transaction, lets `work` write the rows and fill in the record, adds
    /// counters, context and fence, and commits.
    ///
    /// # Errors
    /// If `work` or the commit fails, or the job is asked to stop while waiting for a lock. In every case
    /// nothing of the chunk stays in the database.
    pub fn commit(
        &mut self,
        record: &mut ChunkRecord,
        work: impl FnOnce(&ChunkTransaction<'_>, &mut ChunkRecord) -> Result<(), Failure>,
    ) -> Result<Committed, ChunkError> {
        match self {
            Self::Nowhere => {
                work(&ChunkTransaction::none(), record).map_err(ChunkError::Work)?;
                Ok(Committed { stop_requested: false })
            }
            Self::Sqlite(store) => store.commit(record, work),
        }
    }
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

/// Selects the executions to list; all by default.
#[derive(Debug, Clone, Default)]
pub struct ExecutionFilter {
    /// Only those of this job.
    pub job: Option<String>,
    /// Only those of this instance.
    pub instance: Option<InstanceId>,
    /// Only running ones.
    pub running: bool,
    /// The maximum number, newest first.
    pub limit: Option<u32>,
    /// The number to skip, for the next page of a list.
    pub offset: u64,
}

/// Selects the instances to list; all by default.
#[derive(Debug, Clone, Default)]
pub struct InstanceFilter {
    /// Only those of this job.
    pub job: Option<String>,
    /// The maximum number, newest first.
    pub limit: Option<u32>,
    /// The number to skip, for the next page of a list.
    pub offset: u64,
}

/// The record of all jobs. Threads share it; see the module for the promises of every implementation.
pub trait Repository: Send + Sync + fmt::Debug {
    /// Its location, for messages.
    fn url(&self) -> String;

    /// Identifies the repository among all others, even after it is moved.
    fn identity(&self) -> String {
        self.url()
    }

    /// The database that components may use in the chunk's transaction, if it is of a supported kind.
    fn database(&self) -> Option<DatabaseHandle>;

    /// Finds or creates the instance, checks that it may run, takes over from a dead owner, and inserts the
    /// execution as STARTED and locked, all in one transaction.
    ///
    /// # Errors
    /// [`RepositoryError::AlreadyRunning`], then [`NeedsRecovery`](RepositoryError::NeedsRecovery),
    /// [`AlreadyComplete`](RepositoryError::AlreadyComplete),
    /// [`NotRestartable`](RepositoryError::NotRestartable), [`GraphChanged`](RepositoryError::GraphChanged),
    /// in this order. Nothing is written then.
    fn launch(&self, request: &LaunchRequest<'_>) -> Result<Launched, RepositoryError>;

    /// Inserts a step execution as STARTED, with the context of the step's last execution in the instance.
    ///
    /// # Errors
    /// [`RepositoryError::StartLimit`] if it was started too often; [`RepositoryError::Stopped`] if the job
    /// was asked to stop while waiting for a lock.
    fn begin_step(&self, owner: Ownership, step: &StepStart<'_>) -> Result<BegunStep, RepositoryError>;

    /// The partitions of a step of the instance, as created when it first started; none if it has not
    /// started.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn partitions(&self, owner: Ownership, step: &str) -> Result<Vec<PartitionExecution>, RepositoryError>;

    /// Creates the partitions of a step from `new`, with a step execution as STARTING for each; without
    /// `new`, creates one for each partition that is not COMPLETED, with its last context. All of this is one
    /// transaction. Returns all partitions.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if the execution has another owner by now; [`RepositoryError::Stopped`] if
    /// the job was asked to stop while waiting for a lock.
    fn begin_partitions(
        &self,
        owner: Ownership,
        step: &StepStart<'_>,
        new: Option<&[NewPartition]>,
    ) -> Result<Vec<PartitionExecution>, RepositoryError>;

    /// Begins the step execution of a partition, at most once.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if it was already begun, or the execution has another owner by now;
    /// [`RepositoryError::Stopped`] as for [`begin_step`](Self::begin_step).
    fn begin_partition(
        &self,
        owner: Ownership,
        partition: StepExecutionId,
        step: &StepStart<'_>,
    ) -> Result<BegunStep, RepositoryError>;

    /// The committed context of a partition.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn partition_context(
        &self,
        owner: Ownership,
        partition: StepExecutionId,
    ) -> Result<ContextMap, RepositoryError>;

    /// Ends the partitions of a step that this execution has not begun as STOPPED.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if the execution has another owner by now.
    fn end_partitions(&self, owner: Ownership, step: &str) -> Result<(), RepositoryError>;

    /// Ends a step execution and records it in the journal.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if the execution has another owner by now.
    fn finish_step(
        &self,
        owner: Ownership,
        step: StepExecutionId,
        finish: &StepFinish,
    ) -> Result<(), RepositoryError>;

    /// Records the outcome of a decider, with the outputs it discards, or a passed stop, before the next node
    /// starts.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if the execution has another owner by now.
    fn record(&self, owner: Ownership, entries: &[JournalEntry]) -> Result<(), RepositoryError>;

    /// Ends an execution. If one of its steps still counts as running because its own end could not be
    /// recorded, it ends as FAILED with exit `END_LOST`, and the next start resumes after its last commit.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if the execution has another owner by now.
    fn finish(&self, owner: Ownership, finish: &ExecutionFinish) -> Result<(), RepositoryError>;

    /// Returns whether the execution was asked to stop.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if the execution has another owner by now.
    fn stop_requested(&self, owner: Ownership) -> Result<bool, RepositoryError>;

    /// Asks a running execution to stop: its status becomes STOPPING.
    ///
    /// # Errors
    /// [`RepositoryError::NoSuchExecution`], [`NotRunning`](RepositoryError::NotRunning).
    fn request_stop(&self, execution: ExecutionId) -> Result<(), RepositoryError>;

    /// Abandons an execution for good. A running one is only abandoned if its owner is dead.
    ///
    /// # Errors
    /// [`RepositoryError::NoSuchExecution`], [`AlreadyRunning`](RepositoryError::AlreadyRunning),
    /// [`AlreadyComplete`](RepositoryError::AlreadyComplete).
    fn abandon(&self, execution: ExecutionId) -> Result<(), RepositoryError>;

    /// Ends running executions whose owners are dead as FAILED with exit `OWNER_LOST`, so that they can be
    /// restarted, and returns them.
    ///
    /// # Errors
    /// If the repository cannot be written.
    fn recover(&self) -> Result<Vec<ExecutionId>, RepositoryError>;

    /// Returns the state of the owner of a running execution. Writes nothing, and needs no write access.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn owner_state(&self, execution: &JobExecution) -> Result<OwnerState, RepositoryError>;

    /// The time on the repository's clock.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn now(&self) -> Result<Timestamp, RepositoryError>;

    /// One execution.
    ///
    /// # Errors
    /// [`RepositoryError::NoSuchExecution`].
    fn execution(&self, id: ExecutionId) -> Result<JobExecution, RepositoryError>;

    /// The executions, newest first.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<JobExecution>, RepositoryError>;

    /// The number of executions that match the filter, regardless of its limit and offset.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn count_executions(&self, filter: &ExecutionFilter) -> Result<u64, RepositoryError>;

    /// The instances, newest first.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn instances(&self, filter: &InstanceFilter) -> Result<Vec<JobInstance>, RepositoryError>;

    /// The number of instances, of one job or of all.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn count_instances(&self, job: Option<&str>) -> Result<u64, RepositoryError>;

    /// The names of the jobs that have instances, sorted.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn job_names(&self) -> Result<Vec<String>, RepositoryError>;

    /// The step executions of an execution, in the order they began.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn steps(&self, execution: ExecutionId) -> Result<Vec<StepExecution>, RepositoryError>;

    /// The items that the steps of an execution skipped, by step execution and in the order of the input.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn skipped_items(&self, execution: ExecutionId) -> Result<Vec<SkippedRow>, RepositoryError>;

    /// The form of a step when the step execution began: see [`StepStart::form`].
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn step_form(&self, step: StepExecutionId) -> Result<Option<String>, RepositoryError>;

    /// The places that the instance of an execution has passed, oldest first.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn journal(&self, execution: ExecutionId) -> Result<Vec<JournalEntry>, RepositoryError>;

    /// The greatest identifying `run.id` of the job's instances, which `--next` increments.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn last_run_id(&self, job: &str) -> Result<Option<i64>, RepositoryError>;
}
