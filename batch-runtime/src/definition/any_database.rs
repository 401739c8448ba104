//! [`AnyDatabase`]: a database of any kind, so that one program runs on `SQLite` in development and on `PostgreSQL` in
//! production.

use std::error::Error;
use std::fmt;

use super::Failure;
use super::chunk_transaction::ChunkTransaction;
use super::database::{Database, DatabaseHandle, DatabaseInfo, DatabaseKind, Driver};
use super::database_value::DatabaseValue;
use super::sqlite::Sqlite;
#[cfg(feature = "postgres")]
use crate::postgres::{self, PgError, Postgres};

/// A database of any kind.
///
/// `Transaction<'_, AnyDatabase>` is the transaction of the repository's own database, and `Connection<AnyDatabase>` a
/// connection to it. A `#[database]` function may return an `AnyDatabase` too; its URL or path then decides the kind.
/// Write statements that every kind understands.
///
/// ```
/// use batch_runtime::prelude::*;
///
/// #[step]
/// fn create_table(tx: &Transaction<'_, AnyDatabase>) -> Result<(), DatabaseError> {
///     tx.batch_execute("CREATE TABLE IF NOT EXISTS delay (carrier TEXT, minutes DOUBLE PRECISION)")
/// }
/// # fn main() {}
/// ```
#[derive(Debug, Clone)]
pub struct AnyDatabase(DatabaseHandle);

impl AnyDatabase {
    /// The database at that place: a `postgres://` URL, or the path of a `SQLite` file, with or without `sqlite:`
    /// before it.
    ///
    /// # Errors
    /// If the URL is of a kind that this program does not support.
    pub fn at(place: &str) -> Result<Self, Failure> {
        if ["postgres://", "postgresql://"].iter().any(|scheme| place.starts_with(scheme)) {
            return Self::on_server(place);
        }
        let path = place.strip_prefix("sqlite://").or_else(|| place.strip_prefix("sqlite:")).unwrap_or(place);
        match path.split_once("://") {
            // The text after the scheme may contain a password.
            Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) => {
                Err(Failure::new(format!(
                    "`{scheme}` databases are not supported: name a SQLite file, or `postgres://…`"
                )))
            }
            _ => Ok(Self(DatabaseHandle::new(Sqlite::open(path)))),
        }
    }

    #[cfg(feature = "postgres")]
    #[expect(clippy::unnecessary_wraps, reason = "without the feature, this returns an error")]
    fn on_server(url: &str) -> Result<Self, Failure> {
        Ok(Self(DatabaseHandle::new(Postgres::at(url))))
    }

    #[cfg(not(feature = "postgres"))]
    fn on_server(_: &str) -> Result<Self, Failure> {
        Err(Failure::new(
            "this program cannot use PostgreSQL: build it with the feature `postgres` of batch-runtime",
        ))
    }

    /// The kind of this database.
    #[must_use]
    pub fn kind(&self) -> DatabaseKind {
        self.0.kind()
    }
}

/// The transaction of a chunk in a database of any kind.
#[derive(Debug, Clone, Copy)]
pub struct AnyTransaction<'c>(ChunkTransaction<'c>);

impl<'c> AnyTransaction<'c> {
    /// The transaction, if the database is `SQLite`.
    #[must_use]
    pub fn as_sqlite(&self) -> Option<&'c rusqlite::Transaction<'c>> {
        self.0.as_sqlite()
    }

    /// The transaction, if the database is `PostgreSQL`.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn as_postgres(&self) -> Option<&'c postgres::Transaction> {
        self.0.downcast_ref()
    }

    /// Runs several statements, separated by semicolons and without parameters.
    ///
    /// # Errors
    /// If one of them fails.
    pub fn batch_execute(&self, statements: &str) -> Result<(), DatabaseError> {
        if let Some(transaction) = self.as_sqlite() {
            return Ok(transaction.execute_batch(statements)?);
        }
        #[cfg(feature = "postgres")]
        if let Some(transaction) = self.as_postgres() {
            return Ok(transaction.batch_execute(statements)?);
        }
        Err(DatabaseError::Unsupported)
    }

    /// Runs a statement with the parameters `$1`, `$2` and so on, and returns the number of rows that it wrote.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use batch_runtime::{AnyDatabase, ChunkTransaction};
    ///
    /// let mut connection = rusqlite::Connection::open_in_memory()?;
    /// connection.execute_batch("CREATE TABLE total (carrier TEXT, flights INTEGER)")?;
    /// let tx = connection.transaction()?;
    /// let chunk = ChunkTransaction::sqlite(&tx).of::<AnyDatabase>().map_err(|failure| failure.to_string())?;
    /// assert_eq!(chunk.execute("INSERT INTO total VALUES ($1, $2)", &["UA".into(), 7.into()])?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the statement fails, or if a parameter is NaN and the database is `SQLite`, which would store `NULL`.
    pub fn execute(&self, statement: &str, values: &[DatabaseValue]) -> Result<u64, DatabaseError> {
        if let Some(transaction) = self.as_sqlite() {
            let mut prepared = transaction.prepare_cached(statement)?;
            DatabaseValue::bind(values, &mut prepared)?;
            return Ok(prepared.raw_execute()? as u64);
        }
        #[cfg(feature = "postgres")]
        if let Some(transaction) = self.as_postgres() {
            let values: Vec<&(dyn postgres::types::ToSql + Sync)> =
                values.iter().map(|value| value as _).collect();
            return Ok(transaction.execute(statement, &values)?);
        }
        Err(DatabaseError::Unsupported)
    }
}

