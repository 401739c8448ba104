//! [`Table`] inserts items into a table of a database of any kind.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;

#[cfg(feature = "postgres")]
use super::postgres::{self, PostgresRows, PostgresWriteError};
use super::row::Columns;
use super::sqlite::{self, Rows, SqliteWriteError};
use crate::definition::{
    AnyDatabase, BoxError, ChunkTransaction, Database, DatabaseError, Failure, Of, Partitionable, Serializes,
    Writer,
};

/// The user's closure, which adds the rows of an item.
type MakeRows<T> = Box<dyn FnMut(&T, &mut TableRows<'_, '_, '_>) -> Result<(), BoxError> + Send>;

/// How items become rows.
enum Make<T> {
    /// Each item is one row.
    Fields(AddAll<T>),
    /// Each item is as many rows as the closure adds.
    Closure(MakeRows<T>),
}

/// Adds a row per item, in either kind of database.
struct AddAll<T> {
    sqlite: fn(&[T], &mut Rows<'_, '_>) -> Result<(), SqliteWriteError>,
    #[cfg(feature = "postgres")]
    postgres: fn(&[T], &mut PostgresRows<'_, '_>) -> Result<(), PostgresWriteError>,
}

/// Writes items into a table of a database of any kind, in the chunk's transaction: one program runs on `SQLite` in
/// development and on `PostgreSQL` in production.
///
/// It does what [`SqliteTable`](super::SqliteTable) does in `SQLite`, and what
#[cfg_attr(feature = "postgres", doc = "[`PostgresTable`](super::PostgresTable)")]
#[cfg_attr(not(feature = "postgres"), doc = "`PostgresTable`, which needs the feature `postgres`,")]
/// does in `PostgreSQL`. The kind is that of the repository, or of the [`database`](Self::database).
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::writers::Table;
/// use batch_runtime::{AnyDatabase, DatabaseError};
///
/// #[derive(Serialize)]
/// struct Delay {
///     carrier: String,
///     minutes: Option<f64>,
/// }
///
/// #[step]
/// fn create_table(tx: &Transaction<'_, AnyDatabase>) -> Result<(), DatabaseError> {
///     tx.batch_execute("CREATE TABLE delay (carrier TEXT PRIMARY KEY, minutes DOUBLE PRECISION)")
/// }
///
/// #[writer]
/// fn save() -> Table<Delay> {
///     Table::into("delay").upsert(&["carrier"])
/// }
/// # fn main() {}
/// ```
pub struct Table<T, D = AnyDatabase> {
    sqlite: sqlite::Inserts,
    #[cfg(feature = "postgres")]
    postgres: postgres::Inserts,
    make: Make<T>,
    database: PhantomData<fn() -> D>,
}

impl<T> Table<T> {
    /// Writes items into `table`, one row per item.
    ///
    /// A dot in the name separates the schema from the table, and a part in double quotes is read as in SQL.
    #[must_use]
    pub fn into(table: impl Into<String>) -> Self
    where
        T: Serializes,
    {
        Self::with(
            table.into(),
            Make::Fields(AddAll {
                sqlite: |items, rows| rows.add_all(items),
                #[cfg(feature = "postgres")]
                postgres: |items, rows| rows.add_all(items),
            }),
        )
    }

    /// Writes the rows that `make` adds for an item, if any, into `columns` of `table`.
    ///
    /// ```
    /// use batch_runtime::writers::Table;
    ///
    /// struct Room { id: u32, members: Vec<String> }
    ///
    /// let writer = Table::<Room>::rows("member", ["room", "name"], |room, rows| {
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
        make: impl FnMut(&T, &mut TableRows<'_, '_, '_>) -> Result<(), BoxError> + Send + 'static,
    ) -> Self {
        Self::with(table.into(), Make::Closure(Box::new(make))).columns(columns)
    }

    fn with(table: String, make: Make<T>) -> Self {
        Self {
            #[cfg(feature = "postgres")]
            postgres: postgres::Inserts::into(table.clone())
                .wrapping_errors(|error| TableWriteError::Postgres(error).into()),
            sqlite: sqlite::Inserts::into(table),
            make,
            database: PhantomData,
        }
    }
}

impl<T, D> Table<T, D> {
    /// Names the columns for items without field names: tuples and single values. The fields of a struct must equal these
    /// names, in this order.
    #[must_use]
    pub fn columns<C: Into<Cow<'static, str>>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        let names: Vec<Cow<'static, str>> = columns.into_iter().map(Into::into).collect();
        #[cfg(feature = "postgres")]
        {
            self.postgres.columns = Columns::given(names.clone());
        }
        self.sqlite.columns = Columns::given(names);
        self
    }

    /// Ignores a row whose unique key is already in the table.
    #[must_use]
    pub fn on_conflict_ignore(mut self) -> Self {
        self.sqlite.conflict = sqlite::Conflict::Ignore;
        #[cfg(feature = "postgres")]
        {
            self.postgres.conflict = postgres::Conflict::Ignore;
        }
        self
    }

    /// Updates all other columns of the row with the same unique `key`.
    ///
    /// ```
    /// use batch_runtime::writers::Table;
    ///
    /// let writer = Table::<(u32, String)>::into("person").columns(["id", "name"]).upsert(&["id"]);
    /// # let _ = writer;
    /// ```
    #[must_use]
    pub fn upsert(mut self, key: &[&str]) -> Self {
        let key: Vec<String> = key.iter().map(|&column| column.to_owned()).collect();
        #[cfg(feature = "postgres")]
        {
            self.postgres.conflict = postgres::Conflict::Update(key.clone());
        }
        self.sqlite.conflict = sqlite::Conflict::Update(key);
        self
    }

    /// Writes into a table of the `#[database]` function `E`, which returns an [`AnyDatabase`].
    ///
    /// ```
    /// use batch_runtime::prelude::*;
    /// use batch_runtime::AnyDatabase;
    /// use batch_runtime::writers::Table;
    ///
    /// #[database]
    /// fn ledger(#[param(secret)] ledger: String) -> Result<AnyDatabase, Failure> {
    ///     AnyDatabase::at(&ledger)
    /// }
    ///
    /// #[writer]
    /// fn book() -> Table<(i64, String), ledger> {
    ///     Table::into("booking").columns(["id", "text"]).database::<ledger>()
    /// }
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn database<E: Database<Driver = AnyDatabase>>(self) -> Table<T, E> {
        Table {
            sqlite: self.sqlite,
            #[cfg(feature = "postgres")]
            postgres: self.postgres,
            make: self.make,
            database: PhantomData,
        }
    }
}

