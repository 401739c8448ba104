//! Keeps journals in memory, and refuses every write from the one at which the owner dies.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::definition::{ChunkTransaction, DatabaseHandle, ExecutionId, InstanceId, StepExecutionId};
use crate::repository::*;

#[derive(Debug, Default)]
pub(super) struct Store(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    instances: BTreeMap<(String, String), Instance>,
    /// The number of writes left.
    left: Option<u32>,
    dead: bool,
    executions: i64,
}

#[derive(Debug, Default)]
struct Instance {
    id: i64,
    last: Option<ExecutionId>,
    journal: Vec<JournalEntry>,
    /// The steps, with whether their last execution completed.
    steps: BTreeMap<String, bool>,
    /// The names of step executions, by their numbers.
    begun: Vec<String>,
    complete: bool,
}

#[derive(Debug)]
struct Lock;

impl HeldLock for Lock {}

/// Commits chunks that have no rows.
#[derive(Debug)]
struct NoRows;

impl ChunkSession for NoRows {
    fn commit(
        &mut self,
        record: &mut ChunkRecord,
        work: &mut ChunkWork<'_>,
    ) -> Result<Committed, ChunkError> {
        work(&ChunkTransaction::none(), record).map_err(ChunkError::Work)?;
        Ok(Committed { stop_requested: false })
    }
}

impl Store {
    /// Lets the owner die at the write with that number.
    pub(super) fn dies_at(&self, write: Option<u32>) {
        let mut inside = self.inside();
        inside.left = write;
        inside.dead = false;
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, owner: Ownership, change: impl FnOnce(&mut Instance)) -> Result<(), RepositoryError> {
        let mut inside = self.inside();
        match &mut inside.left {
            Some(0) => inside.dead = true,
            Some(left) => *left -= 1,
            None => {}
        }
        if inside.dead {
            return Err(RepositoryError::Fenced { execution: owner.execution });
        }
        let instance = inside.instances.values_mut().find(|instance| instance.id == owner.instance.0);
        change(instance.expect("the instance was launched"));
        Ok(())
    }
}

impl Repository for Store {
    fn url(&self) -> String {
        "memory".to_owned()
    }

    fn database(&self) -> Option<DatabaseHandle> {
        None
    }

    fn is_own(&self, _: &DatabaseHandle) -> Result<bool, RepositoryError> {
        Ok(false)
    }

    fn launch(&self, request: &LaunchRequest<'_>) -> Result<Launched, RepositoryError> {
        let mut inside = self.inside();
        inside.executions += 1;
        let execution = ExecutionId(inside.executions);
        let id = i64::try_from(inside.instances.len()).expect("there are few instances");
        let key = (request.job.to_owned(), job_key(request.parameters));
        let instance = inside.instances.entry(key).or_insert_with(|| Instance { id, ..Instance::default() });
        let job = || request.job.to_owned();
        if instance.complete {
            let status = BatchStatus::Completed;
            return Err(RepositoryError::AlreadyComplete { job: job(), execution, status, purged: false });
        }
        let unfinished: Vec<_> = instance
            .steps
            .iter()
            .filter(|(_, completed)| !**completed)
            .map(|(name, _)| UnfinishedStep {
                step: name.clone(),
                form: None,
                commits: 1,
                written: 1,
                has_committed: true,
            })
            .collect();
        let so_far = SoFar { journal: &instance.journal, unfinished: &unfinished, graph: "" };
        let renamed = (request.holds)(&so_far).map_err(|what| RepositoryError::GraphChanged {
            job: job(),
            execution,
            what,
            was: "".into(),
            is: "".into(),
        })?;
        assert_eq!(renamed, [], "no step has another name");
        Ok(Launched {
            ownership: Ownership { instance: InstanceId(instance.id), execution, epoch: 1 },
            restarted_from: instance.last.replace(execution),
            recovered: None,
            owner_may_live: false,
            journal: instance.journal.clone(),
            context: ContextMap::new(),
            lock: Box::new(Lock),
        })
    }

    fn begin_step(
        &self,
        owner: Ownership,
        step: &StepStart<'_>,
        _: Option<&Checkpoint>,
    ) -> Result<StepRow, RepositoryError> {
        let mut id = 0;
        self.write(owner, |instance| {
            id = instance.begun.len();
            instance.begun.push(step.name.to_owned());
            instance.steps.insert(step.name.to_owned(), false);
        })?;
        Ok(StepRow {
            id: StepExecutionId(i64::try_from(id).expect("there are few step executions")),
            version: 0,
            starts: 1,
            context: ContextMap::new(),
            before: Counters::default(),
            contested: false,
        })
    }

    fn open_chunks(
        &self,
        _: Ownership,
        _: &StepRow,
        _: Option<&DatabaseHandle>,
        _: &StepStart<'_>,
    ) -> Result<Box<dyn ChunkSession>, RepositoryError> {
        Ok(Box::new(NoRows))
    }

    fn follow(&self, _: Ownership, _: &StepCopy<'_>) -> Result<bool, RepositoryError> {
        unreachable!("no step writes elsewhere")
    }

    fn last_skipped(&self, _: StepExecutionId) -> Result<Option<u64>, RepositoryError> {
        unreachable!("no step writes elsewhere")
    }

    fn add_skipped(
        &self,
        _: Ownership,
        _: StepExecutionId,
        _: &[(u64, SkippedItem)],
    ) -> Result<(), RepositoryError> {
        unreachable!("no step writes elsewhere")
    }

