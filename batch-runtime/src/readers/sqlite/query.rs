//! Checks a query and its options, and builds the SQL of its pages.

use std::path::Path;

use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{OpenFlags, Row, Statement};

use super::page::{Page, Proof};
use super::row::{self, Deserialized, MakeItem, RowError};
use super::source::SqliteSource;
use super::sql::{Sql, may_change, quoted};
use super::windows::windows;
use super::{SqliteReadError, SqliteReader, text};
use crate::definition::{Deserializes, nan};
use crate::readers::fields;
use crate::readers::rows::{KeyColumns, LIMITED, WINDOWED, misfit_problem, named};

/// The default number of rows per page.
const PAGE: usize = 1000;

/// A query to be read; [`SqliteReader::query`] or [`SqliteReader::open`] creates it.
#[must_use]
pub struct SqliteQuery {
    /// An error is reported when the reader is opened, like all others.
    connection: Result<rusqlite::Connection, SqliteReadError>,
    /// True if the reader opened its own connection instead of using the given one.
    opened_another: bool,
    sql: String,
    key: Vec<String>,
    page: usize,
    counted: bool,
    parameters: Vec<(String, rusqlite::Result<Value>)>,
    start: Vec<rusqlite::Result<Value>>,
}

fn owned(name: &str, value: &impl ToSql) -> rusqlite::Result<Value> {
    match value.to_sql()? {
        ToSqlOutput::Borrowed(ValueRef::Real(value)) | ToSqlOutput::Owned(Value::Real(value))
            if value.is_nan() =>
        {
            Err(nan(name))
        }
        ToSqlOutput::Borrowed(value) => {
            value.try_into().map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
        }
        ToSqlOutput::Owned(value) => Ok(value),
        _ => Err(rusqlite::Error::ToSqlConversionFailure("it is not a plain value".into())),
    }
}

impl SqliteReader<()> {
    /// Reads the rows of `sql`, a `SELECT` without a condition on the key, `ORDER BY` or `LIMIT`: the reader
    /// adds these.
    ///
    /// A query with a `LIMIT` of its own is refused, because the limit could choose other rows for each page: limit the
    /// reader instead ([`ReaderExt::limit`](crate::readers::ReaderExt::limit)). If the query calls a function such as
    /// `random()`, each page is fetched twice, and refused if its keys are not the same again. A function of your own
    /// that always returns the same should be registered as deterministic, so that its pages are fetched once.
    ///
    /// The reader has its own connection to `source`: see [`SqliteSource`].
    pub fn query(source: impl SqliteSource, sql: impl AsRef<str>) -> SqliteQuery {
        let opened_another = source.opens_another();
        SqliteQuery { opened_another, ..SqliteQuery::new(source.into_connection(), sql.as_ref()) }
    }

    /// Reads the rows of `sql` from the database file `path`, over its own connection.
    ///
    /// # Errors
    /// If the file is missing or cannot be opened.
    pub fn open(path: impl AsRef<Path>, sql: impl AsRef<str>) -> Result<SqliteQuery, SqliteReadError> {
        let path = path.as_ref();
        let error = |source| SqliteReadError::open(path, source);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(path, flags).map_err(error)?;
        connection.busy_timeout(std::time::Duration::from_mins(1)).map_err(error)?;
        // Detect an empty or foreign file here, not at the first page.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(error)?;
        Ok(SqliteQuery::new(Ok(connection), sql.as_ref()))
    }
}

impl SqliteQuery {
    fn new(connection: Result<rusqlite::Connection, SqliteReadError>, sql: &str) -> Self {
        let (key, parameters, start) = Default::default();
        let sql = sql.to_owned();
        Self { connection, opened_another: false, sql, key, page: PAGE, counted: false, parameters, start }
    }

    /// Sets the key, by which the reader pages: columns of the result, such as `"id"` or `["day", "id"]`. Together
    /// they must be unique and never `NULL`; an index on them makes each page cheap.
    pub fn key(mut self, columns: impl KeyColumns) -> Self {
        self.key = columns.into_columns();
        self
    }

    /// Sets the number of rows per page, which are in memory at once; 1000 by default.
    pub fn page(mut self, rows: usize) -> Self {
        self.page = rows;
        self
    }

    /// Binds a parameter of the query: `.bind(":region", "eu")`. A NaN is refused when the reader is opened: `SQLite` would
    /// take it as `NULL`.
    pub fn bind(mut self, name: impl Into<String>, value: impl ToSql) -> Self {
        let name = name.into();
        let value = owned(&name, &value);
        self.parameters.push((name, value));
        self
    }

