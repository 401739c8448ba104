//! The repository in a schema of a `PostgreSQL` database.
//!
//! The tables of Spring Batch 6 are created as its own script creates them. A schema that Spring Batch has created is adopted.
//! Programs on several machines can share one repository: see [`PostgresOptions::lease`].

mod advice;
mod chunks;
mod commit;
mod error;
mod executions;
mod journal;
mod launch;
mod lock_waits;
mod operations;
mod options;
mod other_database;
mod partitions;
mod process;
mod progress;
mod purge;
mod queries;
mod rows;
mod schedule;
mod schema;
mod shared;
mod skipped;
mod statistics;
mod steps;
mod takeover;
mod unfinished;
mod work_queue;

use std::sync::Arc;

use jiff::Timestamp;

use chunks::OwnSession;
use error::InnerError;
pub use options::PostgresOptions;
use shared::Shared;

use super::work_queue::WorkQueue;
use super::{
    Advice, Checkpoint, ChunkSession, ContextMap, ExecutionFilter, ExecutionFinish, FireFilter, FireOutcome,
    FireRow, FireRun, InstanceFilter, Intervals, JobExecution, JobInstance, JournalEntry, LaunchRequest,
    Launched, LockWait, NewFire, NewPartition, Operation, OperationKind, Outlook, OwnerState, Ownership,
    PartitionExecution, Profile, PurgeFilter, PurgePage, Repository, RepositoryError, RunningStep,
    ScheduleRow, SkippedFilter, SkippedItem, SkippedRow, Statistics, StepCopy, StepExecution, StepFinish,
    StepRow, StepStart,
};
use crate::definition::{DatabaseHandle, ExecutionId, InstanceId, StepExecutionId};
use crate::postgres::{Postgres, Session};

/// A repository in a schema of a `PostgreSQL` database. Clones share one repository.
///
/// ```no_run
/// use batch_runtime::postgres::Postgres;
/// use batch_runtime::repository::{ExecutionFilter, Repository, postgres::PostgresRepository};
///
/// let database = Postgres::at("postgres://etl@localhost/flights?schema=batch");
/// let repository = PostgresRepository::open(&database)?;
/// assert!(repository.executions(&ExecutionFilter::default())?.is_empty());
/// # Ok::<(), batch_runtime::repository::RepositoryError>(())
/// ```
#[derive(Debug, Clone)]
pub struct PostgresRepository {
    shared: Arc<Shared>,
}

impl PostgresRepository {
    /// Opens the repository in the database's schema, and creates its tables if they do not exist.
    ///
    /// # Errors
    /// If the server cannot be reached, refuses the connection, or is older than version 13; or if the schema is newer than
    /// this program.
    pub fn open(database: &Postgres) -> Result<Self, RepositoryError> {
        PostgresOptions::new().open(database)
    }

    /// Opens the existing repository in the database's schema, for queries. Does not create one.
    ///
    /// # Errors
    /// As for [`open`](Self::open), and if there is no repository.
    pub fn open_existing(database: &Postgres) -> Result<Self, RepositoryError> {
        PostgresOptions::new().open_existing(database)
    }

    fn of(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    fn named<T>(&self, result: Result<T, InnerError>) -> Result<T, RepositoryError> {
        result.map_err(|error| error.at(self.shared.place()))
    }

    /// Returns whether `database` holds this repository, whatever its URL says.
    fn holds(&self, database: &Postgres) -> Result<bool, InnerError> {
        let schema = self.shared.database.schema();
        let session = Session::connect(database, "batch")?;
        session.bound_by(self.shared.bound());
        let table = format!("{schema}.BATCH_SCHEMA");
        let exists = session.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table])?;
        if !rows::get::<bool>(&exists, 0)? {
            return Ok(false);
        }
        let row = session.query_opt(&format!("SELECT REPOSITORY FROM {table}"), &[])?;
        let uuid: Option<String> = row.map(|row| rows::get(&row, 0)).transpose()?;
        if uuid.as_deref() != Some(&self.shared.uuid) {
            return Ok(false);
        }
        // A copy of the database has the same ID in its tables, so the server and the database must be the same too.
        let where_it_is = "SELECT current_database()::text, oid::bigint, pg_postmaster_start_time()::text
                           FROM pg_database WHERE datname = current_database()";
        let read = |session: &Session| -> Result<(String, i64, String), InnerError> {
            let row = session.query_one(where_it_is, &[])?;
            Ok((rows::get(&row, 0)?, rows::get(&row, 1)?, rows::get(&row, 2)?))
        };
        Ok(read(&session)? == read(&*self.shared.lend()?)?)
    }
}

impl Repository for PostgresRepository {
    fn url(&self) -> String {
        self.shared.place().to_owned()
    }

    fn identity(&self) -> String {
        self.shared.uuid.clone()
    }

    fn database(&self) -> Option<DatabaseHandle> {
        Some(DatabaseHandle::new(self.shared.database.clone()))
    }

    fn is_own(&self, database: &DatabaseHandle) -> Result<bool, RepositoryError> {
        match database.downcast_ref::<Postgres>() {
            Some(other) => self.holds(other).map_err(|error| error.at(other.place())),
            None => Ok(false),
        }
    }

    fn intervals(&self) -> Intervals {
        self.shared.options.intervals
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
        let wanted = LockWait::of(Arc::new(self.clone()), owner, step.stop);
        Ok(Box::new(OwnSession::new(&self.shared, owner, row, database, wanted)))
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
        self.named(queries::now(&self.shared))
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
