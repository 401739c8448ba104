//! A repository that stops a run at a commit, as a kill would: from then on it refuses everything that the run writes.

mod checkpoints;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::fail_point::{Commit, FailPoint, Records, Side};
use super::work_queue::WorkQueue;
use super::{
    Advice, Checkpoint, Checkpoints, ChunkError, ChunkRecord, ChunkSession, ChunkWork, Clock, Committed,
    ContextMap, ExecutionFilter, ExecutionFinish, FireFilter, FireOutcome, FireRow, FireRun, InstanceFilter,
    Intervals, JobExecution, JobInstance, JournalEntry, LaunchRequest, Launched, NewFire, NewPartition,
    Operation, OperationKind, Outlook, OwnerState, Ownership, PartitionExecution, Profile, PurgeFilter,
    PurgePage, Repository, RepositoryError, RunningStep, ScheduleRow, SkippedFilter, SkippedItem, SkippedRow,
    Statistics, StepCopy, StepExecution, StepFinish, StepRow, StepStart,
};
use crate::definition::{DatabaseHandle, ExecutionId, Failure, InstanceId, StepExecutionId};
use checkpoints::FailingCheckpoints;

/// Wraps a repository, and counts the commits of one run until a fail point stops the run. A dead run gets the error of a
/// run that lost its execution to another owner, so that it ends without further effects.
pub(crate) struct Failing {
    of: Arc<dyn Repository>,
    run: Arc<Run>,
}

/// The run, and where it died.
struct Run {
    point: Option<Arc<dyn FailPoint>>,
    so_far: Mutex<SoFar>,
}

#[derive(Default)]
struct SoFar {
    commits: u64,
    died: Option<(Commit, Side)>,
    /// The names of the steps that have begun.
    steps: BTreeMap<StepExecutionId, String>,
    /// For messages.
    execution: Option<ExecutionId>,
}

impl Run {
    fn so_far(&self) -> MutexGuard<'_, SoFar> {
        // No panic can leave it half changed.
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fenced(so_far: &SoFar) -> RepositoryError {
        RepositoryError::Fenced { execution: so_far.execution.unwrap_or(ExecutionId(0)) }
    }

    /// Fails if the run is dead.
    fn check(&self) -> Result<(), RepositoryError> {
        let so_far = self.so_far();
        if so_far.died.is_some() { Err(Self::fenced(&so_far)) } else { Ok(()) }
    }

    /// Counts a commit.
    fn next(&self, records: Records, step: Option<&str>) -> Result<Commit, RepositoryError> {
        let mut so_far = self.so_far();
        if so_far.died.is_some() {
            return Err(Self::fenced(&so_far));
        }
        so_far.commits += 1;
        Ok(Commit { number: so_far.commits, records, step: step.map(str::to_owned) })
    }

    /// Passes one side of a commit, or dies there.
    fn pass(&self, commit: &Commit, side: Side) -> Result<(), RepositoryError> {
        let mut so_far = self.so_far();
        if so_far.died.is_none() && self.point.as_ref().is_some_and(|point| point.stops(commit, side)) {
            so_far.died = Some((commit.clone(), side));
        }
        if so_far.died.is_some() { Err(Self::fenced(&so_far)) } else { Ok(()) }
    }

    /// Makes a commit that writes none of the user's rows.
    fn commit<T>(
        &self,
        records: Records,
        step: Option<&str>,
        commit: impl FnOnce() -> Result<T, RepositoryError>,
    ) -> Result<T, RepositoryError> {
        let number = self.next(records, step)?;
        self.pass(&number, Side::Before)?;
        let committed = commit()?;
        self.pass(&number, Side::After)?;
        Ok(committed)
    }

    fn name_of(&self, step: StepExecutionId) -> Option<String> {
        self.so_far().steps.get(&step).cloned()
    }

    fn note_begun(&self, row: &StepRow, step: &StepStart<'_>) {
        self.so_far().steps.insert(row.id, step.name.to_owned());
    }
}

