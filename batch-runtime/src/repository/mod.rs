//! Records the decisions of the engine so that the record survives a crash at any point.
//!
//! # The crash contract
//! - Every method is one transaction: after a crash it has either happened completely or not at all.
//! - Every write on behalf of an execution carries its [`Ownership`], and is refused as
//!   [`RepositoryError::Fenced`] if the stored epoch differs: a paused owner that wakes up after a takeover
//!   changes nothing.
//! - A chunk is committed in one place, [`ChunkStore::commit`]: business rows (if they are in the same
//!   database), counters, context with the checkpoint, skipped items and the fence, in one transaction. A
//!   [`PipelinedSession`] does the same in two calls, so that the caller need not wait in between.
//! - The end of a step and its journal entry are one transaction, and so are a launch and its lock.

mod chunks;
mod clock;
mod columns;
mod encoding;
mod error;
mod fail_point;
mod failing;
mod filter;
mod job_key;
mod launch;
mod manage_partitions;
mod mirror;
mod model;
mod operation;
mod other_database;
mod owner;
#[cfg(feature = "serve")]
pub(crate) use owner::{command_line, in_words as owner_in_words};
#[cfg(feature = "postgres")]
pub mod postgres;
mod profile;
mod progress;
mod purge;
mod requests;
mod schedule;
pub mod sqlite;
mod statistics;
mod step_lifecycle;
pub mod work_queue;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use work_queue::WorkQueue;

pub use chunks::{
    AheadWork, ChunkRecord, ChunkSession, ChunkStore, ChunkWork, Committed, Outcome, PipelinedSession,
    SkipRoom, Stored,
};
pub use clock::{Clock, SystemClock};
pub use encoding::{decode_context, encode_context};
pub use error::{ChunkError, RepositoryError};
pub use fail_point::{Commit, FailPoint, Records, Side};
pub(crate) use failing::Failing;
pub use job_key::job_key;
pub use model::{
    BatchStatus, ContextMap, Counters, ExitStatus, JobExecution, JobInstance, JournalEntry, NewPartition,
    Owner, OwnerState, PartitionExecution, Renamed, SkipPhase, SkippedItem, SkippedRow, StepExecution,
    StoredParameter, UnfinishedStep,
};
pub use other_database::{Checkpoint, CheckpointRequest, Checkpoints, LockWait};

pub use filter::{Between, ExecutionFilter, InstanceFilter, SkippedFilter, SkippedKey, SkippedOf};
pub use operation::{Operation, OperationKind};
pub use profile::{Advice, ComponentTime, Followed, Lever, Profile, StepUsage};
pub use purge::{PurgeFilter, PurgePage, Purgeable};
pub(crate) use requests::RUN_AGAIN;
pub use requests::{
    Again, ExecutionFinish, ExecutionLock, HeldLock, Holds, Intervals, LaunchRequest, Launched, Outlook,
    Ownership, Recovery, SoFar, StepCopy, StepFinish, StepRow, StepStart,
};

pub use schedule::{FireFilter, FireOutcome, FireRow, FireRun, NewFire, ScheduleRow};

pub use progress::{Reached, RunningPartitions, RunningStep};
pub use statistics::{JobStatistics, Statistics, StepStatistics, Times, WorkStatistics};
pub use step_lifecycle::{BegunStep, begin_step, finish_step};

use crate::definition::{DatabaseHandle, ExecutionId, InstanceId, StepExecutionId};

/// The exit code of an execution whose owner died.
pub(crate) const OWNER_LOST: &str = "OWNER_LOST";
/// The exit code of a step whose owner is alive but could not record its end, for example on a full disk.
pub(crate) const END_LOST: &str = "END_LOST";

/// The name of a partition's step executions.
pub(crate) fn partition_step_name(step: &str, number: u32) -> String {
    format!("{step}:partition{number}")
}

/// The prefix of the names of all partitions of a step.
fn partitions_of(step: &str) -> String {
    format!("{step}:partition")
}

