//! Receives: what the engine decides. Gives: its record, safe against a death at any line.
//!
//! # The crash contract
//! - Every method is one transaction: after a crash it has happened, or it has not.
//! - Every write on behalf of an execution carries its [`Ownership`], and is refused as
//!   [`RepositoryError::Fenced`] where the stored epoch is another: a paused owner that wakes up after a takeover
//!   changes nothing.
//! - A chunk is committed in one place, [`ChunkStore::commit`]: business rows (where they live in the
//!   same database), counters, context with the checkpoint, skipped items, and the guard, in one transaction.
//! - A step's end and the journal's entry of it are one transaction, and so are a launch and its lock.

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

/// The right to write on behalf of an execution, and proof of it: number and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    /// The instance.
    pub instance: InstanceId,
    /// The execution.
    pub execution: ExecutionId,
    /// The epoch that the launch was given.
    pub epoch: u64,
}

/// What to do with a running execution whose owner may be dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Recovery {
    /// Never take over.
    Strict,
    /// Take over where the owner's lock proves that it is dead.
    #[default]
    Detect,
    /// Take over in any case: the owner is fenced.
    Force,
}

/// What an instance has done so far.
#[derive(Debug, Clone, Copy)]
pub struct SoFar<'a> {
    /// What it has passed, oldest first.
    pub journal: &'a [JournalEntry],
    /// The steps that it has begun and not completed.
    pub unfinished: &'a [UnfinishedStep],
    /// The graph of the last execution.
    pub graph: &'a str,
}

/// Says what of an instance the graph does not hold, else which steps have another name in it.
pub type Holds<'a> = dyn Fn(&SoFar<'_>) -> Result<Vec<Renamed>, String> + 'a;

/// What a launch asks for.
#[derive(Clone, Copy)]
pub struct LaunchRequest<'a> {
    /// The job's name.
    pub job: &'a str,
    /// All parameters, defaults included; the identifying ones make the instance.
    pub parameters: &'a Parameters,
    /// One execution of the job at a time?
    pub exclusive: bool,
    /// May the instance be started again after a failure or stop?
    pub restartable: bool,
    /// How often in a row an instance is taken over from owners that died without having committed anything.
    pub max_recoveries: u32,
    /// What to do with a running execution.
    pub recovery: Recovery,
    /// What commits must survive.
    pub durability: Durability,
    /// The job's graph as text: stored with the instance.
    pub graph: &'a str,
    /// Does the graph hold what the instance has done? Called inside the transaction, where there is an execution before.
    /// Steps that have another name in the graph are renamed in all that is recorded of the instance.
    pub holds: &'a Holds<'a>,
}

impl fmt::Debug for LaunchRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaunchRequest")
            .field("job", &self.job)
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

/// A launched execution. Dropping it gives the execution's lock back.
#[derive(Debug)]
pub struct Launched {
    /// The right to write.
    pub ownership: Ownership,
    /// The execution before this one in the same instance.
    pub restarted_from: Option<ExecutionId>,
    /// The owner that this launch took over from.
    pub recovered: Option<Owner>,
    /// What the instance has passed so far, oldest first.
    pub journal: Vec<JournalEntry>,
    /// The job's context, inherited.
    pub context: ContextMap,
    /// Held as long as the owner lives.
    pub lock: ExecutionLock,
}

/// Proof that an execution's owner lives: free as soon as the process is dead.
pub trait HeldLock: Send + Sync + fmt::Debug {}

/// A held lock of any kind.
pub type ExecutionLock = Box<dyn HeldLock>;

/// A step execution to begin.
#[derive(Debug, Clone, Copy)]
pub struct StepStart<'a> {
    /// The step's name in the job, with the iteration in a loop.
    pub name: &'a str,
    /// How often it may be started in the instance.
    pub start_limit: Option<u32>,
    /// What the step is made of, to be stored: see [`UnfinishedStep::form`]. A partition has that of its step.
    pub form: Option<&'a str>,
    /// The names that it had before. Where its chunks are committed in another database they may still be known there by one.
    pub was: &'a [String],
    /// The other database that its chunks are committed in, and its name.
    pub elsewhere: Option<(&'a str, &'a DatabaseHandle)>,
    /// Ends the wait for a locked database: of the step that begins, and of its chunks.
    pub stop: &'a StopSignal,
}