impl Failing {
    pub(crate) fn new(of: Arc<dyn Repository>, point: Option<Arc<dyn FailPoint>>) -> Self {
        Self { of, run: Arc::new(Run { point, so_far: Mutex::default() }) }
    }

    /// The commits of the run so far.
    pub(crate) fn commits(&self) -> u64 {
        self.run.so_far().commits
    }

    /// Where the run was stopped, if it was.
    pub(crate) fn died(&self) -> Option<(Commit, Side)> {
        self.run.so_far().died.clone()
    }
}

impl fmt::Debug for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failing").field("of", &self.of).finish_non_exhaustive()
    }
}

/// The chunks of one step execution.
struct FailingSession {
    of: Box<dyn ChunkSession>,
    run: Arc<Run>,
    step: String,
    chunks: u64,
}

impl fmt::Debug for FailingSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailingSession").field("step", &self.step).finish_non_exhaustive()
    }
}

impl ChunkSession for FailingSession {
    fn commit(
        &mut self,
        record: &mut ChunkRecord,
        work: &mut ChunkWork<'_>,
    ) -> Result<Committed, ChunkError> {
        let Self { of, run, step, chunks } = self;
        let commit = run.next(Records::Chunk(*chunks + 1), Some(step))?;
        let committed = of.commit(record, &mut |transaction, record| {
            work(transaction, record)?;
            // The rows are written: now the process dies, and the database rolls them back.
            run.pass(&commit, Side::Before).map_err(Failure::new)
        });
        // A dead run fails with this error, whatever else went wrong.
        run.check()?;
        let committed = committed?;
        *chunks += 1;
        run.pass(&commit, Side::After)?;
        Ok(committed)
    }
}

impl Repository for Failing {
    fn url(&self) -> String {
        self.of.url()
    }

    fn identity(&self) -> String {
        self.of.identity()
    }

    fn database(&self) -> Option<DatabaseHandle> {
        self.of.database()
    }

    fn is_own(&self, database: &DatabaseHandle) -> Result<bool, RepositoryError> {
        self.of.is_own(database)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.of.clock()
    }

    fn intervals(&self) -> Intervals {
        self.of.intervals()
    }

    fn wrap_checkpoints(&self, checkpoints: Arc<dyn Checkpoints>, step: &str) -> Arc<dyn Checkpoints> {
        Arc::new(FailingCheckpoints { of: checkpoints, run: Arc::clone(&self.run), step: step.to_owned() })
    }

    fn launch(&self, request: &LaunchRequest<'_>) -> Result<Launched, RepositoryError> {
        self.run.commit(Records::Launch, None, || {
            let launched = self.of.launch(request)?;
            self.run.so_far().execution.get_or_insert(launched.ownership.execution);
            Ok(launched)
        })
    }

    fn add_operation(
        &self,
        execution: ExecutionId,
        what: OperationKind,
        via: &str,
    ) -> Result<(), RepositoryError> {
        self.of.add_operation(execution, what, via)
    }

    fn operations(&self, execution: ExecutionId) -> Result<Vec<Operation>, RepositoryError> {
        self.of.operations(execution)
    }

    fn outlook(&self, request: &LaunchRequest<'_>) -> Result<Outlook, RepositoryError> {
        self.of.outlook(request)
    }

    fn begin_step(
        &self,
        owner: Ownership,
        step: &StepStart<'_>,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<StepRow, RepositoryError> {
        let row = self
            .run
            .commit(Records::StepBegin, Some(step.name), || self.of.begin_step(owner, step, checkpoint))?;
        self.run.note_begun(&row, step);
        Ok(row)
    }

    fn open_chunks(
        &self,
        owner: Ownership,
        row: &StepRow,
        database: Option<&DatabaseHandle>,
        step: &StepStart<'_>,
    ) -> Result<Box<dyn ChunkSession>, RepositoryError> {
        let of = self.of.open_chunks(owner, row, database, step)?;
        let (run, step) = (Arc::clone(&self.run), step.name.to_owned());
        Ok(Box::new(FailingSession { of, run, step, chunks: 0 }))
    }

