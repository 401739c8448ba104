//! Receives: a query. Gives: [`SqliteReader`], which reads it page by page, by key, so that a restart goes on behind
//! the last key and no read transaction outlives a page.

mod error;
mod key;
mod query;
mod row;
mod source;
mod split;

#[cfg(test)]
mod tests;

use std::fmt;

use rusqlite::Row;
use rusqlite::types::Value;

use crate::definition::{Progress, Reader};

use key::{KeyValue, Same, described, named};
use query::{LIMIT, Sql};
use row::{MakeItem, NoItem, RowError};

pub use error::SqliteReadError;
pub use key::{KeyColumns, SqlitePosition};
pub use query::SqliteQuery;
pub use row::Deserialized;
pub use source::SqliteSource;
pub use split::SqlitePart;

/// Reads the rows of a `SQLite` query, in the order of a unique key.
///
/// Every page is a query of its own, of the rows behind the last key: `.. WHERE id > ? ORDER BY id LIMIT 1000`.
/// So a page in the middle costs what the first one costs, a restart goes on by key, and the write-ahead log can be
/// checkpointed while a long step runs. Rows that are changed meanwhile are seen as they are when their page is
/// read.
///
/// It has a connection of its own ([`SqliteSource`]), so it can pass from one thread to another: a step with `threads`
/// reads by it as it is.
///
/// Reading goes on behind a row that is no item, or on which the closure failed
/// ([`SqliteReadError::is_about_a_row`]). It does not behind a query that failed, or a key that is `NULL` or not unique.
///
/// ```
/// use batch_runtime::readers::{SqliteReadError, SqliteReader};
/// use batch_runtime::{Reader, Sqlite};
/// use serde::Deserialize;
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct Person { id: u32, name: String }
///
/// let database = Sqlite::open(std::env::temp_dir().join("doc-sqlite-reader.db"));
/// database.connect()?.execute_batch(
///     "CREATE TABLE IF NOT EXISTS person (id INTEGER PRIMARY KEY, name TEXT, region TEXT);
///      REPLACE INTO person VALUES (1, 'Ada', 'eu'), (2, 'Bo', 'us'), (7, 'Cy', 'eu')",
/// )?;
///
/// let people = || {
///     SqliteReader::query(&database, "SELECT id, name FROM person WHERE region = :region")
///         .key("id")
///         .bind(":region", "eu")
///         .rows_as::<Person>()
/// };
/// let mut reader = people()?;
/// assert_eq!(reader.read()?, Some(Person { id: 1, name: "Ada".into() }));
///
/// let mut restarted = people()?;
/// restarted.resume(reader.position())?;
/// assert_eq!(restarted.read()?, Some(Person { id: 7, name: "Cy".into() }));
/// assert_eq!(restarted.read()?, None);
/// # Ok::<(), SqliteReadError>(())
/// ```
///
/// A closure instead of serde, a key of two columns, and a connection that the reader is given:
///
/// ```
/// use batch_runtime::Reader;
/// use batch_runtime::readers::{SqliteReadError, SqliteReader};
///
/// let connection = rusqlite::Connection::open_in_memory()?;
/// connection.execute_batch("CREATE TABLE chore (day TEXT, id INTEGER, PRIMARY KEY (day, id))")?;
/// connection.execute_batch("INSERT INTO chore VALUES ('mo', 1), ('mo', 2), ('tu', 1)")?;
///
/// let mut reader = SqliteReader::query(connection, "SELECT day, id FROM chore")
///     .key(["day", "id"])
///     .rows(|row| Ok(format!("{} {}", row.get::<_, String>("day")?, row.get::<_, i64>("id")?)))?;
/// reader.read()?;
/// assert_eq!(reader.read()?.as_deref(), Some("mo 2"));
/// # Ok::<(), SqliteReadError>(())
/// ```
pub struct SqliteReader<T, F = Deserialized<T>> {
    connection: rusqlite::Connection,
    /// Makes an item of a row, whose columns have these names.
    make: F,
    /// The names of the result's columns.
    names: Vec<String>,
    /// The names of the key's columns, and where they stand in the result.
    key: Vec<String>,
    key_columns: Vec<usize>,
    page: Page,
    /// The rows of the page, the next one last, each with its key.
    buffer: Vec<(Vec<KeyValue>, Result<T, SqliteReadError>)>,
    /// The key of the last row read; empty before the first.
    after: Vec<KeyValue>,
    /// Behind which key the part begins that is read.
    begin: Option<Vec<KeyValue>>,
    /// What is wrong behind the last row of the page.
    behind: Option<SqliteReadError>,
    read: u64,
    total: Option<u64>,
    ended: bool,
}

