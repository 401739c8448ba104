//! [`PostgresTable`] inserts items into a table in the chunk's transaction.

mod array;
mod catalogue;
mod column;
mod decimal;
mod error;
mod json;
mod refused_row;
mod rows;
mod statement;
mod time;
mod value;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use super::row::Columns;
use crate::definition::{BoxError, ChunkTransaction, Database, Of, Partitionable, Serializes, Writer};
use crate::postgres::Postgres;

pub(super) use rows::Inserts;
pub(super) use statement::Conflict;

pub use error::PostgresWriteError;
pub use rows::PostgresRows;

/// The user's closure, which adds the rows of an item.
type MakeRows<T> = Box<dyn FnMut(&T, &mut PostgresRows<'_, '_>) -> Result<(), BoxError> + Send>;

/// How items become rows.
enum Make<T> {
    /// Each item is one row.
    Fields(fn(&[T], &mut PostgresRows<'_, '_>) -> Result<(), PostgresWriteError>),
    /// Each item is as many rows as the closure adds.
    Closure(MakeRows<T>),
}

/// Writes items into a table of a `PostgreSQL` database, in the chunk's transaction.
///
/// The fields of the item are the columns, by name: a struct that derives `Serialize`. The types of the columns are looked
/// up once, and each value is encoded in the type of its column:
///
/// | column | from |
/// |---|---|
/// | `smallint`, `integer`, `bigint` | integers, and floats without a fraction |
/// | `real`, `double precision` | floats, including NaN and the infinities; integers that the column holds exactly |
/// | `numeric` | integers, and strings such as `-12.50` |
/// | `boolean` | `bool` |
/// | `text`, `varchar(n)`, `char(n)`, an enum, `citext` | strings, `char`, unit variants (their name) |
/// | `bytea` | bytes, also as `Vec<u8>` |
/// | `date`, `time`, `timestamp`, `timestamptz` | strings in ISO 8601, and so the types of `jiff` and `chrono` |
/// | `uuid` | strings, and so the type of the crate `uuid` |
/// | `json`, `jsonb` | structs, maps, sequences, numbers, and everything else that `serde_json` writes, except a string alone |
/// | arrays of these | `Vec`, and arrays |
///
/// `None` is NULL. A domain counts as its base type. Every value reads back as the same value, or the item is refused
/// with [`PostgresWriteError::Item`], which names the column: a string with the character NUL, an integer that is too
/// large for its column or that a float would round, a decimal with more digits than the column keeps, a time that is
/// finer than microseconds, a date-time whose offset the column would lose, a string that `char(n)` would pad, or one
/// that is too long.
///
/// The rows are sent without waiting for the answer, so a chunk has no round trip of its own. They are sent by `COPY`,
/// or by `INSERT` if the writer uses [`upsert`](Self::upsert) or [`on_conflict_ignore`](Self::on_conflict_ignore), or
/// writes into a view or a table with rules or row-level security.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::writers::PostgresTable;
///
/// #[derive(Serialize)]
/// struct Delay {
///     carrier: String,
///     minutes: Option<f64>,
/// }
///
/// /// `CREATE TABLE delay (carrier text NOT NULL, minutes double precision)`
/// #[writer]
/// fn save() -> PostgresTable<Delay> {
///     PostgresTable::into("delay")
/// }
/// # fn main() {}
/// ```
pub struct PostgresTable<T, D = Postgres> {
    inserts: Inserts,
    make: Make<T>,
    database: PhantomData<fn() -> D>,
}

impl<T> PostgresTable<T> {
    /// Writes items into `table`, one row per item.
    ///
    /// The names of tables and columns are exact: `Late` is the table that SQL calls `"Late"`, and `staging.late` is in a
    /// schema. A name with double quotes is read as in SQL.
    #[must_use]
    pub fn into(table: impl Into<String>) -> Self
    where
        T: Serializes,
    {
        Self::with(table, Make::Fields(|items, rows| rows.add_all(items)))
    }

    /// Writes the rows that `make` adds for an item, if any, into `columns` of `table`.
    ///
    /// ```
    /// use batch_runtime::writers::PostgresTable;
    ///
    /// struct Room { id: u32, members: Vec<String> }
    ///
    /// let writer = PostgresTable::<Room>::rows("member", ["room", "name"], |room, rows| {
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
        make: impl FnMut(&T, &mut PostgresRows<'_, '_>) -> Result<(), BoxError> + Send + 'static,
    ) -> Self {
        Self::with(table, Make::Closure(Box::new(make))).columns(columns)
    }

    fn with(table: impl Into<String>, make: Make<T>) -> Self {
        Self { inserts: Inserts::into(table.into()), make, database: PhantomData }
    }
}

impl<T, D> PostgresTable<T, D> {
    /// Names the columns for items without field names: tuples and single values. The fields of a struct must equal these
    /// names, in this order.
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
    /// Of several items of a chunk with the same key, the last is written. The rows are written in the order of their
    /// keys, so that two steps that update the same rows wait for each other at most once.
    ///
    /// ```
    /// use batch_runtime::writers::PostgresTable;
    ///
    /// let writer = PostgresTable::<(u32, String)>::into("person").columns(["id", "name"]).upsert(&["id"]);
    /// # let _ = writer;
    /// ```
    #[must_use]
    pub fn upsert(mut self, key: &[&str]) -> Self {
        self.inserts.conflict = Conflict::Update(key.iter().map(|&column| column.to_owned()).collect());
        self
    }

    /// Writes into a table of the `#[database]` function `E`.
    ///
    /// ```
    /// use batch_runtime::prelude::*;
    /// use batch_runtime::writers::PostgresTable;
    ///
    /// #[database]
    /// fn ledger(#[param(secret)] ledger_url: String) -> Postgres {
    ///     Postgres::at(ledger_url)
    /// }
    ///
    /// #[writer]
    /// fn book() -> PostgresTable<(i64, String), ledger> {
    ///     PostgresTable::into("booking").columns(["id", "text"]).database::<ledger>()
    /// }
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn database<E: Database<Driver = Postgres>>(self) -> PostgresTable<T, E> {
        PostgresTable { inserts: self.inserts, make: self.make, database: PhantomData }
    }
}

impl<T, D: Database<Driver = Postgres>> Writer for PostgresTable<T, D> {
    type Item = T;
    type Position = ();
    type Error = PostgresWriteError;

    const CAN_ROLL_BACK: bool = true;
    const WRITES_AHEAD: bool = true;
    const WRITES_IN: Option<Of> = Some(Of::type_of::<D>());

    fn write(&mut self, items: &[T], chunk: &ChunkTransaction<'_>) -> Result<(), PostgresWriteError> {
        let table = &*self.inserts.table;
        let tx = chunk
            .of::<D>()
            .map_err(|source| PostgresWriteError::Transaction { table: table.into(), source })?;
        let make = &mut self.make;
        self.inserts.write(&tx, |rows| match make {
            Make::Fields(add) => add(items, rows),
            Make::Closure(make) => items.iter().try_for_each(|item| rows.of_item(|rows| make(item, rows))),
        })
    }

    fn position(&self) {}
}

impl<T, D: Database<Driver = Postgres>> Partitionable for PostgresTable<T, D> {}

impl<T, D> fmt::Debug for PostgresTable<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresTable")
            .field("table", &self.inserts.table)
            .field("columns", &self.inserts.columns.names)
            .field("conflict", &self.inserts.conflict)
            .finish_non_exhaustive()
    }
}