/// The record of all jobs. Threads share it; see the module for the promises of every implementation.
pub trait Repository: Send + Sync + fmt::Debug {
    /// Its location, for messages.
    fn url(&self) -> String;

    /// Identifies the repository among all others, even after it is moved.
    fn identity(&self) -> String {
        self.url()
    }

    /// The database that components may use in the chunk's transaction, if there is one.
    fn database(&self) -> Option<DatabaseHandle>;

    /// Returns whether `database` is the repository's own, so that rows in it are committed together with the
    /// repository's.
    ///
    /// # Errors
    /// If the database is the repository's own, but is named by a path under which it cannot be used.
    fn is_own(&self, database: &DatabaseHandle) -> Result<bool, RepositoryError>;

    /// Its clock.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    /// The intervals at which it follows commits in other databases.
    fn intervals(&self) -> Intervals {
        Intervals::default()
    }

    /// Wraps the checkpoints of a step in another database. A test repository that stops a run at a commit needs this
    /// to stop the run at the commits in that database too.
    fn wrap_checkpoints(&self, checkpoints: Arc<dyn Checkpoints>, _step: &str) -> Arc<dyn Checkpoints> {
        checkpoints
    }

    /// Finds or creates the instance, checks that it may run, takes over from a dead owner, and inserts the
    /// execution as STARTED and locked, all in one transaction.
    ///
    /// # Errors
    /// [`RepositoryError::AlreadyRunning`], then [`NeedsRecovery`](RepositoryError::NeedsRecovery),
    /// [`AlreadyComplete`](RepositoryError::AlreadyComplete), [`NotRestartable`](RepositoryError::NotRestartable),
    /// [`TooManyRecoveries`](RepositoryError::TooManyRecoveries), [`GraphChanged`](RepositoryError::GraphChanged),
    /// [`CannotBegin`](RepositoryError::CannotBegin): the first one that applies. Nothing is written then.
    fn launch(&self, request: &LaunchRequest<'_>) -> Result<Launched, RepositoryError>;

    /// Returns what [`launch`](Self::launch) would do at this moment. Writes nothing, and blocks nobody.
    ///
    /// # Errors
    /// As for [`launch`](Self::launch).
    fn outlook(&self, request: &LaunchRequest<'_>) -> Result<Outlook, RepositoryError>;

    /// Inserts a step execution as STARTED, with the context of the step's last execution in the instance. `checkpoint`
    /// is the state in another database, if the step's chunks are committed there; it corrects the record of that last
    /// execution. Engines call [`begin_step`](begin_step()), which opens that database.
    ///
    /// # Errors
    /// [`RepositoryError::StartLimit`] if it was started too often; [`RepositoryError::Stopped`] if the job
    /// was asked to stop while waiting for a lock.
    fn begin_step(
        &self,
        owner: Ownership,
        step: &StepStart<'_>,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<StepRow, RepositoryError>;

    /// Opens a connection to the repository's own database on which a step execution commits its chunks; `database` is
    /// that database as a `#[database]` function sets it up, if there is one.
    ///
    /// # Errors
    /// If the database cannot be opened.
    fn open_chunks(
        &self,
        owner: Ownership,
        row: &StepRow,
        database: Option<&DatabaseHandle>,
        step: &StepStart<'_>,
    ) -> Result<Box<dyn ChunkSession>, RepositoryError>;

    /// Copies the state of a step whose chunks are committed in another database. Returns whether a stop was requested.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if the execution has another owner by now.
    fn follow(&self, owner: Ownership, copy: &StepCopy<'_>) -> Result<bool, RepositoryError>;

    /// The sequence number of the last item that a step execution skipped, as far as the repository knows, or 0; `None`
    /// if the repository does not know the step execution.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn last_skipped(&self, step: StepExecutionId) -> Result<Option<u64>, RepositoryError>;

    /// Adds skipped items with their sequence numbers, except those that the repository already has.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if the execution has another owner by now.
    fn add_skipped(
        &self,
        owner: Ownership,
        step: StepExecutionId,
        items: &[(u64, SkippedItem)],
    ) -> Result<(), RepositoryError>;

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
        checkpoint: Option<&Checkpoint>,
    ) -> Result<StepRow, RepositoryError>;

    /// The committed context of a partition.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn partition_context(
        &self,
        owner: Ownership,
        partition: StepExecutionId,
    ) -> Result<ContextMap, RepositoryError>;

    /// Ends the partitions of a step that this execution has not begun: they become STOPPED.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if the execution has another owner by now.
    fn end_partitions(&self, owner: Ownership, step: &str) -> Result<(), RepositoryError>;

    /// Ends a step execution and records it in the journal. `context` is the context from another database, if the
    /// step has one there; it overrides the context of `finish`. Engines call [`finish_step`](finish_step()), which
    /// asks that database.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if the execution has another owner by now.
    fn finish_step(
        &self,
        owner: Ownership,
        step: StepExecutionId,
        finish: &StepFinish,
        context: Option<&str>,
    ) -> Result<(), RepositoryError>;

    /// Records the outcome of a decider, with the outputs it discards, or a passed stop, before the next node
    /// starts. `changed` holds the changes to the job's context, which are committed with it.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if the execution has another owner by now.
    fn record(
        &self,
        owner: Ownership,
        entries: &[JournalEntry],
        changed: Option<&ContextMap>,
    ) -> Result<(), RepositoryError>;

    /// Ends an execution. If one of its steps still counts as running, because the end of the step could not be
    /// recorded, the step ends as FAILED with exit `END_LOST`, and the next start resumes after its last commit.
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

    /// Ends running executions whose owners are dead, and returns them. They become FAILED with exit `OWNER_LOST`, so
    /// that they can be restarted.
    ///
    /// # Errors
    /// If the repository cannot be written.
    fn recover(&self) -> Result<Vec<ExecutionId>, RepositoryError>;

    /// Records what a person did to an execution, `via` the page or the command line.
    ///
    /// # Errors
    /// If the repository cannot be written, or there is no such execution.
    fn add_operation(
        &self,
        execution: ExecutionId,
        what: OperationKind,
        via: &str,
    ) -> Result<(), RepositoryError>;

    /// The operations of people on an execution, oldest first.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn operations(&self, execution: ExecutionId) -> Result<Vec<Operation>, RepositoryError>;

    /// Returns the state of the owner of a running execution. Writes nothing, and needs no write access.
    ///
    /// If the execution has ended since it was read, the state is [`OwnerState::Unknown`].
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

    /// The executions that match the filter, newest first.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<JobExecution>, RepositoryError>;

    /// The number of executions that match the filter, regardless of its page: `after`, limit and offset.
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

    /// The profiles of a step's partitions that ended in an execution.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn partition_profiles(&self, execution: ExecutionId, step: &str)
    -> Result<Vec<Profile>, RepositoryError>;

    /// The last advice that a step of a job was given and has not followed yet.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn advice(&self, job: &str, step: &str) -> Result<Option<Advice>, RepositoryError>;

    /// The skipped items that the filter selects, by step execution and in the order of the input.
    ///
    /// # Errors
    /// [`RepositoryError::NoSuchExecution`].
    fn skipped_page(&self, filter: &SkippedFilter) -> Result<Vec<SkippedRow>, RepositoryError>;

    /// All items that the steps of an execution skipped, by step execution and in the order of the input.
    ///
    /// # Errors
    /// [`RepositoryError::NoSuchExecution`].
    fn skipped_items(&self, execution: ExecutionId) -> Result<Vec<SkippedRow>, RepositoryError> {
        self.skipped_page(&SkippedFilter::of(SkippedOf::Execution(execution)))
    }

    /// The running step executions of these executions, in the order they began, with their progress. A partition
    /// that no worker has begun is not running.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn running_steps(&self, executions: &[ExecutionId]) -> Result<Vec<RunningStep>, RepositoryError>;

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

    /// The queue of partitions for workers in other processes; `None` if this kind of repository has none.
    fn work_queue(&self) -> Option<&dyn WorkQueue> {
        None
    }

    /// The totals of all executions, for metrics. Reads every row of executions and steps.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn statistics(&self) -> Result<Statistics, RepositoryError>;

    /// A page of the instances of a job that are complete for good.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn purgeable(&self, filter: &PurgeFilter) -> Result<PurgePage, RepositoryError>;

    /// Deletes the record of these instances, except those that are not complete or that somebody is launching. Their
    /// identities stay, so that a launch with the same parameters is still refused, and so do their sums in
    /// [`statistics`](Self::statistics). Returns those that were deleted.
    ///
    /// # Errors
    /// If the repository cannot be written. Nothing is deleted then.
    fn purge(&self, instances: &[InstanceId]) -> Result<Vec<InstanceId>, RepositoryError>;

    /// Makes the space of deleted rows available again.
    ///
    /// # Errors
    /// If the repository cannot be written, or somebody else is using it.
    fn vacuum(&self) -> Result<(), RepositoryError>;

    /// Looks for damage and a lack of space, and returns each problem with its remedy. Changes nothing.
    ///
    /// # Errors
    /// If the repository cannot be read at all.
    fn check(&self) -> Result<Vec<(String, String)>, RepositoryError> {
        Ok(Vec::new())
    }

    /// The greatest identifying `run.id` of the job's instances, which `--next` increments.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn last_run_id(&self, job: &str) -> Result<Option<i64>, RepositoryError>;

    /// The schedule of a job, if one was ever recorded.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn schedule(&self, job: &str) -> Result<Option<ScheduleRow>, RepositoryError>;

    /// All schedules that were ever recorded, by the names of their jobs.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn schedules(&self) -> Result<Vec<ScheduleRow>, RepositoryError>;

    /// Records the schedule that a program has for a job, if the schedule is new or has changed. The first time
    /// of the schedule is after `now`. But if the previous schedule began less than ten minutes ago, programs with both
    /// schedules are running side by side: the new schedule then begins after the last planned time, and the job runs
    /// for the times of both. Returns the schedule as recorded.
    ///
    /// # Errors
    /// If the repository cannot be written.
    fn see_schedule(
        &self,
        job: &str,
        expression: &str,
        zone: &str,
        now: Timestamp,
    ) -> Result<ScheduleRow, RepositoryError>;

    /// Records scheduled times, except those that are recorded already, and notes that all times up to `until` are recorded.
    ///
    /// # Errors
    /// If the repository cannot be written.
    fn plan_fires(&self, job: &str, fires: &[NewFire], until: Timestamp) -> Result<(), RepositoryError>;

    /// Sets the outcome of a scheduled time and the key of its instance, if the time is DUE or the new outcome is DONE.
    ///
    /// # Errors
    /// If the repository cannot be written.
    fn settle_fire(
        &self,
        job: &str,
        scheduled: &str,
        outcome: FireOutcome,
        key: &str,
    ) -> Result<(), RepositoryError>;

    /// The scheduled times that the filter selects, latest first.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn fires(&self, filter: &FireFilter) -> Result<Vec<FireRow>, RepositoryError>;

    /// The last execution of the instance of a job with that key.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn last_run(&self, job: &str, key: &str) -> Result<Option<FireRun>, RepositoryError>;

    /// The number of scheduled times of a job with that outcome.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn count_fires(&self, job: &str, outcome: FireOutcome) -> Result<u64, RepositoryError>;

    /// Pauses or resumes the schedule of a job. The job never runs for the times within a pause. Returns whether
    /// anything has changed.
    ///
    /// # Errors
    /// If the repository cannot be written.
    fn pause_schedule(&self, job: &str, pause: bool, now: Timestamp) -> Result<bool, RepositoryError>;
}