/// What a page is fetched by.
struct Page {
    sql: Sql,
    rows: usize,
    /// The user's own parameters.
    parameters: Vec<(String, Value)>,
    /// Parameters for the last key in the user's own SQL, with the number of the key's column.
    after: Vec<(String, usize)>,
    /// Their values for the first page.
    start: Vec<Value>,
    /// The key of the last row of the part that is read; empty if it is the whole, or the last.
    up_to: Vec<KeyValue>,
}

impl<T, F: MakeItem<T>> SqliteReader<T, F> {
    fn new(
        connection: rusqlite::Connection,
        make: F,
        names: Vec<String>,
        key: Vec<String>,
        key_columns: Vec<usize>,
        page: Page,
    ) -> Self {
        let (buffer, after) = (Vec::new(), Vec::new());
        Self {
            connection,
            make,
            names,
            key,
            key_columns,
            page,
            buffer,
            after,
            begin: None,
            behind: None,
            read: 0,
            total: None,
            ended: false,
        }
    }

    /// The names of the result's columns.
    fn names(&self) -> &[String] {
        &self.names
    }

    fn count(&mut self) -> Result<(), SqliteReadError> {
        let after: &[KeyValue] = self.begin.as_deref().unwrap_or_default();
        let sql = if after.is_empty() { &self.page.sql.count } else { &self.page.sql.count_later };
        let mut statement = self.connection.prepare(sql)?;
        self.page.bind(&mut statement, after)?;
        let mut rows = statement.raw_query();
        if let Some(row) = rows.next()? {
            let total: i64 = row.get(0)?;
            self.total = u64::try_from(total).ok();
        }
        Ok(())
    }

    /// Goes on to the next page, or to what is wrong behind the last one.
    fn turn(&mut self) -> Result<(), SqliteReadError> {
        if self.behind.is_none() && !self.ended {
            self.fetch()?;
        }
        if self.buffer.is_empty() {
            self.ended = true;
            return self.behind.take().map_or(Ok(()), Err);
        }
        Ok(())
    }

    /// Runs the query of the next page to its end. A page that failed half way, or whose closure panicked, is fetched
    /// again by the next call.
    fn fetch(&mut self) -> Result<(), SqliteReadError> {
        let sql = if self.after.is_empty() { &self.page.sql.first } else { &self.page.sql.later };
        let mut statement = self.connection.prepare_cached(sql)?;
        self.page.bind(&mut statement, &self.after)?;
        // One row more than the page: a key that comes twice would otherwise lose its second row between two
        // pages.
        let limit = i64::try_from(self.page.rows).unwrap_or(i64::MAX).saturating_add(1);
        statement.raw_bind_parameter(LIMIT, limit)?;
        let mut rows = statement.raw_query();
        // Out of `self` until it is whole: half a page is not yet in the order in which it is given.
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(row) = rows.next()? {
            let key = match self.key_of(row) {
                Ok(key) => key,
                Err(error) => {
                    // The rows before it are good.
                    self.behind = Some(error);
                    break;
                }
            };
            let last = buffer.last().map_or(&self.after, |(key, _)| key);
            if let Err(error) = self.check_order(last, &key) {
                // Nor is the row before it given: who goes on behind that would never see this one.
                buffer.pop();
                self.behind = Some(error);
                break;
            }
            if buffer.len() == self.page.rows {
                break;
            }
            let item = (self.make)(row, &self.names).map_err(|error| self.row_error(&key, error));
            buffer.push((key, item));
        }
        buffer.reverse();
        self.buffer = buffer;
        Ok(())
    }

