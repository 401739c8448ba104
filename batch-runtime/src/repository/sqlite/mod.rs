//! The repository in a `SQLite` file.
//!
//! The file is in WAL mode. Next to it are `SQLite`'s own `-wal` and `-shm`, and a lock file with one byte
//! per execution, which shows that the owner of a running execution is alive.

mod advice;
mod check;
mod chunks;
mod connections;
mod error;
mod executions;
mod filesystem;
mod journal;
mod launch;
mod lock;
mod lock_holder;
mod open;
mod operations;
mod other_database;
mod partitions;
mod progress;
mod purge;
mod queries;
mod rows;
mod schedule;
mod schema;
mod skipped;
mod statistics;
mod steps;
mod takeover;
mod unfinished;
mod work_queue;
mod write_turns;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use connections::Shared;
use error::InnerError;
pub use open::SqliteOptions;

use super::work_queue::WorkQueue;
use super::{
    Advice, Checkpoint, ChunkSession, Clock, ContextMap, ExecutionFilter, ExecutionFinish, FireFilter,
    FireOutcome, FireRow, FireRun, InstanceFilter, Intervals, JobExecution, JobInstance, JournalEntry,
    LaunchRequest, Launched, NewFire, NewPartition, Operation, OperationKind, Outlook, OwnerState, Ownership,
    PartitionExecution, Profile, PurgeFilter, PurgePage, Repository, RepositoryError, RunningStep,
    ScheduleRow, SkippedFilter, SkippedItem, SkippedRow, Statistics, StepCopy, StepExecution, StepFinish,
    StepRow, StepStart,
};
use crate::definition::{DatabaseHandle, ExecutionId, InstanceId, Sqlite, StepExecutionId};

/// A repository in a `SQLite` file. Clones share one repository.
///
/// ```
/// use batch_runtime::repository::{ExecutionFilter, Repository, sqlite::SqliteRepository};
///
/// let repository = SqliteRepository::temporary()?;
/// assert!(repository.executions(&ExecutionFilter::default())?.is_empty());
/// # Ok::<(), batch_runtime::repository::RepositoryError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SqliteRepository {
    shared: Arc<Shared>,
}

impl SqliteRepository {
    /// Opens the repository in that file, and creates the file if it does not exist.
    ///
    /// # Errors
    /// [`RepositoryError::Unusable`], with what to do, if the file is not a database, is read-only, has a
    /// newer schema, is locked, or is on a network file system.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RepositoryError> {
        SqliteOptions::new().open(path)
    }

    /// Opens the existing repository in that file, for queries. Does not create one.
    ///
    /// # Errors
    /// As for [`open`](Self::open), and if there is no such file or no repository in it.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<Self, RepositoryError> {
        SqliteOptions::new().open_existing(path)
    }

    /// Creates a repository in its own file in the temporary folder, removed with the last handle: for tests.
    ///
    /// # Errors
    /// If that folder cannot be written.
    pub fn temporary() -> Result<Self, RepositoryError> {
        SqliteOptions::new().temporary()
    }

    /// The path of the file, with links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    fn named<T>(&self, result: Result<T, InnerError>) -> Result<T, RepositoryError> {
        result.map_err(|error| error.at(&self.shared.path))
    }
}

impl Repository for SqliteRepository {
    fn url(&self) -> String {
        self.shared.path.display().to_string()
    }

    fn identity(&self) -> String {
        self.shared.uuid.clone()
    }

    fn database(&self) -> Option<DatabaseHandle> {
        Some(DatabaseHandle::new(Sqlite::open(&self.shared.path)))
    }

    fn is_own(&self, database: &DatabaseHandle) -> Result<bool, RepositoryError> {
        match database.downcast_ref::<Sqlite>() {
            Some(database) => filesystem::is_repository(&self.shared.path, database.path()),
            None => Ok(false),
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.shared.clock)
    }

    fn intervals(&self) -> Intervals {
        self.shared.waits.intervals
    }

    fn launch(&self, request: &LaunchRequest<'_>) -> Result<Launched, RepositoryError> {
        self.named(launch::launch(&self.shared, request))
    }

    fn add_operation(
        &self,
        execution: ExecutionId,
        what: OperationKind,
        via: &str,
    ) -> Result<(), RepositoryError> {
        self.named(operations::add(&self.shared, execution, what, via))
    }

    fn operations(&self, execution: ExecutionId) -> Result<Vec<Operation>, RepositoryError> {
        self.named(operations::of(&self.shared, execution))
    }

