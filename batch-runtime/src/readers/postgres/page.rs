//! Fetches the pages of a query, each before it is needed.

use tokio_postgres::Row;

use super::key::StoredValue;
use super::sql::{Range, Sql};
use super::{MakeItem, PostgresReadError, PostgresReader};
use crate::postgres::Parameter;

/// The next page is requested ahead if the current one has at most this many bytes. The server keeps a page's snapshot
/// until it has sent the page, and this many bytes fit into the buffers of the connection before the reader takes them.
const ASKED_AHEAD: usize = 256 * 1024;
/// If the number of rows of a page was not set, and the first page has small rows, the next pages have this many times
/// as many rows: each page costs the server about 60 microseconds in addition to its rows, and the reader a round trip.
const GROWTH: usize = 4;

/// Whether the pages become larger than the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    Never,
    /// If the rows of the first full page are small.
    Possible,
    /// They are larger, as long as their rows are small.
    Done,
}

/// The parts of the query for a page.
pub(super) struct Page {
    pub(super) sql: Sql,
    /// The number of rows of a page.
    pub(super) rows: usize,
    pub(super) growth: Growth,
    /// The values of the user's own parameters.
    pub(super) user_parameters: Vec<Parameter>,
    /// True if the key is unique and never `NULL`, so that no page needs to be checked.
    pub(super) is_proven: bool,
    /// True if the rows are sorted for each page.
    pub(super) sorts: bool,
    /// The last key of the part to read; empty for the whole query, or the last part.
    up_to: Vec<Parameter>,
    /// The statement for a page that begins with the first row.
    pub(super) first: String,
    /// The statement for a page that begins after a key.
    later: String,
}

impl Page {
    pub(super) fn new(
        sql: Sql,
        rows: usize,
        user_parameters: Vec<Parameter>,
        is_proven: bool,
        sorts: bool,
    ) -> Self {
        let (first, later) = (String::new(), String::new());
        let (growth, up_to) = (Growth::Never, Vec::new());
        let mut page = Self { sql, rows, growth, user_parameters, is_proven, sorts, up_to, first, later };
        page.end(Vec::new());
        page
    }

    /// Adapts the number of rows of the next pages to the size of a full page in bytes, so that large rows do not take much
    /// memory.
    fn adapt(&mut self, size: usize) {
        let rows = match self.growth {
            Growth::Possible if size <= ASKED_AHEAD / GROWTH => {
                self.growth = Growth::Done;
                self.rows * GROWTH
            }
            Growth::Done if size > ASKED_AHEAD => {
                self.growth = Growth::Never;
                self.rows / GROWTH
            }
            Growth::Possible => {
                self.growth = Growth::Never;
                return;
            }
            Growth::Done | Growth::Never => return,
        };
        self.rows = rows;
        let up_to = std::mem::take(&mut self.up_to);
        self.end(up_to);
    }

    /// Sets the last key to read.
    pub(super) fn end(&mut self, up_to: Vec<Parameter>) {
        let statement = |after| {
            let range = Range { after, up_to: !up_to.is_empty() };
            if self.is_proven {
                self.sql.page(range, self.rows)
            } else {
                // Fetch one row more, to compare its key with that of the last row of the page.
                self.sql.checked_page(range, self.rows.saturating_add(1))
            }
        };
        (self.first, self.later) = (statement(false), statement(true));
        self.up_to = up_to;
    }

    /// The statement for the page after a key, or for the first page.
    fn statement(&self, after: &[Parameter]) -> &str {
        if after.is_empty() { &self.first } else { &self.later }
    }

    /// The values of the parameters of a statement.
    pub(super) fn values(&self, after: Vec<Parameter>) -> Vec<Parameter> {
        [self.user_parameters.clone(), after, self.up_to.clone()].concat()
    }

    pub(super) fn count(&self, after: Vec<Parameter>) -> (String, Vec<Parameter>) {
        let range = Range { after: !after.is_empty(), up_to: !self.up_to.is_empty() };
        (self.sql.count(range), self.values(after))
    }
}

/// Where the reader is.
pub(super) enum After {
    Nothing,
    /// After the row that was read last.
    Row(Row),
    /// After the key of a stored position.
    Stored(Vec<StoredValue>),
}

impl<T, F: MakeItem<T>> PostgresReader<T, F> {
    /// Moves to the next page. Returns whether it has a row, or the error after the last row of the current page.
    #[cold]
    pub(super) fn next_page(&mut self) -> Result<bool, PostgresReadError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        if self.ended {
            return Ok(false);
        }
        let mut rows = self.fetched()?;
        self.checked = true;
        let is_last =
            if self.page.is_proven { rows.len() < self.page.rows } else { rows.len() <= self.page.rows };
        self.fault = self.check(&mut rows);
        // A row beyond the page is returned again by the next page.
        rows.truncate(self.page.rows);
        self.ended = is_last && self.fault.is_none();
        if !is_last
            && self.fault.is_none()
            && let Some(last) = rows.last()
        {
            let size = rows.iter().map(Row::raw_size_bytes).sum::<usize>();
            self.page.adapt(size);
            if size <= ASKED_AHEAD {
                let after = self.key.parameters_of_row(last);
                let values = self.page.values(after.clone());
                self.asked = Some(self.session.ask(self.page.statement(&after), &values)?);
            }
        }
        let has_row = !rows.is_empty();
        self.rows = rows.into_iter();
        if has_row {
            return Ok(true);
        }
        self.fault.take().map_or(Ok(false), Err)
    }

    /// Fetches the rows after the last that was read.
    fn fetched(&mut self) -> Result<Vec<Row>, PostgresReadError> {
        if let Some(asked) = self.asked.take() {
            return Ok(self.session.answer(asked)?);
        }
        if !self.page.is_proven && !self.checked {
            return self.first_checked();
        }
        let after = self.after_parameters()?;
        let asked = self.session.ask(self.page.statement(&after), &self.page.values(after.clone()))?;
        Ok(self.session.answer(asked)?)
    }

    fn after_parameters(&self) -> Result<Vec<Parameter>, PostgresReadError> {
        match &self.after {
            After::Nothing => Ok(Vec::new()),
            After::Row(row) => Ok(self.key.parameters_of_row(row)),
            After::Stored(stored) => self.parameters_of(stored),
        }
    }

    pub(super) fn parameters_of(&self, stored: &[StoredValue]) -> Result<Vec<Parameter>, PostgresReadError> {
        self.key.parameters_of(stored).ok_or_else(|| PostgresReadError::Key {
            key: self.key.described(),
            problem: "the stored key is damaged; start a new instance (`--next`)".into(),
        })
    }
}