    fn key_of(&self, row: &Row<'_>) -> Result<Vec<KeyValue>, SqliteReadError> {
        let bad = |column: usize, problem: &str| SqliteReadError::Key {
            key: format!("`{}`", self.key[column]).into(),
            problem: problem.into(),
        };
        let value = |(column, index): (usize, &usize)| match KeyValue::of(row.get_ref(*index)?) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(bad(column, "it is NULL in a row; leave such rows out, or read by another key")),
            Err(error) => Err(bad(column, &format!("its text is not UTF-8 in a row: {error}"))),
        };
        self.key_columns.iter().enumerate().map(value).collect()
    }

    /// The rows come in the order of the key; equal ones would be lost between two pages.
    fn check_order(&self, last: &[KeyValue], key: &[KeyValue]) -> Result<(), SqliteReadError> {
        let Some(same) = last.iter().zip(key).map(|(one, two)| one.same(two)).min() else { return Ok(()) };
        let twice = match same {
            Same::No => false,
            Same::Yes => true,
            Same::Perhaps => self.rows_of(key)? > 1,
        };
        if twice {
            return Err(SqliteReadError::Key {
                key: named(&self.key),
                problem: format!(
                    "it is not unique: {} comes more than once; add columns to the key until it is unique",
                    described(&self.key, key)
                )
                .into(),
            });
        }
        Ok(())
    }

    fn rows_of(&self, key: &[KeyValue]) -> Result<i64, SqliteReadError> {
        let mut statement = self.connection.prepare_cached(&self.page.sql.same)?;
        // Below the key, where the user's own SQL has the condition.
        self.page.bind(&mut statement, &[])?;
        for (column, value) in key.iter().enumerate() {
            statement.raw_bind_parameter(query::key_parameter(column).as_str(), value)?;
        }
        let mut rows = statement.raw_query();
        match rows.next()? {
            Some(row) => Ok(row.get(0)?),
            None => Ok(0),
        }
    }

    fn row_error(&self, key: &[KeyValue], error: RowError) -> SqliteReadError {
        let key = described(&self.key, key);
        match error {
            RowError::Item(NoItem { column, problem }) => SqliteReadError::Row { key, column, problem },
            RowError::Closure(source) => SqliteReadError::Closure { key, source },
        }
    }
}

impl<T, F: MakeItem<T>> Reader for SqliteReader<T, F> {
    type Item = T;
    type Position = SqlitePosition;
    type Error = SqliteReadError;

    #[inline]
    fn read(&mut self) -> Result<Option<T>, SqliteReadError> {
        if self.buffer.is_empty() {
            self.turn()?;
        }
        let Some((key, item)) = self.buffer.pop() else { return Ok(None) };
        self.after = key;
        self.read += 1;
        item.map(Some)
    }

    fn steps_over(&self, error: &SqliteReadError) -> bool {
        error.is_about_a_row()
    }

    fn position(&self) -> SqlitePosition {
        SqlitePosition {
            after: self.key.iter().cloned().zip(self.after.iter().cloned()).collect(),
            rows: self.read,
        }
    }

    fn resume(&mut self, position: SqlitePosition) -> Result<(), SqliteReadError> {
        let SqlitePosition { after, rows } = position;
        let (names, values): (Vec<_>, Vec<_>) = after.into_iter().unzip();
        if !names.is_empty() && names != self.key {
            return Err(SqliteReadError::Position {
                position: described(&names, &values),
                key: named(&self.key),
            });
        }
        (self.after, self.read) = (values, rows);
        Ok(())
    }

    fn progress(&self) -> Option<Progress> {
        self.total.map(|total| Progress { done: self.read.min(total), total })
    }

    fn location(&self) -> Option<String> {
        (!self.after.is_empty()).then(|| described(&self.key, &self.after).into())
    }
}

impl<T, F> fmt::Debug for SqliteReader<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteReader")
            .field("key", &self.key)
            .field("after", &self.after)
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}
