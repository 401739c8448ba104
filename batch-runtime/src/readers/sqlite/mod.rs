//! Receives: a query. Gives: [`SqliteReader`], which reads it page by page, by key, so that a restart goes on behind
//! the last key and no read transaction outlives a page.

mod error;
mod key;
mod page;
mod query;
mod row;
mod source;
mod split;
mod sql;
mod text;

#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::definition::{Progress, Reader};

use key::{KeyValue, described, named};
use page::{Page, Proof};
use row::MakeItem;

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
/// The rows come in the order of `ORDER BY`, with the collation of each column, and no page loses one: `SQLite` orders
/// values as they are stored, but converts some of them for `id > ?` (a text to a number, in a column that is declared
/// so). Where that can make a difference, the reader asks `SQLite` for the rows by a comparison without conversion,
/// which reads the whole result once more. That happens where numbers end and texts begin, and for each page of a
/// query whose key has texts in a place declared as numeric.
///
/// It has a connection of its own ([`SqliteSource`]), so it can pass from one thread to another: a step with `threads`
/// reads by it as it is.
///
/// Reading goes on behind a row that is no item, or on which the closure failed
/// ([`SqliteReadError::is_about_a_row`]). It does not behind a query that failed, or has not the columns that the item is
/// made of, or a key that is `NULL` or not unique: no rule of the step skips these.
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
    /// What is known of the key's values so far.
    proof: Proof,
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

impl<T, F: MakeItem<T>> SqliteReader<T, F> {
    fn new(
        connection: rusqlite::Connection,
        make: F,
        names: Vec<String>,
        key: Vec<String>,
        key_columns: Vec<usize>,
        page: Page,
        proof: Proof,
    ) -> Self {
        let (buffer, after) = (Vec::new(), Vec::new());
        Self {
            connection,
            make,
            names,
            key,
            key_columns,
            page,
            proof,
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
