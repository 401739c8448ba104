//! Says why a job could not be run.

use crate::definition::{ExecutionId, ParametersError};
use crate::repository::RepositoryError;

/// Why a job could not be run. A job that ran and failed is not an error: its failure is in the
/// [`JobReport`](crate::observe::JobReport).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// A parameter is missing or unknown, or its value does not fit its type.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// A step needs the repository's own database, but the repository has none, or one of another kind.
    #[error(
        "job `{job}`: step `{step}` needs the repository's own database to be {wants}, but {repository} {has}"
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
