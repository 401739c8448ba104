//! Splits a query into ranges of its key.

use serde::{Deserialize, Serialize};

use super::key::{KeyValue, described};
use super::row::MakeItem;
use super::{SqliteReadError, SqliteReader};
use crate::definition::{BoxError, Splittable, evenly};
use crate::readers::rows::named;

/// A part of the rows of a query: those after one key, up to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SqlitePart {
    /// The key's columns.
    key: Vec<String>,
    /// The key of the last row before the part; empty in the first part.
    after: Vec<KeyValue>,
    /// The key of the last row of the part; empty in the last part, to which rows appended later belong.
    up_to: Vec<KeyValue>,
}

/// Splits by ranges of the key, with about the same number of rows each. This runs the query twice, to count
/// its rows and to read their keys. Rows that are added later belong to the part whose range they fall into.
impl<T, F: MakeItem<T>> Splittable for SqliteReader<T, F> {
    type Part = SqlitePart;

    fn split(&mut self, parts: usize) -> Result<Vec<SqlitePart>, BoxError> {
        let cuts = if parts > 1 { self.cuts(parts)? } else { Vec::new() };
        let befores = std::iter::once(Vec::new()).chain(cuts.iter().cloned());
        let lasts = cuts.iter().cloned().chain([Vec::new()]);
        let part = |(after, up_to)| SqlitePart { key: self.key.clone(), after, up_to };
        Ok(befores.zip(lasts).map(part).collect())
    }

    fn narrow(&mut self, part: SqlitePart) -> Result<(), BoxError> {
        let SqlitePart { key, after, up_to } = part;
        if key != self.key {
            let position = described(&key, if after.is_empty() { &up_to } else { &after });
            return Err(SqliteReadError::Position { position, key: named(&self.key) }.into());
        }
        self.page.sql = self.page.sql.of_part(!up_to.is_empty());
        self.page.up_to = up_to;
        self.after.clone_from(&after);
        self.begin = Some(after);
        if self.total.is_some() {
            self.count()?;
        }
        Ok(())
    }
}

impl<T, F: MakeItem<T>> SqliteReader<T, F> {
    /// Returns the keys of the last rows of all parts except the last.
    fn cuts(&mut self, parts: usize) -> Result<Vec<Vec<KeyValue>>, SqliteReadError> {
        if self.total.is_none() {
            self.count()?;
        }
        let mut begins = evenly(self.total.unwrap_or(0), parts).skip(1).peekable();
        let mut statement = self.connection.prepare(&self.page.sql.keys)?;
        self.page.bind(&mut statement, &[])?;
        let mut rows = statement.raw_query();
        let (mut cuts, mut before) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            before += 1;
            let key = self.key_of(row)?;
            if begins.next_if_eq(&before).is_some() {
                cuts.push(key);
            }
        }
        Ok(cuts)
    }
}
