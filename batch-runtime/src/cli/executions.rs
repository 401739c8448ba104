//! `executions`: lists the executions that a filter selects, page by page, as a table or as JSON.

use jiff::Timestamp;

use super::arguments::{ExecutionsArguments, Globals};
use super::console::Console;
use super::refusal::Refusal;
use super::times::moment;
use super::{json, print_json};
use crate::definition::ExecutionId;
use crate::observe::table::{Align, Table};
use crate::observe::{StepProgress, words};
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

    fn table(&self, now: Timestamp) -> Table {
        let mut table = Table::new(&[
            ("id", Align::Right),
            ("job", Align::Left),
            ("status", Align::Left),
            ("started (UTC)", Align::Left),
            ("time", Align::Right),
            ("parameters", Align::Left),
        ]);
        for (execution, owner) in self.executions.iter().zip(&self.owners) {
            table.row([
                execution.id.to_string(),
                words::line(&execution.instance.job, 100),
                status(execution, *owner),
                execution.started.map(moment).unwrap_or_default(),
                elapsed(execution, *owner, now),
                words::line(&identity(&execution.parameters), 100),
            ]);
        }
        table
    }

    /// A row for each running step. The first row of an execution also has the cells of the execution.
    fn table_of_running(&self, now: Timestamp) -> Table {
        let mut table = Table::new(&[
            ("id", Align::Right),
            ("job", Align::Left),
            ("status", Align::Left),
            ("process", Align::Left),
            ("time", Align::Right),
            ("parameters", Align::Left),
            ("step", Align::Left),
            ("done", Align::Right),
            ("read", Align::Right),
            ("items/s", Align::Right),
            ("left", Align::Right),
        ]);
        for (execution, owner) in self.executions.iter().zip(&self.owners) {
            let mut of_execution = [
                execution.id.to_string(),
                words::line(&execution.instance.job, 100),
                execution.status.as_str().to_lowercase(),
                match owner {
                    Some(OwnerState::Alive) => "alive".to_owned(),
                    Some(OwnerState::Dead) => "dead".to_owned(),
                    _ => "unknown".to_owned(),
                },
                elapsed(execution, *owner, now),
                words::line(&identity(&execution.parameters), 100),
            ];
            let mut steps: Vec<_> =
                self.running.iter().filter(|step| step.execution == execution.id).map(of_step).collect();
            if steps.is_empty() {
                steps.push(Default::default());
            }
            for step in steps {
                table.row(std::mem::take(&mut of_execution).into_iter().chain(step));
            }
        }
        table
    }
}

/// The cells of a running step.
fn of_step(step: &RunningStep) -> [String; 5] {
    let progress = StepProgress::from(step);
    [
        words::line(&step.name, 60),
        progress.percent().map(|percent| format!("{percent} %")).unwrap_or_default(),
        words::count(step.counters.read),
        progress.rate().map(words::count).unwrap_or_default(),
        progress.left_in_words().unwrap_or_default(),
    ]
}

/// `executions`
pub(super) fn list(
    operator: &JobOperator,
    listed: &ExecutionsArguments,
    globals: &Globals,
    console: &Console,
) -> Result<(), Refusal> {
    let now = operator.now()?;
    let found = ExecutionPage::of(operator, listed.filter(now), listed.limit)?;
    if globals.json {
        print_json(&found.json(), console);
        return Ok(());
    }
    let Some(last) = found.executions.last() else {
        console.out.line(match listed {
            all if all.is_all() => "no job has been run yet",
            running if running.is_running() => "no execution is running",
            _ => "no execution matches",
        });
        return Ok(());
    };
    console.out.put(if listed.is_running() { found.table_of_running(now) } else { found.table(now) });
    if found.more {
        let last = last.id;
        console.out.line(format_args!("older executions are not shown: add `--after {last}` to list them"));
    }
    Ok(())
}

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
