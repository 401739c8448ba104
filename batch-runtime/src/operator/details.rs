//! Receives: the number of an execution. Gives: all that the repository knows of it, and of what came before it in
//! the same instance.

use std::collections::BTreeMap;

use crate::definition::ExecutionId;
use crate::repository::{
    Counters, ExecutionFilter, JobExecution, Repository, RepositoryError, StepExecution,
};

/// An execution with its steps.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ExecutionDetails {
    /// The execution.
    pub execution: JobExecution,
    /// The execution before it in the same instance.
    pub continues: Option<ExecutionId>,
    /// Its step executions, in the order they began.
    pub steps: Vec<StepExecution>,
    /// By step name, what the executions before it in the same instance did.
    pub before: BTreeMap<String, Counters>,
}

impl ExecutionDetails {
    pub(super) fn of(repository: &dyn Repository, id: ExecutionId) -> Result<Self, RepositoryError> {
        let execution = repository.execution(id)?;
        let steps = repository.steps(id)?;
        let filter = ExecutionFilter { instance: Some(execution.instance.id), ..ExecutionFilter::default() };
        let earlier: Vec<ExecutionId> = repository
            .executions(&filter)?
            .into_iter()
            .map(|earlier| earlier.id)
            .filter(|earlier| *earlier < id)
            .collect();
        let mut before: BTreeMap<String, Counters> = BTreeMap::new();
        for earlier in &earlier {
            for step in repository.steps(*earlier)? {
                *before.entry(step.name).or_default() += step.counters;
            }
        }
        Ok(Self { execution, continues: earlier.into_iter().max(), steps, before })
    }
}
