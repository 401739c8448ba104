//! Collects everything that the repository knows about an execution, and the totals of the earlier executions of its
//! instance.

use std::collections::BTreeMap;

use crate::definition::ExecutionId;
use jiff::Timestamp;

use crate::repository::{
    Counters, ExecutionFilter, JobExecution, OwnerState, Repository, RepositoryError, RunningStep,
    StepExecution,
};

/// An execution with its steps.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ExecutionDetails {
    /// The execution.
    pub execution: JobExecution,
    /// The execution of the same instance that this one continues.
    pub continues: Option<ExecutionId>,
    /// Its step executions, in the order they began.
    pub steps: Vec<StepExecution>,
    /// The counters of the earlier executions in the instance, by step name.
    pub before: BTreeMap<String, Counters>,
    /// The steps that are running, with their progress.
    pub running: Vec<RunningStep>,
    /// The state of its owner; `None` if the execution is not running.
    pub owner_state: Option<OwnerState>,
    /// The time at which all this was read.
    pub seen: Timestamp,
}

impl ExecutionDetails {
    pub(super) fn of(repository: &dyn Repository, id: ExecutionId) -> Result<Self, RepositoryError> {
        let details = Self::read(repository, id)?;
        let seems_gone = details.owner_state.is_some_and(|state| state != OwnerState::Alive);
        if seems_gone && !repository.execution(id)?.status.is_running() {
            // The execution has ended since it was read, and its process with it.
            return Self::read(repository, id);
        }
        Ok(details)
    }

    fn read(repository: &dyn Repository, id: ExecutionId) -> Result<Self, RepositoryError> {
        let execution = repository.execution(id)?;
        let steps = repository.steps(id)?;
        let instance = of_instance(repository, &execution)?;
        let earlier: Vec<ExecutionId> =
            instance.iter().map(|earlier| earlier.id).filter(|earlier| *earlier < id).collect();
        let mut before: BTreeMap<String, Counters> = BTreeMap::new();
        for earlier in &earlier {
            for step in repository.steps(*earlier)? {
                *before.entry(step.name).or_default() += step.counters;
            }
        }
        let owner_state = owner_state(repository, &execution)?;
        let running = match owner_state {
            Some(_) => repository.running_steps(&[id])?,
            None => Vec::new(),
        };
        let continues = earlier.into_iter().max();
        let seen = repository.now()?;
        Ok(Self { execution, continues, steps, before, running, owner_state, seen })
    }
}

/// The executions of the same instance, newest first.
pub(super) fn of_instance(
    repository: &dyn Repository,
    execution: &JobExecution,
) -> Result<Vec<JobExecution>, RepositoryError> {
    let filter = ExecutionFilter { instance: Some(execution.instance.id), ..ExecutionFilter::default() };
    repository.executions(&filter)
}

/// Returns the state of the owner, if the execution is running.
pub(super) fn owner_state(
    repository: &dyn Repository,
    execution: &JobExecution,
) -> Result<Option<OwnerState>, RepositoryError> {
    execution.status.is_running().then(|| repository.owner_state(execution)).transpose()
}
