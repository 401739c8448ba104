//! Fetches the pages of a query, and makes sure that none of them loses a row.
//!
//! The fast condition for the rows after a key can use an index, but then `SQLite` may convert the values
//! that it compares (see [`Sql`]). Between two numbers, two texts or two blobs, a conversion does not change
//! the order, with one exception: a text compared as a number. The fast condition can therefore lose a row
//! after a key only if
//!
//! - the row has another class (number, text, blob) in the first column that differs. Such rows come last
//!   among the rows with equal columns before it, so the greatest value of the column reveals them;
//! - texts of the rows are converted, which is determined once per column;
//! - the key has a real so large that an integer of another arm was rounded to it;
//! - `SQLite` evaluates the condition in each arm of a compound `SELECT` and again outside it, or in a full
//!   join.
//!
//! In each of these cases, the page is fetched by the exact condition. The fast condition may also find too
//! many rows, after a text that was compared as a number or among numbers that were compared as texts: the
//! exact condition, added to it, excludes these.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, Statement};

use super::key::{Class, KeyValue, Same, described};
use super::row::{self, MakeItem, RowError};
use super::sql::{LIMIT, Sql, key_parameter, last_parameter};
use super::{SqliteReadError, SqliteReader};
use crate::readers::rows::{ItemError, named};

/// The parts of the query for a page.
pub(super) struct Page {
    pub(super) sql: Sql,
    pub(super) rows: usize,
    /// The user's own parameters.
    pub(super) parameters: Vec<(String, Value)>,
    /// Parameters in the user's SQL for the last key, with the index of the key column.
    pub(super) after: Vec<(String, usize)>,
    /// Their values for the first page.
    pub(super) start: Vec<Value>,
    /// The last key of the part to read; empty for the whole query, or the last part.
    pub(super) up_to: Vec<KeyValue>,
}

/// The facts known about the key's values.
pub(super) struct Proof {
    /// For each column: true if no text in it is compared as a number.
    unconverted: Vec<bool>,
    /// True if only the exact condition finds all rows.
    exact: bool,
    /// True if there are collations other than `SQLite`'s built-in ones.
    registered: bool,
    /// True if the rows or their keys may be different each time the query is run.
    may_change: bool,
}

impl Proof {
    /// Starts without facts about the key, except for the collations of the connection.
    pub(super) fn new(columns: usize, may_change: bool, connection: &Connection) -> rusqlite::Result<Self> {
        let registered = connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM pragma_collation_list WHERE name NOT IN ('BINARY', 'NOCASE', 'RTRIM'))",
            [],
            |row| row.get(0),
        )?;
        let unconverted = vec![false; columns];
        Ok(Self { unconverted, exact: false, registered, may_change })
    }
}

const CHANGES: &str = "it changes each time the query is run, or the rows do; read by a column of a table, and choose rows \
    without `random()`";

/// The condition by which a page is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    First,
    Fast,
    Filtered,
    Exact,
}

/// The rows of a page, in order, and the error after them.
struct Fetched<T> {
    rows: Vec<(Vec<KeyValue>, Result<T, SqliteReadError>)>,
    fault: Option<SqliteReadError>,
    /// True if two adjacent keys may be equal by a registered collation.
    doubtful: bool,
    /// The number of rows that the query returns, including the one beyond the page; `None` if not all were
    /// examined.
    seen: Option<usize>,
}

impl<T, F: MakeItem<T>> SqliteReader<T, F> {
    /// Runs the query of the next page to its end. If a page fails halfway or its closure panics, the next
    /// call fetches it again.
    pub(super) fn fetch(&mut self) -> Result<(), SqliteReadError> {
        if !self.proof.may_change {
            return self.fetch_page().map(drop);
        }
        // Both fetches see the same rows. A panic of the closure must not leave them locked.
        self.connection.execute_batch("SAVEPOINT batch_page")?;
        let fetched = catch_unwind(AssertUnwindSafe(|| {
            self.fetch_page().and_then(|way| self.refuse_changing_keys(way))
        }));
        let released = self.connection.execute_batch("RELEASE batch_page");
        let fetched = fetched.unwrap_or_else(|panic| resume_unwind(panic));
        if fetched.is_err() {
            (self.buffer, self.fault) = (Vec::new(), None);
        }
        fetched?;
        Ok(released?)
    }

