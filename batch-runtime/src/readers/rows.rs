//! The parts that the readers of rows share, for any database: the columns of a key, a row as the fields of an item,
//! and the error of a row that does not fit.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use serde_json::Value;
use serde_json::value::RawValue;

use super::fields::{self, Misfit};
use super::shown;

/// The problem of a query that chooses its rows by a `LIMIT`.
pub(super) const LIMITED: &str = "its `LIMIT` or `OFFSET` could choose other rows for each page; leave it out and add \
    `.limit(n)` to the reader, or store the keys of the rows in a table first";

/// The problem of a key that changes when rows are added.
pub(super) const WINDOWED: &str = "it is computed by a window function, so it changes when rows are added or removed; read \
    by a column of a table";

/// The argument of [`SqliteQuery::key`](super::SqliteQuery::key): one column, or several.
pub trait KeyColumns {
    /// Returns the names of the columns.
    fn into_columns(self) -> Vec<String>;
}

impl KeyColumns for &str {
    fn into_columns(self) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl KeyColumns for String {
    fn into_columns(self) -> Vec<String> {
        vec![self]
    }
}

impl<S: Into<String>, const N: usize> KeyColumns for [S; N] {
    fn into_columns(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<S: Into<String>> KeyColumns for Vec<S> {
    fn into_columns(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

/// Formats column names, each in backquotes, with commas between them.
pub(super) fn named(names: impl IntoIterator<Item = impl AsRef<str>>) -> Box<str> {
    let quoted = names.into_iter().map(|name| format!("`{}`", name.as_ref()));
    quoted.collect::<Vec<_>>().join(", ").into()
}

/// The problem of a query whose rows should not become an item.
pub(super) fn misfit_problem<'n>(misfit: Misfit, names: impl Iterator<Item = &'n str>) -> String {
    match misfit {
        Misfit::Lacks(column) => {
            format!("the item needs the column `{column}`, but the query returns only {}", named(names))
        }
        Misfit::SharesNone(fields) => format!(
            "no column of its result is a field of the item: it returns {}, and the fields are {}; rename the columns with `AS`",
            named(names),
            named(fields)
        ),
        Misfit::Twice(name) => format!(
            "two columns of its result are named `{name}`, of which the item would keep only one; rename one with `AS`"
        ),
    }
}

/// Refuses rows with these columns if they should not become a `T`.
pub(super) fn refuse_misfit<'n, T: DeserializeOwned>(
    names: impl Iterator<Item = &'n str> + Clone,
) -> Result<(), ItemError> {
    let misfit = fields::misfit::<T>(names.clone());
    misfit.map_or(Ok(()), |misfit| Err(ItemError::of_columns(misfit_problem(misfit, names))))
}

/// Formats the column of an error, if it is known.
pub(super) struct InColumn<'a>(pub(super) Option<&'a str>);

impl fmt::Display for InColumn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |column| write!(f, ", column `{column}`"))
    }
}

/// The error of a row that does not fit the item.
#[derive(Debug)]
pub struct ItemError {
    pub(super) column: Option<Box<str>>,
    pub(super) problem: Box<str>,
    pub(super) about: About,
}

/// Whether the error of one row concerns the other rows too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// No: another row may have a better value.
    Value,
    /// A value of another type is needed.
    Type,
    /// Another number of values is needed.
    Length,
    /// The query lacks the columns of the item, so that no row fits.
    Columns,
}

impl ItemError {
    pub(super) fn of_columns(problem: impl fmt::Display) -> Self {
        Self { about: About::Columns, ..de::Error::custom(problem) }
    }

    /// The error of a number that would change in a field of this type.
    pub(super) fn unfit(type_: &str, number: &str) -> Self {
        de::Error::custom(format_args!("expected {type_}, which cannot hold {} exactly", shown(number)))
    }
}

impl fmt::Display for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for ItemError {}

impl de::Error for ItemError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { column: None, problem: message.to_string().into(), about: About::Value }
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

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let problem = format_args!("expected {expected}, found {length} values");
        Self { about: About::Length, ..Self::custom(problem) }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self { about: About::Type, ..Self::invalid_value(found, expected) }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {}", Found(found)))
    }
}

/// Refuses a number that JSON cannot hold if a JSON value is wanted, which would become null.
#[inline]
pub(super) fn fit_json<'de, V: Visitor<'de>>(number: f64) -> Result<(), ItemError> {
    if number.is_finite() || !is_json_value::<V>() {
        return Ok(());
    }
    Err(de::Error::custom(format_args!(
        "JSON has no number {number}; leave the column out, or convert it to text in the query"
    )))
}

