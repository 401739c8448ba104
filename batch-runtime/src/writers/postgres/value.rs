//! Encodes the values of a row in the binary form of their columns, exactly or not at all.

use std::fmt::Display;

use bytes::{BufMut as _, BytesMut};
use serde::ser::{Serialize, Serializer};
use uuid::Uuid;

use super::array::Elements;
use super::column::{Column, Scalar};
use super::decimal::Decimal;
use super::{json, time};
use crate::readers::shown;
use crate::writers::row::{self, RowError};
use crate::writers::serialize::value_or_sequence;

/// The length prefix that means NULL.
pub(super) const NULL: i32 = -1;

/// The kind of value that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Null,
    Value,
}

/// The values of one row, each after its length.
pub(super) struct Row<'b> {
    pub(super) out: &'b mut BytesMut,
    pub(super) values: usize,
}

impl row::Values for Row<'_> {
    type Column = Column;

    #[inline]
    fn len(&self) -> usize {
        self.values
    }

    #[inline]
    fn add<T: Serialize + ?Sized>(
        &mut self,
        column: &Column,
        value: &T,
        in_some: bool,
    ) -> Result<(), RowError> {
        self.values += 1;
        let column_type =
            ColumnType { scalar: column.scalar, element: column.element, type_name: &column.type_name };
        column_type.append(value, in_some, self.out)
    }

    fn add_null(&mut self, _: &Column) -> Result<(), RowError> {
        self.values += 1;
        self.out.put_i32(NULL);
        Ok(())
    }

    fn add_surplus(&mut self) {
        self.values += 1;
    }
}

/// The type of a value.
#[derive(Clone, Copy)]
pub(super) struct ColumnType<'c> {
    pub(super) scalar: Scalar,
    /// The type of the elements, if the value is an array.
    pub(super) element: Option<u32>,
    pub(super) type_name: &'c str,
}

impl ColumnType<'_> {
    /// Appends a value after its length.
    #[inline]
    pub(super) fn append<T: Serialize + ?Sized>(
        self,
        value: &T,
        in_some: bool,
        out: &mut BytesMut,
    ) -> Result<(), RowError> {
        let start = out.len();
        out.put_i32(NULL);
        let written = match self.scalar {
            Scalar::Json | Scalar::Jsonb if self.element.is_none() => {
                json::append(value, self.scalar == Scalar::Jsonb, in_some, out)?
            }
            _ => value.serialize(Cell { column_type: self, out, in_some })?,
        };
        if written == Written::Value {
            let length = i32::try_from(out.len() - start - 4)
                .map_err(|_| RowError::new("the value is larger than 2 GB, which no column can hold"))?;
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }
}

/// Serializes one value.
pub(super) struct Cell<'c, 'b> {
    column_type: ColumnType<'c>,
    out: &'b mut BytesMut,
    /// True if the value is in a `Some`.
    in_some: bool,
}

impl Cell<'_, '_> {
    /// The kind of the column's values; `None` for arrays.
    #[inline]
    fn scalar_unless_array(&self) -> Option<Scalar> {
        if self.column_type.element.is_none() { Some(self.column_type.scalar) } else { None }
    }

    #[inline]
    fn integer(self, value: i128) -> Result<Written, RowError> {
        let fits = match self.scalar_unless_array() {
            Some(Scalar::Int2) => i16::try_from(value).map(|value| self.out.put_i16(value)).is_ok(),
            Some(Scalar::Int4) => i32::try_from(value).map(|value| self.out.put_i32(value)).is_ok(),
            Some(Scalar::Int8) => i64::try_from(value).map(|value| self.out.put_i64(value)).is_ok(),
            _ => return self.integer_as_other(value),
        };
        if fits { Ok(Written::Value) } else { Err(self.too_large(&value)) }
    }

    #[expect(clippy::cast_precision_loss, reason = "the digits were counted first")]
    fn integer_as_other(self, value: i128) -> Result<Written, RowError> {
        match self.scalar_unless_array() {
            Some(Scalar::Float8) if digits(value) <= f64::MANTISSA_DIGITS => self.out.put_f64(value as f64),
            Some(Scalar::Float4) if digits(value) <= f32::MANTISSA_DIGITS => self.out.put_f32(value as f32),
            Some(Scalar::Float4 | Scalar::Float8) => {
                return Err(self.changes(&format!("the integer {value}"), "would be rounded", "bigint"));
            }
            Some(Scalar::Numeric(_)) => return self.decimal(&value.to_string(), "the integer"),
            _ => return Err(self.mismatch(&format!("the integer {value}"), "bigint")),
        }
        Ok(Written::Value)
    }

