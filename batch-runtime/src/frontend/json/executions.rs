//! The documents of executions as the repository records them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::steps::{Counted, Detailed, Step, Times};
use super::values::{durability, elapsed, plain};
use crate::definition::{ExecutionId, InstanceId, StepExecutionId};
use crate::observe::StepProgress;
use crate::operator::ExecutionDetails;
use crate::repository::{
    BatchStatus, Counters, ExitStatus, JobExecution, Owner, OwnerState, RunningStep, StepExecution,
    StoredParameter,
};

/// `executions`: `{"executions": [..], "more": false}`
#[derive(Serialize)]
pub(crate) struct Executions<'a> {
    pub(crate) executions: Vec<Recorded<'a>>,
    /// True if there are older executions than those within the limit.
    pub(crate) more: bool,
}

#[derive(Serialize)]
pub(crate) struct Recorded<'a> {
    execution: ExecutionId,
    instance: InstanceId,
    job: &'a str,
    job_key: &'a str,
    status: BatchStatus,
    exit_code: &'a str,
    exit_description: &'a str,
    created: Timestamp,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    updated: Timestamp,
    durability: &'static str,
    epoch: u64,
    owner: Option<&'a Owner>,
    /// `alive`, `dead` or `unknown`; `null` if the execution is not running.
    owner_state: Option<OwnerState>,
    parameters: BTreeMap<&'a str, Stored<'a>>,
    running_steps: Vec<Running<'a>>,
}

/// A running step, or one of its partitions.
#[derive(Serialize)]
struct Running<'a> {
    name: &'a str,
    id: StepExecutionId,
    started: Timestamp,
    updated: Timestamp,
    counters: Counted,
    read_before: u64,
    partitions: Option<u64>,
    complete_partitions: Option<u64>,
    percent: Option<u64>,
    items_per_second: Option<u64>,
    seconds_left: Option<u64>,
}

impl<'a> From<&'a RunningStep> for Running<'a> {
    fn from(step: &'a RunningStep) -> Self {
        let progress = StepProgress::from(step);
        Self {
            name: &step.name,
            id: step.id,
            started: step.started,
            updated: step.updated,
            counters: Counted::from(&step.counters),
            read_before: step.read_before,
            partitions: step.partitions.map(|partitions| partitions.total),
            complete_partitions: step.partitions.map(|partitions| partitions.complete),
            percent: progress.percent(),
            items_per_second: progress.rate(),
            seconds_left: progress.left().map(|left| left.as_secs()),
        }
    }
}

#[derive(Serialize)]
struct Stored<'a> {
    value: serde_json::Value,
    r#type: &'a str,
    identifying: bool,
}

impl<'a> Recorded<'a> {
    /// `running` may also contain running steps of other executions.
    pub(crate) fn of(
        execution: &'a JobExecution,
        owner_state: Option<OwnerState>,
        running: &'a [RunningStep],
    ) -> Self {
        let ExitStatus { code, description } = &execution.exit;
        let stored = |parameter: &'a StoredParameter| {
            let value = plain(&parameter.value);
            let r#type = parameter.value.java_class();
            (parameter.name.as_str(), Stored { value, r#type, identifying: parameter.identifying })
        };
        Self {
            execution: execution.id,
            instance: execution.instance.id,
            job: &execution.instance.job,
            job_key: &execution.instance.key,
            status: execution.status,
            exit_code: code,
            exit_description: description,
            created: execution.created,
            started: execution.started,
            ended: execution.ended,
            updated: execution.updated,
            durability: durability(execution.durability),
            epoch: execution.epoch,
            owner: execution.owner.as_ref(),
            owner_state,
            parameters: execution.parameters.iter().map(stored).collect(),
            running_steps: running
                .iter()
                .filter(|step| step.execution == execution.id)
                .map(Running::from)
                .collect(),
        }
    }
}

/// `show`: an execution as in `executions`, with `continues` and `steps`.
#[derive(Serialize)]
pub(crate) struct Details<'a> {
    #[serde(flatten)]
    execution: Recorded<'a>,
    continues: Option<ExecutionId>,
    steps: Vec<Step<'a>>,
}

impl<'a> From<&'a ExecutionDetails> for Details<'a> {
    fn from(details: &'a ExecutionDetails) -> Self {
        let none = Counters::default();
        let step = |step: &'a StepExecution| Step {
            name: &step.name,
            id: step.id,
            status: step.status,
            exit_code: &step.exit.code,
            exit_description: &step.exit.description,
            failure: None,
            counters: Counted::from(&step.counters),
            before: Counted::from(details.before.get(&step.name).unwrap_or(&none)),
            time_nanoseconds: step.profile.as_ref().map(Times::of),
            profile: step.profile.as_ref().map(Detailed::of),
            elapsed_seconds: elapsed(step.started, step.ended).map(|time| time.as_secs_f64()),
            started: step.started,
            ended: step.ended,
        };
        Self {
            execution: Recorded::of(&details.execution, details.owner_state, &details.running),
            continues: details.continues,
            steps: details.steps.iter().map(step).collect(),
        }
    }
}