/// A read-only connection to a database of any kind.
#[derive(Debug)]
#[non_exhaustive]
pub enum AnyConnection {
    /// To `SQLite`.
    Sqlite(rusqlite::Connection),
    /// To `PostgreSQL`.
    #[cfg(feature = "postgres")]
    Postgres(Box<postgres::Connection>),
}

/// An error of a database of any kind.
#[derive(Debug)]
#[non_exhaustive]
pub enum DatabaseError {
    /// Of `SQLite`.
    Sqlite(rusqlite::Error),
    /// Of `PostgreSQL`.
    #[cfg(feature = "postgres")]
    Postgres(PgError),
    /// A row of a query does not fit the item.
    Row(Box<str>),
    /// The database is of a kind that this program does not know.
    Unsupported,
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(error) => error.fmt(f),
            #[cfg(feature = "postgres")]
            Self::Postgres(error) => error.fmt(f),
            Self::Row(problem) => f.write_str(problem),
            Self::Unsupported => f.write_str("the database is of a kind that this program does not know"),
        }
    }
}

impl Error for DatabaseError {
    /// The driver's error, so that the rules of a step can find it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Sqlite(error) => Some(error),
            #[cfg(feature = "postgres")]
            Self::Postgres(error) => Some(error),
            Self::Row(_) | Self::Unsupported => None,
        }
    }
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

#[cfg(feature = "postgres")]
impl From<PgError> for DatabaseError {
    fn from(error: PgError) -> Self {
        Self::Postgres(error)
    }
}

impl Driver for AnyDatabase {
    const KIND: DatabaseKind = DatabaseKind::ANY;

    type Transaction<'c> = AnyTransaction<'c>;
    type Borrowed<'c> = AnyTransaction<'c>;
    type Connection = AnyConnection;

    fn transaction<'c>(chunk: &ChunkTransaction<'c>) -> Option<AnyTransaction<'c>> {
        (!chunk.is_none()).then_some(AnyTransaction(*chunk))
    }

    fn connect_for_reading(&self) -> Result<AnyConnection, Failure> {
        #[cfg(feature = "postgres")]
        if let Some(database) = self.0.downcast_ref::<Postgres>() {
            return database
                .connect_for_reading()
                .map(|connection| AnyConnection::Postgres(Box::new(connection)));
        }
        match self.0.downcast_ref::<Sqlite>() {
            Some(database) => database.connect_for_reading().map(AnyConnection::Sqlite),
            None => Err(Failure::new(DatabaseError::Unsupported)),
        }
    }

    fn into_handle(self) -> DatabaseHandle {
        self.0
    }

    fn from_handle(handle: &DatabaseHandle) -> Option<Self> {
        Some(Self(handle.clone()))
    }
}

impl Database for AnyDatabase {
    type Driver = Self;
    const INFO: Option<&'static DatabaseInfo> = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_decides_the_kind() {
        for place in ["a.db", "sqlite:a.db", "sqlite://a.db", "a:b.db"] {
            assert_eq!(AnyDatabase::at(place).unwrap().kind(), DatabaseKind::SQLITE, "{place}");
        }
        let error = AnyDatabase::at("mysql://me:hunter2@host/db").unwrap_err().to_string();
        assert!(
            error.contains("`mysql` databases are not supported") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn parameters_are_bound_by_their_numbers() {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a, b, c)").unwrap();
        let tx = connection.transaction().unwrap();
        let any = ChunkTransaction::sqlite(&tx).of::<AnyDatabase>().unwrap();
        let values = [1.into(), "two".into(), DatabaseValue::from(None::<i64>)];
        any.execute("INSERT INTO t (b, a, c) VALUES ($2, $1, $3)", &values).unwrap();
        let row = tx.query_row("SELECT a, b, c FROM t", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<i64>>(2)?))
        });
        assert_eq!(row, Ok((1, "two".to_owned(), None)));
        assert!(any.execute("INSERT INTO t (a) VALUES ($1)", &[1.into(), 2.into()]).is_err());
    }

    #[test]
    fn nan_is_refused_where_sqlite_would_take_it_as_null() {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a, b)").unwrap();
        let tx = connection.transaction().unwrap();
        let any = ChunkTransaction::sqlite(&tx).of::<AnyDatabase>().unwrap();
        let insert = "INSERT INTO t VALUES ($1, $2)";
        let refused = any.execute(insert, &[1.into(), f64::NAN.into()]).unwrap_err().to_string();
        assert!(refused.contains("the parameter `$2` is NaN"), "{refused}");
        let kept = [f64::INFINITY, -0.0];
        any.execute(insert, &kept.map(DatabaseValue::from)).unwrap();
        let rows: Vec<[f64; 2]> = tx
            .prepare("SELECT a, b FROM t")
            .unwrap()
            .query_map([], |row| Ok([row.get(0)?, row.get(1)?]))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(
            rows.iter().map(|row| row.map(f64::to_bits)).collect::<Vec<_>>(),
            [kept.map(f64::to_bits)]
        );

        let connection = AnyConnection::Sqlite(rusqlite::Connection::open_in_memory().unwrap());
        let refused = connection.query::<i64>("SELECT 1 WHERE 1.5 > $1", &[f64::NAN.into()]).unwrap_err();
        assert!(refused.to_string().contains("the parameter `$1` is NaN"), "{refused}");
    }
}
