//! Serializes one field into one of the five types that `SQLite` stores.

use std::fmt::Display;

use serde::ser::{Serialize, Serializer};

use super::table::Affinity;
use crate::writers::row::{self, RowError};
use crate::writers::serialize::single_value;

/// Stores the values of rows, one after the other.
pub(super) trait Cell {
    fn null(&mut self);
    fn integer(&mut self, value: i64);
    fn real(&mut self, value: f64);
    fn text(&mut self, value: &str);
    fn blob(&mut self, value: &[u8]);
    /// Returns the number of values stored.
    fn len(&self) -> usize;
}

impl<V: Cell> row::Values for V {
    type Column = Affinity;

    #[inline]
    fn len(&self) -> usize {
        Cell::len(self)
    }

    #[inline]
    fn add<T: Serialize + ?Sized>(
        &mut self,
        affinity: &Affinity,
        value: &T,
        in_some: bool,
    ) -> Result<(), RowError> {
        value.serialize(Value { values: self, affinity: *affinity, in_some })
    }

    fn add_null(&mut self, _: &Affinity) -> Result<(), RowError> {
        self.null();
        Ok(())
    }

    fn add_surplus(&mut self) {
        self.null();
    }
}

/// Serializes one value for a column of the given affinity.
struct Value<'a, V> {
    values: &'a mut V,
    affinity: Affinity,
    /// True if the value is in a `Some`.
    in_some: bool,
}

impl<V: Cell> Value<'_, V> {
    #[inline]
    fn integer(self, value: i64) -> Result<(), RowError> {
        self.affinity.check_integer(value)?;
        self.values.integer(value);
        Ok(())
    }
}

#[cold]
fn nested(what: &str) -> RowError {
    RowError::new(format!(
        "{what} cannot be stored in a column; store it as text (JSON, say), or build the rows with `SqliteTable::rows`"
    ))
}

fn integer<T: Copy + Display>(value: T) -> Result<i64, RowError>
where
    i64: TryFrom<T>,
{
    i64::try_from(value).map_err(|_| {
        RowError::new(format!("{value} does not fit the signed 64-bit integers of SQLite; store it as text"))
    })
}

macro_rules! integers {
    ($($method:ident($type:ty))*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<(), RowError> {
            self.integer(i64::from(value))
        }
    )*};
}

macro_rules! wide_integers {
    ($($method:ident($type:ty))*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<(), RowError> {
            self.integer(integer(value)?)
        }
    )*};
}

impl<V: Cell> Serializer for Value<'_, V> {
    single_value!((), RowError, nested, "an enum that carries a value", "an enum that carries a value");

    integers! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32)
    }

    wide_integers! { serialize_u64(u64) serialize_i128(i128) serialize_u128(u128) }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), RowError> {
        self.serialize_f64(f64::from(value))
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), RowError> {
        self.affinity.check_real(value)?;
        self.values.real(value);
        Ok(())
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), RowError> {
        self.affinity.check_text(value)?;
        self.values.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), RowError> {
        self.values.blob(value);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), RowError> {
        if self.in_some {
            return Err(RowError::null_in_some());
        }
        self.values.null();
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), RowError> {
        value.serialize(Self { in_some: true, ..self })
    }
}