    /// Appends a number that is given as text.
    fn decimal(self, text: &str, what: &str) -> Result<Written, RowError> {
        let Some(Scalar::Numeric(limit)) = self.scalar_unless_array() else {
            return Err(self.mismatch(&format!("{what} {text}"), "numeric"));
        };
        let number = Decimal::parse(text).ok_or_else(|| {
            RowError::new(format!("the text '{}' is not a decimal number such as `-12.50`", shown(text)))
        })?;
        if let Some(problem) = number.problem(limit) {
            return Err(self.changes(&format!("the number {}", shown(text)), problem, "numeric"));
        }
        number.append(self.out);
        Ok(Written::Value)
    }

    fn text(self, value: &str, limit: Option<u32>) -> Result<Written, RowError> {
        if holds_nul(value.as_bytes()) {
            let at = value.bytes().take_while(|byte| *byte != 0).count();
            return Err(RowError::new(format!(
                "the text holds the character NUL, at byte {at}, which PostgreSQL cannot store; leave it out, or write bytes"
            )));
        }
        if let Some(most) = limit
            && value.len() > most as usize
        {
            // The server would silently cut off spaces at the end.
            let characters = value.chars().count();
            if characters > most as usize {
                let what = format!("the text of {characters} characters");
                return Err(self.changes(&what, "is too long", "text"));
            }
        }
        self.out.put_slice(value.as_bytes());
        Ok(Written::Value)
    }

    /// Appends a text to a column that stores it in another form.
    fn text_as_other(self, value: &str) -> Result<Written, RowError> {
        let read = match self.scalar_unless_array() {
            Some(Scalar::Numeric(_)) => return self.decimal(value, "the text"),
            Some(Scalar::Char(length)) if value.chars().count() < length as usize => {
                let what = format!("the text '{}'", shown(value));
                return Err(self.changes(&what, "would be padded with spaces", "text"));
            }
            Some(Scalar::Char(length)) => return self.text(value, Some(length)),
            Some(Scalar::Date) => time::date(value).map(|days| self.out.put_i32(days)),
            Some(Scalar::Time(digits)) => time::time(value)
                .and_then(|time| time::exact(time, digits))
                .map(|microseconds| self.out.put_i64(microseconds)),
            Some(Scalar::Timestamp(digits)) => time::timestamp(value)
                .and_then(|time| time::exact(time, digits))
                .map(|microseconds| self.out.put_i64(microseconds)),
            Some(Scalar::TimestampTz(digits)) => time::timestamp_with_offset(value)
                .and_then(|time| time::exact(time, digits))
                .map(|microseconds| self.out.put_i64(microseconds)),
            Some(Scalar::Uuid) => uuid(value).map(|uuid| self.out.put_slice(uuid.as_bytes())),
            _ => return Err(self.mismatch(&format!("the text '{}'", shown(value)), "text")),
        };
        match read {
            Ok(()) => Ok(Written::Value),
            Err(problem) => Err(RowError::new(format!(
                "the text '{}' {problem} (the column is of type {})",
                shown(value),
                self.column_type.type_name
            ))),
        }
    }

    #[cold]
    fn too_large(&self, value: &dyn Display) -> RowError {
        self.changes(&format!("the integer {value}"), "is too large", "bigint or numeric")
    }

    /// The error for a value that the column would change.
    #[cold]
    fn changes(&self, value: &str, how: &str, better: &str) -> RowError {
        RowError::new(format!(
            "{value} {how}, because the column is of type {}; declare the column as {better}, or write another value",
            self.column_type.type_name
        ))
    }

    /// The error for a value whose type does not fit the column.
    #[cold]
    fn mismatch(&self, value: &str, better: &str) -> RowError {
        if self.column_type.scalar == Scalar::Other {
            return RowError::new(format!(
                "a table writer cannot write a column of type {}; declare the column as {better}, or write the row with `tx.send` and a cast",
                self.column_type.type_name
            ));
        }
        RowError::new(format!(
            "{value} cannot be stored as it is in a column of type {}; declare the column as {better}, or write another type",
            self.column_type.type_name
        ))
    }
}

