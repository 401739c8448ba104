//! Describes the execution of a step or nested job: what it needs, and how it ended.

use std::sync::Arc;

use crate::definition::{Environment, JobInfo, Scope, StepExecutionId};
use crate::engine::faults::retry::Retrying;
use crate::engine::faults::skip_count::SkipCount;
use crate::engine::options::RunOptions;
use crate::engine::step::{Route, StepEnd};
use crate::graph::Activity;
use crate::observe::{StepLive, StepReport};
use crate::repository::{Checkpoints, Counters, Ownership, PartitionExecution, Repository};

/// A step or nested job to execute, and everything it needs.
pub(crate) struct Request<'r> {
    pub(crate) repository: &'r Arc<dyn Repository>,
    pub(crate) ownership: Ownership,
    /// Whether a previous owner of the instance may still be alive.
    pub(crate) owner_may_live: bool,
    /// The job that it belongs to.
    pub(crate) job: &'static JobInfo,
    pub(crate) environment: &'r Environment,
    pub(crate) options: &'r RunOptions,
    /// Its place in the job.
    pub(crate) path: &'r str,
    /// Its name as users see it.
    pub(crate) name: &'r str,
    pub(crate) activity: Activity,
    /// The job's scope with the bindings of this use.
    pub(crate) scope: Scope<'r>,
    pub(crate) route: Option<Route>,
    /// The number of times it completed in earlier executions.
    pub(crate) completions: u32,
    /// In a replay, the places of the records that it reads. It reads no others.
    pub(crate) replayed: Option<&'r [String]>,
    /// The partition, if the request is for one partition of a step.
    pub(crate) partition: Option<Share<'r>>,
}

/// A partition, and what it shares with the other partitions of its step.
pub(crate) struct Share<'r> {
    pub(crate) partition: &'r PartitionExecution,
    pub(crate) retrying: &'r Retrying,
    /// The skips of the step, across all its partitions.
    pub(crate) skipped: &'r SkipCount,
    /// The live state of the step.
    pub(crate) live: &'r Arc<StepLive>,
    /// Whether another process has split the input in this execution of the job.
    pub(crate) is_from_elsewhere: bool,
}

/// A step execution that has ended, before its end is recorded.
pub(crate) struct Executed {
    pub(crate) id: StepExecutionId,
    pub(crate) before: Counters,
    pub(crate) live: Arc<StepLive>,
    pub(crate) end: StepEnd,
    /// The steps of a nested job.
    pub(crate) nested: Vec<StepReport>,
    /// Its checkpoints, if its chunks are committed in another database.
    pub(crate) checkpoints: Option<Arc<dyn Checkpoints>>,
}
