//! Turns rows into items.

use std::error::Error;

use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use super::values::{Cell, Column, Form};
use crate::postgres::PgError;
use crate::readers::any::Unfit;
use crate::readers::rows::{About, Cells, NoItem, RowDeserializer};

/// Converts a row to an item with serde, given its columns;
/// [`PostgresQuery::rows_as`](super::PostgresQuery::rows_as) uses it.
pub type Decoded<T> = fn(&Row, &[Column]) -> Result<T, RowError>;

/// Converts a row to an item, given its columns.
pub trait MakeItem<T>: FnMut(&Row, &[Column]) -> Result<T, RowError> {}

impl<T, F: FnMut(&Row, &[Column]) -> Result<T, RowError>> MakeItem<T> for F {}

/// The error of a row that did not become an item.
#[derive(Debug)]
pub enum RowError {
    /// Serde could not deserialize it.
    Item(NoItem),
    /// The user's closure failed.
    Closure(PgError),
}

impl RowError {
    /// True if the columns of the query are the reason, so that all rows fail.
    pub(super) fn is_about_the_columns(&self) -> bool {
        matches!(self, Self::Item(error) if error.about == About::Columns)
    }
}

/// Deserializes `row` into a `T`.
pub(super) fn item<T: DeserializeOwned>(row: &Row, columns: &[Column]) -> Result<T, RowError> {
    T::deserialize(RowDeserializer(RowCells { row, columns })).map_err(RowError::Item)
}

/// Deserializes all rows of a query.
pub(in crate::readers) fn items<T: DeserializeOwned>(rows: &[Row]) -> Result<Vec<T>, Unfit> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let columns = first.columns().iter().map(|column| Column {
        name: column.name().into(),
        form: Form::of(column.type_()),
        type_: column.type_().name().into(),
    });
    let columns: Vec<Column> = columns.collect();
    let item = |row| T::deserialize(RowDeserializer(RowCells { row, columns: &columns }));
    let items =
        rows.iter().zip(1..).map(|(row, number)| item(row).map_err(|error| Unfit { row: number, error }));
    items.collect()
}

#[derive(Clone, Copy)]
struct RowCells<'de> {
    row: &'de Row,
    columns: &'de [Column],
}

impl<'de> Cells<'de> for RowCells<'de> {
    type Cell = Cell<'de>;

    fn cells(self) -> impl Iterator<Item = (&'de str, Cell<'de>)> {
        self.columns.iter().enumerate().map(move |(index, column)| {
            (&*column.name, Cell { column, form: &column.form, raw: raw(self.row, index) })
        })
    }
}

/// The bytes of a value; `None` for `NULL`.
#[inline]
pub(super) fn raw(row: &Row, column: usize) -> Option<&[u8]> {
    // The row has as many values as the query has columns.
    row.try_get::<_, Raw<'_>>(column).ok().and_then(|raw| raw.0)
}

/// The bytes of a value of any type.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