/// Whether a text holds the character NUL. A loop without an early exit is faster than a search in the short texts of
/// most columns.
#[inline]
fn holds_nul(text: &[u8]) -> bool {
    text.iter().fold(0, |zeros, byte| zeros | u8::from(*byte == 0)) > 0
}

/// The number of bits from the first to the last that is set.
fn digits(value: i128) -> u32 {
    let size = value.unsigned_abs();
    if size == 0 { 0 } else { u128::BITS - size.leading_zeros() - size.trailing_zeros() }
}

/// Reads a UUID with its hyphens.
fn uuid(text: &str) -> Result<Uuid, time::Problem> {
    match Uuid::try_parse(text) {
        Ok(uuid) if text.len() == uuid::fmt::Hyphenated::LENGTH => Ok(uuid),
        _ => Err("is not a UUID such as `67e55044-10b1-426f-9247-bb680e5fe0c8`"),
    }
}

/// Returns the integer that equals the float, if there is one.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the digits are counted")]
fn whole(value: f64) -> Option<i128> {
    let integer = value as i128;
    let is_same = digits(integer) <= f64::MANTISSA_DIGITS && (integer as f64).to_bits() == value.to_bits();
    is_same.then_some(integer)
}

#[cold]
fn nested(what: &str) -> RowError {
    RowError::new(format!(
        "{what} cannot be stored in a column of this type; declare the column as jsonb, or build the rows with `rows`"
    ))
}

macro_rules! integers {
    ($($method:ident($type:ty))*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<Written, RowError> {
            self.integer(i128::from(value))
        }
    )*};
}

impl<'c, 'b> Serializer for Cell<'c, 'b> {
    type SerializeSeq = Elements<'c, 'b>;
    type SerializeTuple = Elements<'c, 'b>;

    value_or_sequence!(
        Written,
        RowError,
        nested,
        "an enum that carries a value",
        "an enum that carries a value"
    );

    integers! {
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_u8(u8)
        serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_i128(i128)
    }

    fn serialize_u128(self, value: u128) -> Result<Written, RowError> {
        match i128::try_from(value) {
            Ok(value) => self.integer(value),
            Err(_) => self.decimal(&value.to_string(), "the integer"),
        }
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<Written, RowError> {
        if self.scalar_unless_array() != Some(Scalar::Bool) {
            return Err(self.mismatch(&format!("`{value}`"), "boolean"));
        }
        self.out.put_u8(value.into());
        Ok(Written::Value)
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<Written, RowError> {
        self.serialize_f64(f64::from(value))
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<Written, RowError> {
        match self.scalar_unless_array() {
            Some(Scalar::Float8) => self.out.put_f64(value),
            Some(Scalar::Float4) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the comparison shows whether anything is lost"
                )]
                let single = value as f32;
                if !value.is_nan() && f64::from(single).to_bits() != value.to_bits() {
                    return Err(self.changes(
                        &format!("the number {value}"),
                        "would be rounded",
                        "double precision",
                    ));
                }
                self.out.put_f32(single);
            }
            Some(Scalar::Int2 | Scalar::Int4 | Scalar::Int8) => match whole(value) {
                Some(integer) => return self.integer(integer),
                None => return Err(self.mismatch(&format!("the number {value}"), "double precision")),
            },
            _ => return Err(self.mismatch(&format!("the number {value}"), "double precision")),
        }
        Ok(Written::Value)
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<Written, RowError> {
        match self.scalar_unless_array() {
            Some(Scalar::Text(limit)) => self.text(value, limit),
            _ => self.text_as_other(value),
        }
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Written, RowError> {
        if self.scalar_unless_array() != Some(Scalar::Bytes) {
            return Err(self.mismatch("bytes", "bytea"));
        }
        self.out.put_slice(value);
        Ok(Written::Value)
    }

    #[inline]
    fn serialize_none(self) -> Result<Written, RowError> {
        if self.in_some { Err(RowError::null_in_some()) } else { Ok(Written::Null) }
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Written, RowError> {
        value.serialize(Self { in_some: true, ..self })
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<'c, 'b>, RowError> {
        match (self.column_type.element, self.column_type.scalar) {
            (Some(element), _) => Ok(Elements::of_array(self.column_type, element, self.out)),
            (None, Scalar::Bytes) => Ok(Elements::of_bytes(self.out)),
            _ => Err(self.mismatch("a sequence", "an array or jsonb")),
        }
    }

    fn serialize_tuple(self, length: usize) -> Result<Elements<'c, 'b>, RowError> {
        self.serialize_seq(Some(length))
    }
}
