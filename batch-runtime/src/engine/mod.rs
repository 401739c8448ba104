//! Runs a job. `README.md` next to this file follows one job and one of its chunks through the engine.

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
pub use faults::retry::{Downstream, Repeats, Retried, Retrying};
pub use flow::beginning::RestartFrom;
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
    /// When to take over an execution of the instance that is still marked as running.
    pub recovery: Recovery,
    /// The kind of crash that commits must survive.
    pub durability: Durability,
    /// Asks the job to stop at the next chunk boundary.
    pub stop: StopSignal,
    /// Is notified of what happens during the run.
    pub observer: Option<Arc<dyn Observer>>,
    /// Waits between the attempts of a retried call, and tells the time.
    pub pause: Arc<dyn Pause>,
    /// Runs the partitions of steps.
    pub partitions: Arc<dyn PartitionHandler>,
    /// The tokio runtime for `async` processors. Without one, the job starts its own when a step needs it. Other
    /// threads must drive the runtime, as they do in every multi-threaded one.
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

/// Why a job could not be run. A job that ran and failed is not an error: its failure is in the [`JobReport`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// A parameter is missing or unknown, or its value does not fit its type.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// A step needs the repository's own database, but that is of another kind.
    #[error(
        "job `{job}`: step `{step}` wants the repository's own database to be {wants}, but {repository} {has}"
    )]
    WrongDatabase {
        /// The job.
        job: String,
        /// The step.
        step: String,
        /// The kind of database that the step wants.
        wants: &'static str,
        /// The repository.
        repository: String,
        /// The kind that the repository has, and what to do.
        has: String,
    },
    /// The job, as it is now, cannot read again what an execution skipped.
    #[error(
        "execution {execution} of job `{job}` cannot be replayed: {what}; replay it with the program that ran it"
    )]
    NotReplayable {
        /// The job.
        job: String,
        /// The execution whose skipped records were to be read.
        execution: ExecutionId,
        /// The reason.
        what: String,
    },
    /// The repository refused the launch or failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

/// Runs a job to its end, on this thread and those of its splits. No thread of a split outlives the split.
///
/// # Errors
/// When the job could not be launched, or when the repository was lost during the run. A job that failed is not an
/// error: its report says so.
pub fn run(
    repository: &Arc<dyn Repository>,
    launch: &Launch,
    options: &RunOptions,
) -> Result<JobReport, JobError> {
    run_resolved(repository, launch.job, &resolve_parameters(launch.job, &launch.parameters)?, options)
}

/// As [`run`], with parameters that are already resolved.
pub(crate) fn run_resolved(
    repository: &Arc<dyn Repository>,
    job: &'static JobInfo,
    parameters: &Parameters,
    options: &RunOptions,
) -> Result<JobReport, JobError> {
    flow::job::run(repository, job, parameters, options, flow::job::As::Itself(None))
}

/// As [`run_resolved`], for a restart that begins at a step.
pub(crate) fn run_from(
    repository: &Arc<dyn Repository>,
    job: &'static JobInfo,
    parameters: &Parameters,
    options: &RunOptions,
    from: &RestartFrom,
) -> Result<JobReport, JobError> {
    flow::job::run(repository, job, parameters, options, flow::job::As::Itself(Some(from)))
}

/// A checkpoint that holds only the position of a reader.
pub(crate) fn checkpoint_at(position: Option<String>) -> chunk::checkpoint::Checkpoint {
    chunk::checkpoint::Checkpoint { reader: position, ..chunk::checkpoint::Checkpoint::default() }
}
