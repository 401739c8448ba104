//! Serializes one field into one of the five types that `SQLite` stores.

use std::fmt::Display;

use serde::ser::{Serialize, Serializer};

use super::no_row::NoRow;
use super::table::Affinity;
use crate::writers::serialize::single_value;

/// Receives the values of a row, one after the other.
pub(super) trait Values {
    fn null(&mut self);
    fn integer(&mut self, value: i64);
    fn real(&mut self, value: f64);
    fn text(&mut self, value: &str);
    fn blob(&mut self, value: &[u8]);
    /// Returns the number of values received.
    fn len(&self) -> usize;
}

/// Serializes one value for a column of the given affinity.
pub(super) struct Value<'a, V> {
    values: &'a mut V,
    affinity: Affinity,
    /// True if the value is in a `Some`.
    in_some: bool,
}

impl<'a, V: Values> Value<'a, V> {
    pub(super) fn new(values: &'a mut V, affinity: Affinity) -> Self {
        Self { values, affinity, in_some: false }
    }

    pub(super) fn in_some(self, in_some: bool) -> Self {
        Self { in_some, ..self }
    }

    #[inline]
    fn integer(self, value: i64) -> Result<(), NoRow> {
        if let Some(problem) = self.affinity.changes_integer(value) {
            return Err(NoRow::new(problem));
        }
        self.values.integer(value);
        Ok(())
    }
}

#[cold]
fn nested(what: &str) -> NoRow {
    NoRow::new(format!(
        "{what} cannot be stored in a column; store it as text (JSON, say), or build the rows with `SqliteTable::rows`"
    ))
}

fn integer<T: Copy + Display>(value: T) -> Result<i64, NoRow>
where
    i64: TryFrom<T>,
{
    i64::try_from(value).map_err(|_| {
        NoRow::new(format!("{value} does not fit the signed 64-bit integers of SQLite; store it as text"))
    })
}

macro_rules! integers {
    ($($method:ident($type:ty))*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<(), NoRow> {
            self.integer(i64::from(value))
        }
    )*};
}

macro_rules! wide_integers {
    ($($method:ident($type:ty))*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<(), NoRow> {
            self.integer(integer(value)?)
        }
    )*};
}

impl<V: Values> Serializer for Value<'_, V> {
    single_value!((), NoRow, nested, "an enum that carries a value", "an enum that carries a value");

    integers! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32)
    }

    wide_integers! { serialize_u64(u64) serialize_i128(i128) serialize_u128(u128) }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), NoRow> {
        self.serialize_f64(f64::from(value))
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), NoRow> {
        if let Some(problem) = self.affinity.changes_real(value) {
            return Err(NoRow::new(problem));
        }
        self.values.real(value);
        Ok(())
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), NoRow> {
        if let Some(problem) = self.affinity.changes_text(value) {
            return Err(NoRow::new(problem));
        }
        self.values.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), NoRow> {
        self.values.blob(value);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), NoRow> {
        if self.in_some {
            return Err(NoRow::new(
                "`Some(None)` would be stored as NULL, just like `None`; use a single `Option`",
            ));
        }
        self.values.null();
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NoRow> {
        value.serialize(self.in_some(true))
    }
}