    /// Counts the rows when the reader is opened, for the progress bar. This runs the query one more time.
    pub fn counted(mut self) -> Self {
        self.counted = true;
        self
    }

    /// Sets the value of `:after` for the first page: a value below all keys, such as `0` or `""`. Call it
    /// once per column of the key.
    ///
    /// Only a query that contains the condition itself needs this. Write the condition into the query if `SQLite`
    /// cannot push it down to where it helps (a `GROUP BY` or `UNION` over a lot of data):
    /// `WHERE room > :after GROUP BY room`, or with several columns `:after_day` and `:after_id`.
    pub fn start(mut self, value: impl ToSql) -> Self {
        self.start.push(owned(":after", &value));
        self
    }

    /// Reads each row as a `T`: struct fields are columns by name, a tuple takes the columns in order, and a
    /// single value is the only column.
    ///
    /// # Errors
    /// If the query, its key or its parameters are invalid, or the database cannot be opened.
    pub fn rows_as<T: Deserializes>(self) -> Result<SqliteReader<T>, SqliteReadError> {
        let item: Deserialized<T> = row::item;
        let reader = self.reader(item)?;
        let names = || reader.names().iter().map(String::as_str);
        match fields::misfit::<T>(names()) {
            Some(misfit) => Err(SqliteReadError::query(misfit_problem(misfit, names()))),
            None => Ok(reader),
        }
    }