    fn finish_step(
        &self,
        owner: Ownership,
        step: StepExecutionId,
        finish: &StepFinish,
        _: Option<&str>,
    ) -> Result<(), RepositoryError> {
        self.write(owner, |instance| {
            let name = &instance.begun[usize::try_from(step.0).expect("the step was begun")];
            instance.steps.insert(name.clone(), finish.status == BatchStatus::Completed);
            instance.journal.extend_from_slice(&finish.journal);
        })
    }

    fn record(
        &self,
        owner: Ownership,
        entries: &[JournalEntry],
        _changed: Option<&ContextMap>,
    ) -> Result<(), RepositoryError> {
        self.write(owner, |instance| instance.journal.extend_from_slice(entries))
    }

    fn finish(&self, owner: Ownership, finish: &ExecutionFinish) -> Result<(), RepositoryError> {
        self.write(owner, |instance| instance.complete = finish.status == BatchStatus::Completed)
    }

    fn stop_requested(&self, _: Ownership) -> Result<bool, RepositoryError> {
        Ok(false)
    }

    fn partitions(&self, _: Ownership, _: &str) -> Result<Vec<PartitionExecution>, RepositoryError> {
        unreachable!("no step has partitions")
    }

    fn begin_partitions(
        &self,
        _: Ownership,
        _: &StepStart<'_>,
        _: Option<&[NewPartition]>,
    ) -> Result<Vec<PartitionExecution>, RepositoryError> {
        unreachable!("no step has partitions")
    }

    fn begin_partition(
        &self,
        _: Ownership,
        _: StepExecutionId,
        _: &StepStart<'_>,
        _: Option<&Checkpoint>,
    ) -> Result<StepRow, RepositoryError> {
        unreachable!("no step has partitions")
    }

    fn partition_context(&self, _: Ownership, _: StepExecutionId) -> Result<ContextMap, RepositoryError> {
        unreachable!("no step has partitions")
    }

    fn end_partitions(&self, _: Ownership, _: &str) -> Result<(), RepositoryError> {
        unreachable!("no step has partitions")
    }

    fn request_stop(&self, _: ExecutionId) -> Result<(), RepositoryError> {
        unreachable!("nobody asks")
    }

    fn abandon(&self, _: ExecutionId) -> Result<(), RepositoryError> {
        unreachable!("nobody asks")
    }

    fn recover(&self) -> Result<Vec<ExecutionId>, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn owner_state(&self, _: &JobExecution) -> Result<OwnerState, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn now(&self) -> Result<Timestamp, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn execution(&self, _: ExecutionId) -> Result<JobExecution, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn add_operation(&self, _: ExecutionId, _: OperationKind, _: &str) -> Result<(), RepositoryError> {
        unreachable!("nobody asks")
    }

    fn operations(&self, _: ExecutionId) -> Result<Vec<Operation>, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn outlook(&self, _: &LaunchRequest<'_>) -> Result<Outlook, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn executions(&self, _: &ExecutionFilter) -> Result<Vec<JobExecution>, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn count_executions(&self, _: &ExecutionFilter) -> Result<u64, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn instances(&self, _: &InstanceFilter) -> Result<Vec<JobInstance>, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn count_instances(&self, _: Option<&str>) -> Result<u64, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn job_names(&self) -> Result<Vec<String>, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn steps(&self, _: ExecutionId) -> Result<Vec<StepExecution>, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn statistics(&self) -> Result<Statistics, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn partition_profiles(&self, _: ExecutionId, _: &str) -> Result<Vec<Profile>, RepositoryError> {
        Ok(Vec::new())
    }

    fn advice(&self, _: &str, _: &str) -> Result<Option<Advice>, RepositoryError> {
        Ok(None)
    }

    fn skipped_page(&self, _: &SkippedFilter) -> Result<Vec<SkippedRow>, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn running_steps(&self, _: &[ExecutionId]) -> Result<Vec<RunningStep>, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn step_form(&self, _: StepExecutionId) -> Result<Option<String>, RepositoryError> {
        Ok(None)
    }

    fn journal(&self, _: ExecutionId) -> Result<Vec<JournalEntry>, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn purgeable(&self, _: &PurgeFilter) -> Result<PurgePage, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn purge(&self, _: &[InstanceId]) -> Result<Vec<InstanceId>, RepositoryError> {
        unreachable!("nobody purges")
    }

    fn vacuum(&self) -> Result<(), RepositoryError> {
        unreachable!("nobody purges")
    }

    fn last_run_id(&self, _: &str) -> Result<Option<i64>, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn schedule(&self, _: &str) -> Result<Option<ScheduleRow>, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn schedules(&self) -> Result<Vec<ScheduleRow>, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn see_schedule(&self, _: &str, _: &str, _: &str, _: Timestamp) -> Result<ScheduleRow, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn plan_fires(&self, _: &str, _: &[NewFire], _: Timestamp) -> Result<(), RepositoryError> {
        unreachable!("nobody asks")
    }

    fn settle_fire(&self, _: &str, _: &str, _: FireOutcome, _: &str) -> Result<(), RepositoryError> {
        unreachable!("nobody asks")
    }

    fn fires(&self, _: &FireFilter) -> Result<Vec<FireRow>, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn last_run(&self, _: &str, _: &str) -> Result<Option<FireRun>, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn count_fires(&self, _: &str, _: FireOutcome) -> Result<u64, RepositoryError> {
        unreachable!("nobody asks")
    }

    fn pause_schedule(&self, _: &str, _: bool, _: Timestamp) -> Result<bool, RepositoryError> {
        unreachable!("nobody asks")
    }
}
