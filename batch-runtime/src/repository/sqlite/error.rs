//! Converts errors of `SQLite` to [`RepositoryError`], with the file and, if possible, a remedy.

use std::path::Path;

use rusqlite::ErrorCode;

use super::lock_holder;
use crate::repository::RepositoryError;

/// An error inside this module; the name of the file is added at its boundary.
#[derive(Debug)]
pub(super) enum InnerError {
    /// An error of `SQLite`.
    Sqlite(rusqlite::Error),
    /// Stored data cannot be understood.
    Corrupt(String),
    /// An error that is already complete.
    Known(RepositoryError),
}

impl From<rusqlite::Error> for InnerError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<RepositoryError> for InnerError {
    fn from(error: RepositoryError) -> Self {
        Self::Known(error)
    }
}

impl InnerError {
    /// Returns whether another connection held the lock for the whole wait. Nothing was written then.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy))
    }

    pub(super) fn at(self, path: &Path) -> RepositoryError {
        match self {
            Self::Sqlite(error) => explain(path, error),
            Self::Corrupt(what) => RepositoryError::Corrupt { place: place(path), what },
            Self::Known(error) => error,
        }
    }
}

/// Explains the error, with a remedy if one is known.
fn explain(path: &Path, error: rusqlite::Error) -> RepositoryError {
    let what = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            let who = lock_holder::of(path).map(|who| format!(", {who}")).unwrap_or_default();
            let what = format!("is locked by another process{who}: wait until it has finished, or end it");
            return unusable(path, what);
        }
        Some(ErrorCode::NotADatabase) => "is not a SQLite database: name another file, or move this one away",
        Some(ErrorCode::ReadOnly) => "is read-only: make the file and its folder writable, or name another",
        Some(ErrorCode::CannotOpen) => {
            "cannot be opened: the file and its folder must be readable and writable for this user"
        }
        Some(ErrorCode::DiskFull) => {
            "the disk is full: nothing of this was written; make room and start again"
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            "is damaged: restore it from a backup, or name another file (`sqlite3 FILE '.recover'` saves what is left)"
        }
        Some(ErrorCode::SystemIoFailure) => {
            let what = format!(
                "cannot be read or written ({error}): check that the disk is healthy and has free space, and start again"
            );
            return unusable(path, what);
        }
        _ => return RepositoryError::Database { place: place(path), source: error.into() },
    };
    unusable(path, what)
}

pub(super) fn unusable(path: &Path, what: impl Into<String>) -> RepositoryError {
    RepositoryError::Unusable { place: place(path), what: what.into() }
}

fn place(path: &Path) -> String {
    path.display().to_string()
}