    /// Reads each row with the closure `item`. A `#[reader]` function returns such a reader as
    /// `impl Splittable<Item = T>`, because a closure's type has no name.
    ///
    /// # Errors
    /// If the query, its key or its parameters are invalid, or the database cannot be opened.
    pub fn rows<T, F>(
        self,
        mut item: F,
    ) -> Result<SqliteReader<T, impl MakeItem<T> + use<T, F>>, SqliteReadError>
    where
        F: FnMut(&Row<'_>) -> rusqlite::Result<T>,
    {
        self.reader(move |row: &Row<'_>, _: &[String]| item(row).map_err(RowError::Closure))
    }

    fn reader<T, F>(self, item: F) -> Result<SqliteReader<T, F>, SqliteReadError>
    where
        F: MakeItem<T>,
    {
        let Self { connection, opened_another, sql, key, page, counted, parameters, start } = self;
        let connection = connection?;
        if key.is_empty() {
            return Err(SqliteReadError::query(
                "it has no key; add `.key(\"id\")` with the unique column or columns",
            ));
        }
        if page == 0 {
            return Err(SqliteReadError::query("a page needs at least one row"));
        }
        let sql = text::statement(&sql)
            .ok_or_else(|| SqliteReadError::query("it is more than one statement; pass one `SELECT`"))?;
        let names = {
            let prepared = connection.prepare(sql);
            let statement = prepared.map_err(if opened_another {
                SqliteReadError::on_another
            } else {
                SqliteReadError::from
            })?;
            check_statement(&statement)?;
            statement.column_names().map(str::to_owned).collect::<Vec<_>>()
        };
        let key_columns = key_columns(&key, &names)?;
        check_rows(sql, &key, &connection)?;
        let after = {
            let statement = connection.prepare(sql)?;
            after_parameters(&statement, &key)?
        };
        let start = start.into_iter().collect::<rusqlite::Result<Vec<_>>>()?;
        if !after.is_empty() && start.len() != key.len() {
            return Err(SqliteReadError::query(format!(
                "it has `{}`; use `.start(..)` to set its value for the first page: one value for each column of the key ({})",
                after[0].0,
                named(&key)
            )));
        }
        let mut bound = Vec::new();
        for (name, value) in parameters {
            bound.push((name, value?));
        }
        check_parameters(&connection.prepare(sql)?, &bound, &after)?;
        let proof = Proof::new(key.len(), may_change(sql, &key, &connection)?, &connection)?;
        let sql = Sql::new(sql, &key, &connection)?;
        let page = Page { sql, rows: page, parameters: bound, after, start, up_to: Vec::new() };
        let mut reader = SqliteReader::new(connection, item, names, key, key_columns, page, proof);
        if counted {
            reader.count()?;
        }
        Ok(reader)
    }
}

fn check_statement(statement: &Statement<'_>) -> Result<(), SqliteReadError> {
    if !statement.readonly() {
        return Err(SqliteReadError::query("it writes; a reader takes a `SELECT`"));
    }
    if statement.column_count() == 0 {
        return Err(SqliteReadError::query("it returns no columns; a reader takes a `SELECT`"));
    }
    Ok(())
}

/// Refuses a query whose rows or keys are others once a row is added or another page is read.
fn check_rows(sql: &str, key: &[String], connection: &rusqlite::Connection) -> Result<(), SqliteReadError> {
    let statements = with_views(sql, connection)?;
    if statements.iter().any(|sql| text::limits(sql)) {
        return Err(SqliteReadError::query(LIMITED));
    }
    match key.iter().find(|name| windows(&statements, name)) {
        Some(name) => Err(SqliteReadError::Key { key: format!("`{name}`").into(), problem: WINDOWED.into() }),
        None => Ok(()),
    }
}

/// Returns the query, and the definitions of the views that its rows come from.
fn with_views(sql: &str, connection: &rusqlite::Connection) -> rusqlite::Result<Vec<String>> {
    let mut views = Vec::new();
    let schemas: Vec<String> = connection
        .prepare("SELECT name FROM pragma_database_list")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for schema in schemas {
        let of_schema =
            format!("SELECT lower(name), sql FROM {}.sqlite_schema WHERE type = 'view'", quoted(&schema));
        for view in connection.prepare(&of_schema)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
            views.push(view?);
        }
    }
    let mut statements = vec![sql.to_owned()];
    let mut at = 0;
    while let Some(sql) = statements.get(at) {
        for source in text::sources(sql) {
            let (used, others) =
                views.into_iter().partition::<Vec<(String, String)>, _>(|(name, _)| *name == source);
            statements.extend(used.into_iter().map(|(_, sql)| sql));
            views = others;
        }
        at += 1;
    }
    Ok(statements)
}

fn key_columns(key: &[String], names: &[String]) -> Result<Vec<usize>, SqliteReadError> {
    let find = |column: &String| {
        let mut found = names.iter().enumerate().filter(|(_, name)| name.eq_ignore_ascii_case(column));
        match (found.next(), found.next()) {
            (Some((index, _)), None) => Ok(index),
            (Some(_), Some(_)) => Err(SqliteReadError::query(format!(
                "two columns of its result are named `{column}`, the key; rename one with `AS`"
            ))),
            (None, _) => Err(SqliteReadError::query(format!(
                "the key `{column}` is not in its result, which has {}; select it too",
                named(names)
            ))),
        }
    };
    key.iter().map(find).collect()
}

/// Returns the parameters for the last key, each with the index of its column.
fn after_parameters(
    statement: &Statement<'_>,
    key: &[String],
) -> Result<Vec<(String, usize)>, SqliteReadError> {
    let mut after = Vec::new();
    for (column, name) in key.iter().enumerate() {
        let mut spellings = vec![format!(":after_{name}")];
        if key.len() == 1 {
            spellings.push(":after".to_owned());
        }
        for spelling in spellings {
            if statement.parameter_index(&spelling)?.is_some() {
                after.push((spelling, column));
            }
        }
    }
    Ok(after)
}

fn check_parameters(
    statement: &Statement<'_>,
    bound: &[(String, Value)],
    after: &[(String, usize)],
) -> Result<(), SqliteReadError> {
    let wanted: Vec<Option<&str>> =
        (1..=statement.parameter_count()).map(|index| statement.parameter_name(index)).collect();
    for (name, _) in bound {
        if !wanted.contains(&Some(name.as_str())) {
            return Err(SqliteReadError::query(format!(
                "it has no parameter `{name}`, but a value is bound to it; names begin with `:`, `@` or `$` as in the query"
            )));
        }
    }
    for name in wanted {
        let Some(name) = name else {
            return Err(SqliteReadError::query(
                "it has a parameter without a name; write `:name` for `?` and add `.bind(\":name\", ..)`",
            ));
        };
        let known =
            bound.iter().any(|(known, _)| known == name) || after.iter().any(|(known, _)| known == name);
        if !known && name.starts_with(":after") {
            return Err(SqliteReadError::query(format!(
                "its parameter `{name}` does not match a column of the key; write `:after` for a key of one column, and `:after_` with the column's name for several"
            )));
        }
        if !known {
            return Err(SqliteReadError::query(format!(
                "its parameter `{name}` is not bound; add `.bind(\"{name}\", ..)`"
            )));
        }
    }
    Ok(())
}
