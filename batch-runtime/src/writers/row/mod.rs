//! Serializes items as rows of a table, whatever the kind of the database: fields by name, or values in order.

mod columns;
mod row_error;
mod serializer;

pub(super) use columns::Columns;
pub(super) use row_error::RowError;
pub(super) use serializer::RowSerializer;

use serde::ser::Serialize;

/// A table of the target database, as far as its rows need to know it.
pub(super) trait Table {
    /// The properties of a column.
    type Column;

    /// Returns the properties of a column.
    fn column(&self, name: &str) -> Result<Self::Column, RowError>;
}

/// Receives the values of rows, one after the other.
pub(super) trait Values {
    /// The properties of a column.
    type Column;

    /// The number of values received.
    fn len(&self) -> usize;

    /// Receives the value of a column; `in_some` says that it is in a `Some`.
    fn add<T: Serialize + ?Sized>(
        &mut self,
        column: &Self::Column,
        value: &T,
        in_some: bool,
    ) -> Result<(), RowError>;

    /// Receives a NULL.
    fn add_null(&mut self, column: &Self::Column) -> Result<(), RowError>;

    /// Receives a value for which there is no column: the row is refused when its values are counted.
    fn add_surplus(&mut self);
}
