//! Refuses a key that is not unique, that is `NULL`, or that changes each time it is read.
//!
//! The database itself decides whether two keys are equal, row by row in each page. Each fetch has one row more than
//! the page, so that equal keys in two pages are found too. A key that is `NULL` in some row would come after all
//! others, or be lost between two pages: the reader looks for such a key before it begins. If the query computes the
//! key differently each time, a row is not found again by its key: the reader tries this with the last row of the
//! first page.

use tokio_postgres::Row;

use super::key::StoredValue;
use super::page::Page;
use super::row::raw;
use super::{MakeItem, PostgresReadError, PostgresReader, named};

impl<T, F: MakeItem<T>> PostgresReader<T, F> {
    /// Checks the whole query before its first row is read, and returns its first page.
    pub(super) fn first_checked(&self) -> Result<Vec<Row>, PostgresReadError> {
        let Page { user_parameters, sql, .. } = &self.page;
        let (session, first) = (&self.session, &self.page.first);
        session.in_one_snapshot(|| {
            self.refuse_null()?;
            let rows = session.read(first, &self.page.values(Vec::new()))?;
            if let Some(last) = rows.last()
                && self.key.null_in(last).is_none()
            {
                let given = [user_parameters.clone(), self.key.parameters_of_row(last)].concat();
                if session.read(&sql.same(), &given)?.is_empty() {
                    return Err(self.key_error(
                        "it changes each time the query is run; read by a column of a table".into(),
                    ));
                }
            }
            Ok(rows)
        })
    }

    /// Refuses a query with a row whose key is `NULL`.
    pub(super) fn refuse_null(&self) -> Result<(), PostgresReadError> {
        let null = self.session.read(&self.page.sql.null(), &self.page.user_parameters)?;
        let Some(row) = null.first() else { return Ok(()) };
        let column = (0..self.key.0.len()).find(|column| raw(row, *column) == Some(&[1]));
        Err(self.null_error(column.unwrap_or_default()))
    }

    /// Keeps the rows before the first one with an invalid key, and returns the error about that key; of two rows with
    /// equal keys it keeps neither. An extra column at the end of each row says whether its key is equal to that of the
    /// previous row.
    pub(super) fn check(&self, rows: &mut Vec<Row>) -> Option<PostgresReadError> {
        // If the indexes and constraints of the table prove the key unique and `NOT NULL`, check only the last row: its
        // key is sent back to the server for the next page.
        let first = if self.page.is_proven { rows.len().saturating_sub(1) } else { 0 };
        for at in first..rows.len() {
            if let Some(column) = self.key.null_in(&rows[at]) {
                rows.truncate(at);
                return Some(self.null_error(column));
            }
            if !self.page.is_proven && raw(&rows[at], self.columns.len()) == Some(&[1]) {
                let error = self.not_unique_error(&self.key.stored(&rows[at]));
                // Drop the row before it too: a restart after that row would never find the equal key.
                rows.truncate(at.saturating_sub(1));
                return Some(error);
            }
        }
        None
    }

    fn key_error(&self, problem: Box<str>) -> PostgresReadError {
        PostgresReadError::Key { key: named(self.key.names()), problem }
    }

    pub(super) fn null_error(&self, column: usize) -> PostgresReadError {
        PostgresReadError::Key {
            key: named(self.key.names().nth(column)),
            problem: "it is NULL in a row; exclude such rows, or read by another key".into(),
        }
    }

    fn not_unique_error(&self, key: &[StoredValue]) -> PostgresReadError {
        let key = self.key.shown(key);
        self.key_error(
            format!(
                "it is not unique: {key} occurs more than once; add columns to the key until it is unique"
            )
            .into(),
        )
    }
}
