//! [`Cell`]: the value of one column, as serde deserializes it.

use serde::de::value::SeqDeserializer;
use serde::de::{self, Deserializer, IntoDeserializer, Visitor};

use super::json::document;
use super::{Form, Value};
use crate::readers::civil;
use crate::readers::exact_numbers::{self, to_integer};
use crate::readers::rows::{About, ItemError, fit_json};

/// The name of the `serde_json` struct that keeps a document as its text.
const RAW_JSON: &str = "$serde_json::private::RawValue";

/// A column of a query.
#[derive(Debug)]
pub struct Column {
    pub(in crate::readers::postgres) name: Box<str>,
    pub(in crate::readers::postgres) form: Form,
    /// The name of its type.
    pub(in crate::readers::postgres) type_: Box<str>,
}

/// The value of a column in a row, or of an element of its array.
#[derive(Clone, Copy)]
pub(in crate::readers::postgres) struct Cell<'de> {
    pub(in crate::readers::postgres) column: &'de Column,
    pub(in crate::readers::postgres) form: &'de Form,
    /// `None` is `NULL`.
    pub(in crate::readers::postgres) raw: Option<&'de [u8]>,
}

impl<'de> IntoDeserializer<'de, ItemError> for Cell<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Cell<'de> {
    fn value(self) -> Result<Option<Value<'de>>, ItemError> {
        let Some(raw) = self.raw else { return Ok(None) };
        Value::of(self.form, raw).map(Some).map_err(|broken| self.blamed(de::Error::custom(broken)))
    }

    /// The value of an integer column, without the steps that other types need.
    #[inline]
    fn integer(self) -> Option<i64> {
        let raw = self.raw?;
        match self.form {
            Form::Int8 => raw.try_into().ok().map(i64::from_be_bytes),
            Form::Int4 => raw.try_into().ok().map(|bytes| i32::from_be_bytes(bytes).into()),
            _ => None,
        }
    }

    /// The value of a `double precision` column, like [`integer`](Self::integer).
    #[inline]
    fn double(self) -> Option<f64> {
        match self.form {
            Form::Float8 => self.raw?.try_into().ok().map(f64::from_be_bytes),
            _ => None,
        }
    }

    /// The value of a text column, like [`integer`](Self::integer).
    #[inline]
    fn text(self) -> Option<&'de str> {
        match self.form {
            Form::Text => std::str::from_utf8(self.raw?).ok(),
            _ => None,
        }
    }

    /// Adds the column's name to the error.
    fn named<T>(self, result: Result<T, ItemError>) -> Result<T, ItemError> {
        result.map_err(|error| self.blamed(error))
    }

    #[cold]
    fn blamed(self, mut error: ItemError) -> ItemError {
        error.column.get_or_insert_with(|| self.column.name.clone());
        error.about = match error.about {
            // Every value of the column is of this type.
            About::Type if self.form.is_plain() && self.raw.is_some() => {
                let type_ = &self.column.type_;
                error.problem = format!("{}; the column is of type `{type_}`", error.problem).into();
                About::Columns
            }
            About::Columns if *self.form == Form::Unread => About::Columns,
            _ => About::Value,
        };
        error
    }

    fn visit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        match self.value()? {
            None => visitor.visit_unit(),
            Some(value) => self.visit_value(value, visitor),
        }
    }

    fn visit_value<V: Visitor<'de>>(self, value: Value<'de>, visitor: V) -> Result<V::Value, ItemError> {
        match value {
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Integer(value) => visitor.visit_i64(value),
            Value::Single(value) => {
                fit_json::<V>(value.into())?;
                visitor.visit_f32(value)
            }
            Value::Double(value) => {
                fit_json::<V>(value)?;
                visitor.visit_f64(value)
            }
            Value::Numeric(value) => visitor.visit_str(value.text().as_str()),
            Value::Text(value) => visitor.visit_borrowed_str(value),
            Value::Binary(value) => visitor.visit_borrowed_bytes(value),
            Value::Written(value) => visitor.visit_str(value.as_str()),
            Value::Json(text) => document(text, |json| json.deserialize_any(visitor)),
            Value::Array(array) => array.visit(self.column, visitor),
            Value::Unread => {
                let Column { name, type_, .. } = self.column;
                Err(ItemError::of_columns(format_args!(
                    "the reader cannot read the type `{type_}`; convert it in the query, as in `{name}::text AS {name}`"
                )))
            }
        }
    }
}

macro_rules! whole_numbers {
    ($($method:ident($visit:ident: $type:ty))*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
            if let Some(integer) = self.integer() {
                return self.named(visitor.visit_i64(integer));
            }
            self.named(match self.value()? {
                Some(Value::Single(value)) => match to_integer::<$type>(value.into()) {
                    Some(whole) => visitor.$visit(whole),
                    None => visitor.visit_f32(value),
                },
                Some(Value::Double(value)) => match to_integer::<$type>(value) {
                    Some(whole) => visitor.$visit(whole),
                    None => visitor.visit_f64(value),
                },
                Some(Value::Numeric(value)) => {
                    match value.whole().and_then(|whole| <$type>::try_from(whole).ok()) {
                        Some(whole) => visitor.$visit(whole),
                        None => Err(ItemError::unfit(stringify!($type), value.text().as_str())),
                    }
                }
                Some(Value::Json(text)) => document(text, |json| json.$method(visitor)),
                Some(value) => self.visit_value(value, visitor),
                None => visitor.visit_unit(),
            })
        }
    )*};
}

