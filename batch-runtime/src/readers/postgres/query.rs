//! Checks a query and its options, and builds the SQL of its pages.

use tokio_postgres::Row;
use tokio_postgres::types::{Kind, ToSql, Type};

use super::key::{Key, KeyColumn};
use super::page::{Growth, Page};
use super::row::{self, Columns, Decoded, MakeItem, RowError, raw};
use super::source::PostgresSource;
use super::sql::{Sql, whole};
use super::values::{Column, Form};
use super::{PostgresReadError, PostgresReader, proof};
use crate::definition::Deserializes;
use crate::postgres::{Described, DescribedColumn, Parameter, PgError, Session, alone};
use crate::readers::fields;
use crate::readers::rows::{KeyColumns, misfit_problem, named};

/// The default number of rows of the first page.
const PAGE: usize = 1000;

/// A query to be read; [`PostgresReader::query`] creates it.
#[must_use]
pub struct PostgresQuery {
    /// An error is reported when the reader is opened, like all others.
    session: Result<Session, PostgresReadError>,
    sql: String,
    key: Vec<String>,
    /// The number of rows of a page, if it was set.
    page: Option<usize>,
    counted: bool,
    parameters: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl PostgresReader<()> {
    /// Reads the rows of `sql`, a `SELECT` without a condition on the key, `ORDER BY` or `LIMIT`: the reader adds
    /// these. A `LIMIT` in the query is refused, because it could choose other rows for each page: limit the reader instead
    /// ([`ReaderExt::limit`](crate::readers::ReaderExt::limit)).
    ///
    /// The reader has its own connection to `source`: see [`PostgresSource`].
    ///
    /// ```no_run
    /// use batch_runtime::postgres::Postgres;
    /// use batch_runtime::readers::{PostgresReadError, PostgresReader};
    ///
    /// let home = Postgres::at("postgres://me@localhost/home");
    /// let names = PostgresReader::query(&home, "SELECT id, name FROM person").key("id");
    /// let reader: PostgresReader<(i64, String)> = names.rows_as()?;
    /// # Ok::<(), PostgresReadError>(())
    /// ```
    pub fn query(source: impl PostgresSource, sql: impl AsRef<str>) -> PostgresQuery {
        let (key, parameters) = Default::default();
        let sql = sql.as_ref().to_owned();
        PostgresQuery { session: source.into_session(), sql, key, page: None, counted: false, parameters }
    }
}

impl PostgresQuery {
    /// Sets the key, by which the reader pages: columns of the result, such as `"id"` or `["day", "id"]`.
    /// Together they must be unique and never `NULL`; an index on them makes each page cheap.
    pub fn key(mut self, columns: impl KeyColumns) -> Self {
        self.key = columns.into_columns();
        self
    }

    /// Sets the number of rows per page. By default a page has 1000 rows, and the pages after the first have 4000 as
    /// long as their rows are small, up to about 64 bytes. Two pages are in memory at once.
    pub fn page(mut self, rows: usize) -> Self {
        self.page = Some(rows);
        self
    }

    /// Binds the next parameter of the query: the first call is for `$1`, the second for `$2`.
    pub fn bind(mut self, value: impl ToSql + Sync + Send + 'static) -> Self {
        self.parameters.push(Box::new(value));
        self
    }

    /// Counts the rows when the reader is opened, for the progress bar. This runs the query one more time.
    pub fn counted(mut self) -> Self {
        self.counted = true;
        self
    }

    /// Reads each row as a `T`: struct fields are columns by name, a tuple takes the columns in order, and a single value
    /// is the only column.
    ///
    /// # Errors
    /// If the query, its key or its parameters are invalid, or the server cannot be reached.
    pub fn rows_as<T: Deserializes>(self) -> Result<PostgresReader<T>, PostgresReadError> {
        let item: Decoded<T> = row::item;
        let reader = self.reader(item)?;
        let names = || reader.columns.iter().map(|column| &*column.name);
        match fields::misfit::<T>(names()) {
            Some(misfit) => Err(PostgresReadError::query(misfit_problem(misfit, names()))),
            None => Ok(reader),
        }
    }

    /// Reads each row with the closure `item`. A `#[reader]` function returns such a reader as
    /// `impl Splittable<Item = T>`, because a closure's type has no name.
    ///
    /// # Errors
    /// If the query, its key or its parameters are invalid, or the server cannot be reached.
    pub fn rows<T, F>(
        self,
        mut item: F,
    ) -> Result<PostgresReader<T, impl MakeItem<T> + use<T, F>>, PostgresReadError>
    where
        F: FnMut(&Row) -> Result<T, PgError>,
    {
        self.reader(move |row: &Row, _: &Columns| item(row).map_err(RowError::Closure))
    }

