//! Serializes a value into one row, with its fields in the order of the table's columns.

use std::borrow::Cow;
use std::fmt;

use rusqlite::Connection;
use serde::ser::{self, Impossible, Serialize, Serializer};

use super::table::{Affinity, Table};
use super::value::{Value, Values};

/// Why a value cannot be a row.
#[derive(Debug)]
pub(super) struct NoRow {
    pub(super) column: Option<Box<str>>,
    pub(super) problem: Box<str>,
}

impl NoRow {
    pub(super) fn new(problem: impl Into<Box<str>>) -> Self {
        Self { column: None, problem: problem.into() }
    }

    /// The problem of a row with fewer or more values than there are columns.
    pub(super) fn count(values: usize, columns: usize) -> Self {
        Self::new(format!("the row has {values} values, but there are {columns} columns"))
    }

    fn in_column(mut self, column: &str) -> Self {
        self.column.get_or_insert_with(|| column.into());
        self
    }
}

impl fmt::Display for NoRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for NoRow {}

impl ser::Error for NoRow {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

/// The columns of a table: given, or named by the first row.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) names: Vec<Cow<'static, str>>,
    pub(super) known: bool,
    /// The affinity of each column, which may convert values.
    affinities: Vec<Affinity>,
    /// Looked up when the first rows are written.
    pub(super) table: Option<Table>,
}

impl Columns {
    pub(super) fn given(names: Vec<Cow<'static, str>>) -> Self {
        Self { names, known: true, ..Self::default() }
    }

    /// Looks up the table unless it is already known.
    pub(super) fn find(&mut self, name: &str, connection: &Connection) -> rusqlite::Result<()> {
        // A missing table may be created before the write is tried again.
        if !self.table.as_ref().is_some_and(Table::is_known) {
            let table = Table::find(name, connection)?;
            self.affinities = self.names.iter().map(|name| table.affinity(name)).collect();
            self.table = Some(table);
        }
        Ok(())
    }

    #[inline]
    fn affinity(&self, index: usize) -> Affinity {
        self.affinities.get(index).copied().unwrap_or(Affinity::None)
    }

    /// Checks that the value at `index` of a row belongs to column `name`, or learns the name.
    #[inline]
    fn expect(&mut self, index: usize, name: &'static str) -> Result<(), NoRow> {
        match self.names.get(index) {
            // The names of a derived `Serialize` are the same string each time: comparing pointers mostly
            // suffices.
            Some(known)
                if std::ptr::eq(known.as_ptr(), name.as_ptr()) && known.len() == name.len()
                    || **known == *name =>
            {
                Ok(())
            }
            _ => self.learn(index, Cow::Borrowed(name)),
        }
    }

    #[cold]
    fn learn(&mut self, index: usize, name: Cow<'static, str>) -> Result<(), NoRow> {
        if self.known {
            return Err(match self.names.get(index) {
                Some(known) => NoRow::new(format!(
                    "found the field `{name}` where column `{known}` was expected; all rows must have the same fields in the same order"
                )),
                None => NoRow::new(format!(
                    "there is no column for the field `{name}`; all rows must have the same fields"
                )),
            });
        }
        // An item that failed halfway may have named some columns.
        self.names.truncate(index);
        self.affinities.truncate(index);
        self.affinities.push(self.table.as_ref().map_or(Affinity::None, |table| table.affinity(&name)));
        self.names.push(name);
        Ok(())
    }
}

/// Serializes one row.
pub(super) struct RowSerializer<'a, V> {
    columns: &'a mut Columns,
    values: &'a mut V,
    start: usize,
    /// True if the row is in a `Some`.
    in_some: bool,
}

impl<'a, V: Values> RowSerializer<'a, V> {
    pub(super) fn new(columns: &'a mut Columns, values: &'a mut V) -> Self {
        let start = values.len();
        Self { columns, values, start, in_some: false }
    }

