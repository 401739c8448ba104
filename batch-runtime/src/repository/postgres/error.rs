//! Converts errors of `PostgreSQL` to [`RepositoryError`], with the server and, if possible, a remedy.

use crate::postgres::{Bound, PgError};
use crate::repository::RepositoryError;

/// An error inside this module; the name of the server is added at its boundary.
#[derive(Debug)]
pub(super) enum InnerError {
    /// An error of the server or the connection to it.
    Database(PgError),
    /// Stored data cannot be understood.
    Corrupt(String),
    /// An error that is already complete.
    Known(RepositoryError),
}

impl From<PgError> for InnerError {
    fn from(error: PgError) -> Self {
        Self::Database(error)
    }
}

impl From<RepositoryError> for InnerError {
    fn from(error: RepositoryError) -> Self {
        Self::Known(error)
    }
}

impl InnerError {
    pub(super) fn at(self, place: &str) -> RepositoryError {
        match self {
            Self::Database(error) => explain(place, error),
            Self::Corrupt(what) => RepositoryError::Corrupt { place: place.to_owned(), what },
            Self::Known(error) => error,
        }
    }

    /// Returns whether a statement waited too long for a lock.
    pub(super) fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some("55P03"))
    }

    /// Returns whether a statement that must find a row found none: it then divides by the number of rows, 0.
    pub(super) fn is_no_row(&self) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some("22012"))
    }

    /// Returns whether the server refuses writes from this user, or from everybody.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Database(error) if matches!(error.code(), Some("42501" | "25006")))
    }

    /// Returns whether another attempt is useless: the server does not answer, and the lease is over. A server that is
    /// down is different: the time without it does not count against the lease.
    pub(super) fn is_final(&self, bound: &Bound) -> bool {
        matches!(self, Self::Database(error) if error.is_silent()) && bound.is_over()
    }

    /// Returns whether the same work may succeed on a new connection, or when it is repeated.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_connection() || error.is_serialization())
    }
}

/// Explains the error, with a remedy if one is known.
fn explain(place: &str, error: PgError) -> RepositoryError {
    if error.is_stopped() {
        return RepositoryError::Stopped;
    }
    let error = error.without_database();
    let remedy = match error.code() {
        Some("42501") => {
            "let the owner of the database grant this user the right, or name another `?schema=`"
        }
        Some("25006") => "the server is a standby or read-only: name the primary server",
        Some("55P03") => "another session holds a lock on it: wait until that has finished, or end it",
        Some("53100") => {
            "the server's disk is full, and nothing of this was written: make room and start again"
        }
        _ => return RepositoryError::Database { place: place.to_owned(), source: error.into() },
    };
    unusable(place, format!("{error}: {remedy}"))
}

pub(super) fn unusable(place: &str, what: impl Into<String>) -> RepositoryError {
    RepositoryError::Unusable { place: place.to_owned(), what: what.into() }
}
