//! Receives: a launch. Gives: the job's run, on the caller's thread and those of its splits. `README.md` beside this file walks one chunk through.

mod chunk;
mod concurrent;
mod faults;
mod flow;
mod partitions;
mod phase;
mod profile;
mod step;
mod tasklet;
mod threads;

pub(crate) use chunk::checkpoint::encode as encode_position;
pub use chunk::grouped::Grouped;
pub(crate) use chunk::pipe::collect;
pub use chunk::pipe::{run_beside_reader, run_chunks, run_in_turns};
#[cfg(feature = "async")]
pub(crate) use concurrent::async_calls::JobRuntime;
#[cfg(feature = "async")]
pub use concurrent::async_calls::{Taking, asynchronous};
pub use concurrent::thread_pool::{pooled, pooled_by_reference};
pub use faults::backoff::{Pause, Sleep};
pub use faults::keep::Kept;
pub use faults::retry::{Behind, Repeats, Retried, Retrying};
pub use partitions::{PartitionHandler, PartitionWork, PartitionedRun, Threads, run_partitions};
pub use step::{StepEnd, StepRun};
pub use tasklet::run_tasklet;
pub use threads::Order;

use std::sync::Arc;

use crate::definition::resolve_parameters;
use crate::definition::{Durability, ExecutionId, JobInfo, Launch, Parameters, ParametersError, StopSignal};
use crate::observe::{JobReport, Observer};
use crate::repository::{Recovery, Repository, RepositoryError};

/// How to run a job.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// What to do with a running execution of the instance whose owner may be dead.
    pub recovery: Recovery,
    /// What commits must survive.
    pub durability: Durability,
    /// Asks the job to stop at the next chunk boundary.
    pub stop: StopSignal,
    /// Watches the run.
    pub observer: Option<Arc<dyn Observer>>,
    /// Waits before what failed is tried again.
    pub pause: Arc<dyn Pause>,
    /// Runs the partitions of steps.
    pub partitions: Arc<dyn PartitionHandler>,
    /// The tokio runtime that `async` processors run in; without one, the job starts one of its own when a step needs it. It
    /// must be driven by other threads, as every multi-threaded runtime is.
    #[cfg(feature = "async")]
    pub runtime: Option<tokio::runtime::Handle>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            recovery: Recovery::default(),
            durability: Durability::default(),
            stop: StopSignal::default(),
            observer: None,
            pause: Arc::new(Sleep),
            partitions: Arc::new(Threads),
            #[cfg(feature = "async")]
            runtime: None,
        }
    }
}

/// Why a job was not run. A job that ran and failed is no error but a [`JobReport`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// A parameter is missing, unknown, or does not fit its type.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// A step wants a transaction of the repository's own database, and the repository has none.
    #[error(
        "job `{job}`: step `{step}` uses the repository's own database, but {repository} is of another kind"
    )]
    WrongDatabase {
        /// The job.
        job: String,
        /// The step.
        step: String,
        /// The repository.
        repository: String,
    },
    /// What an execution skipped cannot be read again by the job as it is.
    #[error(
        "execution {execution} of job `{job}` cannot be replayed: {what}; replay it with the program that ran it"
    )]
    NotReplayable {
        /// The job.
        job: String,
        /// The execution whose skipped records were to be read.
        execution: ExecutionId,
        /// Why not.
        what: String,
    },
    /// The repository refused the launch, or failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

/// Runs a job to its end, on this thread and those of its splits, none of which outlives them.
///
/// # Errors
/// When it could not be launched, or the repository was lost on the way. A job that failed is a report.
pub fn run(
    repository: &Arc<dyn Repository>,
    launch: &Launch,
    options: &RunOptions,
) -> Result<JobReport, JobError> {
    run_resolved(repository, launch.job, &resolve_parameters(launch.job, &launch.parameters)?, options)
}

/// The same with all parameters of the job, resolved.
pub(crate) fn run_resolved(
    repository: &Arc<dyn Repository>,
    job: &'static JobInfo,
    parameters: &Parameters,
    options: &RunOptions,
) -> Result<JobReport, JobError> {
    flow::job::run(repository, job, parameters, options, None)
}

/// The checkpoint of a reader at that position, and nothing else.
pub(crate) fn checkpoint_at(position: Option<String>) -> chunk::checkpoint::Checkpoint {
    chunk::checkpoint::Checkpoint { reader: position, ..chunk::checkpoint::Checkpoint::default() }
}
