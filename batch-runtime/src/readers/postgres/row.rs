//! Turns rows into items.

use std::cell::Cell;
use std::error::Error;
use std::ops::Deref;

use serde::de::value::SeqDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use super::values::{self, Column, Form};
use crate::postgres::PgError;
use crate::readers::any::Unfit;
use crate::readers::json_item::{self, OUT_OF_RANGE};
use crate::readers::rows::{About, Cells, ItemError, RowDeserializer, refuse_misfit, row_as_json};

/// Converts a row to an item with serde, given its columns;
/// [`PostgresQuery::rows_as`](super::PostgresQuery::rows_as) uses it.
pub type Decoded<T> = fn(&Row, &Columns) -> Result<T, RowError>;

/// Converts a row to an item, given its columns.
pub trait MakeItem<T>: FnMut(&Row, &Columns) -> Result<T, RowError> {}

impl<T, F: FnMut(&Row, &Columns) -> Result<T, RowError>> MakeItem<T> for F {}

/// The columns of a query.
#[derive(Debug)]
pub struct Columns {
    all: Box<[Column]>,
    plan: Cell<Plan>,
    /// The columns of JSON documents.
    documents: Box<[usize]>,
}

/// How the columns are handed to the type of the items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    /// The first good row decides.
    Unknown,
    /// Without names, which is faster: the columns are the fields of a struct, in the same order.
    Sequence,
    /// With their names.
    Names,
}

impl Columns {
    pub(super) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        let columns: Box<[Column]> = columns.into_iter().collect();
        let documents = (0..columns.len()).filter(|at| values::has_documents(&columns[*at].form)).collect();
        Self { all: columns, plan: Cell::new(Plan::Unknown), documents }
    }
}

impl Deref for Columns {
    type Target = [Column];

    fn deref(&self) -> &[Column] {
        &self.all
    }
}

/// The error of a row that did not become an item.
#[derive(Debug)]
pub enum RowError {
    /// Serde could not deserialize it.
    Item(ItemError),
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
pub(super) fn item<T: DeserializeOwned>(row: &Row, columns: &Columns) -> Result<T, RowError> {
    let cells = RowCells { row, columns, changed: None };
    if columns.plan.get() == Plan::Sequence
        && let Ok(item) = T::deserialize(InOrder { cells, checks: false })
    {
        refuse_changes::<T>(cells, &columns.documents).map_err(RowError::Item)?;
        return Ok(item);
    }
    let item = T::deserialize(RowDeserializer(cells)).map_err(RowError::Item)?;
    refuse_changes::<T>(cells, &columns.documents).map_err(RowError::Item)?;
    if columns.plan.get() == Plan::Unknown {
        let is_in_order = T::deserialize(InOrder { cells, checks: true }).is_ok();
        columns.plan.set(if is_in_order { Plan::Sequence } else { Plan::Names });
    }
    Ok(item)
}

/// Refuses a row if a value in a JSON document changed when it became a `T`. The documents are in these columns.
#[inline]
fn refuse_changes<T: DeserializeOwned>(cells: RowCells<'_>, documents: &[usize]) -> Result<(), ItemError> {
    let may_have_changed = |column: &usize| cells.raw(*column).is_some_and(json_item::must_be_read_again);
    if documents.iter().any(may_have_changed) { read_again::<T>(cells, documents) } else { Ok(()) }
}

#[cold]
fn read_again<T: DeserializeOwned>(cells: RowCells<'_>, documents: &[usize]) -> Result<(), ItemError> {
    for column in documents {
        let (Some(raw), Some(Column { name, form, .. })) = (cells.raw(*column), cells.columns.get(*column))
        else {
            continue;
        };
        for place in values::documents(form, raw).map_err(de::Error::custom)? {
            let Ok(text) = std::str::from_utf8(&raw[place.clone()]) else { continue };
            let read = |changed: &str| {
                let mut raw = raw.to_vec();
                raw[place.clone()].copy_from_slice(changed.as_bytes());
                let cells = RowCells { changed: Some((*column, &raw)), ..cells };
                T::deserialize(RowDeserializer(cells)).map(drop)
            };
            let refused = json_item::refuse_changes(text, read, |problem, _| values::unfit(&problem, text));
            refused.map_err(|error| ItemError {
                column: Some(name.clone()),
                about: About::Value,
                ..if error.problem.contains(OUT_OF_RANGE) {
                    values::unfit(&OUT_OF_RANGE, text)
                } else {
                    error
                }
            })?;
        }
    }
    Ok(())
}

/// The row as JSON.
pub(super) fn text(row: &Row, columns: &[Column]) -> String {
    row_as_json(RowCells { row, columns, changed: None })
}

/// Deserializes all rows of a query.
pub(in crate::readers) fn items<T: DeserializeOwned>(rows: &[Row]) -> Result<Vec<T>, Unfit> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let columns = first.columns().iter().map(|column| Column {
        name: column.name().into(),
        form: Form::of(column.type_()),
        type_: column.type_().name().into(),
    });
    let columns = Columns::new(columns);
    refuse_misfit::<T>(columns.iter().map(|column| &*column.name))
        .map_err(|error| Unfit { row: 1, error })?;
    let item = |row| -> Result<T, ItemError> {
        let cells = RowCells { row, columns: &columns, changed: None };
        let item = T::deserialize(RowDeserializer(cells))?;
        refuse_changes::<T>(cells, &columns.documents)?;
        Ok(item)
    };
    let items =
        rows.iter().zip(1..).map(|(row, number)| item(row).map_err(|error| Unfit { row: number, error }));
    items.collect()
}

#[derive(Clone, Copy)]
struct RowCells<'de> {
    row: &'de Row,
    columns: &'de [Column],
    /// A column, with other bytes than those in the row.
    changed: Option<(usize, &'de [u8])>,
}

impl<'de> RowCells<'de> {
    #[inline]
    fn raw(self, column: usize) -> Option<&'de [u8]> {
        match self.changed {
            Some((changed, raw)) if changed == column => Some(raw),
            _ => raw(self.row, column),
        }
    }
}

impl<'de> Cells<'de> for RowCells<'de> {
    type Cell = values::Cell<'de>;

    fn cells(self) -> impl Iterator<Item = (&'de str, values::Cell<'de>)> {
        self.columns.iter().enumerate().map(move |(index, column)| {
            (&*column.name, values::Cell { column, form: &column.form, raw: self.raw(index) })
        })
    }
}

/// Deserializes a row as a struct whose fields are the columns, in their order.
#[derive(Clone, Copy)]
struct InOrder<'de> {
    cells: RowCells<'de>,
    /// Whether to compare the names of the fields with those of the columns.
    checks: bool,
}

impl<'de> Deserializer<'de> for InOrder<'de> {
    type Error = ItemError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ItemError> {
        Err(de::Error::custom("it is not a struct"))
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ItemError> {
        let columns = self.cells.columns.iter().map(|column| &*column.name);
        if self.checks && !columns.eq(fields.iter().copied()) {
            return Err(de::Error::custom("its fields are not the columns"));
        }
        visitor.visit_seq(SeqDeserializer::new(self.cells.cells().map(|(_, cell)| cell)))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ItemError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map enum identifier ignored_any
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
