//! Inserts rows, many per statement; finds and names a refused row.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

use rusqlite::types::{Null, ToSql};
use rusqlite::{CachedStatement, Connection, ErrorCode};

use super::cells::Cells;
use super::error::SqliteWriteError;
use super::table::quoted;
use super::value::Cell;

/// The maximum number of values per statement. Their strings roughly fit into the slots that `SQLite` keeps for small
/// allocations (its "lookaside"). Measured best with 4 strings among 7 columns; twice as many rows cost 15 % more.
const MAX_VALUES: usize = 224;
/// The maximum number of rows per statement: more rows do not help, even if they are narrow.
const MAX_ROWS: usize = 64;
/// The minimum number of rows per statement: even wide rows share one. 2,000 columns, the maximum of a table,
/// times 4 is within the parameter limit.
const MIN_ROWS: usize = 4;
/// The number of rows of the smaller statement, for rows that do not fill a large one; the remaining rows are
/// inserted one by one.
const FEW_ROWS: usize = 8;

/// The action for a row whose key already exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::writers) enum Conflict {
    Fail,
    Ignore,
    Replace,
    Update(Vec<String>),
}

fn list<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    names.into_iter().map(|name| quoted(name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// The statements of a table, which differ only in their number of rows.
#[derive(Debug)]
pub(super) struct Statements {
    table: Box<str>,
    columns: Vec<Cow<'static, str>>,
    /// The number of rows of the large statement.
    pub(super) rows: usize,
    many: String,
    some: String,
    one: String,
}

impl Statements {
    /// `quoted` is the table name as quoted in SQL.
    pub(super) fn new(table: &str, quoted: &str, columns: &[Cow<'static, str>], conflict: &Conflict) -> Self {
        let rows = (MAX_VALUES / columns.len().max(1)).clamp(MIN_ROWS, MAX_ROWS);
        let sql = |rows: usize| statement(quoted, columns, conflict, rows);
        Self {
            table: table.into(),
            columns: columns.to_vec(),
            rows,
            many: sql(rows),
            some: sql(FEW_ROWS.min(rows)),
            one: sql(1),
        }
    }

    /// Returns the number of columns of a row.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    fn refused(&self, source: rusqlite::Error) -> SqliteWriteError {
        SqliteWriteError::Table { table: self.table.clone(), source }
    }
}

fn statement(table: &str, columns: &[Cow<'static, str>], conflict: &Conflict, rows: usize) -> String {
    let verb = if *conflict == Conflict::Replace { "INSERT OR REPLACE" } else { "INSERT" };
    let row = format!("({})", vec!["?"; columns.len()].join(","));
    let values = vec![row; rows].join(",");
    let mut sql = format!("{verb} INTO {table} ({}) VALUES {values}", list(columns));
    match conflict {
        Conflict::Fail | Conflict::Replace => {}
        Conflict::Ignore => sql.push_str(" ON CONFLICT DO NOTHING"),
        Conflict::Update(key) => {
            let others = columns.iter().filter(|column| !key.iter().any(|key| key == *column));
            let set = others
                .map(|column| format!("{0} = excluded.{0}", quoted(column)))
                .collect::<Vec<_>>()
                .join(", ");
            // Writing to a string does not fail.
            let _ = write!(sql, " ON CONFLICT ({}) DO ", list(key));
            if set.is_empty() {
                sql.push_str("NOTHING");
            } else {
                let _ = write!(sql, "UPDATE SET {set}");
            }
        }
    }
    sql
}

/// Inserts rows into the database during one `write`.
pub(super) struct Insert<'t> {
    connection: &'t Connection,
    /// The statement for many rows, kept after its first use.
    many: Option<CachedStatement<'t>>,
}

impl<'t> Insert<'t> {
    pub(super) fn new(connection: &'t Connection) -> Self {
        Self { connection, many: None }
    }

    /// Returns the large statement for binding its values directly.
    pub(super) fn bind(&mut self, of: &Statements) -> Result<Bound<'_, 't>, SqliteWriteError> {
        let statement = match &mut self.many {
            Some(many) => many,
            none => {
                let many = self.connection.prepare_cached(&of.many).map_err(|source| of.refused(source))?;
                none.insert(many)
            }
        };
        Ok(Bound { statement, taken: 0, failed: None })
    }

    /// Inserts the rows of `cells`, exactly as many as the large statement takes.
    pub(super) fn many(&mut self, of: &Statements, cells: &Cells) -> Result<(), SqliteWriteError> {
        let Bound { statement, .. } = self.bind(of)?;
        execute(statement, cells, 0..of.rows * of.width())
            .or_else(|source| self.culprit(of, cells, 0..of.rows, source))
    }

    /// Inserts the rows of `cells`, however few.
    pub(super) fn rest(&mut self, of: &Statements, cells: &Cells) -> Result<(), SqliteWriteError> {
        let mut from = 0;
        for (rows, sql) in [(FEW_ROWS.min(of.rows), &of.some), (1, &of.one)] {
            if cells.rows() - from < rows {
                continue;
            }
            let mut statement = self.connection.prepare_cached(sql).map_err(|source| of.refused(source))?;
            while cells.rows() - from >= rows {
                execute(&mut statement, cells, from * of.width()..(from + rows) * of.width())
                    .or_else(|source| self.culprit(of, cells, from..from + rows, source))?;
                from += rows;
            }
        }
        Ok(())
    }

    /// Inserts the rows of a failed statement one by one to find the refused row, and rolls these inserts back.
    #[cold]
    pub(super) fn culprit(
        &self,
        of: &Statements,
        cells: &Cells,
        rows: Range<usize>,
        source: rusqlite::Error,
    ) -> Result<(), SqliteWriteError> {
        let about_a_row = matches!(
            source.sqlite_error_code(),
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
        );
        // A trigger may have ended the transaction: do not write anything outside it.
        if !about_a_row || self.connection.is_autocommit() {
            return Err(of.refused(source));
        }
        let search = || -> rusqlite::Result<Option<(usize, rusqlite::Error)>> {
            self.connection.execute_batch("SAVEPOINT batch_culprit")?;
            let mut one = self.connection.prepare_cached(&of.one)?;
            let found = rows.clone().find_map(|row| {
                execute(&mut one, cells, row * of.width()..(row + 1) * of.width())
                    .err()
                    .map(|error| (row, error))
            });
            drop(one);
            if !self.connection.is_autocommit() {
                self.connection.execute_batch("ROLLBACK TO batch_culprit; RELEASE batch_culprit")?;
            }
            Ok(found)
        };
        let Ok(Some((row, source))) = search() else { return Err(of.refused(source)) };
        Err(SqliteWriteError::Row {
            table: of.table.clone(),
            item: cells.item_of(row),
            values: values(&of.columns, cells, row, &source.to_string()).into(),
            source,
        })
    }
}

/// Binds values to the parameters of a statement one after the other.
pub(super) struct Bound<'s, 't> {
    statement: &'s mut CachedStatement<'t>,
    taken: usize,
    failed: Option<rusqlite::Error>,
}

impl Bound<'_, '_> {
    #[inline]
    fn take(&mut self, value: impl ToSql) {
        self.taken += 1;
        if let Err(error) = self.statement.raw_bind_parameter(self.taken, value) {
            self.failed.get_or_insert(error);
        }
    }

    pub(super) fn execute(self) -> rusqlite::Result<()> {
        match self.failed {
            Some(error) => Err(error),
            None => self.statement.raw_execute().map(drop),
        }
    }
}

impl Cell for Bound<'_, '_> {
    #[inline]
    fn null(&mut self) {
        self.take(Null);
    }

    #[inline]
    fn integer(&mut self, value: i64) {
        self.take(value);
    }

    #[inline]
    fn real(&mut self, value: f64) {
        self.take(value);
    }

    #[inline]
    fn text(&mut self, value: &str) {
        self.take(value);
    }

    #[inline]
    fn blob(&mut self, value: &[u8]) {
        self.take(value);
    }

    #[inline]
    fn len(&self) -> usize {
        self.taken
    }
}

fn execute(statement: &mut CachedStatement<'_>, cells: &Cells, values: Range<usize>) -> rusqlite::Result<()> {
    for (parameter, index) in (1_usize..).zip(values) {
        statement.raw_bind_parameter(parameter, cells.bound(index))?;
    }
    statement.raw_execute().map(drop)
}

/// Formats the values of the columns that `message` names, or of all columns if it names none.
fn values(names: &[Cow<'static, str>], cells: &Cells, row: usize, message: &str) -> String {
    let words: Vec<&str> = message.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let is_named = |name: &str| words.contains(&name);
    let any = names.iter().any(|name| is_named(name));
    let mut shown = String::new();
    for (column, name) in names.iter().enumerate().filter(|(_, name)| !any || is_named(name)) {
        let comma = if shown.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(shown, "{comma}{name} = {}", cells.shown(row * names.len() + column));
    }
    shown
}