    /// Refuses copies to a dead run, and does not count them, because the clock decides when they are made.
    fn follow(&self, owner: Ownership, copy: &StepCopy<'_>) -> Result<bool, RepositoryError> {
        self.run.check()?;
        self.of.follow(owner, copy)
    }

    fn last_skipped(&self, step: StepExecutionId) -> Result<Option<u64>, RepositoryError> {
        self.of.last_skipped(step)
    }

    fn add_skipped(
        &self,
        owner: Ownership,
        step: StepExecutionId,
        items: &[(u64, SkippedItem)],
    ) -> Result<(), RepositoryError> {
        let name = self.run.name_of(step);
        self.run.commit(Records::Skips, name.as_deref(), || self.of.add_skipped(owner, step, items))
    }

    fn partitions(&self, owner: Ownership, step: &str) -> Result<Vec<PartitionExecution>, RepositoryError> {
        self.run.check()?;
        self.of.partitions(owner, step)
    }

    fn begin_partitions(
        &self,
        owner: Ownership,
        step: &StepStart<'_>,
        new: Option<&[NewPartition]>,
    ) -> Result<Vec<PartitionExecution>, RepositoryError> {
        self.run.commit(Records::Partitions, Some(step.name), || self.of.begin_partitions(owner, step, new))
    }

    fn begin_partition(
        &self,
        owner: Ownership,
        partition: StepExecutionId,
        step: &StepStart<'_>,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<StepRow, RepositoryError> {
        let row = self.run.commit(Records::StepBegin, Some(step.name), || {
            self.of.begin_partition(owner, partition, step, checkpoint)
        })?;
        self.run.note_begun(&row, step);
        Ok(row)
    }

    fn partition_context(
        &self,
        owner: Ownership,
        partition: StepExecutionId,
    ) -> Result<ContextMap, RepositoryError> {
        self.run.check()?;
        self.of.partition_context(owner, partition)
    }

    fn end_partitions(&self, owner: Ownership, step: &str) -> Result<(), RepositoryError> {
        self.run.commit(Records::Partitions, Some(step), || self.of.end_partitions(owner, step))
    }

    fn finish_step(
        &self,
        owner: Ownership,
        step: StepExecutionId,
        finish: &StepFinish,
        context: Option<&str>,
    ) -> Result<(), RepositoryError> {
        let name = self.run.name_of(step);
        self.run
            .commit(Records::StepEnd, name.as_deref(), || self.of.finish_step(owner, step, finish, context))
    }

    fn record(
        &self,
        owner: Ownership,
        entries: &[JournalEntry],
        changed: Option<&ContextMap>,
    ) -> Result<(), RepositoryError> {
        self.run.commit(Records::Decision, None, || self.of.record(owner, entries, changed))
    }

    fn finish(&self, owner: Ownership, finish: &ExecutionFinish) -> Result<(), RepositoryError> {
        self.run.commit(Records::End, None, || self.of.finish(owner, finish))
    }

    fn stop_requested(&self, owner: Ownership) -> Result<bool, RepositoryError> {
        self.run.check()?;
        self.of.stop_requested(owner)
    }

    fn request_stop(&self, execution: ExecutionId) -> Result<(), RepositoryError> {
        self.of.request_stop(execution)
    }

    fn abandon(&self, execution: ExecutionId) -> Result<(), RepositoryError> {
        self.of.abandon(execution)
    }

    fn recover(&self) -> Result<Vec<ExecutionId>, RepositoryError> {
        self.of.recover()
    }

    fn owner_state(&self, execution: &JobExecution) -> Result<OwnerState, RepositoryError> {
        self.of.owner_state(execution)
    }

    fn now(&self) -> Result<Timestamp, RepositoryError> {
        self.of.now()
    }

    fn execution(&self, id: ExecutionId) -> Result<JobExecution, RepositoryError> {
        self.of.execution(id)
    }

    fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<JobExecution>, RepositoryError> {
        self.of.executions(filter)
    }

    fn count_executions(&self, filter: &ExecutionFilter) -> Result<u64, RepositoryError> {
        self.of.count_executions(filter)
    }

