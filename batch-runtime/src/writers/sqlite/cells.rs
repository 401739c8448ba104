//! Buffers the values of rows in two reused buffers until they fill a statement.

use rusqlite::types::{ToSqlOutput, ValueRef};

use super::value::Cell;
use crate::readers::shown;

/// The values of some rows, row by row, without an allocation per value.
#[derive(Debug, Default)]
pub(super) struct Cells {
    values: Vec<Kept>,
    /// The bytes of texts and blobs.
    bytes: Vec<u8>,
    /// The number of the item that each row comes from, counted from 1.
    items: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Kept {
    Null,
    Integer(i64),
    Real(f64),
    Text { from: usize, to: usize },
    Blob { from: usize, to: usize },
}

impl Cells {
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.bytes.clear();
        self.items.clear();
    }

    fn append(&mut self, value: &[u8]) -> (usize, usize) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(value);
        (from, self.bytes.len())
    }

    /// Drops the values from `start` on, which belong to an unfinished row.
    pub(super) fn truncate(&mut self, start: usize) {
        self.values.truncate(start);
    }

    /// Ends a row of `item`, which consists of the values added since the last call.
    pub(super) fn end_row(&mut self, item: usize) {
        self.items.push(item);
    }

    /// Returns the number of complete rows.
    pub(super) fn rows(&self) -> usize {
        self.items.len()
    }

    pub(super) fn item_of(&self, row: usize) -> usize {
        self.items[row]
    }

    /// Returns the value at `index` for binding.
    pub(super) fn bound(&self, index: usize) -> ToSqlOutput<'_> {
        ToSqlOutput::Borrowed(self.value(index))
    }

    fn value(&self, index: usize) -> ValueRef<'_> {
        match self.values[index] {
            Kept::Null => ValueRef::Null,
            Kept::Integer(value) => ValueRef::Integer(value),
            Kept::Real(value) => ValueRef::Real(value),
            Kept::Text { from, to } => ValueRef::Text(&self.bytes[from..to]),
            Kept::Blob { from, to } => ValueRef::Blob(&self.bytes[from..to]),
        }
    }

    /// Formats the value at `index` for an error.
    pub(super) fn shown(&self, index: usize) -> String {
        match self.value(index) {
            ValueRef::Null => "NULL".to_owned(),
            ValueRef::Integer(value) => value.to_string(),
            ValueRef::Real(value) => value.to_string(),
            ValueRef::Text(value) => format!("'{}'", shown(&String::from_utf8_lossy(value))),
            ValueRef::Blob(value) => format!("a blob of {} bytes", value.len()),
        }
    }
}

impl Cell for Cells {
    #[inline]
    fn null(&mut self) {
        self.values.push(Kept::Null);
    }

    #[inline]
    fn integer(&mut self, value: i64) {
        self.values.push(Kept::Integer(value));
    }

    #[inline]
    fn real(&mut self, value: f64) {
        self.values.push(Kept::Real(value));
    }

    #[inline]
    fn text(&mut self, value: &str) {
        let (from, to) = self.append(value.as_bytes());
        self.values.push(Kept::Text { from, to });
    }

    #[inline]
    fn blob(&mut self, value: &[u8]) {
        let (from, to) = self.append(value);
        self.values.push(Kept::Blob { from, to });
    }

    fn len(&self) -> usize {
        self.values.len()
    }
}
