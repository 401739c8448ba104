//! [`SqliteReadError`], which names the key or the column that is wrong.

use std::path::Path;

use crate::readers::rows::InColumn;

/// The error of a reader of rows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteReadError {
    /// The database file cannot be opened.
    #[error("cannot open database {path}: {source}")]
    Open {
        /// The file.
        path: Box<str>,
        /// `SQLite`'s error.
        source: rusqlite::Error,
    },
    /// The query or its options are invalid.
    #[error("the query cannot be read in pages: {problem}")]
    Query {
        /// The problem and its remedy.
        problem: Box<str>,
    },
    /// `SQLite` could not run the query.
    #[error("the query failed: {source}")]
    Sqlite {
        /// `SQLite`'s error.
        #[from]
        source: rusqlite::Error,
    },
    /// The query uses something that the reader's own connection does not know.
    #[error(
        "the query failed: {source}; the reader has a connection of its own, which does not see databases attached or functions registered on the given connection: attach and register them in `Sqlite::on_connect`, or pass a connection by value"
    )]
    Unknown {
        /// `SQLite`'s error.
        source: rusqlite::Error,
    },
    /// The reader cannot resume by the key of a row.
    #[error("key {key}: {problem}")]
    Key {
        /// The key's columns, with their values if they are known.
        key: Box<str>,
        /// The problem and its remedy.
        problem: Box<str>,
    },
    /// The query lacks columns of the item, so none of its rows can become an item.
    #[error("no row of the query can be an item: {problem}")]
    Columns {
        /// The problem and its remedy.
        problem: Box<str>,
    },
    /// A row cannot be converted to an item.
    #[error("row {key}{}: {problem}", InColumn(column.as_deref()))]
    Row {
        /// The row's key, such as `id = 7`.
        key: Box<str>,
        /// The column, if it is known.
        column: Option<Box<str>>,
        /// The problem.
        problem: Box<str>,
    },
    /// The user's closure failed on a row.
    #[error("row {key}: {source}")]
    Closure {
        /// The row's key, such as `id = 7`.
        key: Box<str>,
        /// The closure's error.
        source: rusqlite::Error,
    },
    /// The position of an earlier execution belongs to a different query.
    #[error(
        "an earlier execution stopped at {position}, but the key is {key} now; restore the old key, or start a new instance (`--next`)"
    )]
    Position {
        /// The position at which the earlier execution stopped.
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

    /// The error of a query that could not be prepared on the reader's own connection.
    pub(super) fn on_another(source: rusqlite::Error) -> Self {
        // SQLite has a single code for all errors in a query: only the message distinguishes an unknown name
        // from a typo.
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

    /// Returns whether the error concerns a single row, so that the next `read` continues after it.
    #[must_use]
    pub fn is_about_a_row(&self) -> bool {
        matches!(self, Self::Row { .. } | Self::Closure { .. })
    }
}
