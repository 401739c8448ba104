//! Splits a query into ranges of its key.

use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::key::{StoredValue, described};
use super::page::After;
use super::sql::Range;
use super::{MakeItem, PostgresReadError, PostgresReader};
use crate::definition::{BoxError, Splittable, evenly};
use crate::postgres::Parameter;

/// A part of the rows of a query: those after one key, up to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PostgresPart {
    /// The name and the type of the key's columns.
    key: Vec<(String, String)>,
    /// The key of the last row before the part; empty in the first part.
    after: Vec<StoredValue>,
    /// The key of the last row of the part; empty in the last part, to which rows appended later belong.
    up_to: Vec<StoredValue>,
}

/// Splits by ranges of the key, with about the same number of rows each. This runs the query twice: to
/// count its rows, and to find the keys, for which it reads only the index where possible. Rows that are
/// added later belong to the part whose range they fall into.
impl<T, F: MakeItem<T>> Splittable for PostgresReader<T, F> {
    type Part = PostgresPart;

    fn split(&mut self, parts: usize) -> Result<Vec<PostgresPart>, BoxError> {
        let cuts = if parts > 1 { self.cuts(parts)? } else { Vec::new() };
        let befores = std::iter::once(Vec::new()).chain(cuts.iter().cloned());
        let lasts = cuts.iter().cloned().chain([Vec::new()]);
        let key =
            || self.key.0.iter().map(|column| (column.name.clone(), column.described.clone())).collect();
        let part = |(after, up_to)| PostgresPart { key: key(), after, up_to };
        Ok(befores.zip(lasts).map(part).collect())
    }

    fn narrow(&mut self, part: PostgresPart) -> Result<(), BoxError> {
        let PostgresPart { key, after, up_to } = part;
        let own = self.key.0.iter().map(|column| (&column.name, &column.described));
        if !own.eq(key.iter().map(|(name, type_)| (name, type_))) {
            let position = described(key.iter().map(|(name, type_)| (name, type_)));
            return Err(PostgresReadError::Position { position, key: self.key.described() }.into());
        }
        let last = self.parameters_of(&up_to)?;
        self.page.end(last);
        if !after.is_empty() {
            self.begin.clone_from(&after);
            self.after = After::Stored(after);
        }
        // The query was checked before it was split.
        self.checked = true;
        if self.total.is_some() {
            self.count()?;
        }
        Ok(())
    }
}

impl<T, F: MakeItem<T>> PostgresReader<T, F> {
    /// Returns the keys of the last rows of all parts except the last.
    fn cuts(&mut self, parts: usize) -> Result<Vec<Vec<StoredValue>>, PostgresReadError> {
        if !self.page.is_proven {
            self.session.in_one_snapshot(|| self.refuse_null())?;
        }
        if self.total.is_none() {
            self.count()?;
        }
        let numbers: Vec<i64> = evenly(self.total.unwrap_or(0), parts)
            .skip(1)
            .map(|before| i64::try_from(before).unwrap_or(i64::MAX))
            .collect();
        if self.page.sorts { self.numbered(&numbers) } else { self.stepped(&numbers) }
    }

    /// Finds the keys of the rows with these numbers, counted from 1, in one pass.
    fn numbered(&self, numbers: &[i64]) -> Result<Vec<Vec<StoredValue>>, PostgresReadError> {
        let mut given = self.page.user_parameters.clone();
        given.push(Parameter::new(&numbers, &Type::INT8_ARRAY).map_err(PostgresReadError::query)?);
        let rows = self.session.read(&self.page.sql.numbered(), &given)?;
        rows.iter().map(|row| self.cut(row)).collect()
    }

    /// Finds the same keys as [`numbered`](Self::numbered), but one after the other: with an index, skipping the rows
    /// between two keys is faster than numbering them.
    fn stepped(&self, numbers: &[i64]) -> Result<Vec<Vec<StoredValue>>, PostgresReadError> {
        let (mut cuts, mut after, mut before) = (Vec::new(), Vec::new(), 0);
        for number in numbers {
            let further = self.page.sql.further(Range { after: !after.is_empty(), up_to: false });
            let mut given = [self.page.user_parameters.clone(), after].concat();
            given
                .push(Parameter::new(&(number - before - 1), &Type::INT8).map_err(PostgresReadError::query)?);
            let rows = self.session.read(&further, &given)?;
            let Some(row) = rows.first() else { break };
            let cut = self.cut(row)?;
            (after, before) = (self.parameters_of(&cut)?, *number);
            cuts.push(cut);
        }
        Ok(cuts)
    }

    /// The key in a row that consists of the key alone.
    fn cut(&self, row: &Row) -> Result<Vec<StoredValue>, PostgresReadError> {
        let values = self.key.0.iter().enumerate().map(|(at, column)| match super::row::raw(row, at) {
            Some(raw) => Ok(StoredValue::of(&column.form, raw)),
            None => Err(self.null_error(at)),
        });
        values.collect()
    }
}
