//! [`PostgresWriteError`], which names the table, the item and the column that are wrong.

use crate::definition::{BoxError, Failure};
use crate::postgres::PgError;

/// The error of a writer of `PostgreSQL` rows.
///
/// Items are counted from 1 in the slice that was being written.
///
/// The rows of a chunk are sent without waiting for the answer. The next call that waits, at the latest the commit,
/// therefore returns the server's error. It too is a `PostgresWriteError`, so a rule such as
/// `skip(PostgresWriteError)` covers it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresWriteError {
    /// The server refused a row, usually because of a constraint.
    #[error("table `{table}`, item {item}: {source}")]
    Row {
        /// The table.
        table: Box<str>,
        /// The item.
        item: usize,
        /// The server's error.
        source: PgError,
    },
    /// A statement that was sent earlier in the chunk failed.
    #[error("{source}")]
    Earlier {
        /// The error of that statement, as the sender of the statement explains it.
        source: PgError,
    },
    /// The server refused the statement, or a row whose number it does not report. For a row, the server's message
    /// shows the key or the values.
    #[error("table `{table}`: {source}")]
    Table {
        /// The table.
        table: Box<str>,
        /// The server's error.
        source: PgError,
    },
    /// An item does not fit the table.
    #[error("table `{table}`, item {item}{}: {problem}", column.as_ref().map_or(String::new(), |column| format!(", column `{column}`")))]
    Item {
        /// The table.
        table: Box<str>,
        /// The item.
        item: usize,
        /// The column, if a single one is the reason.
        column: Option<Box<str>>,
        /// The problem and its remedy.
        problem: Box<str>,
    },
    /// The user's closure failed on an item.
    #[error("table `{table}`, item {item}: {source}")]
    Rows {
        /// The table.
        table: Box<str>,
        /// The item.
        item: usize,
        /// The closure's error.
        source: BoxError,
    },
    /// The chunk has no transaction on that database.
    #[error("table `{table}`: {source}")]
    Transaction {
        /// The table.
        table: Box<str>,
        /// The reason.
        source: Failure,
    },
}