    fn outlook(&self, request: &LaunchRequest<'_>) -> Result<Outlook, RepositoryError> {
        self.named(launch::outlook(&self.shared, request))
    }

    fn begin_step(
        &self,
        owner: Ownership,
        step: &StepStart<'_>,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<StepRow, RepositoryError> {
        self.named(steps::insert(&self.shared, owner, step, checkpoint))
    }

    fn open_chunks(
        &self,
        owner: Ownership,
        row: &StepRow,
        database: Option<&DatabaseHandle>,
        step: &StepStart<'_>,
    ) -> Result<Box<dyn ChunkSession>, RepositoryError> {
        let database = database.and_then(DatabaseHandle::downcast_ref);
        let session = self.named(steps::open_chunks(&self.shared, owner, row, database, step))?;
        Ok(Box::new(session))
    }

    fn follow(&self, owner: Ownership, copy: &StepCopy<'_>) -> Result<bool, RepositoryError> {
        self.named(chunks::follow(&self.shared, owner, copy))
    }

    fn last_skipped(&self, step: StepExecutionId) -> Result<Option<u64>, RepositoryError> {
        self.named(skipped::last(&self.shared, step))
    }

    fn add_skipped(
        &self,
        owner: Ownership,
        step: StepExecutionId,
        items: &[(u64, SkippedItem)],
    ) -> Result<(), RepositoryError> {
        self.named(skipped::add(&self.shared, owner, step, items))
    }

    fn partitions(&self, owner: Ownership, step: &str) -> Result<Vec<PartitionExecution>, RepositoryError> {
        self.named(partitions::of(&self.shared, owner, step))
    }

    fn begin_partitions(
        &self,
        owner: Ownership,
        step: &StepStart<'_>,
        new: Option<&[NewPartition]>,
    ) -> Result<Vec<PartitionExecution>, RepositoryError> {
        self.named(partitions::begin(&self.shared, owner, step, new))
    }

    fn begin_partition(
        &self,
        owner: Ownership,
        partition: StepExecutionId,
        step: &StepStart<'_>,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<StepRow, RepositoryError> {
        self.named(steps::start(&self.shared, owner, step, partition, checkpoint))
    }

    fn partition_context(
        &self,
        owner: Ownership,
        partition: StepExecutionId,
    ) -> Result<ContextMap, RepositoryError> {
        self.named(partitions::context(&self.shared, owner, partition))
    }

    fn end_partitions(&self, owner: Ownership, step: &str) -> Result<(), RepositoryError> {
        self.named(partitions::end(&self.shared, owner, step))
    }

    fn finish_step(
        &self,
        owner: Ownership,
        step: StepExecutionId,
        finish: &StepFinish,
        context: Option<&str>,
    ) -> Result<(), RepositoryError> {
        self.named(steps::finish(&self.shared, owner, step, finish, context))
    }

    fn record(
        &self,
        owner: Ownership,
        entries: &[JournalEntry],
        changed: Option<&ContextMap>,
    ) -> Result<(), RepositoryError> {
        self.named(journal::record(&self.shared, owner, entries, changed))
    }

    fn finish(&self, owner: Ownership, finish: &ExecutionFinish) -> Result<(), RepositoryError> {
        self.named(launch::finish(&self.shared, owner, finish))
    }

    fn stop_requested(&self, owner: Ownership) -> Result<bool, RepositoryError> {
        self.named(queries::stop_requested(&self.shared, owner))
    }

    fn request_stop(&self, execution: ExecutionId) -> Result<(), RepositoryError> {
        self.named(takeover::request_stop(&self.shared, execution))
    }

    fn abandon(&self, execution: ExecutionId) -> Result<(), RepositoryError> {
        self.named(takeover::abandon(&self.shared, execution))
    }

    fn recover(&self) -> Result<Vec<ExecutionId>, RepositoryError> {
        self.named(takeover::recover(&self.shared))
    }

    fn owner_state(&self, execution: &JobExecution) -> Result<OwnerState, RepositoryError> {
        self.named(takeover::owner_state(&self.shared, execution))
    }

    fn now(&self) -> Result<Timestamp, RepositoryError> {
        Ok(self.shared.now())
    }

    fn execution(&self, id: ExecutionId) -> Result<JobExecution, RepositoryError> {
        self.named(executions::execution(&self.shared, id))
    }

    fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<JobExecution>, RepositoryError> {
        self.named(executions::executions(&self.shared, filter))
    }

    fn count_executions(&self, filter: &ExecutionFilter) -> Result<u64, RepositoryError> {
        self.named(executions::count_executions(&self.shared, filter))
    }