    /// Fetches the keys of the page once more. A row whose key has changed would be read again, or never.
    #[cold]
    fn refuse_changing_keys(&self, way: Way) -> Result<(), SqliteReadError> {
        let mut statement = self.connection.prepare_cached(self.sql(way))?;
        self.bind(way, &mut statement)?;
        let mut rows = statement.raw_query();
        // The rows of the page are in reverse order. Those after a fault are not among them.
        for (key, _) in self.buffer.iter().rev() {
            let is_same = match rows.next()? {
                Some(row) => self.key_of(row)? == *key,
                None => false,
            };
            if !is_same {
                return Err(SqliteReadError::Key { key: named(&self.key), problem: CHANGES.into() });
            }
        }
        Ok(())
    }

    fn fetch_page(&mut self) -> Result<Way, SqliteReadError> {
        let mut way = self.way()?;
        let mut fetched = self.fetched(way)?;
        if matches!(way, Way::Fast | Way::Filtered) && self.is_doubtful(&fetched)? {
            way = Way::Exact;
            fetched.rows.clear();
            self.buffer = fetched.rows;
            fetched = self.fetched(way)?;
        }
        if fetched.doubtful {
            self.find_equal_keys(way, &mut fetched)?;
        }
        fetched.rows.reverse();
        (self.buffer, self.fault) = (fetched.rows, fetched.fault);
        Ok(way)
    }

    fn way(&mut self) -> Result<Way, SqliteReadError> {
        if self.after.is_empty() {
            return Ok(Way::First);
        }
        let plan = self.page.sql.plan;
        let has_text = self.after.iter().any(|value| value.class() == Class::Text);
        if plan.joins_fully || plan.judges_twice && has_text {
            return Ok(Way::Exact);
        }
        for (column, value) in self.after.iter().enumerate() {
            if self.proof.exact {
                return Ok(Way::Exact);
            }
            if value.class() == Class::Text && !self.proof.unconverted[column] {
                self.proof.exact = self.is_converted(column)?;
                self.proof.unconverted[column] = !self.proof.exact;
            }
        }
        if self.after.iter().any(KeyValue::may_be_rounded) {
            return Ok(Way::Exact);
        }
        Ok(match (self.proof.exact, has_text) {
            (true, _) => Way::Exact,
            (false, true) => Way::Filtered,
            (false, false) => Way::Fast,
        })
    }

    fn sql(&self, way: Way) -> &str {
        let sql = &self.page.sql;
        match way {
            Way::First => &sql.first,
            Way::Fast => &sql.later,
            Way::Filtered => &sql.later_filtered,
            Way::Exact => &sql.exact,
        }
    }

    fn bind(&self, way: Way, statement: &mut Statement<'_>) -> rusqlite::Result<()> {
        match way {
            Way::Exact => self.page.bind_to_all(statement, &self.after)?,
            _ => self.page.bind(statement, &self.after)?,
        }
        // One row more than the page: a duplicate key could otherwise lose its second row between two pages.
        let limit = i64::try_from(self.page.rows).unwrap_or(i64::MAX).saturating_add(1);
        statement.raw_bind_parameter(LIMIT, limit)
    }

