//! [`CommitError`] reports a commit that failed, or whose outcome is unknown.

use std::error::Error;
use std::fmt;

use super::PgError;

/// A transaction was not committed, or its outcome is unknown.
///
/// ```
/// use batch_runtime::postgres::{CommitError, PgError, Session};
///
/// fn commit(session: &Session) -> Result<(), PgError> {
///     session.commit().map_err(|error| {
///         if error.is_unknown() {
///             eprintln!("check whether the rows are there: {error}");
///         }
///         CommitError::into_error(error)
///     })
/// }
/// ```
#[derive(Debug)]
pub struct CommitError {
    error: PgError,
    unknown: bool,
}

impl CommitError {
    pub(super) fn rolled_back(error: PgError) -> Self {
        Self { error, unknown: false }
    }

    pub(super) fn unknown(error: PgError) -> Self {
        Self { error, unknown: true }
    }

    /// Whether the connection was lost when `COMMIT` may already have reached the server. Otherwise the transaction
    /// is certainly rolled back.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// The error itself.
    #[must_use]
    pub fn error(&self) -> &PgError {
        &self.error
    }

    /// The error itself, by value.
    #[must_use]
    pub fn into_error(self) -> PgError {
        self.error
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.unknown {
            "it is unknown whether the transaction is committed"
        } else {
            "the transaction is rolled back"
        };
        write!(f, "{}; {what}", self.error)
    }
}

impl Error for CommitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
