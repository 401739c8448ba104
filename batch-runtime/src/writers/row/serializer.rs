//! Serializes a value into one row, with its fields in the order of the table's columns.

use std::borrow::Cow;

use serde::ser::{self, Impossible, Serialize, Serializer};

use super::{Columns, RowError, Table, Values};
use crate::writers::serialize::record_of_one_value;

/// Serializes one row.
pub(in crate::writers) struct RowSerializer<'a, T: Table, V> {
    columns: &'a mut Columns<T>,
    values: &'a mut V,
    start: usize,
    /// True if the row is in a `Some`.
    in_some: bool,
}

impl<'a, C: Table, V: Values<Column = C::Column>> RowSerializer<'a, C, V> {
    pub(in crate::writers) fn new(columns: &'a mut Columns<C>, values: &'a mut V) -> Self {
        let start = values.len();
        Self { columns, values, start, in_some: false }
    }

    fn index(&self) -> usize {
        self.values.len() - self.start
    }

    #[inline]
    fn value<T: Serialize + ?Sized>(&mut self, value: &T, in_some: bool) -> Result<(), RowError> {
        let index = self.index();
        let Some(column) = self.columns.columns().get(index) else {
            self.values.add_surplus();
            return Ok(());
        };
        self.values.add(column, value, in_some).map_err(|error| match self.columns.names.get(index) {
            Some(name) => error.in_column(name),
            None => error,
        })
    }

    fn single<T: Serialize + ?Sized>(mut self, value: &T) -> Result<(), RowError> {
        if self.columns.known { self.value(value, self.in_some) } else { Err(no_names("a single value")) }
    }
}

/// Serializes as bytes.
struct Bytes<'b>(&'b [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

fn no_names(what: &str) -> RowError {
    RowError::new(format!(
        "{what} does not name its columns; write a struct that derives `Serialize`, or name them with `.columns([..])`"
    ))
}

impl<C: Table, V: Values<Column = C::Column>> Serializer for RowSerializer<'_, C, V> {
    type Ok = ();
    type Error = RowError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Impossible<(), RowError>;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    record_of_one_value! {
        single -> Result<(), RowError>;
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_f32(f32)
        serialize_f64(f64) serialize_char(char) serialize_str(&str)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), RowError> {
        self.single(&Bytes(value))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), RowError> {
        value.serialize(Self { in_some: true, ..self })
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, RowError> {
        if self.columns.known { Ok(self) } else { Err(no_names("a sequence")) }
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, RowError> {
        if self.columns.known { Ok(self) } else { Err(no_names("a tuple")) }
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, RowError> {
        if self.columns.known { Ok(self) } else { Err(no_names("a tuple")) }
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Impossible<(), RowError>, RowError> {
        Err(RowError::new(
            "a variant with several values cannot be a row; use a struct that derives `Serialize`",
        ))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, RowError> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, RowError> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, RowError> {
        Ok(self)
    }
}

macro_rules! by_order {
    ($($trait:ident::$method:ident)*) => {$(
        impl<C: Table, V: Values<Column = C::Column>> ser::$trait for RowSerializer<'_, C, V> {
            type Ok = ();
            type Error = RowError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowError> {
                self.value(value, false)
            }

            fn end(self) -> Result<(), RowError> {
                Ok(())
            }
        }
    )*};
}

by_order!(SerializeSeq::serialize_element SerializeTuple::serialize_element SerializeTupleStruct::serialize_field);

macro_rules! by_name {
    ($($trait:ident)*) => {$(
        impl<C: Table, V: Values<Column = C::Column>> ser::$trait for RowSerializer<'_, C, V> {
            type Ok = ();
            type Error = RowError;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), RowError> {
                let index = self.index();
                self.columns.expect(index, key)?;
                self.values
                    .add(&self.columns.columns()[index], value, false)
                    .map_err(|error| error.in_column(key))
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), RowError> {
                let index = self.index();
                self.columns.expect(index, key)?;
                self.values.add_null(&self.columns.columns()[index])
            }

            #[inline]
            fn end(self) -> Result<(), RowError> {
                Ok(())
            }
        }
    )*};
}

by_name!(SerializeStruct SerializeStructVariant);

/// A struct with `#[serde(flatten)]` serializes as a map.
impl<C: Table, V: Values<Column = C::Column>> ser::SerializeMap for RowSerializer<'_, C, V> {
    type Ok = ();
    type Error = RowError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), RowError> {
        let Ok(serde_json::Value::String(key)) = serde_json::to_value(key) else {
            return Err(RowError::new("the keys of a map must be strings: they name the columns"));
        };
        let index = self.index();
        match self.columns.names.get(index) {
            Some(known) if **known == *key => Ok(()),
            _ => self.columns.learn(index, Cow::Owned(key)),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowError> {
        self.value(value, false)
    }

    fn end(self) -> Result<(), RowError> {
        Ok(())
    }
}