/// A step execution that has begun.
#[derive(Debug)]
pub struct BegunStep {
    /// Its number.
    pub id: StepExecutionId,
    /// How often the step was started in the instance, this time included.
    pub starts: u32,
    /// The context it inherits, checkpoint included.
    pub context: ContextMap,
    /// Its counters summed over the earlier executions of the instance.
    pub before: Counters,
    /// Where its chunks are committed.
    pub chunks: ChunkStore,
}

/// How a step execution ended.
#[derive(Debug, Clone)]
pub struct StepFinish {
    /// COMPLETED, STOPPED, FAILED, or ABANDONED where the control flow handles the failure.
    pub status: BatchStatus,
    /// In words.
    pub exit: ExitStatus,
    /// What it did; the committed counters with what was rolled back and seen since.
    pub counters: Counters,
    /// Where its time went.
    pub profile: Option<Profile>,
    /// What the journal records, where the job goes on behind the step.
    pub journal: Vec<JournalEntry>,
    /// The step's context, where it changed since the last chunk.
    pub context: Option<ContextMap>,
    /// What changed of the job's context; the other values stay.
    pub job_context: Option<ContextMap>,
}

/// What a chunk commits beside the rows.
#[derive(Debug, Clone, Default)]
pub struct ChunkRecord {
    /// All that the step execution has done, this chunk included.
    pub counters: Counters,
    /// The step's whole context with the checkpoint, as [`encode_context`] writes it.
    pub context: String,
    /// What a component changed of the job's context, written in the same way. The other values stay: branches of a split
    /// commit side by side.
    pub job_context: Option<String>,
    /// What this chunk skipped, in the order of the input; stored with it. Whoever commits the next chunk empties it.
    pub skipped: Vec<SkippedItem>,
}

/// What the commit of a chunk tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Somebody asked for a stop, in the repository.
    pub stop_requested: bool,
}

/// Where the chunks of one step execution are committed: the one place for it. An enum and no trait object, so that
/// the work inside is a static call.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChunkStore {
    /// Nowhere: a step that runs without a repository.
    Nowhere,
    /// In a `SQLite` database: the repository's own, or another.
    Sqlite(sqlite::ChunkStore),
}

impl ChunkStore {
    /// Is anything kept of what a step commits?
    pub(crate) const fn keeps(&self) -> bool {
        !matches!(self, Self::Nowhere)
    }

    /// Commits one chunk: begins the transaction, lets `work` write the rows and fill the record in, adds counters,
    /// context and guard, and commits.
    ///
    /// # Errors
    /// When `work` failed, or the commit did, or the job was asked to stop while a lock was waited for. In all cases nothing of the chunk stays in the database.
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

/// How an execution ended.
#[derive(Debug, Clone)]
pub struct ExecutionFinish {
    /// COMPLETED, STOPPED or FAILED.
    pub status: BatchStatus,
    /// In words.
    pub exit: ExitStatus,
    /// What changed of the job's context; the other values stay.
    pub context: Option<ContextMap>,
}

/// Which executions to list: all, unless narrowed.
#[derive(Debug, Clone, Default)]
pub struct ExecutionFilter {
    /// Of this job only.
    pub job: Option<String>,
    /// Of this instance only.
    pub instance: Option<InstanceId>,
    /// Running ones only.
    pub running: bool,
    /// At most that many, the newest first.
    pub limit: Option<u32>,
    /// Without the first so many, for the next page of a list.
    pub offset: u64,
}

/// Which instances to list: all, unless narrowed.
#[derive(Debug, Clone, Default)]
pub struct InstanceFilter {
    /// Of this job only.
    pub job: Option<String>,
    /// At most that many, the newest first.
    pub limit: Option<u32>,
    /// Without the first so many, for the next page of a list.
    pub offset: u64,
}

/// The record of all jobs. Shared by threads; see the module for what every implementation promises.
pub trait Repository: Send + Sync + fmt::Debug {
    /// Where it is, for messages.
    fn url(&self) -> String;