impl<T, D: Database<Driver = AnyDatabase>> Writer for Table<T, D> {
    type Item = T;
    type Position = ();
    type Error = TableWriteError;

    const CAN_ROLL_BACK: bool = true;
    const WRITES_AHEAD: bool = true;
    const WRITES_IN: Option<Of> = Some(Of::type_of::<D>());

    fn write(&mut self, items: &[T], chunk: &ChunkTransaction<'_>) -> Result<(), TableWriteError> {
        let table = &*self.sqlite.table;
        let failed = |source| TableWriteError::Transaction { table: table.into(), source };
        let tx = chunk.of::<D>().map_err(failed)?;
        let make = &mut self.make;
        #[cfg(feature = "postgres")]
        if let Some(tx) = tx.as_postgres() {
            return Ok(self.postgres.write(tx, |rows| match make {
                Make::Fields(add) => (add.postgres)(items, rows),
                Make::Closure(make) => items.iter().try_for_each(|item| {
                    rows.of_item(|rows| make(item, &mut TableRows(Kind::Postgres(rows))).map_err(unwrapped))
                }),
            })?);
        }
        let Some(tx) = tx.as_sqlite() else {
            return Err(failed(Failure::new(DatabaseError::Unsupported)));
        };
        Ok(self.sqlite.write(tx, |rows| match make {
            Make::Fields(add) => (add.sqlite)(items, rows),
            Make::Closure(make) => items.iter().try_for_each(|item| {
                rows.of_item(|rows| make(item, &mut TableRows(Kind::Sqlite(rows))).map_err(unwrapped))
            }),
        })?)
    }

    fn position(&self) {}
}

impl<T, D: Database<Driver = AnyDatabase>> Partitionable for Table<T, D> {}

/// Unwraps the error of the `SQLite` or `PostgreSQL` writer if the user's closure has passed it on.
#[cold]
fn unwrapped(error: BoxError) -> BoxError {
    match error.downcast::<TableWriteError>().map(|error| *error) {
        Ok(TableWriteError::Sqlite(error)) => error.into(),
        #[cfg(feature = "postgres")]
        Ok(TableWriteError::Postgres(error)) => error.into(),
        Ok(error) => error.into(),
        Err(error) => error,
    }
}

