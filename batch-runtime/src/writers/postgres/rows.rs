//! Turns items into rows, and sends them.

use std::fmt;
use std::ops::Range;

use bytes::{BufMut as _, BytesMut};
use serde::Serialize;

use super::PostgresWriteError;
use super::catalogue::Table;
use super::refused_row::{self, Wrap};
use super::statement::{self, Conflict};
use super::value::{NULL, Row};
use crate::definition::BoxError;
use crate::postgres::{CopyIn, PgError, Session, Transaction};
use crate::writers::row::{Columns, RowError, RowSerializer};

/// The approximate size of one statement's rows, in bytes.
const STATEMENT_BYTES: usize = 1024 * 1024;
/// The length in bytes of the fields before the elements of an array: the number of dimensions, the flag
/// for NULL elements, the type of the elements, their number, and the index of the first.
const HEAD_BYTES: usize = 20;
/// The size in bytes of the length prefix of a value.
const LENGTH_BYTES: usize = 4;

/// Sends the rows of a table to the server.
pub(in crate::writers) struct Inserts {
    pub(in crate::writers) table: Box<str>,
    pub(in crate::writers) conflict: Conflict,
    pub(in crate::writers) columns: Columns<Table>,
    /// Made for the first row, which may name the columns.
    way: Option<Way>,
    /// The row that is being built; kept to reuse its memory.
    row: BytesMut,
    /// The places of the values in `row`.
    spans: Vec<Range<usize>>,
    /// Converts errors that arrive later.
    wrap: Wrap,
}

/// How rows get to the server.
enum Way {
    /// By this `COPY`.
    Copy(String),
    /// By this `INSERT`, which takes an array of rows of the table. `from` holds, for each column of the table, the
    /// index of its value, if it has one.
    Insert { statement: String, from: Vec<Option<usize>> },
}

impl Inserts {
    pub(in crate::writers) fn into(table: String) -> Self {
        Self {
            table: table.into(),
            conflict: Conflict::Fail,
            columns: Columns::default(),
            way: None,
            row: BytesMut::new(),
            spans: Vec::new(),
            wrap: Into::into,
        }
    }

    /// Sets how to convert an error that arrives later.
    pub(in crate::writers) fn wrapping_errors(self, wrap: Wrap) -> Self {
        Self { wrap, ..self }
    }

    /// Writes the rows that `add` adds.
    pub(in crate::writers) fn write(
        &mut self,
        tx: &Transaction,
        add: impl FnOnce(&mut PostgresRows<'_, '_>) -> Result<(), PostgresWriteError>,
    ) -> Result<(), PostgresWriteError> {
        if self.columns.table().is_none() {
            let failed = |source| failed(&self.table, source);
            let table = Table::find(&self.table, tx.session()).map_err(failed)?;
            self.columns.found(table).map_err(|RowError { column, problem }| PostgresWriteError::Item {
                table: self.table.clone(),
                item: 1,
                column,
                problem,
            })?;
        }
        let mut rows = PostgresRows {
            table: &self.table,
            conflict: &self.conflict,
            columns: &mut self.columns,
            way: &mut self.way,
            row: &mut self.row,
            spans: &mut self.spans,
            wrap: self.wrap,
            session: tx.session(),
            sending: None,
            items: Vec::new(),
            item: 0,
        };
        add(&mut rows)?;
        rows.finish()
    }
}

/// An error of the server that is not about a row.
fn failed(table: &str, source: PgError) -> PostgresWriteError {
    refused_row::refused(table, "", &[], source)
}

/// The rows in flight.
enum Sending<'t> {
    Copy(CopyIn<'t>),
    /// The rows of an array that has not been sent yet.
    Insert(BytesMut),
}

/// Receives the rows of an item.
pub struct PostgresRows<'a, 't> {
    table: &'a str,
    conflict: &'a Conflict,
    columns: &'a mut Columns<Table>,
    way: &'a mut Option<Way>,
    row: &'a mut BytesMut,
    spans: &'a mut Vec<Range<usize>>,
    wrap: Wrap,
    session: &'t Session,
    sending: Option<Sending<'t>>,
    /// The item of each row in flight.
    items: Vec<u32>,
    item: usize,
}

