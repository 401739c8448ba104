//! The reasons why a run in a sandbox has no report.

use crate::engine::JobError;
use crate::repository::{Commit, RepositoryError, Side};

/// The reason why a run in a [`Sandbox`](super::Sandbox) has no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The fail point stopped the run dead.
    #[error("the run was stopped dead {side} {commit}")]
    Died {
        /// The commit.
        commit: Commit,
        /// The side of it.
        side: Side,
    },
    /// The job could not be run.
    #[error(transparent)]
    Job(#[from] JobError),
    /// There is no run yet to restart.
    #[error("nothing was run in this sandbox yet: `run` a launch first")]
    NothingToRestart,
}

impl From<RepositoryError> for SandboxError {
    fn from(error: RepositoryError) -> Self {
        Self::Job(error.into())
    }
}
