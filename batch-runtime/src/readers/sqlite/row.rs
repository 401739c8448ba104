//! Deserializes a row into any serde type, whose fields are the columns of the same names.

use rusqlite::types::ValueRef;
use rusqlite::{Row, Statement};
use serde::Deserializer;
use serde::de::value::SeqDeserializer;
use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::readers::any::Unfit;
use crate::readers::civil;
use crate::readers::exact_numbers::{self, to_integer};
use crate::readers::floats;
use crate::readers::rows::{About, Cells, ItemError, RowDeserializer, fit_json, refuse_misfit, row_as_json};

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
    Item(ItemError),
    /// The user's closure failed.
    Closure(rusqlite::Error),
}

impl RowError {
    /// True if the columns of the query are at fault, so that every row fails.
    pub(super) fn is_about_the_columns(&self) -> bool {
        match self {
            Self::Item(error) => error.about == About::Columns,
            Self::Closure(error) => matches!(
                error,
                rusqlite::Error::InvalidColumnName(_) | rusqlite::Error::InvalidColumnIndex(_)
            ),
        }
    }
}

/// Deserializes `row`, whose columns have these names, into a `T`.
pub(super) fn item<T: DeserializeOwned>(row: &Row<'_>, names: &[String]) -> Result<T, RowError> {
    T::deserialize(RowDeserializer(RowCells { row, names })).map_err(RowError::Item)
}

/// The row as JSON.
pub(super) fn text(row: &Row<'_>, names: &[String]) -> String {
    row_as_json(RowCells { row, names })
}

/// Deserializes all rows of a statement whose parameters are bound.
pub(in crate::readers) fn items<T: DeserializeOwned>(
    statement: &mut Statement<'_>,
) -> rusqlite::Result<Result<Vec<T>, Unfit>> {
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.raw_query();
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        let fits = match &*items {
            [] => refuse_misfit::<T>(names.iter().map(String::as_str)),
            _ => Ok(()),
        };
        match fits.and_then(|()| T::deserialize(RowDeserializer(RowCells { row, names: &names }))) {
            Ok(item) => items.push(item),
            Err(error) => return Ok(Err(Unfit { row: items.len() + 1, error })),
        }
    }
    Ok(Ok(items))
}

#[derive(Clone, Copy)]
struct RowCells<'de> {
    row: &'de Row<'de>,
    names: &'de [String],
}

impl<'de> Cells<'de> for RowCells<'de> {
    type Cell = Cell<'de>;

    fn cells(self) -> impl Iterator<Item = (&'de str, Cell<'de>)> {
        self.names.iter().enumerate().map(move |(index, name)| {
            // The statement has as many columns as there are names.
            (name.as_str(), Cell { name, value: self.row.get_ref(index).unwrap_or(ValueRef::Null) })
        })
    }
}

macro_rules! whole_numbers {
    ($($method:ident($visit:ident: $type:ty))*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
            match self.whole::<$type>() {
                Some(value) => self.named(visitor.$visit(value)),
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

impl<'de> IntoDeserializer<'de, ItemError> for Cell<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Cell<'de> {
    /// Adds the column's name to the error.
    fn named<T>(self, result: Result<T, ItemError>) -> Result<T, ItemError> {
        result.map_err(|mut error| {
            error.column.get_or_insert_with(|| self.name.into());
            // The error concerns this value; another row may have a better one.
            error.about = About::Value;
            error
        })
    }

    /// Returns the value as an integer. A column declared as REAL stores integers as reals.
    fn whole<T: TryFrom<i64> + TryFrom<i128> + TryFrom<u128>>(self) -> Option<T> {
        match self.value {
            ValueRef::Integer(value) => T::try_from(value).ok(),
            ValueRef::Real(value) => to_integer(value),
            _ => None,
        }
    }

    fn visit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        match self.value {
            ValueRef::Null => visitor.visit_unit(),
            ValueRef::Integer(value) => visitor.visit_i64(value),
            ValueRef::Real(value) => {
                fit_json::<V>(value)?;
                visitor.visit_f64(value)
            }
            ValueRef::Text(value) => match std::str::from_utf8(value) {
                Ok(text) => visitor.visit_borrowed_str(text),
                Err(error) => Err(de::Error::custom(format_args!("the text is not UTF-8: {error}"))),
            },
            ValueRef::Blob(value) => visitor.visit_borrowed_bytes(value),
        }
    }
}

impl<'de> Deserializer<'de> for Cell<'de> {
    type Error = ItemError;

    forward_to_deserialize_any! {
        char bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier
    }

    whole_numbers! {
        deserialize_i8(visit_i8: i8) deserialize_i16(visit_i16: i16) deserialize_i32(visit_i32: i32)
        deserialize_i64(visit_i64: i64) deserialize_i128(visit_i128: i128) deserialize_u8(visit_u8: u8)
        deserialize_u16(visit_u16: u16) deserialize_u32(visit_u32: u32) deserialize_u64(visit_u64: u64)
        deserialize_u128(visit_u128: u128)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        self.named(self.visit(visitor))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        let (single, number): (_, &dyn ToString) = match &self.value {
            ValueRef::Real(value) if !floats::fits_single(*value) => {
                let problem = format_args!("expected a number that fits f32, found {value:e}");
                return self.named(Err(de::Error::custom(problem)));
            }
            ValueRef::Real(value) => (exact_numbers::to_f32(*value), value),
            ValueRef::Integer(value) => {
                (exact_numbers::to_f64(*value).and_then(exact_numbers::to_f32), value)
            }
            _ => return self.deserialize_any(visitor),
        };
        self.named(match single {
            Some(single) => visitor.visit_f32(single),
            None => Err(ItemError::unfit("f32", &number.to_string())),
        })
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        let ValueRef::Integer(value) = self.value else { return self.deserialize_any(visitor) };
        self.named(match exact_numbers::to_f64(value) {
            Some(double) => visitor.visit_f64(double),
            None => Err(ItemError::unfit("f64", &value.to_string())),
        })
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        if let ValueRef::Text(text) = self.value {
            self.named(civil::refuse_loss::<V, _>(text))?;
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        match self.whole() {
            Some(value @ (0 | 1_i64)) => self.named(visitor.visit_bool(value == 1)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        match self.value {
            ValueRef::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
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
    ) -> Result<V::Value, ItemError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ItemError> {
        let variant = match self.value {
            ValueRef::Text(value) => std::str::from_utf8(value).ok(),
            _ => None,
        };
        self.named(match variant {
            Some(variant) => visitor.visit_enum(IntoDeserializer::<ItemError>::into_deserializer(variant)),
            None => self.visit(visitor),
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        visitor.visit_unit()
    }
}
