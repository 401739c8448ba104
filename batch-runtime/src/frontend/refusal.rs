//! A refused command or request: its message, its exit code, and a machine-readable kind.

use std::fmt;

use super::parameter;
use crate::definition::{JobInfo, ParametersError};
use crate::engine::JobError;
use crate::operator::OperatorError;
use crate::repository::RepositoryError;

/// The exit codes, for scripts.
pub(crate) mod exit {
    pub(crate) const COMPLETED: u8 = 0;
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const STOPPED: u8 = 3;
    pub(crate) const REFUSED: u8 = 4;
}

/// Why a command, or a request to the web page, was refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: u8,
    pub(crate) kind: &'static str,
    message: String,
    /// Text that does not fit on one line, printed below the message.
    pub(crate) detail: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Refusal {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: exit::USAGE, kind: "usage", message: message.into(), detail: None }
    }

    pub(crate) fn refused(kind: &'static str, message: impl Into<String>) -> Self {
        Self { code: exit::REFUSED, kind, message: message.into(), detail: None }
    }

    /// The refusal for a job that had already begun. Its exit code is that of a failed job, not of a wrong command
    /// line.
    pub(crate) fn of_begun(error: &OperatorError) -> Self {
        Self { code: exit::FAILED, ..Self::of(error) }
    }

    pub(crate) fn of(error: &OperatorError) -> Self {
        let (code, kind) = match error {
            OperatorError::UnknownJob { .. } => (exit::USAGE, "unknown_job"),
            OperatorError::Parameters(_)
            | OperatorError::Job(JobError::Parameters(_))
            | OperatorError::RunIdGiven
            | OperatorError::RunIdsUsedUp(_) => (exit::USAGE, "parameters"),
            #[cfg(feature = "schedule")]
            OperatorError::Schedule(_) => (exit::USAGE, "schedule"),
            OperatorError::ParameterGone { .. } => (exit::REFUSED, "parameter_gone"),
            OperatorError::NothingSkipped(..) => (exit::REFUSED, "nothing_skipped"),
            OperatorError::SkippedInPartition { .. } => (exit::REFUSED, "skipped_in_partition"),
            OperatorError::OtherInstance { .. } => (exit::REFUSED, "other_instance"),
            OperatorError::Job(JobError::NotReplayable { .. }) => (exit::REFUSED, "not_replayable"),
            OperatorError::Job(JobError::WrongDatabase { .. }) => (exit::USAGE, "wrong_database"),
            OperatorError::Archive(_) => (exit::FAILED, "archive"),
            OperatorError::Repository(error) | OperatorError::Job(JobError::Repository(error)) => kind(error),
        };
        Self { code, kind, message: error.to_string(), detail: graphs(error) }
    }

    /// The refusal of parameters. For a missing one, the message says what to type.
    pub(crate) fn of_parameters(error: &ParametersError, job: &JobInfo, restart: bool) -> Self {
        let mut refusal = Self { kind: "parameters", ..Self::usage(error.to_string()) };
        if let ParametersError::Missing { name, .. } = error
            && let Some(spec) = job.parameters.iter().find(|spec| spec.name == name)
        {
            let typed = if restart { format!("--param {}=VALUE", spec.name) } else { parameter::usage(spec) };
            let variable = parameter::variable(spec);
            refusal.message = if spec.secret {
                format!("{error} as `{typed}` or in the environment variable {variable}")
            } else {
                format!("{error} as `{typed}`")
            };
        }
        refusal
    }
}

impl From<OperatorError> for Refusal {
    fn from(error: OperatorError) -> Self {
        Self::of(&error)
    }
}

impl From<RepositoryError> for Refusal {
    fn from(error: RepositoryError) -> Self {
        Self::of(&OperatorError::Repository(error))
    }
}

/// The graphs of a changed job: as it was, and as it is.
fn graphs(error: &OperatorError) -> Option<String> {
    match error {
        OperatorError::Repository(RepositoryError::GraphChanged { was, is, .. }) => {
            Some(format!("as it was:\n{}\n\nas it is:\n{}", was.trim_end(), is.trim_end()))
        }
        _ => None,
    }
}

fn kind(error: &RepositoryError) -> (u8, &'static str) {
    match error {
        RepositoryError::AlreadyRunning { .. } => (exit::REFUSED, "already_running"),
        RepositoryError::NeedsRecovery { .. } => (exit::REFUSED, "needs_recovery"),
        RepositoryError::TooManyRecoveries { .. } => (exit::REFUSED, "too_many_recoveries"),
        RepositoryError::AlreadyComplete { .. } => (exit::REFUSED, "already_complete"),
        RepositoryError::NotRestartable { .. } => (exit::REFUSED, "not_restartable"),
        RepositoryError::GraphChanged { .. } => (exit::REFUSED, "graph_changed"),
        RepositoryError::CannotBegin { .. } => (exit::REFUSED, "cannot_begin"),
        RepositoryError::StartLimit { .. } => (exit::REFUSED, "start_limit"),
        RepositoryError::NoSuchExecution(_) => (exit::REFUSED, "no_such_execution"),
        RepositoryError::NotRunning { .. } => (exit::REFUSED, "not_running"),
        RepositoryError::Fenced { .. } => (exit::FAILED, "fenced"),
        RepositoryError::Stopped => (exit::STOPPED, "stopped"),
        RepositoryError::TransactionEnded => (exit::FAILED, "transaction_ended"),
        RepositoryError::Unusable { .. }
        | RepositoryError::Database { .. }
        | RepositoryError::Corrupt { .. } => (exit::USAGE, "repository"),
    }
}