/// True if the visitor is the one of `serde_json::Value`, which turns a number that JSON cannot hold into null.
#[inline]
fn is_json_value<'de, V: Visitor<'de>>() -> bool {
    let name = std::any::type_name::<V>();
    name.ends_with("ValueVisitor") && name.contains("serde_json::value::")
}

/// Formats a value for a message: with the type names of databases, and truncated if it is long.
struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Str(text) => write!(f, "text '{}'", shown(text)),
            Unexpected::Bytes(bytes) => write!(f, "binary data of {} bytes", bytes.len()),
            Unexpected::Unit | Unexpected::Option => f.write_str("NULL"),
            Unexpected::Signed(value) => write!(f, "integer {value}"),
            Unexpected::Float(value) => write!(f, "real {value}"),
            found => found.fmt(f),
        }
    }
}

/// The cells of a row.
pub(super) trait Cells<'de>: Copy {
    /// The value of one column.
    type Cell: Deserializer<'de, Error = ItemError> + IntoDeserializer<'de, ItemError> + Copy;

    /// The columns' names, with the cells.
    fn cells(self) -> impl Iterator<Item = (&'de str, Self::Cell)>;
}

/// A row as a JSON object, for a report. A value that JSON cannot hold is replaced by the reason.
#[cold]
pub(super) fn row_as_json<'de, C: Cells<'de>>(cells: C) -> String {
    let value = |cell: C::Cell| match Box::<RawValue>::deserialize(cell) {
        // A document, with numbers and keys that a `Value` would not keep.
        Ok(document) => Shown::Document(document),
        Err(_) => Shown::Value(
            Value::deserialize(cell).unwrap_or_else(|error| Value::String(format!("({})", error.problem))),
        ),
    };
    let members = cells.cells().map(|(name, cell)| (name, value(cell))).collect();
    serde_json::to_string(&Row { members }).unwrap_or_default()
}

/// The columns of a row, in their order.
struct Row<'a> {
    members: Vec<(&'a str, Shown)>,
}

/// The value of a column.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown {
    Document(Box<RawValue>),
    Value(Value),
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.members.iter().map(|(name, value)| (name, value)))
    }
}

/// Deserializes a row: its columns are fields by name, the elements of a tuple in their order, or a single value.
#[derive(Clone, Copy)]
pub(super) struct RowDeserializer<C>(pub(super) C);

impl<'de, C: Cells<'de>> RowDeserializer<C> {
    fn only(self) -> Result<C::Cell, ItemError> {
        let mut cells = self.0.cells();
        match (cells.next(), cells.next()) {
            (Some((_, cell)), None) => Ok(cell),
            _ => Err(ItemError::of_columns(format_args!(
                "its result has {} columns, but the item is a single value",
                self.0.cells().count()
            ))),
        }
    }
}

macro_rules! the_only_column {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
            self.only()?.$method(visitor)
        }
    )*};
}

impl<'de, C: Cells<'de>> Deserializer<'de> for RowDeserializer<C> {
    type Error = ItemError;

    the_only_column! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_option deserialize_unit
    }

    forward_to_deserialize_any! { map struct unit_struct identifier ignored_any }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        visitor.visit_map(MapDeserializer::new(self.0.cells()))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        let cells = SeqDeserializer::new(self.0.cells().map(|(_, cell)| cell));
        visitor.visit_seq(cells).map_err(|error| match error.about {
            About::Length if error.column.is_none() => ItemError::of_columns(format_args!(
                "its result has {} columns: {}",
                self.0.cells().count(),
                error.problem
            )),
            _ => error,
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

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ItemError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ItemError> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A deserializer that only tells the visitor apart.
    struct Asked;

    impl<'de> Deserializer<'de> for Asked {
        type Error = ItemError;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ItemError> {
            fit_json::<V>(f64::INFINITY)?;
            Err(de::Error::custom("taken"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }

    #[test]
    fn only_a_json_value_refuses_a_number_that_json_cannot_hold() {
        let refused = Value::deserialize(Asked).unwrap_err().to_string();
        assert!(refused.starts_with("JSON has no number inf"), "{refused}");
        assert_eq!(f64::deserialize(Asked).unwrap_err().to_string(), "taken");
    }
}
