//! [`SqliteTable`] inserts items into a table in the chunk's transaction.

mod cells;
mod error;
mod insert;
mod rows;
mod table;
mod value;

#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use super::row::Columns;
use crate::definition::{
    BoxError, ChunkTransaction, Database, Of, Partitionable, Serializes, Sqlite, Writer,
};

pub(super) use insert::Conflict;
pub(super) use rows::Inserts;

pub use error::SqliteWriteError;
pub use rows::Rows;

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
/// The fields of the item are the columns, by name: a struct that derives `Serialize`, with numbers, strings,
/// `bool` (stored as 0 and 1), bytes, `Option` (`NULL`), unit variants (their name as text), and anything
/// that serializes as one of these. One prepared statement inserts many rows.
///
/// Every value reads back as the same value, or the item is refused with [`SqliteWriteError::Item`]: NaN,
/// which `SQLite` would store as NULL, an integer that exceeds 64 bits including the sign, and values that the
/// declared type of a column would change, such as the string `007` in an INTEGER column, an integer that a
/// REAL column would round, or a number in a TEXT column. A float without a fraction may be stored as an
/// integer. `None` for an `INTEGER PRIMARY KEY` lets `SQLite` choose the key.
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
    inserts: Inserts,
    make: Make<T>,
    database: PhantomData<fn() -> D>,
}

impl<T> SqliteTable<T> {
    /// Writes items into `table`, one row per item.
    ///
    /// `schema.name` is a table of an attached database if a database with that name is attached, and otherwise
    /// a table with a dot in its name. A name in double quotes, such as `"main.sales"` or `"schema"."name"`,
    /// is read as in SQL.
    #[must_use]
    pub fn into(table: impl Into<String>) -> Self
    where
        T: Serializes,
    {
        Self::with(table, Make::Fields(|items, rows| rows.add_all(items)))
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
        Self::with(table, Make::Closure(Box::new(make))).columns(columns)
    }

    fn with(table: impl Into<String>, make: Make<T>) -> Self {
        Self { inserts: Inserts::into(table.into()), make, database: PhantomData }
    }
}

impl<T, D> SqliteTable<T, D> {
    /// Names the columns for items without field names: tuples and single values. The fields of a struct must
    /// equal these names, in this order.
    #[must_use]
    pub fn columns<C: Into<Cow<'static, str>>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.inserts.columns = Columns::given(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Ignores a row whose unique key is already in the table.
    #[must_use]
    pub fn on_conflict_ignore(mut self) -> Self {
        self.inserts.conflict = Conflict::Ignore;
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
        self.inserts.conflict = Conflict::Update(key.iter().map(|&column| column.to_owned()).collect());
        self
    }

    /// Deletes existing rows that share a unique key with the new row (`INSERT OR REPLACE`).
    #[must_use]
    pub fn replace(mut self) -> Self {
        self.inserts.conflict = Conflict::Replace;
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
        SqliteTable { inserts: self.inserts, make: self.make, database: PhantomData }
    }
}

impl<T, D: Database<Driver = Sqlite>> Writer for SqliteTable<T, D> {
    type Item = T;
    type Position = ();
    type Error = SqliteWriteError;

    const CAN_ROLL_BACK: bool = true;
    const WRITES_IN: Option<Of> = Some(Of::type_of::<D>());

    fn write(&mut self, items: &[T], chunk: &ChunkTransaction<'_>) -> Result<(), SqliteWriteError> {
        let table = &*self.inserts.table;
        let tx = chunk
            .of::<D>()
            .map_err(|source| SqliteWriteError::Transaction { table: table.into(), source })?;
        let make = &mut self.make;
        self.inserts.write(&tx, |rows| match make {
            Make::Fields(add) => add(items, rows),
            Make::Closure(make) => items.iter().try_for_each(|item| rows.of_item(|rows| make(item, rows))),
        })
    }

    fn position(&self) {}
}

impl<T, D: Database<Driver = Sqlite>> Partitionable for SqliteTable<T, D> {}

impl<T, D> fmt::Debug for SqliteTable<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteTable")
            .field("table", &self.inserts.table)
            .field("columns", &self.inserts.columns.names)
            .field("conflict", &self.inserts.conflict)
            .finish_non_exhaustive()
    }
}
