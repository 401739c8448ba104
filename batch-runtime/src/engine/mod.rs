//! Runs a job. `README.md` next to this file follows one job and one of its chunks through the engine.

mod chunk;
mod concurrent;
mod error;
mod faults;
pub(crate) mod flow;
mod options;
mod partitions;
mod phase;
mod profile;
mod step;
mod tasklet;
mod threads;

pub(crate) use chunk::checkpoint::encode as encode_position;
pub(crate) use chunk::checkpoint::writer_position;
pub use chunk::grouped::Grouped;
pub(crate) use chunk::pipe::collect;
pub use chunk::pipe::{run_chunks, run_sharing_reader, run_with_reader_thread};
#[cfg(feature = "remote-chunks")]
pub use chunk::pipe::{run_sharing_reader_and_remote, run_with_reader_thread_and_remote};
#[cfg(feature = "async")]
pub(crate) use concurrent::async_calls::JobRuntime;
#[cfg(feature = "async")]
pub use concurrent::async_calls::{CallInput, asynchronous};
pub use concurrent::thread_pool::{pooled, pooled_by_reference};
pub use error::JobError;
pub use faults::keep::Kept;
pub use faults::pause::{Pause, Sleep};
pub use faults::retried::{Repeats, Retried};
pub use faults::retry::Retrying;
pub use flow::restart_from::RestartFrom;
pub(crate) use flow::steps::jobs_by_name;
#[cfg(feature = "profile")]
pub(crate) use flow::steps::steps;
#[cfg(feature = "serve")]
pub(crate) use flow::steps::steps_by_name;
pub use options::RunOptions;
pub(crate) use partitions::{ClaimedRunner, PartitionOutcome, Secrets};
pub use partitions::{
    PartitionHandler, PartitionWork, PartitionedRun, PartitionsError, Threads, run_partitions,
};
pub(crate) use profile::{Lanes, in_writer};
pub(crate) use step::Halt;
pub use step::{StepEnd, StepRun};
pub use tasklet::run_tasklet;
pub use threads::Order;
#[cfg(feature = "remote-chunks")]
pub(crate) use threads::remote;
#[cfg(feature = "remote-chunks")]
pub use threads::remote::{RemoteItem, RemoteItemBounds, RemoteStep};

use std::sync::Arc;

use crate::definition::resolve_parameters;
use crate::definition::{JobInfo, Launch, Parameters};
use crate::observe::JobReport;
use crate::repository::{Outlook, Repository};
use flow::nested::RunAs;

/// Runs a job to its end, on this thread and on others that its splits and steps start. No thread of a split outlives
/// the split.
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
    flow::job::run(repository, job, parameters, options, RunAs::Itself(None))
}

/// Returns what [`run_resolved`] would do, without running anything.
pub(crate) fn outlook(
    repository: &Arc<dyn Repository>,
    job: &'static JobInfo,
    parameters: &Parameters,
    options: &RunOptions,
) -> Result<Outlook, JobError> {
    flow::job::outlook(repository, job, parameters, options)
}

/// As [`run_resolved`], for a restart that begins at a step.
pub(crate) fn run_from(
    repository: &Arc<dyn Repository>,
    job: &'static JobInfo,
    parameters: &Parameters,
    options: &RunOptions,
    from: &RestartFrom,
) -> Result<JobReport, JobError> {
    flow::job::run(repository, job, parameters, options, RunAs::Itself(Some(from)))
}

/// Returns whether a step of a job, or of one nested in it, has partitions.
#[cfg(feature = "cli")]
pub(crate) fn has_partitions(job: &'static JobInfo) -> bool {
    flow::steps::jobs_by_name(&[job])
        .values()
        .flat_map(|job| flow::steps::steps(job.flow))
        .any(|step| step.options.partitioning.is_some())
}

/// Returns whether workers may process chunks of a step of the job, or of one nested in it.
#[cfg(all(feature = "cli", feature = "remote-chunks"))]
pub(crate) fn may_be_remote(job: &'static JobInfo) -> bool {
    flow::steps::jobs_by_name(&[job]).values().any(|job| has_remote_steps(job))
}

/// Returns whether workers may process the chunks of a step of the job.
#[cfg(feature = "remote-chunks")]
pub(crate) fn has_remote_steps(job: &'static JobInfo) -> bool {
    flow::steps::steps(job.flow).into_iter().any(|step| step.options.remote.is_some())
}

/// A checkpoint that holds only the position of a reader.
pub(crate) fn checkpoint_at(position: Option<String>) -> chunk::checkpoint::Checkpoint {
    chunk::checkpoint::Checkpoint { reader: position, ..chunk::checkpoint::Checkpoint::default() }
}
