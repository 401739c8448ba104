//! Provides the reader's own session, which lets the reader move from one thread to another.

use super::PostgresReadError;
use crate::definition::{Connection, Database};
use crate::postgres::{Bound, Postgres, Session, TransactionStatus};

/// A source of sessions for a [`PostgresReader`](super::PostgresReader).
///
/// - `&Connection<ledger>`, as a `#[reader]` function receives it: the reader opens another connection to the same
///   database.
/// - `&Postgres`: the same for any database.
/// - A [`Session`] by value: the reader keeps it. This is the only way to read temporary tables, or to read with settings
///   of that session.
///
/// ```no_run
/// use batch_runtime::prelude::*;
/// use batch_runtime::readers::{PostgresReadError, PostgresReader, PostgresSource};
///
/// fn carriers(ledger: impl PostgresSource) -> Result<PostgresReader<String>, PostgresReadError> {
///     PostgresReader::query(ledger, "SELECT carrier FROM carrier").key("carrier").rows_as()
/// }
///
/// carriers(&Postgres::at("postgres://etl@localhost/ledger"))?;
/// # Ok::<(), PostgresReadError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a `PostgresReader` cannot read from `{Self}`",
    label = "the reader needs a connection of its own",
    note = "pass the `&Connection<..>` of a PostgreSQL database that a component receives, a `&Postgres`, or a `Session` by value"
)]
pub trait PostgresSource {
    /// Returns a session for the reader alone.
    ///
    /// # Errors
    /// If the server cannot be reached, or refuses the connection.
    fn into_session(self) -> Result<Session, PostgresReadError>;
}

impl PostgresSource for Session {
    fn into_session(self) -> Result<Session, PostgresReadError> {
        if self.status() == TransactionStatus::None && self.is_settled() {
            return Ok(self);
        }
        Err(PostgresReadError::query(
            "a transaction is open on the session, but the reader reads each page in a transaction of its own; end the transaction first",
        ))
    }
}

impl PostgresSource for &Postgres {
    fn into_session(self) -> Result<Session, PostgresReadError> {
        let session =
            Session::connect(self, "batch reader").map_err(|source| PostgresReadError::Open { source })?;
        session.bound_by(Bound::OfThisProcess);
        Ok(session)
    }
}

impl<D: Database<Driver = Postgres>> PostgresSource for &Connection<D> {
    fn into_session(self) -> Result<Session, PostgresReadError> {
        self.database().into_session()
    }
}