impl<'t> PostgresRows<'_, 't> {
    /// Adds a row: a struct, or a tuple of the columns' values in order.
    ///
    /// # Errors
    /// If the row does not fit the table, in which case it is left out; or if the server has refused an earlier row.
    pub fn add<R: Serialize + ?Sized>(&mut self, row: &R) -> Result<(), PostgresWriteError> {
        self.row.clear();
        let mut values = Row { out: self.row, values: 0 };
        let made = row.serialize(RowSerializer::new(self.columns, &mut values));
        let count = values.values;
        made.map_err(|error| self.item_error(error))?;
        // The first row has named the columns.
        self.columns.known = true;
        let width = self.columns.names.len();
        if count != width {
            return Err(self.item_error(RowError::count(count, width)));
        }
        self.send_row()
    }

    /// Adds one row per item.
    pub(in crate::writers) fn add_all<R: Serialize>(
        &mut self,
        items: &[R],
    ) -> Result<(), PostgresWriteError> {
        self.items.reserve(items.len());
        items.iter().try_for_each(|item| {
            self.item += 1;
            self.add(item)
        })
    }

    /// Adds the rows that the user's closure makes from the next item.
    pub(in crate::writers) fn of_item(
        &mut self,
        make: impl FnOnce(&mut Self) -> Result<(), BoxError>,
    ) -> Result<(), PostgresWriteError> {
        self.item += 1;
        // An error of this writer passes through the closure unchanged.
        make(self).map_err(|error| match error.downcast::<PostgresWriteError>() {
            Ok(error) => *error,
            Err(source) => PostgresWriteError::Rows { table: self.table.into(), item: self.item, source },
        })
    }

    #[cold]
    fn item_error(&self, RowError { column, problem }: RowError) -> PostgresWriteError {
        PostgresWriteError::Item { table: self.table.into(), item: self.item, column, problem }
    }

    /// Sends the row that was built, or adds it to the array that is sent later.
    fn send_row(&mut self) -> Result<(), PostgresWriteError> {
        if self.sending.is_none() {
            self.sending = Some(self.begin()?);
        }
        self.items.push(u32::try_from(self.item).unwrap_or(u32::MAX));
        match (&mut self.sending, &*self.way) {
            (Some(Sending::Copy(copy)), _) => {
                // The server allows fewer columns than this maximum.
                let values = u16::try_from(self.columns.names.len()).unwrap_or(u16::MAX);
                let added = copy.add_encoded(values, self.row);
                added.map_err(|error| self.refused(error))
            }
            (Some(Sending::Insert(array)), Some(Way::Insert { from, .. })) => {
                if let Some(table) = self.columns.table() {
                    append_record(table, from, self.row, self.spans, array);
                }
                if array.len() < STATEMENT_BYTES { Ok(()) } else { self.finish() }
            }
            _ => Ok(()),
        }
    }

    /// Begins to send rows, with the statement that the columns and the conflict rule need.
    fn begin(&mut self) -> Result<Sending<'t>, PostgresWriteError> {
        if self.way.is_none() {
            *self.way = Some(self.make_way().map_err(|error| failed(self.table, error))?);
        }
        if let Some(Way::Copy(statement)) = &*self.way {
            let begun = CopyIn::of_encoded(self.session, statement);
            return begun.map(Sending::Copy).map_err(|error| failed(self.table, error));
        }
        let mut array = BytesMut::new();
        array.put_bytes(0, HEAD_BYTES);
        Ok(Sending::Insert(array))
    }

    fn make_way(&self) -> Result<Way, PgError> {
        let names = &self.columns.names;
        let Some(table) = self.columns.table() else {
            return Err(PgError::misuse("the table was not looked up"));
        };
        let mut has_distinct_nulls = false;
        match self.conflict {
            Conflict::Fail if table.takes_copy => return Ok(Way::Copy(statement::copy(table, names))),
            Conflict::Fail | Conflict::Ignore => {}
            Conflict::Update(key) => {
                if let Some(missing) = key.iter().find(|key| !names.iter().any(|name| name == *key)) {
                    return Err(PgError::misuse(format!(
                        "the key `{missing}` is not among the columns that are written: write it too, or name another key"
                    )));
                }
                has_distinct_nulls = table.has_distinct_nulls(key, self.session)?;
            }
        }
        let place = |column: &str| names.iter().position(|name| name == column);
        Ok(Way::Insert {
            statement: statement::insert(table, names, self.conflict, has_distinct_nulls),
            from: table.columns.iter().map(|(column, _)| place(column)).collect(),
        })
    }

    /// Sends the collected rows.
    fn finish(&mut self) -> Result<(), PostgresWriteError> {
        let items = std::mem::take(&mut self.items);
        let (Some(sending), Some(table)) = (self.sending.take(), self.columns.table()) else { return Ok(()) };
        let sent = match (sending, &*self.way) {
            (Sending::Copy(copy), _) => {
                copy.end_explained(Some(refused_row::explain(self.table, &table.name, items, self.wrap)))
            }
            (Sending::Insert(mut array), Some(Way::Insert { statement, .. })) => {
                let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
                let head = [1, 0, table.row, count, 1].map(u32::to_be_bytes);
                array[..HEAD_BYTES].copy_from_slice(head.as_flattened());
                // The server does not report the number of the row.
                let explain = refused_row::explain(self.table, &table.name, Vec::new(), self.wrap);
                self.session.send_encoded(statement, array.freeze(), &table.rows, explain)
            }
            (Sending::Insert(_), _) => Ok(()),
        };
        sent.map_err(|error| failed(self.table, error))
    }

    /// The error of a copy that the server refused in the middle.
    #[cold]
    fn refused(&self, error: PgError) -> PostgresWriteError {
        let relation = self.columns.table().map_or("", |table| &*table.name);
        refused_row::refused(self.table, relation, &self.items, error)
    }
}

/// Appends a row as a value of the table's row type, whose columns are in the order of the table.
fn append_record(
    table: &Table,
    from: &[Option<usize>],
    row: &[u8],
    spans: &mut Vec<Range<usize>>,
    out: &mut BytesMut,
) {
    spans.clear();
    let mut start = 0;
    while let Some(length) = row.get(start..start + LENGTH_BYTES) {
        let length = i32::from_be_bytes(length.try_into().unwrap_or_default());
        let end = start + LENGTH_BYTES + usize::try_from(length).unwrap_or_default();
        spans.push(start..end);
        start = end;
    }
    let begin = out.len();
    out.put_u32(0);
    out.put_u32(u32::try_from(from.len()).unwrap_or(u32::MAX));
    for ((_, column), from) in table.columns.iter().zip(from) {
        out.put_u32(column.oid);
        match from.and_then(|from| row.get(spans.get(from)?.clone())) {
            Some(value) => out.put_slice(value),
            None => out.put_i32(NULL),
        }
    }
    let length = u32::try_from(out.len() - begin - LENGTH_BYTES).unwrap_or(u32::MAX);
    out[begin..begin + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
}

impl fmt::Debug for PostgresRows<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresRows")
            .field("table", &self.table)
            .field("item", &self.item)
            .finish_non_exhaustive()
    }
}
