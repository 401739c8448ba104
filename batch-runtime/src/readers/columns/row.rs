//! The serde deserializer of a whole record, which hands its columns to the fields of a type.

use std::cell::Cell;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::decode::Decoder;
use super::value::{Name, Value, ValueError};

/// For a type that is a single value: takes the value from a record with one field.
macro_rules! forward_to_only {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            match self.only() {
                Some(value) => value.$method(visitor).map_err(|error| error.in_column(0)),
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

/// The name of a column and its index in a record.
pub(super) type Column = (Box<str>, usize);

/// How the columns are passed to the type.
#[derive(Clone, Copy)]
pub(super) enum Form<'a> {
    /// Without names, these columns in this order: the fastest form for a struct.
    Sequence(&'a [usize]),
    /// Without names, all columns.
    Positions,
    /// With their names, so that the type may ignore, default, rename and collect columns. Columns missing from
    /// the record are left out, and so are null markers if `omit_nulls` is true.
    Names { columns: &'a [Column], omit_nulls: bool },
}

/// Facts noted while a record is deserialized.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// The names of the struct's fields, if it is a struct.
    pub(super) fields: Cell<Option<&'static [&'static str]>>,
    /// The number of sequence values taken.
    pub(super) taken: Cell<usize>,
}

/// The fields of a record.
pub(crate) trait Fields<'a>: Copy {
    /// The number of fields.
    fn count(self) -> usize;

    /// The text of a field, exactly as in the record.
    fn text(self, column: usize) -> Option<&'a str>;

    /// True if the field was quoted.
    fn is_quoted(self, _column: usize) -> bool {
        false
    }

    /// True if the column holds numbers with decimals, which may all be zero.
    #[inline]
    fn has_decimals(self, _column: usize) -> bool {
        false
    }
}

/// A record.
pub(super) struct Row<'a, F> {
    pub(super) fields: F,
    pub(super) decoder: &'a Decoder,
    pub(super) form: Form<'a>,
    pub(super) trace: &'a Trace,
}

impl<'a, F> Row<'a, F> {
    /// Returns a field.
    #[inline]
    pub(super) fn value<'de>(&self, column: usize) -> Option<Value<'de, 'a>>
    where
        F: Fields<'de>,
    {
        let (text, is_quoted) = (self.fields.text(column)?, self.fields.is_quoted(column));
        let text = if self.decoder.trim { trimmed(text, is_quoted) } else { text };
        Some(Value { text, is_quoted, has_decimals: self.fields.has_decimals(column), decoder: self.decoder })
    }

    /// Passes these columns to the type, and notes how many it took.
    #[inline]
    fn visit_picked<'de, V: Visitor<'de>>(
        &self,
        columns: &[usize],
        visitor: V,
    ) -> Result<V::Value, ValueError>
    where
        F: Fields<'de>,
    {
        let mut picked = Picked { row: self, columns: columns.iter() };
        let value = visitor.visit_seq(&mut picked);
        self.trace.taken.set(columns.len() - picked.columns.len());
        value
    }

    /// Returns the field of a record that has only one.
    fn only<'de>(&self) -> Option<Value<'de, 'a>>
    where
        F: Fields<'de>,
    {
        if self.fields.count() == 1 { self.value(0) } else { None }
    }
}

/// A field without the white space around it, unless it was quoted. Few files need it, so it stays out of the
/// code that is compiled for each field of an item.
#[inline(never)]
fn trimmed(text: &str, is_quoted: bool) -> &str {
    if is_quoted { text } else { text.trim() }
}

// By reference, because serde moves the deserializer several times.
impl<'de, F: Fields<'de>> Deserializer<'de> for &Row<'_, F> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.form {
            Form::Sequence(columns) => self.visit_picked(columns, visitor),
            Form::Positions => visitor.visit_seq(All { row: self, next: 0 }),
            Form::Names { columns, omit_nulls } => {
                visitor.visit_map(Named { row: self, columns: columns.iter(), omit_nulls, at: 0 })
            }
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        if let Form::Sequence(columns) = self.form {
            return self.visit_picked(columns, visitor);
        }
        self.trace.fields.set(Some(fields));
        self.deserialize_any(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_seq(All { row: self, next: 0 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.only() {
            Some(value) => value.deserialize_option(visitor).map_err(|error| error.in_column(0)),
            None => visitor.visit_some(self),
        }
    }

    forward_to_only! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.only() {
            Some(value) => {
                value.deserialize_enum(name, variants, visitor).map_err(|error| error.in_column(0))
            }
            None => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! { unit unit_struct map identifier ignored_any }
}

/// Yields the columns of [`Form::Sequence`], in its order.
struct Picked<'a, F> {
    row: &'a Row<'a, F>,
    columns: std::slice::Iter<'a, usize>,
}

impl<'de, F: Fields<'de>> SeqAccess<'de> for Picked<'_, F> {
    type Error = ValueError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ValueError> {
        let Some(column) = self.columns.next() else { return Ok(None) };
        let Some(value) = self.row.value(*column) else { return Ok(None) };
        match seed.deserialize(value) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error.in_column(*column)),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.columns.len())
    }
}

/// Yields all columns.
struct All<'a, F> {
    row: &'a Row<'a, F>,
    next: usize,
}

impl<'de, F: Fields<'de>> SeqAccess<'de> for All<'_, F> {
    type Error = ValueError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ValueError> {
        let Some(value) = self.row.value(self.next) else { return Ok(None) };
        let column = self.next;
        self.next += 1;
        match seed.deserialize(value) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error.in_column(column)),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.row.fields.count() - self.next)
    }
}

/// Yields columns with their names.
struct Named<'a, F> {
    row: &'a Row<'a, F>,
    columns: std::slice::Iter<'a, Column>,
    omit_nulls: bool,
    at: usize,
}

impl<'de, F: Fields<'de>> MapAccess<'de> for Named<'_, F> {
    type Error = ValueError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ValueError> {
        for (name, column) in self.columns.by_ref() {
            let Some(value) = self.row.value(*column) else { continue };
            if self.omit_nulls && value.is_marker() {
                continue;
            }
            self.at = *column;
            return seed.deserialize(Name(name)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ValueError> {
        // The key was yielded because the field exists.
        let value =
            self.row.value(self.at).ok_or_else(ValueError::null).and_then(|value| seed.deserialize(value));
        value.map_err(|error| error.in_column(self.at))
    }
}
