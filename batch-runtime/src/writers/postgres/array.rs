//! Encodes the elements of an array, or the bytes of a sequence.

use bytes::{BufMut as _, BytesMut};
use serde::ser::{Serialize, SerializeSeq, SerializeTuple, Serializer};

use super::value::{ColumnType, Written};
use crate::writers::row::RowError;
use crate::writers::serialize::single_value;

/// The length in bytes of the first fields of an array: the number of dimensions, the flag for NULL elements, and the
/// type of the elements.
const HEAD_BYTES: usize = 12;
/// The length in bytes of the fields about the only dimension: its size, and the index of its first element.
const DIMENSION_BYTES: usize = 8;

/// The elements of a sequence on their way into a column.
pub(super) struct Elements<'c, 'b> {
    out: &'b mut BytesMut,
    start: usize,
    kind: Kind<'c>,
}

enum Kind<'c> {
    /// A column of arrays.
    Array { column_type: ColumnType<'c>, count: i32 },
    /// A column of bytes.
    Bytes,
}

impl<'c, 'b> Elements<'c, 'b> {
    pub(super) fn of_array(column_type: ColumnType<'c>, element: u32, out: &'b mut BytesMut) -> Self {
        let start = out.len();
        out.put_i32(1);
        // The server itself finds out whether an element is NULL.
        out.put_i32(1);
        out.put_u32(element);
        out.put_i32(0);
        out.put_i32(1);
        Self {
            out,
            start,
            kind: Kind::Array { column_type: ColumnType { element: None, ..column_type }, count: 0 },
        }
    }

    pub(super) fn of_bytes(out: &'b mut BytesMut) -> Self {
        Self { start: out.len(), out, kind: Kind::Bytes }
    }

    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowError> {
        match &mut self.kind {
            Kind::Array { column_type, count } => {
                *count =
                    count.checked_add(1).ok_or_else(|| RowError::new("the array has too many elements"))?;
                column_type.append(value, false, self.out)
            }
            Kind::Bytes => {
                self.out.put_u8(value.serialize(Byte)?);
                Ok(())
            }
        }
    }

    fn finish(self) -> Written {
        match self.kind {
            // An empty array has no dimension.
            Kind::Array { count: 0, .. } => {
                self.out.truncate(self.start + HEAD_BYTES);
                self.out[self.start..self.start + 4].fill(0);
            }
            Kind::Array { count, .. } => {
                let at = self.start + HEAD_BYTES;
                self.out[at..at + DIMENSION_BYTES / 2].copy_from_slice(&count.to_be_bytes());
            }
            Kind::Bytes => {}
        }
        Written::Value
    }
}

impl SerializeSeq for Elements<'_, '_> {
    type Ok = Written;
    type Error = RowError;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowError> {
        self.add(value)
    }

    fn end(self) -> Result<Written, RowError> {
        Ok(self.finish())
    }
}

impl SerializeTuple for Elements<'_, '_> {
    type Ok = Written;
    type Error = RowError;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowError> {
        self.add(value)
    }

    fn end(self) -> Result<Written, RowError> {
        Ok(self.finish())
    }
}

/// Serializes one byte of a sequence.
struct Byte;

#[cold]
fn not_a_byte(what: &str) -> RowError {
    RowError::new(format!(
        "the column holds bytes, and the sequence holds {what}; write numbers of type `u8`"
    ))
}

macro_rules! not_bytes {
    ($($method:ident($type:ty) $what:literal;)*) => {$(
        fn $method(self, _: $type) -> Result<u8, RowError> {
            Err(not_a_byte($what))
        }
    )*};
}

impl Serializer for Byte {
    single_value!(u8, RowError, not_a_byte, "an enum that carries a value", "an enum that carries a value");

    fn serialize_u8(self, value: u8) -> Result<u8, RowError> {
        Ok(value)
    }

    not_bytes! {
        serialize_bool(bool) "a `bool`";
        serialize_i8(i8) "an `i8`";
        serialize_i16(i16) "an `i16`";
        serialize_i32(i32) "an `i32`";
        serialize_i64(i64) "an `i64`";
        serialize_i128(i128) "an `i128`";
        serialize_u16(u16) "a `u16`";
        serialize_u32(u32) "a `u32`";
        serialize_u64(u64) "a `u64`";
        serialize_u128(u128) "a `u128`";
        serialize_f32(f32) "a float";
        serialize_f64(f64) "a float";
        serialize_str(&str) "a string";
        serialize_bytes(&[u8]) "bytes";
    }

    fn serialize_none(self) -> Result<u8, RowError> {
        Err(not_a_byte("`None`"))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<u8, RowError> {
        Err(not_a_byte("an `Option`"))
    }
}
