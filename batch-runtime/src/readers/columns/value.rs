//! Deserializes one field of a record into the type that serde asks for, or returns a [`ValueError`] that
//! says what was expected.

use std::fmt::{self, Display};
use std::num::{IntErrorKind, ParseIntError};
use std::str::ParseBoolError;

use serde::de::value::StrDeserializer;
use serde::de::{self, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::decode::Decoder;
use super::number::{self, Looks};
use crate::readers::civil;
use crate::readers::floats::{self, NotAFloat};

/// The reason why a field or a record does not fit a type. It is one pointer wide because it travels with
/// every value.
#[derive(Debug)]
pub struct ValueError(Box<Refusal>);

#[derive(Debug)]
struct Refusal {
    problem: Problem,
    column: Option<usize>,
}

#[derive(Debug)]
pub(super) enum Problem {
    /// The text of a message: `expected a number`.
    Text(String),
    /// The type takes a different number of values: `expected a tuple of size 3, not 2 fields`.
    Length(String),
    /// The type asks for more than one value in a field, whatever the field contains.
    Nested(String),
    /// A null marker for a type that takes none.
    Null,
    /// The type asks for a column that does not exist.
    Missing(&'static str),
    /// Two columns match one field of the type.
    Duplicate(&'static str),
    /// The type does not know the column.
    Unknown(String),
}

impl ValueError {
    #[cold]
    fn new(problem: Problem) -> Self {
        Self(Box::new(Refusal { problem, column: None }))
    }

    #[cold]
    fn text(text: impl Into<String>) -> Self {
        Self::new(Problem::Text(text.into()))
    }

    #[cold]
    pub(super) fn null() -> Self {
        Self::new(Problem::Null)
    }

    /// Adds the column of the refused value, unless the error already has a column.
    #[cold]
    pub(super) fn in_column(mut self, column: impl Into<Option<usize>>) -> Self {
        self.0.column = self.0.column.or(column.into());
        self
    }

    pub(super) fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// The column whose value was refused.
    pub(super) fn column(&self) -> Option<usize> {
        self.0.column
    }

    #[cold]
    fn nested(what: &str) -> Self {
        Self::new(Problem::Nested(format!(
            "a field of a record is one value, not {what}; flatten it with `#[serde(flatten)]`, or parse it with `#[serde(deserialize_with = \"..\")]`"
        )))
    }
}

impl Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problem() {
            Problem::Text(text) | Problem::Length(text) | Problem::Nested(text) => f.write_str(text),
            Problem::Null => f.write_str("expected a value"),
            Problem::Missing(name) => write!(f, "no column `{name}`"),
            Problem::Duplicate(name) => write!(f, "two columns for `{name}`"),
            Problem::Unknown(name) => write!(f, "column `{name}` is unknown"),
        }
    }
}

impl std::error::Error for ValueError {}

impl de::Error for ValueError {
    fn custom<T: Display>(message: T) -> Self {
        Self::text(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::text(format!("expected {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::text(format!("expected {expected}"))
    }

    fn invalid_length(found: usize, expected: &dyn Expected) -> Self {
        Self::new(Problem::Length(format!("expected {expected}, not {found} fields")))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        let names: Vec<String> = expected.iter().map(|name| format!("`{name}`")).collect();
        Self::text(format!("expected one of {}", names.join(", ")))
    }

    fn unknown_field(name: &str, _: &'static [&'static str]) -> Self {
        Self::new(Problem::Unknown(name.to_owned()))
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new(Problem::Missing(name))
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::new(Problem::Duplicate(name))
    }
}

/// One field.
#[derive(Clone, Copy)]
pub(super) struct Value<'de, 'a> {
    pub(super) text: &'de str,
    pub(super) is_quoted: bool,
    pub(super) has_decimals: bool,
    pub(super) decoder: &'a Decoder,
}

impl<'de> Value<'de, '_> {
    /// The number without its decimals, if they are all zero and the column has decimals.
    #[cold]
    fn without_decimals(self) -> Option<&'de str> {
        let (whole, decimals) = self.text.split_once('.').filter(|_| self.has_decimals)?;
        decimals.bytes().all(|digit| digit == b'0').then_some(whole)
    }

    /// True if the field is text, whatever it contains.
    #[inline]
    fn is_text(self) -> bool {
        self.is_quoted && !self.decoder.quoted_nulls
    }

    /// True if the field is one of the null markers.
    #[inline]
    pub(super) fn is_marker(self) -> bool {
        !self.decoder.nulls.is_empty() && self.is_among_markers()
    }

    /// Most files have no markers, so the search stays out of the code that is compiled for each field of an item.
    #[inline(never)]
    fn is_among_markers(self) -> bool {
        !self.is_text() && self.decoder.nulls.iter().any(|null| **null == *self.text)
    }

    #[inline]
    fn is_none(self) -> bool {
        (self.text.is_empty() && !self.is_text()) || self.is_marker()
    }

    #[inline]
    fn refuse_null(self) -> Result<(), ValueError> {
        if self.is_marker() { Err(ValueError::null()) } else { Ok(()) }
    }
}

#[cold]
fn integer(error: &ParseIntError, name: &str) -> ValueError {
    ValueError::text(match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => {
            format!("expected an integer that fits {name}")
        }
        _ if name.starts_with('u') => "expected an integer that is not negative".to_owned(),
        _ => "expected an integer".to_owned(),
    })
}

