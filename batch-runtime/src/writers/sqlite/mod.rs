//! [`SqliteTable`] inserts items into a table in the chunk's transaction.

mod cells;
mod columns;
mod error;
mod insert;
mod no_row;
mod row;
mod table;
mod value;

#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;

use crate::definition::{BoxError, ChunkTransaction, Database, Partitionable, Serializes, Sqlite, Writer};

use cells::Cells;
use columns::Columns;
use insert::{Conflict, Insert, Statements};
use no_row::NoRow;
use row::RowSerializer;
use value::Values as _;

pub use error::SqliteWriteError;

/// The user's closure, which adds the rows of an item.
type MakeRows<T> = Box<dyn FnMut(&T, &mut Rows<'_, '_>) -> Result<(), BoxError> + Send>;

/// How items become rows.
enum Make<T> {
    /// Each item is one row.
    Fields(fn(&[T], &mut Rows<'_, '_>) -> Result<(), SqliteWriteError>),
    /// Each item is as many rows as the closure adds.
    Closure(MakeRows<T>),
}

/// Writes items into a table of a `SQLite` database, in the chunk's transaction.
///
/// The fields of the item are the columns, by name: a struct that derives `Serialize`, with numbers, texts,
/// `bool` (stored as 0 and 1), bytes, `Option` (`NULL`), unit variants (their name as text), and anything
/// that serializes as one of these. One prepared statement inserts many rows.
///
/// Every value reads back as the same value, or the item is refused with [`SqliteWriteError::Item`]: NaN,
/// which `SQLite` would store as NULL, an integer that exceeds 64 bits with sign, and values that the
/// declared type of a column would change, such as the text `007` in an INTEGER column, an integer that a
/// REAL column would round, or a number in a TEXT column. A whole real may be stored as an integer. `None`
/// for an `INTEGER PRIMARY KEY` lets `SQLite` choose the key.
///
/// ```
/// use batch_runtime::writers::SqliteTable;
/// use batch_runtime::{ChunkTransaction, Writer};
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Delay { carrier: &'static str, minutes: Option<f64> }
///
/// let mut connection = rusqlite::Connection::open_in_memory()?;
/// connection.execute_batch("CREATE TABLE delays (carrier TEXT NOT NULL, minutes REAL)")?;
///
/// let mut writer = SqliteTable::<Delay>::into("delays");
/// let tx = connection.transaction()?;
/// let chunk = [Delay { carrier: "UA", minutes: Some(2.0) }, Delay { carrier: "AA", minutes: None }];
/// writer.write(&chunk, &ChunkTransaction::sqlite(&tx))?;
/// tx.commit()?;
///
/// let rows: u32 = connection.query_row("SELECT count(*) FROM delays", [], |row| row.get(0))?;
/// assert_eq!(rows, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SqliteTable<T, D = Sqlite> {
    table: Box<str>,
    conflict: Conflict,
    columns: Columns,
    make: Make<T>,
    statements: Option<Statements>,
    /// Rows waiting until they fill a statement; kept to reuse their memory.
    cells: Cells,
    database: PhantomData<fn() -> D>,
}

impl<T> SqliteTable<T> {
    /// Writes items into `table`, one row per item.
    ///
    /// `schema.name` is a table of an attached database if a database of that name is attached, and otherwise
    /// a table with a dot in its name. A name in double quotes, such as `"main.sales"` or `"schema"."name"`,
    /// is read as in SQL.
    #[must_use]
    pub fn into(table: impl Into<String>) -> Self
    where
        T: Serializes,
    {
        Self::with(table, Columns::default(), Make::Fields(|items, rows| rows.add_all(items)))
    }
}

