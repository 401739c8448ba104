//! Says why the operator refused a launch or another request.

use crate::definition::{BoxError, ExecutionId, ParametersError};
use crate::engine::JobError;
use crate::repository::RepositoryError;

/// Why the operator refused a request. A job that ran and failed is not an error but a
/// [`JobReport`](crate::observe::JobReport).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The operator knows no job with that name.
    #[error("there is no job `{name}`; {}", match (.nearest, .known.as_slice()) {
        (Some(nearest), _) => format!("did you mean `{nearest}`?"),
        (None, []) => "this program has none".to_owned(),
        (None, known) => format!("this program has `{}`", known.join("`, `")),
    })]
    UnknownJob {
        /// The given name.
        name: String,
        /// The job that was probably meant.
        nearest: Option<String>,
        /// The existing jobs.
        known: Vec<String>,
    },
    /// A parameter is missing, unknown, or does not fit its type.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// There is nothing to replay.
    #[error(
        "execution {0} of job `{1}` skipped nothing, so there is nothing to replay; `show {0}` shows what it did"
    )]
    NothingSkipped(ExecutionId, String),
    /// Items skipped in a partition can only be found by reading the same partition.
    #[error(
        "execution {execution} cannot be replayed: step `{step}` skipped items in a partition; put the skipped records into a separate input, and run the job on that"
    )]
    SkippedInPartition {
        /// The execution.
        execution: ExecutionId,
        /// The partition's step execution.
        step: String,
    },
    /// The parameters of the execution no longer identify its instance.
    #[error(
        "execution {execution} cannot be restarted: the current parameters belong to another instance of job `{job}`, because `{parameter}` differs; pass the value that the execution had, or start a new instance"
    )]
    OtherInstance {
        /// The execution.
        execution: ExecutionId,
        /// Its job.
        job: String,
        /// The identifying parameter that differs.
        parameter: String,
    },
    /// The job no longer takes an identifying parameter that the execution had.
    #[error(
        "execution {execution} cannot be restarted: it had the parameter `{parameter}`, which job `{job}` no longer takes; finish the instance with the program it began with, or start a new instance"
    )]
    ParameterGone {
        /// The execution.
        execution: ExecutionId,
        /// Its job.
        job: String,
        /// The identifying parameter.
        parameter: String,
    },
    /// A `run.id` was given for a run that picks the next one itself.
    #[error("parameter `run.id` is set by `--next`: pass only one of the two")]
    RunIdGiven,
    /// The schedule of a job cannot be followed.
    #[cfg(feature = "schedule")]
    #[error(transparent)]
    Schedule(#[from] crate::schedule::ScheduleError),
    /// No greater `run.id` is left.
    #[error("job `{0}` has used the greatest possible `run.id`; pass a free `run.id` yourself")]
    RunIdsUsedUp(String),
    /// An execution could not be archived, so it was not purged.
    #[error("an execution could not be archived, so it was not purged: {0}")]
    Archive(#[source] BoxError),
    /// The engine did not run the job.
    #[error(transparent)]
    Job(JobError),
    /// The repository refused, or failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

impl From<JobError> for OperatorError {
    /// Uses the same variant for every error of the repository, whether or not it came through the engine.
    fn from(error: JobError) -> Self {
        match error {
            JobError::Repository(error) => Self::Repository(error),
            JobError::Parameters(error) => Self::Parameters(error),
            other => Self::Job(other),
        }
    }
}