macro_rules! documents_or_any {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
            self.named(match self.value()? {
                Some(Value::Json(text)) => document(text, |json| json.$method(visitor)),
                Some(value) => self.visit_value(value, visitor),
                None => visitor.visit_unit(),
            })
        }
    )*};
}

macro_rules! texts {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
            if let Some(text) = self.text() {
                self.named(civil::refuse_loss::<V, _>(text.as_bytes()))?;
                return self.named(visitor.visit_borrowed_str(text));
            }
            self.named(match self.value()? {
                Some(Value::Written(value)) => civil::refuse_loss::<V, _>(value.as_str().as_bytes())
                    .and_then(|()| visitor.visit_str(value.as_str())),
                // The document itself.
                Some(Value::Json(text)) => visitor.visit_borrowed_str(text),
                Some(value) => self.visit_value(value, visitor),
                None => visitor.visit_unit(),
            })
        }
    )*};
}

impl<'de> Deserializer<'de> for Cell<'de> {
    type Error = ItemError;

    whole_numbers! {
        deserialize_i8(visit_i8: i8) deserialize_i16(visit_i16: i16) deserialize_i32(visit_i32: i32)
        deserialize_i64(visit_i64: i64) deserialize_i128(visit_i128: i128) deserialize_u8(visit_u8: u8)
        deserialize_u16(visit_u16: u16) deserialize_u32(visit_u32: u32) deserialize_u64(visit_u64: u64)
        deserialize_u128(visit_u128: u128)
    }

    documents_or_any! { deserialize_map deserialize_unit }

    texts! { deserialize_str deserialize_string deserialize_char deserialize_identifier }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        self.named(self.visit(visitor))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        self.named(match self.value()? {
            Some(Value::Integer(value @ (0 | 1))) => visitor.visit_bool(value == 1),
            Some(Value::Json(text)) => document(text, |json| json.deserialize_bool(visitor)),
            Some(value) => self.visit_value(value, visitor),
            None => visitor.visit_unit(),
        })
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        if let Some(double) = self.double() {
            return self.named(visitor.visit_f64(double));
        }
        self.named(match self.value()? {
            Some(Value::Integer(value)) => match exact_numbers::to_f64(value) {
                Some(real) => visitor.visit_f64(real),
                None => Err(ItemError::unfit("f64", &value.to_string())),
            },
            Some(Value::Numeric(value)) => match value.double() {
                Some(real) => visitor.visit_f64(real),
                None => Err(ItemError::unfit("f64", value.text().as_str())),
            },
            Some(Value::Json(text)) => document(text, |json| json.deserialize_f64(visitor)),
            Some(value) => self.visit_value(value, visitor),
            None => visitor.visit_unit(),
        })
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        self.named(match self.value()? {
            Some(Value::Integer(value)) => {
                match exact_numbers::to_f64(value).and_then(exact_numbers::to_f32) {
                    Some(real) => visitor.visit_f32(real),
                    None => Err(ItemError::unfit("f32", &value.to_string())),
                }
            }
            Some(Value::Double(value)) => match exact_numbers::to_f32(value) {
                Some(real) => visitor.visit_f32(real),
                None => Err(ItemError::unfit("f32", &value.to_string())),
            },
            Some(Value::Numeric(value)) => match value.single() {
                Some(real) => visitor.visit_f32(real),
                None => Err(ItemError::unfit("f32", value.text().as_str())),
            },
            Some(Value::Json(text)) => document(text, |json| json.deserialize_f32(visitor)),
            Some(value) => self.visit_value(value, visitor),
            None => visitor.visit_unit(),
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        match self.raw {
            None => visitor.visit_none(),
            Some(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        self.named(match self.value()? {
            Some(Value::Binary(bytes)) => visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied())),
            Some(Value::Json(text)) => document(text, |json| json.deserialize_seq(visitor)),
            Some(value) => self.visit_value(value, visitor),
            None => visitor.visit_unit(),
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ItemError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ItemError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ItemError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ItemError> {
        if name == RAW_JSON
            && let Some(Value::Json(text)) = self.value()?
        {
            return self.named(document(text, |json| json.deserialize_newtype_struct(name, visitor)));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ItemError> {
        self.named(match self.value()? {
            Some(Value::Json(text)) => document(text, |json| json.deserialize_struct(name, fields, visitor)),
            Some(value) => self.visit_value(value, visitor),
            None => visitor.visit_unit(),
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ItemError> {
        self.named(match self.value()? {
            Some(Value::Text(variant)) => {
                visitor.visit_enum(IntoDeserializer::<ItemError>::into_deserializer(variant))
            }
            Some(Value::Json(text)) => document(text, |json| json.deserialize_enum(name, variants, visitor)),
            Some(value) => self.visit_value(value, visitor),
            None => visitor.visit_unit(),
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        visitor.visit_unit()
    }
}
