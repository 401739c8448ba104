//! The columns of a table, and what is known of them.

use std::borrow::Cow;

use rusqlite::Connection;

use super::no_row::NoRow;
use super::table::{Affinity, Table};

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
    pub(super) fn affinity(&self, index: usize) -> Affinity {
        self.affinities.get(index).copied().unwrap_or(Affinity::None)
    }

    /// Checks that the value at `index` of a row belongs to column `name`, or learns the name.
    #[inline]
    pub(super) fn expect(&mut self, index: usize, name: &'static str) -> Result<(), NoRow> {
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
    pub(super) fn learn(&mut self, index: usize, name: Cow<'static, str>) -> Result<(), NoRow> {
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