    fn instances(&self, filter: &InstanceFilter) -> Result<Vec<JobInstance>, RepositoryError> {
        self.of.instances(filter)
    }

    fn count_instances(&self, job: Option<&str>) -> Result<u64, RepositoryError> {
        self.of.count_instances(job)
    }

    fn job_names(&self) -> Result<Vec<String>, RepositoryError> {
        self.of.job_names()
    }

    fn steps(&self, execution: ExecutionId) -> Result<Vec<StepExecution>, RepositoryError> {
        self.of.steps(execution)
    }

    fn partition_profiles(
        &self,
        execution: ExecutionId,
        step: &str,
    ) -> Result<Vec<Profile>, RepositoryError> {
        self.of.partition_profiles(execution, step)
    }

    fn advice(&self, job: &str, step: &str) -> Result<Option<Advice>, RepositoryError> {
        self.of.advice(job, step)
    }

    fn skipped_page(&self, filter: &SkippedFilter) -> Result<Vec<SkippedRow>, RepositoryError> {
        self.of.skipped_page(filter)
    }

    fn running_steps(&self, executions: &[ExecutionId]) -> Result<Vec<RunningStep>, RepositoryError> {
        self.of.running_steps(executions)
    }

    fn step_form(&self, step: StepExecutionId) -> Result<Option<String>, RepositoryError> {
        self.of.step_form(step)
    }

    fn journal(&self, execution: ExecutionId) -> Result<Vec<JournalEntry>, RepositoryError> {
        self.of.journal(execution)
    }

    fn work_queue(&self) -> Option<&dyn WorkQueue> {
        self.of.work_queue()
    }

    fn statistics(&self) -> Result<Statistics, RepositoryError> {
        self.of.statistics()
    }

    fn purgeable(&self, filter: &PurgeFilter) -> Result<PurgePage, RepositoryError> {
        self.of.purgeable(filter)
    }

    fn purge(&self, instances: &[InstanceId]) -> Result<Vec<InstanceId>, RepositoryError> {
        self.of.purge(instances)
    }

    fn vacuum(&self) -> Result<(), RepositoryError> {
        self.of.vacuum()
    }

    fn check(&self) -> Result<Vec<(String, String)>, RepositoryError> {
        self.of.check()
    }

    fn last_run_id(&self, job: &str) -> Result<Option<i64>, RepositoryError> {
        self.of.last_run_id(job)
    }

    fn schedule(&self, job: &str) -> Result<Option<ScheduleRow>, RepositoryError> {
        self.of.schedule(job)
    }

    fn schedules(&self) -> Result<Vec<ScheduleRow>, RepositoryError> {
        self.of.schedules()
    }

    fn see_schedule(
        &self,
        job: &str,
        expression: &str,
        zone: &str,
        now: Timestamp,
    ) -> Result<ScheduleRow, RepositoryError> {
        self.of.see_schedule(job, expression, zone, now)
    }

    fn plan_fires(&self, job: &str, fires: &[NewFire], until: Timestamp) -> Result<(), RepositoryError> {
        self.of.plan_fires(job, fires, until)
    }

    fn settle_fire(
        &self,
        job: &str,
        scheduled: &str,
        outcome: FireOutcome,
        key: &str,
    ) -> Result<(), RepositoryError> {
        self.of.settle_fire(job, scheduled, outcome, key)
    }

    fn fires(&self, filter: &FireFilter) -> Result<Vec<FireRow>, RepositoryError> {
        self.of.fires(filter)
    }

    fn last_run(&self, job: &str, key: &str) -> Result<Option<FireRun>, RepositoryError> {
        self.of.last_run(job, key)
    }

    fn count_fires(&self, job: &str, outcome: FireOutcome) -> Result<u64, RepositoryError> {
        self.of.count_fires(job, outcome)
    }

    fn pause_schedule(&self, job: &str, pause: bool, now: Timestamp) -> Result<bool, RepositoryError> {
        self.of.pause_schedule(job, pause, now)
    }
}
