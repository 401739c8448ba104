//! [`SqliteReader`] reads a query page by page, by key, so that a restart resumes after the last key and no
//! read transaction outlives a page.

mod error;
mod key;
mod page;
mod query;
mod row;
mod source;
mod split;
mod sql;
mod text;
mod windows;

#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::definition::{Progress, Reader};

use crate::readers::rows::named;

use key::{KeyValue, described};
use page::{Page, Proof};
use row::MakeItem;

pub use error::SqliteReadError;
pub use key::SqlitePosition;
pub use query::SqliteQuery;
pub use row::Deserialized;
pub(super) use row::items;
pub use source::SqliteSource;
pub use split::SqlitePart;

/// Reads the rows of a `SQLite` query in the order of a unique key.
///
/// Every page is a separate query for the rows after the last key: `.. WHERE id > ? ORDER BY id LIMIT 1000`.
/// A page in the middle therefore costs as much as the first one, a restart resumes by key, and the
/// write-ahead log can be checkpointed while a long step runs. Rows that change meanwhile are read as they
/// are when their page is read.
///
/// The rows come in the order of `ORDER BY`, with the collation of each column, and no page loses a row.
/// `SQLite` orders values as they are stored, but converts some of them for `id > ?` (a text to a number, in
/// a column declared as numeric). If the conversion may make a difference, the reader compares without it,
/// which reads the whole result once more. This happens where numbers end and texts begin, and for every page
/// of a query whose key has texts in a column declared as numeric.
///
/// A key that the query computes differently each time (`random()`), or by a window function, is refused, and so is a query
/// with a `LIMIT` of its own.
///
/// An integer or a real becomes an integer, an `f64` or an `f32` that equals it, or the row is refused; so is a text of
/// which a `Date` or a `DateTime` would lose a part, and an infinite real for a `serde_json::Value`.
///
/// The reader has its own connection ([`SqliteSource`]), so it can move to another thread: a step with
/// `threads` can use it directly.
///
/// Reading continues after a row that cannot be converted to an item, or for which the closure failed
/// ([`SqliteReadError::is_about_a_row`]). It ends after a query that failed or lacks the columns of the item,
/// and after a key that is `NULL` or not unique: no rule of the step skips these.
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
/// With a closure instead of serde, a key of two columns, and a connection passed by value:
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
    /// Converts a row to an item, given the names of the columns.
    make: F,
    /// The names of the result's columns.
    names: Vec<String>,
    /// The names of the key's columns.
    key: Vec<String>,
    /// The indexes of these columns in the result.
    key_columns: Vec<usize>,
    page: Page,
    /// The facts known about the key's values so far.
    proof: Proof,
    /// The remaining rows of the page in reverse order, each with its key.
    buffer: Vec<(Vec<KeyValue>, Result<T, SqliteReadError>)>,
    /// The rows of the page that are not items: the key of each, and the row as JSON.
    refused: Vec<(Vec<KeyValue>, String)>,
    /// The key of the last row read; empty before the first.
    after: Vec<KeyValue>,
    /// The key after which the part begins.
    begin: Option<Vec<KeyValue>>,
    /// The error after the last row of the page.
    fault: Option<SqliteReadError>,
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
        let (buffer, refused, after) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            connection,
            make,
            names,
            key,
            key_columns,
            page,
            proof,
            buffer,
            refused,
            after,
            begin: None,
            fault: None,
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

    /// Moves to the next page, or returns the error after the last row of the current page.
    fn next_page(&mut self) -> Result<(), SqliteReadError> {
        if self.fault.is_none() && !self.ended {
            self.fetch()?;
        }
        if self.buffer.is_empty() {
            self.ended = true;
            return self.fault.take().map_or(Ok(()), Err);
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
            self.next_page()?;
        }
        let Some((key, item)) = self.buffer.pop() else { return Ok(None) };
        self.after = key;
        self.read += 1;
        item.map(Some)
    }

    fn steps_over(&self, error: &SqliteReadError) -> bool {
        error.is_about_a_row()
    }

    fn record(&self, error: &SqliteReadError) -> Option<String> {
        let is_last = |(key, _): &&(Vec<KeyValue>, String)| *key == self.after;
        let refused = self.refused.iter().find(is_last).filter(|_| error.is_about_a_row());
        refused.map(|(_, row)| row.clone())
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
