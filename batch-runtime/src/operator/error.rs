//! Receives: what a launch or an order to the repository came to. Gives: one error that says why nothing was done.

use crate::definition::{ExecutionId, ParametersError};
use crate::engine::JobError;
use crate::repository::RepositoryError;

/// Why the operator did not do what it was asked. A job that ran and failed is no error but a
/// [`JobReport`](crate::observe::JobReport).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The operator knows no job of that name.
    #[error("there is no job `{name}`; {}", match (.nearest, .known.as_slice()) {
        (Some(nearest), _) => format!("did you mean `{nearest}`?"),
        (None, []) => "this program has none".to_owned(),
        (None, known) => format!("this program has `{}`", known.join("`, `")),
    })]
    UnknownJob {
        /// The name given.
        name: String,
        /// The job that was probably meant.
        nearest: Option<String>,
        /// The jobs there are.
        known: Vec<String>,
    },
    /// A parameter is missing, unknown, or does not fit its type.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// There is nothing to replay.
    #[error(
        "execution {0} of job `{1}` skipped nothing, so there is nothing to replay; `show {0}` tells what it did"
    )]
    NothingSkipped(ExecutionId, String),
    /// What partitions skipped is found by who reads the same partition.
    #[error(
        "execution {execution} cannot be replayed: step `{step}` skipped items in a partition; put the records that it skipped into an input of their own, and run the job over that"
    )]
    SkippedInPartition {
        /// The execution.
        execution: ExecutionId,
        /// The partition's step execution.
        step: String,
    },
    /// The execution's parameters no longer make the instance that it belongs to.
    #[error(
        "execution {execution} cannot be restarted: with today's parameters job `{job}` is another instance, as `{parameter}` differs; give the value that the execution had, or run the job anew"
    )]
    OtherInstance {
        /// The execution.
        execution: ExecutionId,
        /// Its job.
        job: String,
        /// The identifying parameter that makes the difference.
        parameter: String,
    },
    /// The job no longer takes an identifying parameter that the execution had.
    #[error(
        "execution {execution} cannot be restarted: job `{job}` no longer takes the parameter `{parameter}` that it had; finish it with the program it began with, or run the job anew"
    )]
    ParameterGone {
        /// The execution.
        execution: ExecutionId,
        /// Its job.
        job: String,
        /// The identifying parameter.
        parameter: String,
    },
    /// `run.id` was given to a run that is to find the next one.
    #[error("parameter `run.id` is counted on by `--next`: give one of the two")]
    RunIdGiven,
    /// There is no `run.id` left to count on to.
    #[error("job `{0}` has used the greatest `run.id` there can be; give `run.id` yourself")]
    RunIdsUsedUp(String),
    /// The engine did not run the job.
    #[error(transparent)]
    Job(JobError),
    /// The repository refused, or failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

impl From<JobError> for OperatorError {
    /// What the repository said is found in one place, whoever asked it.
    fn from(error: JobError) -> Self {
        match error {
            JobError::Repository(error) => Self::Repository(error),
            JobError::Parameters(error) => Self::Parameters(error),
            other => Self::Job(other),
        }
    }
}