impl<T> SqliteTable<T> {
    /// Writes the rows that `make` adds for an item, if any, into `columns` of `table`.
    ///
    /// ```
    /// use batch_runtime::writers::SqliteTable;
    ///
    /// struct Room { id: u32, members: Vec<String> }
    ///
    /// let writer = SqliteTable::<Room>::rows("member", ["room", "name"], |room, rows| {
    ///     for name in &room.members {
    ///         rows.add(&(room.id, name))?;
    ///     }
    ///     Ok(())
    /// });
    /// # let _ = writer;
    /// ```
    #[must_use]
    pub fn rows<C: Into<Cow<'static, str>>>(
        table: impl Into<String>,
        columns: impl IntoIterator<Item = C>,
        make: impl FnMut(&T, &mut Rows<'_, '_>) -> Result<(), BoxError> + Send + 'static,
    ) -> Self {
        Self::with(table, Columns::default(), Make::Closure(Box::new(make))).columns(columns)
    }

    fn with(table: impl Into<String>, columns: Columns, make: Make<T>) -> Self {
        Self {
            table: table.into().into(),
            conflict: Conflict::Fail,
            columns,
            make,
            statements: None,
            cells: Cells::default(),
            database: PhantomData,
        }
    }
}

impl<T, D> SqliteTable<T, D> {
    /// Names the columns for items without field names: tuples and single values. The fields of a struct must
    /// equal these names, in this order.
    #[must_use]
    pub fn columns<C: Into<Cow<'static, str>>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.columns = Columns::given(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Ignores a row whose unique key is already in the table.
    #[must_use]
    pub fn on_conflict_ignore(mut self) -> Self {
        self.conflict = Conflict::Ignore;
        self
    }

    /// Updates all other columns of the row with the same unique `key`.
    ///
    /// ```
    /// use batch_runtime::writers::SqliteTable;
    ///
    /// let writer = SqliteTable::<(u32, String)>::into("person").columns(["id", "name"]).upsert(&["id"]);
    /// # let _ = writer;
    /// ```
    #[must_use]
    pub fn upsert(mut self, key: &[&str]) -> Self {
        self.conflict = Conflict::Update(key.iter().map(|&column| column.to_owned()).collect());
        self
    }

    /// Deletes existing rows that share a unique key with the new row (`INSERT OR REPLACE`).
    #[must_use]
    pub fn replace(mut self) -> Self {
        self.conflict = Conflict::Replace;
        self
    }

    /// Writes into a table of the `#[database]` function `E`.
    ///
    /// ```
    /// use batch_runtime::Sqlite;
    /// use batch_runtime::writers::SqliteTable;
    ///
    /// let writer = SqliteTable::<(u32,)>::into("number").columns(["n"]).database::<Sqlite>();
    /// # let _ = writer;
    /// ```
    #[must_use]
    pub fn database<E: Database<Driver = Sqlite>>(self) -> SqliteTable<T, E> {
        let Self { table, conflict, columns, make, statements, cells, database: _ } = self;
        SqliteTable { table, conflict, columns, make, statements, cells, database: PhantomData }
    }
}

/// Receives the rows of an item.
pub struct Rows<'a, 't> {
    table: &'a str,
    conflict: &'a Conflict,
    columns: &'a mut Columns,
    statements: &'a mut Option<Statements>,
    cells: &'a mut Cells,
    insert: Insert<'t>,
    item: usize,
}

impl Rows<'_, '_> {
    /// Adds a row: a struct, or a tuple of the columns' values in order.
    ///
    /// # Errors
    /// If the row does not fit the table, or the table refuses it or an earlier row.
    #[inline]
    pub fn add<R: Serialize + ?Sized>(&mut self, row: &R) -> Result<(), SqliteWriteError> {
        let start = self.cells.len();
        let made = row.serialize(RowSerializer::new(self.columns, self.cells));
        if let Err(no_row) = made {
            return Err(self.no_row(start, no_row));
        }
        let statements = self.statements.get_or_insert_with(|| {
            // The first row has named the columns.
            self.columns.known = true;
            let quoted = self.columns.table.as_ref().map_or("", |table| &table.quoted);
            Statements::new(self.table, quoted, &self.columns.names, self.conflict)
        });
        let (values, width) = (self.cells.len() - start, statements.width());
        if values != width {
            return Err(self.no_row(start, NoRow::count(values, width)));
        }
        self.cells.end_row(self.item);
        if self.cells.rows() == statements.rows {
            self.insert.many(statements, self.cells)?;
            self.cells.clear();
        }
        Ok(())
    }

