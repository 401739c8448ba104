//! Encodes values as JSON documents.

use std::fmt;
use std::io::{self, Write};

use bytes::{BufMut as _, BytesMut};
use serde::ser::{self, Serialize, Serializer};
use serde_json::ser::{CharEscape, Formatter};

use super::value::Written;
use crate::exact_json;
use crate::writers::row::RowError;
use crate::writers::serialize::single_value;

/// The version of the server's binary form of `jsonb`.
const VERSION: u8 = 1;

/// Appends the value as JSON; `is_binary` says that the column is `jsonb`.
pub(super) fn append<T: Serialize + ?Sized>(
    value: &T,
    is_binary: bool,
    in_some: bool,
    out: &mut BytesMut,
) -> Result<Written, RowError> {
    match value.serialize(Look { in_some }) {
        Ok(Seen::Null) => return Ok(Written::Null),
        Ok(Seen::NullInSome) => return Err(RowError::null_in_some()),
        Ok(Seen::Text) => {
            return Err(RowError::new(
                "a string alone may be meant as a JSON document or as a JSON string; write a struct, a `serde_json::Value` that is not a string, or a `Box<serde_json::value::RawValue>`, or declare the column as text",
            ));
        }
        Ok(Seen::Value) | Err(Several) => {}
    }
    if is_binary {
        out.put_u8(VERSION);
    }
    exact_json::append_as(value, out.writer(), Document { is_binary })
        .map_err(|error| RowError::new(error.to_string()))?;
    Ok(Written::Value)
}

/// Writes JSON, and refuses values that `jsonb` would change.
struct Document {
    is_binary: bool,
}

impl Document {
    fn check(&self, value: f64) -> io::Result<()> {
        if self.is_binary && value == 0.0 && value.is_sign_negative() {
            return Err(io::Error::other("jsonb cannot hold -0; write 0, or declare the column as json"));
        }
        Ok(())
    }
}

impl Formatter for Document {
    fn write_f32<W: Write + ?Sized>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        self.check(value.into())?;
        serde_json::ser::CompactFormatter.write_f32(writer, value)
    }

    fn write_f64<W: Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        self.check(value)?;
        serde_json::ser::CompactFormatter.write_f64(writer, value)
    }

    fn write_char_escape<W: Write + ?Sized>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        if self.is_binary && matches!(escape, CharEscape::AsciiControl(0)) {
            return Err(io::Error::other(
                "jsonb cannot hold the character NUL; leave it out, or declare the column as json",
            ));
        }
        serde_json::ser::CompactFormatter.write_char_escape(writer, escape)
    }
}

/// Determines the kind of a value.
struct Look {
    in_some: bool,
}

enum Seen {
    Null,
    NullInSome,
    Text,
    Value,
}

/// The error of a value that consists of several values.
#[derive(Debug)]
struct Several;

impl fmt::Display for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("several values")
    }
}

impl std::error::Error for Several {}

impl ser::Error for Several {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

macro_rules! values {
    ($($method:ident($type:ty))*) => {$(
        fn $method(self, _: $type) -> Result<Seen, Several> {
            Ok(Seen::Value)
        }
    )*};
}

impl Serializer for Look {
    single_value!(Seen, Several, |_| Several, "", "");

    values! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_i128(i128) serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_u128(u128) serialize_f32(f32) serialize_f64(f64) serialize_bytes(&[u8])
    }

    fn serialize_str(self, _: &str) -> Result<Seen, Several> {
        Ok(Seen::Text)
    }

    fn serialize_none(self) -> Result<Seen, Several> {
        Ok(if self.in_some { Seen::NullInSome } else { Seen::Null })
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Seen, Several> {
        value.serialize(Self { in_some: true })
    }
}
