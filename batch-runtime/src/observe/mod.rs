//! Receives: what the engine does. Gives: it to whoever watches: progress bars, tests, dashboards.

mod live;
#[cfg(feature = "cli")]
pub(crate) mod progress;
mod remedy;
mod summary;
pub(crate) mod table;
pub(crate) mod words;

pub use live::StepLive;
#[cfg(feature = "cli")]
pub use progress::Progress;
pub use remedy::Remedy;
pub use summary::Summary;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::definition::{Durability, ExecutionId, InstanceId, StepExecutionId};
use crate::repository::{BatchStatus, Counters, ExitStatus, Owner, Profile};

/// Watches a job run. Every method does nothing unless it is overridden; none can change the run.
pub trait Observer: Send + Sync + fmt::Debug {
    /// The launch is committed.
    fn job_started(&self, _job: &JobStarted<'_>) {}

    /// A step begins; `live` shows how far it is until it has ended.
    fn step_started(&self, _live: &Arc<StepLive>) {}

    /// A step that an earlier execution completed is passed.
    fn step_passed(&self, _name: &str) {}

    /// A step has ended.
    fn step_ended(&self, _step: &StepReport) {}

    /// The job has ended.
    fn job_ended(&self, _job: &JobReport) {}
}

/// A launch that is committed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobStarted<'a> {
    /// The job's name.
    pub job: &'a str,
    /// Its instance.
    pub instance: InstanceId,
    /// The new execution.
    pub execution: ExecutionId,
    /// The execution that it continues.
    pub restarted_from: Option<ExecutionId>,
    /// The dead owner that it took over from.
    pub recovered: Option<&'a Owner>,
}

/// How a step execution ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StepReport {
    /// Its name in the job; in a loop with the iteration, as `page[3]`; in a nested job behind that job's, as `inner/load`.
    pub name: String,
    /// Its number.
    pub id: StepExecutionId,
    /// How it ended.
    pub status: BatchStatus,
    /// In words.
    pub exit: ExitStatus,
    /// What this execution of it did.
    pub counters: Counters,
    /// What the earlier executions of it in the instance did.
    pub before: Counters,
    /// Where the time went; `None` for tasklets.
    pub profile: Option<Profile>,
    /// How long it took.
    pub elapsed: Duration,
    /// What helps, where it failed.
    pub remedy: Option<Remedy>,
}

/// How a job execution ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JobReport {
    /// The job's name.
    pub job: String,
    /// Its instance.
    pub instance: InstanceId,
    /// The execution.
    pub execution: ExecutionId,
    /// The execution that it continued.
    pub restarted_from: Option<ExecutionId>,
    /// The dead owner that it took over from.
    pub recovered: Option<Owner>,
    /// COMPLETED, STOPPED or FAILED.
    pub status: BatchStatus,
    /// In words.
    pub exit: ExitStatus,
    /// What its commits survive.
    pub durability: Durability,
    /// The steps that ran in this execution, in the order they ended; those of a split branch by branch.
    pub steps: Vec<StepReport>,
    /// The steps that were complete already.
    pub passed: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}
