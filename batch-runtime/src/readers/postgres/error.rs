//! [`PostgresReadError`], which names the key or the column that is wrong.

use crate::postgres::PgError;
use crate::readers::rows::InColumn;

/// The error of a reader of rows in `PostgreSQL`.
///
/// ```
/// use batch_runtime::readers::PostgresReadError;
///
/// fn may_be_skipped(error: &PostgresReadError) -> bool {
///     error.is_about_a_row()
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresReadError {
    /// The server cannot be reached, or refuses the connection.
    #[error(transparent)]
    Open {
        /// The error, which names the database.
        source: PgError,
    },
    /// The query or its options are invalid.
    #[error("the query cannot be read in pages: {problem}")]
    Query {
        /// The problem and its remedy.
        problem: Box<str>,
    },
    /// `PostgreSQL` could not run the query.
    #[error("the query failed: {source}")]
    Postgres {
        /// `PostgreSQL`'s error.
        #[from]
        source: PgError,
    },
    /// The reader cannot resume by the key of a row.
    #[error("key {key}: {problem}")]
    Key {
        /// The key's columns.
        key: Box<str>,
        /// The problem and its remedy.
        problem: Box<str>,
    },
    /// The query lacks columns of the item or has them with other types, so none of its rows can become an item.
    #[error("no row of the query can be an item{}: {problem}", InColumn(column.as_deref()))]
    Columns {
        /// The column, if the problem concerns a single column.
        column: Option<Box<str>>,
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
        source: PgError,
    },
    /// The position of an earlier execution belongs to a different query.
    #[error(
        "an earlier execution stopped at {position}, but the key is {key} now; restore the old key, or start a new instance (`--next`)"
    )]
    Position {
        /// The position at which the earlier execution stopped.
        position: Box<str>,
        /// The key's columns, with their types.
        key: Box<str>,
    },
}

impl PostgresReadError {
    pub(super) fn query(problem: impl Into<Box<str>>) -> Self {
        Self::Query { problem: problem.into() }
    }

    /// Returns whether the error concerns a single row, so that the next `read` continues after it.
    #[must_use]
    pub fn is_about_a_row(&self) -> bool {
        matches!(self, Self::Row { .. } | Self::Closure { .. })
    }
}
