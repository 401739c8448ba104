//! The columns of rows, and their properties.

use std::borrow::Cow;

use super::{RowError, Table};

/// The columns of rows: given, or named by the first row.
#[derive(Debug)]
pub(in crate::writers) struct Columns<T: Table> {
    pub(in crate::writers) names: Vec<Cow<'static, str>>,
    /// Whether the names are complete.
    pub(in crate::writers) known: bool,
    /// The properties of each column.
    properties: Vec<T::Column>,
    /// Looked up when the first rows are written.
    table: Option<T>,
}

impl<T: Table> Default for Columns<T> {
    fn default() -> Self {
        Self { names: Vec::new(), known: false, properties: Vec::new(), table: None }
    }
}

impl<T: Table> Columns<T> {
    pub(in crate::writers) fn given(names: Vec<Cow<'static, str>>) -> Self {
        Self { names, known: true, ..Self::default() }
    }

    /// The table, if it was looked up.
    pub(in crate::writers) fn table(&self) -> Option<&T> {
        self.table.as_ref()
    }

    /// Stores the table that was looked up.
    pub(in crate::writers) fn found(&mut self, table: T) -> Result<(), RowError> {
        self.properties = self
            .names
            .iter()
            .map(|name| table.column(name).map_err(|error| error.in_column(name)))
            .collect::<Result<_, _>>()?;
        self.table = Some(table);
        Ok(())
    }

    /// The properties of each column that is named so far.
    pub(in crate::writers) fn columns(&self) -> &[T::Column] {
        &self.properties
    }

    /// Checks that the value at `index` of a row belongs to column `name`, or learns the name.
    #[inline]
    pub(in crate::writers) fn expect(&mut self, index: usize, name: &'static str) -> Result<(), RowError> {
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
    pub(in crate::writers) fn learn(
        &mut self,
        index: usize,
        name: Cow<'static, str>,
    ) -> Result<(), RowError> {
        if self.known {
            return Err(match self.names.get(index) {
                Some(known) => RowError::new(format!(
                    "found the field `{name}` where column `{known}` was expected; all rows must have the same fields in the same order"
                )),
                None => RowError::new(format!(
                    "there is no column for the field `{name}`; all rows must have the same fields"
                )),
            });
        }
        // An item that failed halfway may have named some columns.
        self.names.truncate(index);
        self.properties.truncate(index);
        if let Some(table) = &self.table {
            self.properties.push(table.column(&name).map_err(|error| error.in_column(&name))?);
        }
        self.names.push(name);
        Ok(())
    }
}