    fn fetched(&mut self, way: Way) -> Result<Fetched<T>, SqliteReadError> {
        self.refused.clear();
        let mut statement = self.connection.prepare_cached(self.sql(way))?;
        self.bind(way, &mut statement)?;
        let mut rows = statement.raw_query();
        // Taken out of `self` until the page is complete: half a page is not yet in its final order.
        let buffer = std::mem::take(&mut self.buffer);
        let mut fetched = Fetched { rows: buffer, fault: None, doubtful: false, seen: Some(0) };
        while let Some(row) = rows.next()? {
            let key = match self.key_of(row) {
                Ok(key) => key,
                Err(error) => {
                    // The rows before it are good.
                    (fetched.fault, fetched.seen) = (Some(error), None);
                    break;
                }
            };
            if !self.page.up_to.is_empty() && !row.get::<_, bool>(self.names.len())? {
                fetched.seen = None;
                break;
            }
            fetched.seen = fetched.seen.map(|seen| seen + 1);
            let last = fetched.rows.last().map_or(&self.after, |(key, _)| key);
            match self.same(last, &key)? {
                Same::No => {}
                Same::Perhaps => fetched.doubtful = true,
                Same::Yes => {
                    // Drop the row before it too: a restart after that row would never find the equal key.
                    fetched.rows.pop();
                    (fetched.fault, fetched.seen) = (Some(self.not_unique(&key)), None);
                    break;
                }
            }
            if fetched.rows.len() == self.page.rows {
                break;
            }
            let item = match (self.make)(row, &self.names) {
                Err(error) if error.is_about_the_columns() => {
                    (fetched.fault, fetched.seen) = (Some(columns_error(error)), None);
                    break;
                }
                made => made.map_err(|error| {
                    self.refused.push((key.clone(), row::text(row, &self.names)));
                    row_error(&self.key, &key, error)
                }),
            };
            fetched.rows.push((key, item));
        }
        Ok(fetched)
    }

    /// Returns whether a row may be missing between the last key and the end of the page, or may be included
    /// by mistake.
    fn is_doubtful(&self, fetched: &Fetched<T>) -> Result<bool, SqliteReadError> {
        // The row has another class than the last key: the arms of a compound `SELECT` may have compared it
        // differently.
        let crosses = |key: &[KeyValue]| {
            let differing = key.iter().zip(&self.after).find(|(value, after)| value != after);
            differing.is_some_and(|(value, after)| value.class() != after.class())
        };
        if fetched.rows.iter().any(|(key, _)| crosses(key)) {
            return Ok(true);
        }
        let last = fetched.rows.last().map(|(key, _)| key);
        for (column, value) in self.after.iter().enumerate() {
            let passed = last.is_none_or(|last| last[..column] != self.after[..column]);
            if passed && value.class() < Class::Blob && self.greatest_class(column)? > Some(value.class()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the class of the greatest value of a column, among the rows whose columns before it equal those of
    /// the last key.
    fn greatest_class(&self, column: usize) -> Result<Option<Class>, SqliteReadError> {
        let mut statement = self.connection.prepare_cached(&self.page.sql.greatest[column])?;
        self.page.bind_to_all(&mut statement, &self.after)?;
        let mut rows = statement.raw_query();
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Class::of(row.get_ref(0)?))
    }

    fn is_converted(&self, column: usize) -> Result<bool, SqliteReadError> {
        let mut statement = self.connection.prepare_cached(&self.page.sql.converted[column])?;
        self.page.bind_to_all(&mut statement, &[])?;
        statement.raw_bind_parameter(":batch_empty", "")?;
        let mut rows = statement.raw_query();
        Ok(rows.next()?.is_some_and(|row| row.get(0) == Ok(true)))
    }

    pub(super) fn key_of(&self, row: &Row<'_>) -> Result<Vec<KeyValue>, SqliteReadError> {
        let bad = |column: usize, problem: &str| SqliteReadError::Key {
            key: format!("`{}`", self.key[column]).into(),
            problem: problem.into(),
        };
        let value = |(column, index): (usize, &usize)| match KeyValue::of(row.get_ref(*index)?) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(bad(column, "it is NULL in a row; exclude such rows, or read by another key")),
            Err(error) => Err(bad(column, &format!("its text is not UTF-8 in a row: {error}"))),
        };
        self.key_columns.iter().enumerate().map(value).collect()
    }

    /// Returns whether two adjacent keys are equal: a duplicate would be lost between two pages. `Perhaps` if
    /// one query for the whole page is the better way to find out.
    fn same(&self, last: &[KeyValue], key: &[KeyValue]) -> Result<Same, SqliteReadError> {
        let registered = self.proof.registered;
        match last.iter().zip(key).map(|(one, two)| one.same(two, registered)).min() {
            None => Ok(Same::No),
            Some(Same::Perhaps) if !registered => {
                Ok(if self.rows_of(key)? > 1 { Same::Yes } else { Same::No })
            }
            Some(same) => Ok(same),
        }
    }

    /// Counts the keys of the page, and searches for duplicates only if there are fewer keys than rows.
    #[cold]
    fn find_equal_keys(&self, way: Way, fetched: &mut Fetched<T>) -> Result<(), SqliteReadError> {
        let mut statement = self.connection.prepare_cached(&self.page.sql.keys_of(self.sql(way)))?;
        self.bind(way, &mut statement)?;
        let mut rows = statement.raw_query();
        let keys: i64 = match rows.next()? {
            Some(row) => row.get(0)?,
            None => 0,
        };
        drop(rows);
        if fetched.seen.is_some_and(|seen| usize::try_from(keys).is_ok_and(|keys| keys >= seen)) {
            return Ok(());
        }
        for index in 0..fetched.rows.len() {
            let key = &fetched.rows[index].0;
            if self.rows_of(key)? > 1 {
                fetched.fault = Some(self.not_unique(key));
                fetched.rows.truncate(index);
                break;
            }
        }
        Ok(())
    }

    fn not_unique(&self, key: &[KeyValue]) -> SqliteReadError {
        SqliteReadError::Key {
            key: named(&self.key),
            problem: format!(
                "it is not unique: {} occurs more than once; add columns to the key until it is unique",
                described(&self.key, key)
            )
            .into(),
        }
    }

    fn rows_of(&self, key: &[KeyValue]) -> Result<i64, SqliteReadError> {
        let mut statement = self.connection.prepare_cached(&self.page.sql.same)?;
        self.page.bind_to_all(&mut statement, key)?;
        let mut rows = statement.raw_query();
        match rows.next()? {
            Some(row) => Ok(row.get(0)?),
            None => Ok(0),
        }
    }
}

fn row_error(names: &[String], key: &[KeyValue], error: RowError) -> SqliteReadError {
    let key = described(names, key);
    match error {
        RowError::Item(ItemError { column, problem, .. }) => SqliteReadError::Row { key, column, problem },
        RowError::Closure(source) => SqliteReadError::Closure { key, source },
    }
}

fn columns_error(error: RowError) -> SqliteReadError {
    let problem = match error {
        RowError::Item(ItemError { problem, .. }) => problem,
        RowError::Closure(source) => source.to_string().into(),
    };
    SqliteReadError::Columns { problem }
}

impl Page {
    /// Binds everything but the limit: the key to read after, also in the user's own SQL.
    pub(super) fn bind(&self, statement: &mut Statement<'_>, after: &[KeyValue]) -> rusqlite::Result<()> {
        self.bind_both(statement, after, after)
    }