    /// What tells it from every other repository; the same wherever it is moved.
    fn identity(&self) -> String {
        self.url()
    }

    /// The database that components may use in the chunk's transaction, where it is of a kind they can.
    fn database(&self) -> Option<DatabaseHandle>;

    /// Finds or creates the instance, checks that it may run, takes over from a dead owner, and inserts the execution as
    /// STARTED, locked: all in one transaction.
    ///
    /// # Errors
    /// [`RepositoryError::AlreadyRunning`], then [`NeedsRecovery`](RepositoryError::NeedsRecovery),
    /// [`AlreadyComplete`](RepositoryError::AlreadyComplete), [`NotRestartable`](RepositoryError::NotRestartable),
    /// [`GraphChanged`](RepositoryError::GraphChanged), in this order; nothing is written then.
    fn launch(&self, request: &LaunchRequest<'_>) -> Result<Launched, RepositoryError>;

    /// Inserts a step execution as STARTED, with the context of the step's last execution in the instance.
    ///
    /// # Errors
    /// [`RepositoryError::StartLimit`] when it was started too often; [`RepositoryError::Stopped`] when the job was asked
    /// to stop while a lock was waited for.
    fn begin_step(&self, owner: Ownership, step: &StepStart<'_>) -> Result<BegunStep, RepositoryError>;

    /// The partitions of a step of the instance, as they were made when it first started; none where it has not.
    ///
    /// # Errors
    /// When the repository cannot be read.
    fn partitions(&self, owner: Ownership, step: &str) -> Result<Vec<PartitionExecution>, RepositoryError>;

    /// Makes the partitions of a step where `new` gives them, and a step execution as STARTING for each; else one for each
    /// that is not COMPLETED, with the context of its last. All of them in one transaction; gives all partitions.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] when the execution has another owner by now; [`RepositoryError::Stopped`] when the
    /// job was asked to stop while a lock was waited for.
    fn begin_partitions(
        &self,
        owner: Ownership,
        step: &StepStart<'_>,
        new: Option<&[NewPartition]>,
    ) -> Result<Vec<PartitionExecution>, RepositoryError>;

    /// Begins the step execution of a partition; at most once.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] when it was begun already, or the execution has another owner by now;
    /// [`RepositoryError::Stopped`] as for [`begin_step`](Self::begin_step).
    fn begin_partition(
        &self,
        owner: Ownership,
        partition: StepExecutionId,
        step: &StepStart<'_>,
    ) -> Result<BegunStep, RepositoryError>;

    /// The context that a partition has committed.
    ///
    /// # Errors
    /// When the repository cannot be read.
    fn partition_context(
        &self,
        owner: Ownership,
        partition: StepExecutionId,
    ) -> Result<ContextMap, RepositoryError>;

    /// Ends the partitions of a step that were not begun in this execution as STOPPED.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] when the execution has another owner by now.
    fn end_partitions(&self, owner: Ownership, step: &str) -> Result<(), RepositoryError>;

    /// Ends a step execution and records it in the journal.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] when the execution has another owner by now.
    fn finish_step(
        &self,
        owner: Ownership,
        step: StepExecutionId,
        finish: &StepFinish,
    ) -> Result<(), RepositoryError>;

    /// Records what a decider said with what it takes back, or a stop that was passed, before the next node starts.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] when the execution has another owner by now.
    fn record(&self, owner: Ownership, entries: &[JournalEntry]) -> Result<(), RepositoryError>;

    /// Ends an execution. A step of it that still runs, because its own end could not be recorded, ends with it as FAILED
    /// with exit `END_LOST`, and the next start goes on behind its last commit.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] when the execution has another owner by now.
    fn finish(&self, owner: Ownership, finish: &ExecutionFinish) -> Result<(), RepositoryError>;

    /// Was the execution asked to stop?
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] when the execution has another owner by now.
    fn stop_requested(&self, owner: Ownership) -> Result<bool, RepositoryError>;

    /// Asks a running execution to stop: STOPPING.
    ///
    /// # Errors
    /// [`RepositoryError::NoSuchExecution`], [`NotRunning`](RepositoryError::NotRunning).
    fn request_stop(&self, execution: ExecutionId) -> Result<(), RepositoryError>;

    /// Gives an execution up for good. A running one only where its owner is dead.
    ///
    /// # Errors
    /// [`RepositoryError::NoSuchExecution`], [`AlreadyRunning`](RepositoryError::AlreadyRunning),
    /// [`AlreadyComplete`](RepositoryError::AlreadyComplete).
    fn abandon(&self, execution: ExecutionId) -> Result<(), RepositoryError>;

    /// Ends the running executions whose owners are dead as FAILED with exit `OWNER_LOST`, so that they can be
    /// started again; gives those it took over.
    ///
    /// # Errors
    /// When the repository cannot be written.
    fn recover(&self) -> Result<Vec<ExecutionId>, RepositoryError>;

    /// Does the owner of a running execution live? Writes nothing, and needs no right to write.
    ///
    /// # Errors
    /// When the repository cannot be read.
    fn owner_state(&self, execution: &JobExecution) -> Result<OwnerState, RepositoryError>;

    /// The time by the clock that the repository writes.
    ///
    /// # Errors
    /// When the repository cannot be read.
    fn now(&self) -> Result<Timestamp, RepositoryError>;

    /// One execution.
    ///
    /// # Errors
    /// [`RepositoryError::NoSuchExecution`].
    fn execution(&self, id: ExecutionId) -> Result<JobExecution, RepositoryError>;

    /// The executions, newest first.
    ///
    /// # Errors
    /// When the repository cannot be read.
    fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<JobExecution>, RepositoryError>;

    /// How many executions the filter finds, whatever its limit and offset.
    ///
    /// # Errors
    /// When the repository cannot be read.
    fn count_executions(&self, filter: &ExecutionFilter) -> Result<u64, RepositoryError>;

    /// The instances, newest first.
    ///
    /// # Errors
    /// When the repository cannot be read.
    fn instances(&self, filter: &InstanceFilter) -> Result<Vec<JobInstance>, RepositoryError>;

    /// How many instances there are, of a job or of all.
    ///
    /// # Errors
    /// When the repository cannot be read.
    fn count_instances(&self, job: Option<&str>) -> Result<u64, RepositoryError>;

    /// The names of the jobs that have instances, in their order.
    ///
    /// # Errors
    /// When the repository cannot be read.
    fn job_names(&self) -> Result<Vec<String>, RepositoryError>;

    /// The step executions of an execution, in the order they began.
    ///
    /// # Errors
    /// When the repository cannot be read.
    fn steps(&self, execution: ExecutionId) -> Result<Vec<StepExecution>, RepositoryError>;

    /// What the steps of an execution skipped, by step execution and in the order of the input.
    ///
    /// # Errors
    /// When the repository cannot be read.
    fn skipped_items(&self, execution: ExecutionId) -> Result<Vec<SkippedRow>, RepositoryError>;

    /// What a step execution's step was made of when it began: see [`StepStart::form`].
    ///
    /// # Errors
    /// When the repository cannot be read.
    fn step_form(&self, step: StepExecutionId) -> Result<Option<String>, RepositoryError>;

    /// What the instance of an execution has passed, oldest first.
    ///
    /// # Errors
    /// When the repository cannot be read.
    fn journal(&self, execution: ExecutionId) -> Result<Vec<JournalEntry>, RepositoryError>;

    /// The greatest identifying `run.id` of the job's instances: `--next` counts on from it.
    ///
    /// # Errors
    /// When the repository cannot be read.
    fn last_run_id(&self, job: &str) -> Result<Option<i64>, RepositoryError>;
}
