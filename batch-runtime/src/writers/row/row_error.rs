//! The error of a value that cannot be a row.

use std::fmt;

use serde::ser;

/// The reason why a value cannot be a row.
#[derive(Debug)]
pub(in crate::writers) struct RowError {
    pub(in crate::writers) column: Option<Box<str>>,
    pub(in crate::writers) problem: Box<str>,
}

impl RowError {
    pub(in crate::writers) fn new(problem: impl Into<Box<str>>) -> Self {
        Self { column: None, problem: problem.into() }
    }

    /// The error for a row with fewer or more values than there are columns.
    pub(in crate::writers) fn count(values: usize, columns: usize) -> Self {
        Self::new(format!("the row has {values} values, but there are {columns} columns"))
    }

    /// The error for a `None` in a `Some`.
    #[cold]
    pub(in crate::writers) fn null_in_some() -> Self {
        Self::new("`Some(None)` would be stored as NULL, just like `None`; use a single `Option`")
    }

    pub(in crate::writers) fn in_column(mut self, column: &str) -> Self {
        self.column.get_or_insert_with(|| column.into());
        self
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for RowError {}

impl ser::Error for RowError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}