    fn index(&self) -> usize {
        self.values.len() - self.start
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoRow> {
        let index = self.index();
        let cell = Value::new(self.values, self.columns.affinity(index));
        value.serialize(cell).map_err(|error| match self.columns.names.get(index) {
            Some(name) => error.in_column(name),
            None => error,
        })
    }

    fn single<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NoRow> {
        if !self.columns.known {
            return Err(no_names("a single value"));
        }
        let cell = Value::new(self.values, self.columns.affinity(0)).in_some(self.in_some);
        value.serialize(cell).map_err(|error| match self.columns.names.first() {
            Some(name) => error.in_column(name),
            None => error,
        })
    }
}

fn no_names(what: &str) -> NoRow {
    NoRow::new(format!(
        "{what} does not name its columns; write a struct that derives `Serialize`, or name them with `.columns([..])`"
    ))
}

macro_rules! single {
    ($($method:ident($type:ty))*) => {$(
        fn $method(self, value: $type) -> Result<(), NoRow> {
            self.single(&value)
        }
    )*};
}

impl<V: Values> Serializer for RowSerializer<'_, V> {
    type Ok = ();
    type Error = NoRow;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Impossible<(), NoRow>;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    single! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_f32(f32)
        serialize_f64(f64) serialize_char(char) serialize_str(&str)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), NoRow> {
        if !self.columns.known {
            return Err(no_names("a single value"));
        }
        Value::new(self.values, self.columns.affinity(0)).serialize_bytes(value)
    }

    fn serialize_none(self) -> Result<(), NoRow> {
        self.single(&None::<()>)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NoRow> {
        value.serialize(Self { in_some: true, ..self })
    }

    fn serialize_unit(self) -> Result<(), NoRow> {
        self.single(&())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), NoRow> {
        self.single(&())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), NoRow> {
        self.single(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), NoRow> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), NoRow> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, NoRow> {
        if self.columns.known { Ok(self) } else { Err(no_names("a sequence")) }
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, NoRow> {
        if self.columns.known { Ok(self) } else { Err(no_names("a tuple")) }
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, NoRow> {
        if self.columns.known { Ok(self) } else { Err(no_names("a tuple")) }
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Impossible<(), NoRow>, NoRow> {
        Err(NoRow::new(
            "a variant with several values cannot be a row; use a struct that derives `Serialize`",
        ))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, NoRow> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, NoRow> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, NoRow> {
        Ok(self)
    }
}

macro_rules! by_order {
    ($($trait:ident::$method:ident)*) => {$(
        impl<V: Values> ser::$trait for RowSerializer<'_, V> {
            type Ok = ();
            type Error = NoRow;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoRow> {
                self.value(value)
            }

            fn end(self) -> Result<(), NoRow> {
                Ok(())
            }
        }
    )*};
}

by_order!(SerializeSeq::serialize_element SerializeTuple::serialize_element SerializeTupleStruct::serialize_field);

macro_rules! by_name {
    ($($trait:ident)*) => {$(
        impl<V: Values> ser::$trait for RowSerializer<'_, V> {
            type Ok = ();
            type Error = NoRow;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), NoRow> {
                let index = self.index();
                self.columns.expect(index, key)?;
                let cell = Value::new(self.values, self.columns.affinity(index));
                value.serialize(cell).map_err(|error| error.in_column(key))
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), NoRow> {
                self.columns.expect(self.index(), key)?;
                self.values.null();
                Ok(())
            }

            #[inline]
            fn end(self) -> Result<(), NoRow> {
                Ok(())
            }
        }
    )*};
}

by_name!(SerializeStruct SerializeStructVariant);

/// A struct with `#[serde(flatten)]` serializes as a map.
impl<V: Values> ser::SerializeMap for RowSerializer<'_, V> {
    type Ok = ();
    type Error = NoRow;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NoRow> {
        let Ok(serde_json::Value::String(key)) = serde_json::to_value(key) else {
            return Err(NoRow::new("the keys of a map must be strings: they name the columns"));
        };
        let index = self.index();
        match self.columns.names.get(index) {
            Some(known) if **known == *key => Ok(()),
            _ => self.columns.learn(index, Cow::Owned(key)),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoRow> {
        self.value(value)
    }

    fn end(self) -> Result<(), NoRow> {
        Ok(())
    }
}
