//! Deserializes a row into any serde type; its columns are fields by name.

use std::fmt;

use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde::Deserializer;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::key::whole_of;
use crate::readers::shown;

/// Converts a row to an item with serde, given the names of its columns;
/// [`SqliteQuery::rows_as`](super::SqliteQuery::rows_as) uses it.
pub type Deserialized<T> = fn(&Row<'_>, &[String]) -> Result<T, RowError>;

/// Converts a row to an item, given the names of its columns.
pub trait MakeItem<T>: FnMut(&Row<'_>, &[String]) -> Result<T, RowError> {}

impl<T, F: FnMut(&Row<'_>, &[String]) -> Result<T, RowError>> MakeItem<T> for F {}

/// The error of a row that did not become an item.
#[derive(Debug)]
pub enum RowError {
    /// Serde could not deserialize it.
    Item(NoItem),
    /// The user's closure failed.
    Closure(rusqlite::Error),
}

impl RowError {
    /// True if the columns of the query are the reason, so that all rows fail.
    pub(super) fn is_about_the_columns(&self) -> bool {
        match self {
            Self::Item(no_item) => no_item.of_columns,
            Self::Closure(error) => matches!(
                error,
                rusqlite::Error::InvalidColumnName(_) | rusqlite::Error::InvalidColumnIndex(_)
            ),
        }
    }
}

/// The error of a row that does not fit the item.
#[derive(Debug)]
pub struct NoItem {
    pub(super) column: Option<Box<str>>,
    pub(super) problem: Box<str>,
    /// True if the query lacks the columns of the item.
    of_columns: bool,
}

impl NoItem {
    fn of_columns(problem: impl fmt::Display) -> Self {
        Self { of_columns: true, ..de::Error::custom(problem) }
    }
}

impl fmt::Display for NoItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for NoItem {}

impl de::Error for NoItem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { column: None, problem: message.to_string().into(), of_columns: false }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of_columns(format_args!(
            "the column `{field}` is not in its result; select it, or make the field optional with `#[serde(default)]`"
        ))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::of_columns(format_args!("the item has no field `{field}`; leave the column out"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::of_columns(format_args!("two columns of its result are named `{field}`; rename one with `AS`"))
    }

    fn invalid_length(columns: usize, expected: &dyn Expected) -> Self {
        Self::of_columns(format_args!("its result has {columns} columns, but the item needs {expected}"))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {}", Found(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }
}

/// Formats a value for a message: with `SQLite`'s type names, and truncated if it is long.
struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Str(text) => write!(f, "text '{}'", shown(text)),
            Unexpected::Bytes(bytes) => write!(f, "a blob of {} bytes", bytes.len()),
            Unexpected::Unit | Unexpected::Option => f.write_str("NULL"),
            Unexpected::Signed(value) => write!(f, "integer {value}"),
            Unexpected::Float(value) => write!(f, "real {value}"),
            found => found.fmt(f),
        }
    }
}

/// Deserializes `row`, whose columns have these names, into a `T`.
pub(super) fn item<T: DeserializeOwned>(row: &Row<'_>, names: &[String]) -> Result<T, RowError> {
    T::deserialize(RowDeserializer { row, names }).map_err(RowError::Item)
}

#[derive(Clone, Copy)]
struct RowDeserializer<'de> {
    row: &'de Row<'de>,
    names: &'de [String],
}

impl<'de> RowDeserializer<'de> {
    fn cells(self) -> impl Iterator<Item = Cell<'de>> {
        self.names.iter().enumerate().map(move |(index, name)| Cell {
            name,
            // The statement has as many columns as there are names.
            value: self.row.get_ref(index).unwrap_or(ValueRef::Null),
        })
    }

    fn only(self) -> Result<Cell<'de>, NoItem> {
        let mut cells = self.cells();
        match (cells.next(), cells.next()) {
            (Some(cell), None) => Ok(cell),
            _ => Err(NoItem::of_columns(format_args!(
                "its result has {} columns, but the item is a single value",
                self.names.len()
            ))),
        }
    }
}

macro_rules! the_only_column {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NoItem> {
            self.only()?.$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for RowDeserializer<'de> {
    type Error = NoItem;

    the_only_column! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_char
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option
        deserialize_unit
    }

    forward_to_deserialize_any! { i128 u128 map struct unit_struct identifier ignored_any }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NoItem> {
        visitor.visit_map(MapDeserializer::new(self.cells().map(|cell| (cell.name, cell))))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NoItem> {
        visitor.visit_seq(SeqDeserializer::new(self.cells()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, NoItem> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, NoItem> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, NoItem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NoItem> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NoItem> {
            match self.whole() {
                Some(value) => self.named(visitor.visit_i64(value)),
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

#[derive(Clone, Copy)]
struct Cell<'de> {
    name: &'de str,
    value: ValueRef<'de>,
}

impl<'de> IntoDeserializer<'de, NoItem> for Cell<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Cell<'de> {
    /// Adds the column's name to the error.
    fn named<T>(self, result: Result<T, NoItem>) -> Result<T, NoItem> {
        result.map_err(|mut error| {
            error.column.get_or_insert_with(|| self.name.into());
            // The error concerns this value; another row may have a better one.
            error.of_columns = false;
            error
        })
    }

    /// Returns the value as an integer. A column declared as REAL stores integers as reals.
    fn whole(self) -> Option<i64> {
        match self.value {
            ValueRef::Integer(value) => Some(value),
            ValueRef::Real(value) => whole_of(value),
            _ => None,
        }
    }

    fn visit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NoItem> {
        match self.value {
            ValueRef::Null => visitor.visit_unit(),
            ValueRef::Integer(value) => visitor.visit_i64(value),
            ValueRef::Real(value) => visitor.visit_f64(value),
            ValueRef::Text(value) => match std::str::from_utf8(value) {
                Ok(text) => visitor.visit_borrowed_str(text),
                Err(error) => Err(de::Error::custom(format_args!("the text is not UTF-8: {error}"))),
            },
            ValueRef::Blob(value) => visitor.visit_borrowed_bytes(value),
        }
    }
}

impl<'de> Deserializer<'de> for Cell<'de> {
    type Error = NoItem;

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier
    }

    whole_numbers! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 }
    whole_numbers! { deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NoItem> {
        self.named(self.visit(visitor))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NoItem> {
        match self.whole() {
            Some(value @ (0 | 1)) => self.named(visitor.visit_bool(value == 1)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NoItem> {
        match self.value {
            ValueRef::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NoItem> {
        match self.value {
            ValueRef::Blob(bytes) => {
                self.named(visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied())))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, NoItem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NoItem> {
        let variant = match self.value {
            ValueRef::Text(value) => std::str::from_utf8(value).ok(),
            _ => None,
        };
        self.named(match variant {
            Some(variant) => visitor.visit_enum(IntoDeserializer::<NoItem>::into_deserializer(variant)),
            None => self.visit(visitor),
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NoItem> {
        visitor.visit_unit()
    }
}