    fn instances(&self, filter: &InstanceFilter) -> Result<Vec<JobInstance>, RepositoryError> {
        self.named(queries::instances(&self.shared, filter))
    }

    fn count_instances(&self, job: Option<&str>) -> Result<u64, RepositoryError> {
        self.named(queries::count_instances(&self.shared, job))
    }

    fn job_names(&self) -> Result<Vec<String>, RepositoryError> {
        self.named(queries::job_names(&self.shared))
    }

    fn steps(&self, execution: ExecutionId) -> Result<Vec<StepExecution>, RepositoryError> {
        self.named(queries::steps(&self.shared, execution))
    }

    fn partition_profiles(
        &self,
        execution: ExecutionId,
        step: &str,
    ) -> Result<Vec<Profile>, RepositoryError> {
        self.named(queries::partition_profiles(&self.shared, execution, step))
    }

    fn advice(&self, job: &str, step: &str) -> Result<Option<Advice>, RepositoryError> {
        self.named(advice::of(&self.shared, job, step))
    }

    fn skipped_page(&self, filter: &SkippedFilter) -> Result<Vec<SkippedRow>, RepositoryError> {
        self.named(skipped::page(&self.shared, filter))
    }

    fn running_steps(&self, executions: &[ExecutionId]) -> Result<Vec<RunningStep>, RepositoryError> {
        self.named(progress::steps(&self.shared, executions))
    }

    fn step_form(&self, step: StepExecutionId) -> Result<Option<String>, RepositoryError> {
        self.named(unfinished::form(&self.shared, step))
    }

    fn journal(&self, execution: ExecutionId) -> Result<Vec<JournalEntry>, RepositoryError> {
        self.named(journal::of_execution(&self.shared, execution))
    }

    fn work_queue(&self) -> Option<&dyn WorkQueue> {
        Some(self)
    }

    fn statistics(&self) -> Result<Statistics, RepositoryError> {
        self.named(statistics::all(&self.shared))
    }

    fn purgeable(&self, filter: &PurgeFilter) -> Result<PurgePage, RepositoryError> {
        self.named(purge::page(&self.shared, filter))
    }

    fn purge(&self, instances: &[InstanceId]) -> Result<Vec<InstanceId>, RepositoryError> {
        self.named(purge::purge(&self.shared, instances))
    }

    fn vacuum(&self) -> Result<(), RepositoryError> {
        self.named(purge::vacuum(&self.shared))
    }

    fn check(&self) -> Result<Vec<(String, String)>, RepositoryError> {
        self.named(check::check(&self.shared))
    }

    fn last_run_id(&self, job: &str) -> Result<Option<i64>, RepositoryError> {
        self.named(queries::last_run_id(&self.shared, job))
    }

    fn schedule(&self, job: &str) -> Result<Option<ScheduleRow>, RepositoryError> {
        self.named(schedule::of(&self.shared, job))
    }

    fn schedules(&self) -> Result<Vec<ScheduleRow>, RepositoryError> {
        self.named(schedule::all(&self.shared))
    }

    fn see_schedule(
        &self,
        job: &str,
        expression: &str,
        zone: &str,
        now: Timestamp,
    ) -> Result<ScheduleRow, RepositoryError> {
        self.named(schedule::record(&self.shared, job, expression, zone, now))
    }

    fn plan_fires(&self, job: &str, fires: &[NewFire], until: Timestamp) -> Result<(), RepositoryError> {
        self.named(schedule::plan(&self.shared, job, fires, until))
    }

    fn settle_fire(
        &self,
        job: &str,
        scheduled: &str,
        outcome: FireOutcome,
        key: &str,
    ) -> Result<(), RepositoryError> {
        self.named(schedule::settle(&self.shared, job, scheduled, outcome, key))
    }

    fn fires(&self, filter: &FireFilter) -> Result<Vec<FireRow>, RepositoryError> {
        self.named(schedule::fires(&self.shared, filter))
    }

    fn last_run(&self, job: &str, key: &str) -> Result<Option<FireRun>, RepositoryError> {
        self.named(schedule::last_run(&self.shared, job, key))
    }

    fn count_fires(&self, job: &str, outcome: FireOutcome) -> Result<u64, RepositoryError> {
        self.named(schedule::count(&self.shared, job, outcome))
    }

    fn pause_schedule(&self, job: &str, pause: bool, now: Timestamp) -> Result<bool, RepositoryError> {
        self.named(schedule::pause(&self.shared, job, pause, now))
    }
}