    fn reader<T, F: MakeItem<T>>(self, item: F) -> Result<PostgresReader<T, F>, PostgresReadError> {
        let Self { session, sql, key, page, counted, parameters } = self;
        let growth = if page.is_some() { Growth::Never } else { Growth::Possible };
        let page = page.unwrap_or(PAGE);
        let session = session?;
        if key.is_empty() {
            return Err(PostgresReadError::query(
                "it has no key; add `.key(\"id\")` with the unique column or columns",
            ));
        }
        if page == 0 {
            return Err(PostgresReadError::query("a page needs at least one row"));
        }
        let query = alone(&sql)
            .ok_or_else(|| PostgresReadError::query("it is more than one statement; pass one `SELECT`"))?;
        let described = session.described(&whole(query))?;
        if described.columns.is_empty() {
            return Err(PostgresReadError::query("it returns no columns; a reader takes a `SELECT`"));
        }
        let given = given(&parameters, &described)?;
        let mut key = key_columns(&key, &described.columns)?;
        let sql = Sql::new(query, &key, given.len());
        let facts = proof::facts(&session, &sql, &key, &described.columns, &given, page)?;
        find_collations(&session, &sql, &mut key, &given)?;
        let columns = described.columns.iter().map(|column| Column {
            name: column.name.as_str().into(),
            form: Form::of(&column.type_),
            type_: column.type_.name().into(),
        });
        let mut page = Page::new(sql, page, given, facts.is_proven, facts.sorts);
        page.growth = growth;
        let mut reader = PostgresReader::new(session, item, Columns::new(columns), Key(key), page);
        if counted {
            reader.count()?;
        }
        Ok(reader)
    }
}

/// Encodes the user's own parameters.
fn given(
    parameters: &[Box<dyn ToSql + Sync + Send>],
    described: &Described,
) -> Result<Vec<Parameter>, PostgresReadError> {
    let (has, bound) = (described.parameters.len(), parameters.len());
    if has != bound {
        return Err(PostgresReadError::query(format!(
            "it has {has} parameters, but `.bind(..)` is called {bound} times; call it once for each, in the order of `$1`, `$2`"
        )));
    }
    let given = |((parameter, type_), number): ((&Box<_>, &Type), usize)| {
        let parameter: &(dyn ToSql + Sync + Send) = &**parameter;
        Parameter::new(parameter, type_)
            .map_err(|error| PostgresReadError::query(format!("its parameter `${number}`: {error}")))
    };
    parameters.iter().zip(&described.parameters).zip(1..).map(given).collect()
}

/// Finds the columns of the key in the result: by their exact names, or else regardless of case, as SQL does.
fn key_columns(key: &[String], columns: &[DescribedColumn]) -> Result<Vec<KeyColumn>, PostgresReadError> {
    let find = |wanted: &String| {
        let by = |is: fn(&str, &str) -> bool| {
            let found = columns.iter().enumerate().filter(move |(_, column)| is(&column.name, wanted));
            found.map(|(index, _)| index).collect::<Vec<_>>()
        };
        let exactly = by(|name, wanted| name == wanted);
        let found = if exactly.is_empty() { by(str::eq_ignore_ascii_case) } else { exactly };
        match *found {
            [index] => Ok(key_column(index, &columns[index])),
            [] => Err(PostgresReadError::query(format!(
                "the key `{wanted}` is not in its result, which has {}; select it too",
                named(columns.iter().map(|column| &column.name))
            ))),
            _ => Err(PostgresReadError::query(format!(
                "two columns of its result are named `{wanted}`, the key; rename one with `AS`"
            ))),
        }
    };
    key.iter().map(find).collect()
}

fn key_column(index: usize, column: &DescribedColumn) -> KeyColumn {
    let DescribedColumn { name, type_, .. } = column;
    let described = match type_.schema() {
        "pg_catalog" => type_.name().to_owned(),
        schema => format!("{schema}.{}", type_.name()),
    };
    KeyColumn { index, name: name.clone(), form: Form::of(type_), type_: type_.clone(), described }
}

/// Adds the collations to the types of the key's columns: with another collation, a position would mean other rows.
fn find_collations(
    session: &Session,
    sql: &Sql,
    key: &mut [KeyColumn],
    parameters: &[Parameter],
) -> Result<(), PostgresReadError> {
    for (number, column) in key.iter_mut().enumerate() {
        if !has_collation(&column.type_) {
            continue;
        }
        let rows = session.read(&sql.collation(number), parameters)?;
        let name = rows.first().and_then(|row| raw(row, 0)).map(String::from_utf8_lossy);
        if let Some(name) = name.filter(|name| name != "\"default\"") {
            column.described.extend([" COLLATE ", &name]);
        }
    }
    Ok(())
}

/// Whether values of the type are compared by a collation.
fn has_collation(type_: &Type) -> bool {
    matches!(*type_, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME)
        || match type_.kind() {
            Kind::Array(inner) | Kind::Domain(inner) => has_collation(inner),
            _ => type_.name() == "citext",
        }
}
