//! Turns items into rows, and collects them until they fill a statement.

use std::fmt;

use serde::Serialize;

use super::cells::Cells;
use super::error::SqliteWriteError;
use super::insert::{Conflict, Insert, Statements};
use super::table::Table;
use super::value::Cell as _;
use crate::definition::BoxError;
use crate::writers::row::{Columns, RowError, RowSerializer};

/// Inserts the rows of a table into the database.
pub(in crate::writers) struct Inserts {
    pub(in crate::writers) table: Box<str>,
    pub(in crate::writers) conflict: Conflict,
    pub(in crate::writers) columns: Columns<Table>,
    statements: Option<Statements>,
    /// The rows that wait until they fill a statement. The next write reuses their memory.
    cells: Cells,
}

impl Inserts {
    pub(in crate::writers) fn into(table: String) -> Self {
        Self {
            table: table.into(),
            conflict: Conflict::Fail,
            columns: Columns::default(),
            statements: None,
            cells: Cells::default(),
        }
    }

    /// Writes the rows that `add` adds.
    pub(in crate::writers) fn write(
        &mut self,
        tx: &rusqlite::Transaction<'_>,
        add: impl FnOnce(&mut Rows<'_, '_>) -> Result<(), SqliteWriteError>,
    ) -> Result<(), SqliteWriteError> {
        // A failed write may have left rows.
        self.cells.clear();
        self.find(tx)?;
        let mut rows = Rows {
            table: &self.table,
            conflict: &self.conflict,
            columns: &mut self.columns,
            statements: &mut self.statements,
            cells: &mut self.cells,
            insert: Insert::new(tx),
            item: 0,
        };
        add(&mut rows)?;
        rows.finish()
    }

    /// Looks up the table unless it is already known.
    fn find(&mut self, connection: &rusqlite::Connection) -> Result<(), SqliteWriteError> {
        // A missing table may be created before the write is tried again.
        if !self.columns.table().is_some_and(Table::is_known) {
            let table = &self.table;
            let found = Table::find(table, connection)
                .map_err(|source| SqliteWriteError::Table { table: table.clone(), source })?;
            // This cannot fail: `Table` accepts any column name, and `SQLite` refuses a wrong one.
            let _ = self.columns.found(found);
        }
        Ok(())
    }
}

/// Receives the rows of an item.
pub struct Rows<'a, 't> {
    table: &'a str,
    conflict: &'a Conflict,
    columns: &'a mut Columns<Table>,
    statements: &'a mut Option<Statements>,
    cells: &'a mut Cells,
    insert: Insert<'t>,
    item: usize,
}

impl Rows<'_, '_> {
    /// Adds a row: a struct, or a tuple of the columns' values in order.
    ///
    /// # Errors
    /// If the row does not fit the table, or the table refuses it or an earlier row.
    #[inline]
    pub fn add<R: Serialize + ?Sized>(&mut self, row: &R) -> Result<(), SqliteWriteError> {
        let start = self.cells.len();
        let made = row.serialize(RowSerializer::new(self.columns, self.cells));
        if let Err(error) = made {
            return Err(self.item_error(start, error));
        }
        let statements = self.statements.get_or_insert_with(|| {
            // The first row has named the columns.
            self.columns.known = true;
            let quoted = self.columns.table().map_or("", |table| &table.quoted);
            Statements::new(self.table, quoted, &self.columns.names, self.conflict)
        });
        let (values, width) = (self.cells.len() - start, statements.width());
        if values != width {
            return Err(self.item_error(start, RowError::count(values, width)));
        }
        self.cells.end_row(self.item);
        if self.cells.rows() == statements.rows {
            self.insert.many(statements, self.cells)?;
            self.cells.clear();
        }
        Ok(())
    }

    /// Adds one row per item. As long as whole statements can be filled, values are bound directly; `cells`
    /// hold the remaining rows, and those of a statement that failed.
    pub(in crate::writers) fn add_all<R: Serialize>(&mut self, items: &[R]) -> Result<(), SqliteWriteError> {
        let at_once = self.statements.as_ref().map_or(usize::MAX, |statements| statements.rows);
        let mut whole = items.chunks_exact(at_once);
        for items in &mut whole {
            let begin = self.item;
            if let Err(source) = self.bind_all(items)? {
                self.item = begin;
                self.name_culprit(items, source)?;
            }
        }
        for item in whole.remainder() {
            self.item += 1;
            self.add(item)?;
        }
        Ok(())
    }

    /// Binds the values of enough items for one statement and executes it.
    fn bind_all<R: Serialize>(&mut self, items: &[R]) -> Result<rusqlite::Result<()>, SqliteWriteError> {
        let Some(statements) = &*self.statements else { return Ok(Ok(())) };
        let mut bound = self.insert.bind(statements)?;
        for item in items {
            self.item += 1;
            let start = bound.len();
            let made = item.serialize(RowSerializer::new(self.columns, &mut bound));
            let (values, width) = (bound.len() - start, statements.width());
            if let Err(error) =
                made.and_then(|()| if values == width { Ok(()) } else { Err(RowError::count(values, width)) })
            {
                return Err(self.item_error(0, error));
            }
        }
        Ok(bound.execute())
    }

    #[cold]
    fn name_culprit<R: Serialize>(
        &mut self,
        items: &[R],
        source: rusqlite::Error,
    ) -> Result<(), SqliteWriteError> {
        self.cells.clear();
        for item in items {
            self.item += 1;
            if let Err(error) = item.serialize(RowSerializer::new(self.columns, self.cells)) {
                return Err(self.item_error(0, error));
            }
            self.cells.end_row(self.item);
        }
        match &*self.statements {
            Some(statements) => self.insert.culprit(statements, self.cells, 0..items.len(), source),
            None => Ok(()),
        }
    }

    /// Removes the partial row from `start` on: the closure may continue with another row.
    #[cold]
    fn item_error(&mut self, start: usize, RowError { column, problem }: RowError) -> SqliteWriteError {
        self.cells.truncate(start);
        SqliteWriteError::Item { table: self.table.into(), item: self.item, column, problem }
    }

    /// Adds the rows that the user's closure makes from the next item.
    pub(in crate::writers) fn of_item(
        &mut self,
        make: impl FnOnce(&mut Self) -> Result<(), BoxError>,
    ) -> Result<(), SqliteWriteError> {
        self.item += 1;
        make(self).map_err(|error| named(error, self.table, self.item))
    }

    fn finish(&mut self) -> Result<(), SqliteWriteError> {
        match &*self.statements {
            Some(statements) => self.insert.rest(statements, self.cells),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Rows<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("table", &self.table).field("item", &self.item).finish_non_exhaustive()
    }
}

/// Returns a [`SqliteWriteError`] that the user's closure has passed on unchanged. Any other error gets the table and
/// the item.
#[cold]
fn named(error: BoxError, table: &str, item: usize) -> SqliteWriteError {
    match error.downcast::<SqliteWriteError>() {
        Ok(error) => *error,
        Err(source) => SqliteWriteError::Rows { table: table.into(), item, source },
    }
}