    /// Like `bind`, but includes all rows in the user's own SQL: a condition there may convert the values
    /// that it compares.
    fn bind_to_all(&self, statement: &mut Statement<'_>, key: &[KeyValue]) -> rusqlite::Result<()> {
        self.bind_both(statement, key, &[])
    }

    fn bind_both(
        &self,
        statement: &mut Statement<'_>,
        after: &[KeyValue],
        after_in_query: &[KeyValue],
    ) -> rusqlite::Result<()> {
        for (name, value) in &self.parameters {
            statement.raw_bind_parameter(name.as_str(), value)?;
        }
        for (name, column) in &self.after {
            match after_in_query.get(*column) {
                Some(value) => statement.raw_bind_parameter(name.as_str(), value)?,
                None => statement.raw_bind_parameter(name.as_str(), &self.start[*column])?,
            }
        }
        for (column, value) in after.iter().enumerate() {
            let name = key_parameter(column);
            if statement.parameter_index(&name)?.is_some() {
                statement.raw_bind_parameter(name.as_str(), value)?;
            }
        }
        for (column, value) in self.up_to.iter().enumerate() {
            let name = last_parameter(column);
            if statement.parameter_index(&name)?.is_some() {
                statement.raw_bind_parameter(name.as_str(), value)?;
            }
        }
        Ok(())
    }
}