    /// Adds one row per item. As long as whole statements can be filled, values are bound directly; `cells`
    /// hold the remaining rows, and those of a statement that failed.
    fn add_all<R: Serialize>(&mut self, items: &[R]) -> Result<(), SqliteWriteError> {
        let at_once = self.statements.as_ref().map_or(usize::MAX, |statements| statements.rows);
        let mut whole = items.chunks_exact(at_once);
        for items in &mut whole {
            let begin = self.item;
            if let Err(source) = self.bind_all(items)? {
                self.item = begin;
                self.name_culprit(items, source)?;
            }
        }
        for item in whole.remainder() {
            self.item += 1;
            self.add(item)?;
        }
        Ok(())
    }

    /// Binds the values of enough items for one statement and executes it.
    fn bind_all<R: Serialize>(&mut self, items: &[R]) -> Result<rusqlite::Result<()>, SqliteWriteError> {
        let Some(statements) = &*self.statements else { return Ok(Ok(())) };
        let mut bound = self.insert.bind(statements)?;
        for item in items {
            self.item += 1;
            let start = bound.len();
            let made = item.serialize(RowSerializer::new(self.columns, &mut bound));
            let (values, width) = (bound.len() - start, statements.width());
            if let Err(no_row) =
                made.and_then(|()| if values == width { Ok(()) } else { Err(NoRow::count(values, width)) })
            {
                return Err(self.no_row(0, no_row));
            }
        }
        Ok(bound.execute())
    }

    #[cold]
    fn name_culprit<R: Serialize>(
        &mut self,
        items: &[R],
        source: rusqlite::Error,
    ) -> Result<(), SqliteWriteError> {
        self.cells.clear();
        for item in items {
            self.item += 1;
            if let Err(no_row) = item.serialize(RowSerializer::new(self.columns, self.cells)) {
                return Err(self.no_row(0, no_row));
            }
            self.cells.end_row(self.item);
        }
        match &*self.statements {
            Some(statements) => self.insert.culprit(statements, self.cells, 0..items.len(), source),
            None => Ok(()),
        }
    }

    /// Removes the partial row from `start` on: the closure may continue with another row.
    #[cold]
    fn no_row(&mut self, start: usize, NoRow { column, problem }: NoRow) -> SqliteWriteError {
        self.cells.truncate(start);
        SqliteWriteError::Item { table: self.table.into(), item: self.item, column, problem }
    }

    fn finish(&mut self) -> Result<(), SqliteWriteError> {
        match &*self.statements {
            Some(statements) => self.insert.rest(statements, self.cells),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Rows<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("table", &self.table).field("item", &self.item).finish_non_exhaustive()
    }
}

impl<T, D: Database<Driver = Sqlite>> Writer for SqliteTable<T, D> {
    type Item = T;
    type Position = ();
    type Error = SqliteWriteError;

    const GOES_BACK: bool = true;

    fn write(&mut self, items: &[T], chunk: &ChunkTransaction<'_>) -> Result<(), SqliteWriteError> {
        let table = &*self.table;
        let tx = chunk
            .of::<D>()
            .map_err(|source| SqliteWriteError::Transaction { table: table.into(), source })?;
        // A failed write may have left rows.
        self.cells.clear();
        self.columns
            .find(table, &tx)
            .map_err(|source| SqliteWriteError::Table { table: table.into(), source })?;
        let mut rows = Rows {
            table,
            conflict: &self.conflict,
            columns: &mut self.columns,
            statements: &mut self.statements,
            cells: &mut self.cells,
            insert: Insert::new(&tx),
            item: 0,
        };
        match &mut self.make {
            Make::Fields(add) => add(items, &mut rows)?,
            Make::Closure(make) => {
                for item in items {
                    rows.item += 1;
                    make(item, &mut rows).map_err(|error| named(error, table, rows.item))?;
                }
            }
        }
        rows.finish()
    }

    fn position(&self) {}
}

impl<T, D: Database<Driver = Sqlite>> Partitionable for SqliteTable<T, D> {}

/// Passes one of our errors through the user's closure unchanged.
#[cold]
fn named(error: BoxError, table: &str, item: usize) -> SqliteWriteError {
    match error.downcast::<SqliteWriteError>() {
        Ok(error) => *error,
        Err(source) => SqliteWriteError::Rows { table: table.into(), item, source },
    }
}

impl<T, D> fmt::Debug for SqliteTable<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteTable")
            .field("table", &self.table)
            .field("columns", &self.columns.names)
            .field("conflict", &self.conflict)
            .finish_non_exhaustive()
    }
}
