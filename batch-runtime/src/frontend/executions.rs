//! Lists of executions, page by page, and the texts that describe an execution in them.

use jiff::Timestamp;

use super::json;
use crate::definition::ExecutionId;
use crate::observe::words;
use crate::operator::{JobOperator, OperatorError};
use crate::repository::{ExecutionFilter, JobExecution, OwnerState, RunningStep, StoredParameter};

/// The executions of a page.
pub(crate) struct ExecutionPage {
    pub(crate) executions: Vec<JobExecution>,
    /// The state of the owner of each execution; `None` for one that is not running.
    pub(crate) owners: Vec<Option<OwnerState>>,
    /// The running steps of all of them.
    pub(crate) running: Vec<RunningStep>,
    /// Whether older ones are on the next page.
    pub(crate) more: bool,
}

impl ExecutionPage {
    /// Finds at most `limit` of the executions that match. The limit in the filter is ignored.
    pub(crate) fn of(
        operator: &JobOperator,
        filter: ExecutionFilter,
        limit: u32,
    ) -> Result<Self, OperatorError> {
        // Asking for one more than the limit shows whether there are more.
        let more = Some(limit.saturating_add(1));
        let mut executions = operator.executions(&ExecutionFilter { limit: more, ..filter })?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = executions.len() > limit;
        executions.truncate(limit);
        let owners: Vec<_> =
            executions.iter().map(|execution| operator.owner_state(execution)).collect::<Result<_, _>>()?;
        let is_running = |execution: &&JobExecution| execution.status.is_running();
        let ids: Vec<ExecutionId> =
            executions.iter().filter(is_running).map(|execution| execution.id).collect();
        let running = if ids.is_empty() { Vec::new() } else { operator.running_steps(&ids)? };
        Ok(Self { executions, owners, running, more })
    }

    pub(crate) fn json(&self) -> json::Executions<'_> {
        let recorded = self.executions.iter().zip(&self.owners);
        let recorded =
            recorded.map(|(execution, owner)| json::Recorded::of(execution, *owner, &self.running));
        json::Executions { executions: recorded.collect(), more: self.more }
    }
}

/// The status of an execution in words.
pub(crate) fn status(execution: &JobExecution, owner: Option<OwnerState>) -> String {
    let status = execution.status.as_str().to_lowercase();
    if owner == Some(OwnerState::Dead) {
        return format!("{status}, its process is dead");
    }
    let code = &execution.exit.code;
    // A code from `end!("CODE")` and OWNER_LOST say more than the status.
    if code.is_empty() || code == execution.status.as_str() || code == "EXECUTING" || code == "UNKNOWN" {
        status
    } else {
        format!("{status} ({})", words::line(code, 40))
    }
}

/// How long the execution ran, or has been running. If its process is dead, the time until that process last wrote.
pub(crate) fn elapsed(execution: &JobExecution, owner: Option<OwnerState>, now: Timestamp) -> String {
    let end = execution.ended.unwrap_or(match owner {
        Some(OwnerState::Dead) | None => execution.updated,
        Some(_) => now,
    });
    execution.started.map(|started| words::time(words::between(started, end))).unwrap_or_default()
}

/// The identifying parameters, on one line.
pub(crate) fn identity(parameters: &[StoredParameter]) -> String {
    let identifying = parameters.iter().filter(|parameter| parameter.identifying);
    identifying
        .map(|parameter| format!("{}={}", parameter.name, parameter.value))
        .collect::<Vec<_>>()
        .join(" ")
}
