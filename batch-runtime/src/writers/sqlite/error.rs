//! Receives: what a table did not take. Gives: [`SqliteWriteError`], which names table, item and values.

use crate::definition::{BoxError, Failure};

/// Why rows could not be written.
///
/// Items are counted from 1 in the slice that was being written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteWriteError {
    /// `SQLite` refused a row: a constraint, mostly.
    #[error("table `{table}`, item {item}: {source} ({values})")]
    Row {
        /// The table.
        table: Box<str>,
        /// The item.
        item: usize,
        /// The values that the message is about, as `id = 7`; the whole row where it names no column.
        values: Box<str>,
        /// What `SQLite` says.
        source: rusqlite::Error,
    },
    /// `SQLite` refused the statement: the table or a column is missing, or the file cannot be written.
    #[error("table `{table}`: {source}")]
    Table {
        /// The table.
        table: Box<str>,
        /// What `SQLite` says.
        source: rusqlite::Error,
    },
    /// An item is no row of the table.
    #[error("table `{table}`, item {item}{}: {problem}", column.as_ref().map_or(String::new(), |column| format!(", column `{column}`")))]
    Item {
        /// The table.
        table: Box<str>,
        /// The item.
        item: usize,
        /// The column, where it is one.
        column: Option<Box<str>>,
        /// What is wrong and what to do.
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
    /// The chunk has no transaction of that database.
    #[error("table `{table}`: {source}")]
    Transaction {
        /// The table.
        table: Box<str>,
        /// What is missing.
        source: Failure,
    },
}
