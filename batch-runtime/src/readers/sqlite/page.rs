//! Fetches the pages of a query, and makes sure that none of them loses a row.
//!
//! The condition by which a page goes on is fast where it may use an index, and then `SQLite` may convert what it compares
//! (see [`Sql`]). Between two numbers, two texts or two blobs a conversion changes no order, with one exception: text that is
//! compared as a number. So behind a key the fast condition loses a row only
//!
//! - of another class (number, text, blob), in the first column that differs: these rows come last of those that have the
//!   columns before it in common, so the greatest value there tells of them;
//! - where text is converted on the side of the rows: that is asked once a column;
//! - behind a real so great that an integer of another arm was rounded to it;
//! - where `SQLite` looks at the condition in each arm of a compound `SELECT` and again outside of it, or in a full join.
//!
//! Where any of these is so, the page is fetched by the exact condition. It may also find too many rows behind a text, that was
//! compared as a number, or with numbers that were compared as texts: these the exact condition leaves out beside it.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, Statement};

use super::key::{Class, KeyValue, Same, described, named};
use super::row::{MakeItem, NoItem, RowError};
use super::sql::{LIMIT, Sql, key_parameter, last_parameter};
use super::{SqliteReadError, SqliteReader};

/// What a page is fetched by.
pub(super) struct Page {
    pub(super) sql: Sql,
    pub(super) rows: usize,
    /// The user's own parameters.
    pub(super) parameters: Vec<(String, Value)>,
    /// Parameters for the last key in the user's own SQL, with the number of the key's column.
    pub(super) after: Vec<(String, usize)>,
    /// Their values for the first page.
    pub(super) start: Vec<Value>,
    /// The key of the last row of the part that is read; empty if it is the whole, or the last.
    pub(super) up_to: Vec<KeyValue>,
}

/// What is known of the key's values.
pub(super) struct Proof {
    /// For each column: no text in it is compared as a number.
    unconverted: Vec<bool>,
    /// Only the exact condition finds all rows.
    exact: bool,
    /// There are collations besides those that come with `SQLite`.
    registered: bool,
}

impl Proof {
    /// Nothing is known of the key, but the collations of its columns are on the connection.
    pub(super) fn new(columns: usize, connection: &Connection) -> rusqlite::Result<Self> {
        let registered = connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM pragma_collation_list WHERE name NOT IN ('BINARY', 'NOCASE', 'RTRIM'))",
            [],
            |row| row.get(0),
        )?;
        Ok(Self { unconverted: vec![false; columns], exact: false, registered })
    }
}

/// By which condition a page is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    First,
    Fast,
    Filtered,
    Exact,
}

/// The rows of a page, in order, and what is wrong behind them.
struct Fetched<T> {
    rows: Vec<(Vec<KeyValue>, Result<T, SqliteReadError>)>,
    behind: Option<SqliteReadError>,
    /// Two keys next to each other may be equal by a registered collation.
    doubtful: bool,
    /// All rows that the query returns, with the one that is more than the page; `None` where they were not all looked at.
    seen: Option<usize>,
}

impl<T, F: MakeItem<T>> SqliteReader<T, F> {
    /// Runs the query of the next page to its end. A page that failed half way, or whose closure panicked, is fetched
    /// again by the next call.
    pub(super) fn fetch(&mut self) -> Result<(), SqliteReadError> {
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
        (self.buffer, self.behind) = (fetched.rows, fetched.behind);
        Ok(())
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
        // One row more than the page: a key that comes twice would otherwise lose its second row between two pages.
        let limit = i64::try_from(self.page.rows).unwrap_or(i64::MAX).saturating_add(1);
        statement.raw_bind_parameter(LIMIT, limit)
    }

    fn fetched(&mut self, way: Way) -> Result<Fetched<T>, SqliteReadError> {
        let mut statement = self.connection.prepare_cached(self.sql(way))?;
        self.bind(way, &mut statement)?;
        let mut rows = statement.raw_query();
        // Out of `self` until the page is whole: half a page is not yet in the order in which it is given.
        let buffer = std::mem::take(&mut self.buffer);
        let mut fetched = Fetched { rows: buffer, behind: None, doubtful: false, seen: Some(0) };
        while let Some(row) = rows.next()? {
            let key = match self.key_of(row) {
                Ok(key) => key,
                Err(error) => {
                    // The rows before it are good.
                    (fetched.behind, fetched.seen) = (Some(error), None);
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
                    // Nor is the row before it given: who goes on behind that would never see this one.
                    fetched.rows.pop();
                    (fetched.behind, fetched.seen) = (Some(self.not_unique(&key)), None);
                    break;
                }
            }
            if fetched.rows.len() == self.page.rows {
                break;
            }
            let item = match (self.make)(row, &self.names) {
                Err(error) if error.is_about_the_columns() => {
                    (fetched.behind, fetched.seen) = (Some(no_items(error)), None);
                    break;
                }
                made => made.map_err(|error| row_error(&self.key, &key, error)),
            };
            fetched.rows.push((key, item));
        }
        Ok(fetched)
    }

    /// May a row be missing, behind the last key and before the end of the page, or be there without belonging to the rows?
    fn is_doubtful(&self, fetched: &Fetched<T>) -> Result<bool, SqliteReadError> {
        // Of another class than the last key: an arm of a compound `SELECT` may have compared it otherwise than the next arm.
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

    /// The class of the greatest value of a column, in the rows that have the columns before it in common with the last key.
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
            Ok(None) => Err(bad(column, "it is NULL in a row; leave such rows out, or read by another key")),
            Err(error) => Err(bad(column, &format!("its text is not UTF-8 in a row: {error}"))),
        };
        self.key_columns.iter().enumerate().map(value).collect()
    }

    /// The rows come in the order of the key; equal ones would be lost between two pages. `Perhaps` where that is better
    /// asked for the whole page.
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

    /// Asks how many keys the page has, and looks for the equal ones only where they are less than its rows.
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
                fetched.behind = Some(self.not_unique(key));
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
                "it is not unique: {} comes more than once; add columns to the key until it is unique",
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
        RowError::Item(NoItem { column, problem, .. }) => SqliteReadError::Row { key, column, problem },
        RowError::Closure(source) => SqliteReadError::Closure { key, source },
    }
}

fn no_items(error: RowError) -> SqliteReadError {
    let problem = match error {
        RowError::Item(NoItem { problem, .. }) => problem,
        RowError::Closure(source) => source.to_string().into(),
    };
    SqliteReadError::Columns { problem }
}

impl Page {
    /// Binds everything but the limit: the key behind which to read, in the user's own SQL too.
    pub(super) fn bind(&self, statement: &mut Statement<'_>, after: &[KeyValue]) -> rusqlite::Result<()> {
        self.bind_both(statement, after, after)
    }

    /// The same with all rows in the user's own SQL: a condition there may convert what it compares.
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
