//! [`SqliteWriteError`], which names the table, the item and the values that are wrong.

use crate::definition::{BoxError, Failure};

/// The error of a table writer.
///
/// Items are counted from 1 in the slice that was being written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteWriteError {
    /// `SQLite` refused a row, usually because of a constraint.
    #[error("table `{table}`, item {item}: {source} ({values})")]
    Row {
        /// The table.
        table: Box<str>,
        /// The item.
        item: usize,
        /// The values that the message concerns, such as `id = 7`; the whole row if it names no column.
        values: Box<str>,
        /// `SQLite`'s error.
        source: rusqlite::Error,
    },
    /// `SQLite` refused the statement: the table or a column is missing, or the file is not writable.
    #[error("table `{table}`: {source}")]
    Table {
        /// The table.
        table: Box<str>,
        /// `SQLite`'s error.
        source: rusqlite::Error,
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