#[cold]
fn float(error: NotAFloat, name: &str) -> ValueError {
    ValueError::text(match error {
        NotAFloat::NotANumber => "expected a number".to_owned(),
        NotAFloat::OutOfRange => format!("expected a number that fits {name}"),
    })
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            self.refuse_null()?;
            if let Some(value) = number::short_integer(self.text).and_then(|value| value.try_into().ok()) {
                return visitor.$visit(value);
            }
            let parsed = self.text.parse::<$type>();
            match parsed.or_else(|error| self.without_decimals().map_or(Err(error), str::parse)) {
                Ok(value) => visitor.$visit(value),
                Err(error) => Err(integer(&error, stringify!($type))),
            }
        }
    )*};
}

macro_rules! parsed {
    ($($method:ident $visit:ident $type:ty, $expected:literal;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            self.refuse_null()?;
            match self.text.parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(ValueError::text($expected)),
            }
        }
    )*};
}

macro_rules! nested {
    ($($method:ident($($argument:ty),*) $what:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $argument,)* _visitor: V) -> Result<V::Value, ValueError> {
            Err(ValueError::nested($what))
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'de, '_> {
    type Error = ValueError;

    /// Flattened and untagged types call this and do not say what they expect: the text becomes the type that it
    /// looks like, unless that would lose a digit.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let text = self.text;
        if self.is_marker() {
            return visitor.visit_none();
        }
        if self.decoder.untyped_as_text {
            return visitor.visit_borrowed_str(text);
        }
        match number::looks_like(text) {
            Some(Looks::Bool(value)) => visitor.visit_bool(value),
            Some(Looks::Unsigned(value)) => visitor.visit_u64(value),
            Some(Looks::Signed(value)) => visitor.visit_i64(value),
            Some(Looks::Float(value)) => visitor.visit_f64(value),
            None => visitor.visit_borrowed_str(text),
        }
    }

    integers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_i128 visit_i128 i128;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_u128 visit_u128 u128;
    }

    parsed! {
        deserialize_bool visit_bool bool, "expected `true` or `false`";
        deserialize_char visit_char char, "expected a single character";
    }

    #[inline]
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.refuse_null()?;
        match floats::single(self.text) {
            Ok(value) => visitor.visit_f32(value),
            Err(error) => Err(float(error, "f32")),
        }
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.refuse_null()?;
        match number::short_decimal(self.text).map_or_else(|| floats::double(self.text), Ok) {
            Ok(value) => visitor.visit_f64(value),
            Err(error) => Err(float(error, "f64")),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.refuse_null()?;
        if let Some(problem) = civil::problem::<V>(self.text.as_bytes()) {
            return Err(ValueError::text(problem));
        }
        visitor.visit_borrowed_str(self.text)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.refuse_null()?;
        visitor.visit_borrowed_bytes(self.text.as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        if self.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        if self.is_none() { visitor.visit_unit() } else { Err(ValueError::text("expected an empty field")) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.refuse_null()?;
        let variant: StrDeserializer<'de, ValueError> = self.text.into_deserializer();
        visitor.visit_enum(variant)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_borrowed_str(self.text)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    nested! {
        deserialize_seq() "a sequence";
        deserialize_tuple(usize) "a tuple";
        deserialize_tuple_struct(&'static str, usize) "a tuple";
        deserialize_map() "a map";
        deserialize_struct(&'static str, &'static [&'static str]) "a struct";
    }
}

/// Map keys that are not strings are parsed like values.
macro_rules! keys {
    ($($method:ident $visit:ident $type:ty, $refused:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            match self.0.parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(error) => Err($refused(&error, stringify!($type))),
            }
        }
    )*};
}

#[cold]
fn not_bool(_: &ParseBoolError, _: &str) -> ValueError {
    ValueError::text("expected `true` or `false`")
}

/// A column's name, as the key of a map or the name of a field.
#[derive(Clone, Copy)]
pub(super) struct Name<'a>(pub(super) &'a str);

impl<'de> Deserializer<'de> for Name<'_> {
    type Error = ValueError;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_str(self.0)
    }

    keys! {
        deserialize_bool visit_bool bool, not_bool;
        deserialize_i8 visit_i8 i8, integer;
        deserialize_i16 visit_i16 i16, integer;
        deserialize_i32 visit_i32 i32, integer;
        deserialize_i64 visit_i64 i64, integer;
        deserialize_i128 visit_i128 i128, integer;
        deserialize_u8 visit_u8 u8, integer;
        deserialize_u16 visit_u16 u16, integer;
        deserialize_u32 visit_u32 u32, integer;
        deserialize_u64 visit_u64 u64, integer;
        deserialize_u128 visit_u128 u128, integer;
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        floats::single(self.0).map_err(|error| float(error, "f32")).and_then(|value| visitor.visit_f32(value))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        floats::double(self.0).map_err(|error| float(error, "f64")).and_then(|value| visitor.visit_f64(value))
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
