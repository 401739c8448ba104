//! Summarises a job execution, from the engine's report or from the repository: a headline, a table of its
//! steps, and the cause of a failure.

mod causes;
pub(crate) mod shares;
mod tables;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::{JobReport, words};
use crate::definition::{Durability, ExecutionId};
use crate::operator::ExecutionDetails;
use crate::repository::{BatchStatus, Counters, ExitStatus, Owner, OwnerState, Profile};

/// The summary of an execution for a person; [`Display`](fmt::Display) prints it.
///
/// ```text
/// flight_delays completed in 1.9 s (execution 2, continues execution 1)
///
/// step         status        read  filtered  written  skipped  commits   time  items/s
/// load_delays  completed  196,776   190,000    6,776        0      197  1.9 s  103,566
///   before                140,000   136,000    4,000        0      140
///   in all                336,776   326,000   10,776        0      337
///
/// time
/// load_delays  flights 61 %, late 9 %, save 12 %, committing 18 %
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    job: String,
    execution: ExecutionId,
    continues: Option<ExecutionId>,
    recovered: Option<Owner>,
    status: BatchStatus,
    exit: ExitStatus,
    durability: Durability,
    elapsed: Option<Duration>,
    owner: Option<RunningOwner>,
    steps: Vec<StepLine>,
    passed: Vec<String>,
}

/// The owner of an execution that has not ended.
#[derive(Debug, Clone, PartialEq)]
struct RunningOwner {
    state: OwnerState,
    process: Option<Owner>,
}

#[derive(Debug, Clone, PartialEq)]
struct StepLine {
    name: String,
    status: BatchStatus,
    exit: ExitStatus,
    counters: Counters,
    before: Counters,
    profile: Option<Profile>,
    elapsed: Option<Duration>,
}

impl From<&JobReport> for Summary {
    fn from(report: &JobReport) -> Self {
        let steps = report.steps.iter().map(|step| StepLine {
            name: step.name.clone(),
            status: step.status,
            exit: step.exit.clone(),
            counters: step.counters,
            before: step.before,
            profile: step.profile.clone(),
            elapsed: Some(step.elapsed),
        });
        Self {
            job: report.job.clone(),
            execution: report.execution,
            continues: report.restarted_from,
            recovered: report.recovered.clone(),
            status: report.status,
            exit: report.exit.clone(),
            durability: report.durability,
            elapsed: Some(report.elapsed),
            owner: None,
            steps: steps.collect(),
            passed: report.passed.clone(),
        }
    }
}

impl From<&ExecutionDetails> for Summary {
    fn from(details: &ExecutionDetails) -> Self {
        let execution = &details.execution;
        // Time passes only while the process lives: a dead process did nothing after its last write.
        let lasts = matches!(details.owner_state, Some(OwnerState::Alive | OwnerState::Unknown));
        let end = |ended: Option<Timestamp>, updated: Timestamp| {
            ended.unwrap_or(if lasts { details.seen } else { updated })
        };
        let steps = details.steps.iter().map(|step| StepLine {
            name: step.name.clone(),
            status: step.status,
            exit: step.exit.clone(),
            counters: step.counters,
            before: details.before.get(&step.name).copied().unwrap_or_default(),
            profile: step.profile.clone(),
            elapsed: step.started.map(|start| words::between(start, end(step.ended, step.updated))),
        });
        Self {
            job: execution.instance.job.clone(),
            execution: execution.id,
            continues: details.continues,
            recovered: None,
            status: execution.status,
            exit: execution.exit.clone(),
            durability: execution.durability,
            elapsed: execution
                .started
                .map(|start| words::between(start, end(execution.ended, execution.updated))),
            owner: details.owner_state.map(|state| RunningOwner { state, process: execution.owner.clone() }),
            steps: steps.collect(),
            passed: Vec::new(),
        }
    }
}

impl RunningOwner {
    fn in_words(&self) -> Option<String> {
        let Owner { pid, host, .. } = self.process.as_ref()?;
        let host = words::line(host, 100);
        Some(match self.state {
            OwnerState::Dead => format!("its process {pid} on {host} is dead"),
            OwnerState::Alive => format!("process {pid} on {host}"),
            OwnerState::Unknown => format!("process {pid} on {host}, if it is alive"),
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        for part in [self.tables(), self.causes().join("\n")] {
            if !part.is_empty() {
                writeln!(f, "\n{}", part.trim_end())?;
            }
        }
        Ok(())
    }
}

impl Summary {
    /// `flight_delays completed in 1.9 s (execution 2, continues execution 1)`
    #[must_use]
    pub fn headline(&self) -> String {
        let verb = match self.status {
            _ if self.owner_is_dead() => "was cut off after",
            BatchStatus::Completed if self.exit.code == "COMPLETED" => "completed in",
            BatchStatus::Completed => &format!("completed as {} in", words::line(&self.exit.code, 100)),
            BatchStatus::Failed => "failed after",
            BatchStatus::Stopped => "stopped after",
            BatchStatus::Abandoned => "was abandoned after",
            BatchStatus::Stopping => "is stopping after",
            BatchStatus::Starting | BatchStatus::Started => "has been running for",
            BatchStatus::Unknown => "ended in an unknown state after",
        };
        let mut facts = vec![format!("execution {}", self.execution)];
        facts.extend(self.continues.map(|earlier| format!("continues execution {earlier}")));
        facts.extend(self.owner.as_ref().and_then(RunningOwner::in_words));
        facts.extend(self.recovered.as_ref().map(|owner| {
            format!("taken over from the dead process {} on {}", owner.pid, words::line(&owner.host, 100))
        }));
        if self.durability == Durability::Process {
            facts.push("commits survive a crash of the process, but not of the machine".to_owned());
        }
        let elapsed = self.elapsed.map_or_else(|| "no time".to_owned(), words::time);
        format!("{} {verb} {elapsed} ({})", words::line(&self.job, 100), facts.join(", "))
    }

    /// Returns whether the execution is recorded as running although its process is dead.
    fn owner_is_dead(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.state == OwnerState::Dead)
    }
}
