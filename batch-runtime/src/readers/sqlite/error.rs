//! Receives: what a query, or a row of it, is not. Gives: [`SqliteReadError`], which names the key or the column.

use std::path::Path;

use super::key::Shown;

/// Why rows could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteReadError {
    /// The database file cannot be opened.
    #[error("cannot open database {path}: {source}")]
    Open {
        /// The file.
        path: Box<str>,
        /// What `SQLite` says.
        source: rusqlite::Error,
    },
    /// The query, or what is said of it, is not as it must be.
    #[error("the query cannot be read in pages: {problem}")]
    Query {
        /// What is wrong and what to do.
        problem: Box<str>,
    },
    /// `SQLite` could not run the query.
    #[error("the query failed: {source}")]
    Sqlite {
        /// What `SQLite` says.
        #[from]
        source: rusqlite::Error,
    },
    /// The query names what the reader's own connection does not know.
    #[error(
        "the query failed: {source}; the reader has a connection of its own, which does not see what was attached or registered on the given one: do that in `Sqlite::on_connect`, or give a connection by value"
    )]
    Unknown {
        /// What `SQLite` says.
        source: rusqlite::Error,
    },
    /// A row's key cannot tell where reading goes on.
    #[error("key {key}: {problem}")]
    Key {
        /// The key's columns, with their values where they are known.
        key: Box<str>,
        /// What is wrong and what to do.
        problem: Box<str>,
    },
    /// The query has not the columns of the item, so no row of it is one.
    #[error("no row of the query is an item: {problem}")]
    Columns {
        /// What is wrong and what to do.
        problem: Box<str>,
    },
    /// A row is no item.
    #[error("row {key}{}: {problem}", Shown(column.as_deref()))]
    Row {
        /// The row's key, as `id = 7`.
        key: Box<str>,
        /// The column, where it is known.
        column: Option<Box<str>>,
        /// What is wrong.
        problem: Box<str>,
    },
    /// The user's closure failed on a row.
    #[error("row {key}: {source}")]
    Closure {
        /// The row's key, as `id = 7`.
        key: Box<str>,
        /// The closure's error.
        source: rusqlite::Error,
    },
    /// The position of an earlier execution belongs to another query.
    #[error(
        "an earlier execution stopped at {position}, but the key is {key} now; bring the old key back, or start a new instance (`--next`)"
    )]
    Position {
        /// Where it stopped.
        position: Box<str>,
        /// The key's columns.
        key: Box<str>,
    },
}

impl SqliteReadError {
    pub(super) fn open(path: &Path, source: rusqlite::Error) -> Self {
        Self::Open { path: path.display().to_string().into(), source }
    }

    pub(super) fn query(problem: impl Into<Box<str>>) -> Self {
        Self::Query { problem: problem.into() }
    }

    /// Why a query could not be prepared on another connection than the one that was given.
    pub(super) fn on_another(source: rusqlite::Error) -> Self {
        // SQLite has one code for whatever is wrong with a query: only its words tell an unknown name from a slip of the pen.
        let says = match &source {
            rusqlite::Error::SqlInputError { msg, .. } | rusqlite::Error::SqliteFailure(_, Some(msg)) => {
                msg.as_str()
            }
            _ => "",
        };
        let what = says.strip_prefix("no such ").unwrap_or_default();
        let may_be_there =
            ["table", "function", "collation", "module"].iter().any(|kind| what.starts_with(kind));
        if may_be_there { Self::Unknown { source } } else { Self::Sqlite { source } }
    }

    /// True if it is about one row: the next `read` goes on behind that.
    #[must_use]
    pub fn is_about_a_row(&self) -> bool {
        matches!(self, Self::Row { .. } | Self::Closure { .. })
    }
}
