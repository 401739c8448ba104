//! [`Connection`]: a read-only connection.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{Bound, CommitError, PgError, Postgres, Session};

/// A read-only connection to a `PostgreSQL` database: a statement that writes is refused.
///
/// Each query is a transaction of its own, so it sees everything committed so far, and the connection holds no locks
/// between two queries. A connection also works through pgbouncer.
///
/// ```no_run
/// use batch_runtime::postgres::{Connection, PgError, Postgres};
///
/// fn carriers() -> Result<i64, PgError> {
///     let connection = Connection::open(&Postgres::at("postgres://etl@localhost/flights"))?;
///     Ok(connection.query_one("SELECT count(DISTINCT carrier) FROM flight", &[])?.get(0))
/// }
/// ```
#[derive(Debug)]
pub struct Connection {
    session: Session,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// If the URL is wrong, the server cannot be reached, or it refuses the connection.
    pub fn open(database: &Postgres) -> Result<Self, PgError> {
        let session = Session::connect(database, "batch reader")?;
        session.bound_by(Bound::OfThisProcess);
        Ok(Self { session })
    }

    /// Runs a query and returns all its rows.
    ///
    /// # Errors
    /// If the query fails, or would write.
    pub fn query(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, PgError> {
        self.session.begin("SET TRANSACTION READ ONLY")?;
        let read = self.session.commit_after(query, values).map_err(CommitError::into_error);
        read.map_err(|error| match error.code() {
            Some("25006") => error.remedied("a reader only reads: ask for `&Transaction` in the writer"),
            _ => error,
        })
    }

    /// Runs a query that has exactly one row.
    ///
    /// # Errors
    /// If the query fails, would write, or has another number of rows.
    pub fn query_one(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Row, PgError> {
        super::session::one(self.query(query, values)?, query)
    }

    /// Runs a query that has at most one row.
    ///
    /// # Errors
    /// If the query fails, would write, or has several rows.
    pub fn query_opt(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, PgError> {
        super::session::at_most_one(self.query(query, values)?, query)
    }
}
