//! Reports what the engine does to observers: progress bars, tests, dashboards.

pub(crate) mod advice;
mod completed;
mod failed;
pub(crate) mod frames;
mod live;
#[cfg(feature = "log")]
pub(crate) mod log;
mod metrics;
#[cfg(feature = "otel")]
pub(crate) mod otel;
#[cfg(feature = "profile")]
pub(crate) mod profile;
#[cfg(feature = "cli")]
pub(crate) mod progress;
mod remedy;
pub(crate) mod spans;
pub(crate) mod step_progress;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod words;

pub use completed::NotCompleted;
pub use failed::StepFailure;
pub use live::StepLive;
pub use metrics::metrics;
#[cfg(feature = "cli")]
pub use progress::Progress;
pub use remedy::Remedy;
pub use step_progress::StepProgress;
pub use summary::Summary;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::definition::{Durability, ExecutionId, InstanceId, StepExecutionId};
use crate::repository::{BatchStatus, Counters, ExitStatus, Owner, Profile};

/// Observes a run of a job. All methods do nothing by default, and none can change the run.
pub trait Observer: Send + Sync + fmt::Debug {
    /// The launch is committed.
    fn job_started(&self, _job: &JobStarted<'_>) {}

    /// A step begins. `live` shows its progress until it ends.
    fn step_started(&self, _live: &Arc<StepLive>) {}

    /// A step is skipped because an earlier execution completed it.
    fn step_passed(&self, _name: &str) {}

    /// Something happened to a step that a person should know at once, such as the loss of a worker.
    fn noted(&self, _step: &str, _what: &str) {}

    /// A step has ended.
    fn step_ended(&self, _step: &StepReport) {}

    /// The job has ended.
    fn job_ended(&self, _job: &JobReport) {}
}

/// A committed launch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobStarted<'a> {
    /// The job's name.
    pub job: &'a str,
    /// Its instance.
    pub instance: InstanceId,
    /// The new execution.
    pub execution: ExecutionId,
    /// The earlier execution that it continues.
    pub restarted_from: Option<ExecutionId>,
    /// The dead owner that it took over from.
    pub recovered: Option<&'a Owner>,
}

/// The outcome of a step execution.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StepReport {
    /// The name of the step in the job. In a loop, the iteration follows the name, as in `page[3]`; in a nested job,
    /// the name of that job precedes it, as in `inner/load`.
    pub name: String,
    /// Its ID.
    pub id: StepExecutionId,
    /// Its status at the end.
    pub status: BatchStatus,
    /// Its exit code and description.
    pub exit: ExitStatus,
    /// The work of this execution.
    pub counters: Counters,
    /// The work of earlier executions in the instance.
    pub before: Counters,
    /// The time per activity; `None` for tasklets.
    pub profile: Option<Profile>,
    /// The duration.
    pub elapsed: Duration,
    /// The remedy, if it failed.
    pub remedy: Option<Remedy>,
    /// The parts of its failure, if it failed, even if the control flow handled the failure.
    pub failure: Option<StepFailure>,
}

/// The outcome of a job execution.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JobReport {
    /// The job's name.
    pub job: String,
    /// Its instance.
    pub instance: InstanceId,
    /// The execution.
    pub execution: ExecutionId,
    /// The earlier execution that it continued.
    pub restarted_from: Option<ExecutionId>,
    /// The dead owner that it took over from.
    pub recovered: Option<Owner>,
    /// COMPLETED, STOPPED or FAILED.
    pub status: BatchStatus,
    /// Its exit code and description.
    pub exit: ExitStatus,
    /// The kind of crash that its commits survive.
    pub durability: Durability,
    /// The steps that ran in this execution, in the order they ended; those of a split are listed by branch.
    pub steps: Vec<StepReport>,
    /// The steps that were already complete.
    pub passed: Vec<String>,
    /// The duration.
    pub elapsed: Duration,
}