impl<T, D> fmt::Debug for Table<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("table", &self.sqlite.table)
            .field("conflict", &self.sqlite.conflict)
            .finish_non_exhaustive()
    }
}

/// Receives the rows of an item.
#[derive(Debug)]
pub struct TableRows<'r, 'a, 't>(Kind<'r, 'a, 't>);

#[derive(Debug)]
enum Kind<'r, 'a, 't> {
    Sqlite(&'r mut Rows<'a, 't>),
    #[cfg(feature = "postgres")]
    Postgres(&'r mut PostgresRows<'a, 't>),
}

impl TableRows<'_, '_, '_> {
    /// Adds a row: a struct, or a tuple of the columns' values in order.
    ///
    /// # Errors
    /// If the row does not fit the table, or the table refuses it or an earlier row.
    pub fn add<R: Serialize + ?Sized>(&mut self, row: &R) -> Result<(), TableWriteError> {
        match &mut self.0 {
            Kind::Sqlite(rows) => Ok(rows.add(row)?),
            #[cfg(feature = "postgres")]
            Kind::Postgres(rows) => Ok(rows.add(row)?),
        }
    }
}

/// The error of a [`Table`]. It wraps the error of the writer for its kind of database, so that rules about that error apply
/// too.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableWriteError {
    /// In `SQLite`.
    #[error("{0}")]
    Sqlite(#[from] SqliteWriteError),
    /// In `PostgreSQL`.
    #[cfg(feature = "postgres")]
    #[error("{0}")]
    Postgres(#[from] PostgresWriteError),
    /// The chunk has no transaction on that database.
    #[error("table `{table}`: {source}")]
    Transaction {
        /// The table.
        table: Box<str>,
        /// The reason.
        source: Failure,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_into_a_table_of_sqlite() {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL)").unwrap();
        let tx = connection.transaction().unwrap();
        let chunk = ChunkTransaction::sqlite(&tx);
        let mut plain = Table::into("t").columns(["id", "name"]);
        plain.write(&[(1, Some("a")), (2, Some("b"))], &chunk).unwrap();
        let error = plain.write(&[(3, Some("c")), (2, None)], &chunk).unwrap_err();
        assert_eq!(error.to_string(), "table `t`, item 2: NOT NULL constraint failed: t.name (name = NULL)");
        let mut upsert = Table::into("t").columns(["id", "name"]).upsert(&["id"]);
        upsert.write(&[(2, "B"), (3, "c")], &chunk).unwrap();
        Table::into("t").columns(["id", "name"]).on_conflict_ignore().write(&[(3, "C")], &chunk).unwrap();
        let mut rows = Table::<Vec<&str>>::rows("t", ["name"], |names, rows| {
            names.iter().try_for_each(|name| rows.add(&(name,)))?;
            Ok(())
        });
        rows.write(&[vec!["d", "e"], vec![]], &chunk).unwrap();
        let mut select = tx.prepare("SELECT name FROM t ORDER BY id").unwrap();
        let names: Vec<String> =
            select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(names, ["a", "B", "c", "d", "e"]);
    }

    #[test]
    fn an_error_passes_through_the_closure_as_that_of_its_kind() {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (id INTEGER)").unwrap();
        let tx = connection.transaction().unwrap();
        let mut rows = Table::<&str>::rows("t", ["id"], |id, rows| Ok(rows.add(&(id,))?));
        let error = rows.write(&["7"], &ChunkTransaction::sqlite(&tx)).unwrap_err();
        assert!(matches!(&error, TableWriteError::Sqlite(SqliteWriteError::Item { item: 1, .. })), "{error}");
    }

    #[test]
    fn a_name_with_a_dot_is_that_of_a_table() {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE \"sales.2024\" (id INTEGER); CREATE TABLE t (id INTEGER)")
            .unwrap();
        let tx = connection.transaction().unwrap();
        for (number, table) in (1..).zip(["sales.2024", "\"sales.2024\"", "main.t"]) {
            Table::into(table).columns(["id"]).write(&[(number,)], &ChunkTransaction::sqlite(&tx)).unwrap();
        }
        let sum = |table: &str| {
            tx.query_row(&format!("SELECT sum(id) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!([sum("\"sales.2024\""), sum("t")], [3, 3]);
    }

    #[test]
    fn without_a_repository_there_is_no_transaction() {
        let error = Table::into("t").columns(["id"]).write(&[(1,)], &ChunkTransaction::none()).unwrap_err();
        assert!(error.to_string().starts_with("table `t`: there is no transaction"), "{error}");
    }
}
