//! [`Transaction`]: the transaction of a chunk, with methods for components, and others for the engine.

use std::cell::{Cell, RefCell};
use std::fmt;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::statement_check::{self, Refused};
use super::tap::TransactionStatus;
use super::{CopyIn, PgError, Session};
use crate::definition::{Failure, OpenTransaction};

/// The transaction of a chunk in a `PostgreSQL` database.
///
/// A component asks for `&batch_runtime::Transaction<'_, Postgres>`, which dereferences to this type. The engine begins
/// and commits the transaction: `COMMIT`, `ROLLBACK` and `BEGIN` are refused. A component may use savepoints with any
/// name but `batch_part`.
///
/// ```
/// use batch_runtime::postgres::{PgError, Transaction};
///
/// struct Delay {
///     carrier: String,
///     minutes: f64,
/// }
///
/// fn save(delays: &[Delay], tx: &Transaction) -> Result<(), PgError> {
///     let mut rows = tx.copy("delay", ["carrier", "minutes"])?;
///     for delay in delays {
///         rows.add(&[&delay.carrier, &delay.minutes])?;
///     }
///     rows.end_later()?;
///     tx.send("UPDATE total SET rows = rows + $1", &[&i64::try_from(delays.len()).unwrap_or_default()])
/// }
/// ```
pub struct Transaction {
    session: Session,
    /// The statements that follow `BEGIN` when the transaction begins.
    settings: RefCell<String>,
    /// How many transactions the session had begun and committed before this one.
    before: Cell<(u64, u64)>,
    /// Whether a component has tried to end the transaction.
    refused: Cell<bool>,
}

impl Transaction {
    /// Runs one transaction after the other on a session. The session must have no open transaction.
    #[doc(hidden)]
    #[must_use]
    pub fn on(session: Session) -> Self {
        Self { session, settings: RefCell::default(), before: Cell::default(), refused: Cell::default() }
    }

    /// Begins the transaction. The `BEGIN` goes out together with the next statement that waits for its answer.
    /// `token` becomes the setting `batch.chunk`, which the guard of the commit checks. If the transaction is not
    /// `durable`, a crash of the server's machine may lose it. The commit of the previous transaction may still be in
    /// flight.
    ///
    /// # Errors
    /// If the connection is lost.
    #[doc(hidden)]
    pub fn begin(&self, token: &str, durable: bool) -> Result<(), PgError> {
        let mut settings = format!(
            "SET LOCAL batch.chunk = '{}'; SET LOCAL idle_in_transaction_session_timeout = '5min'",
            token.replace('\'', "''")
        );
        if !durable {
            settings += "; SET LOCAL synchronous_commit = off";
        }
        self.begin_with(settings)
    }

    fn begin_with(&self, settings: String) -> Result<(), PgError> {
        self.session.settle()?;
        self.before.set(if self.session.has_sent_commit() {
            // The previous transaction may not have been answered yet. If it is rolled back, so is this one.
            let (begun, commits) = self.before.get();
            (begun + 1, commits + 1)
        } else {
            let transaction_state = self.session.transaction_state();
            (transaction_state.begun, transaction_state.commits)
        });
        self.refused.set(false);
        let begun = self.session.begin(&settings);
        self.settings.replace(settings);
        begun
    }

    /// The session, for the engine's own statements.
    #[doc(hidden)]
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the session.
    #[doc(hidden)]
    #[must_use]
    pub fn into_session(self) -> Session {
        self.session
    }

    /// Runs a statement and returns the number of rows that it wrote.
    ///
    /// # Errors
    /// If the statement, or one that was sent before, fails, or if the statement would end the transaction.
    pub fn execute(&self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, PgError> {
        self.check(statement)?;
        self.session.execute(statement, values)
    }

    /// Runs a query and returns all its rows.
    ///
    /// # Errors
    /// If the query, or a statement that was sent before, fails.
    pub fn query(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, PgError> {
        self.check(query)?;
        self.session.query(query, values)
    }

    /// Runs a query that has exactly one row.
    ///
    /// # Errors
    /// If the query, or a statement that was sent before, fails, or if the query has another number of rows.
    pub fn query_one(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Row, PgError> {
        self.check(query)?;
        self.session.query_one(query, values)
    }

    /// Runs a query that has at most one row.
    ///
    /// # Errors
    /// If the query, or a statement that was sent before, fails, or if the query has several rows.
    pub fn query_opt(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, PgError> {
        self.check(query)?;
        self.session.query_opt(query, values)
    }

    /// Runs several statements, separated by semicolons and without parameters.
    ///
    /// # Errors
    /// If one of the statements, or one that was sent before, fails, or if one of them would end the transaction.
    pub fn batch_execute(&self, statements: &str) -> Result<(), PgError> {
        self.check(statements)?;
        self.session.batch_execute(statements)
    }

    /// Sends a statement without waiting for its answer. The statement costs no round trip of its own: it goes out with
    /// the next one that waits for an answer, at the latest with the commit. If the statement fails, so does the chunk.
    ///
    /// # Errors
    /// If the statement cannot be prepared or would end the transaction, or if a value does not fit.
    pub fn send(&self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Result<(), PgError> {
        self.check(statement)?;
        self.session.send(statement, values)
    }

    /// Copies many rows into a table. This is the fastest way for more than a few hundred rows.
    ///
    /// The names are exact: `Late` is the table that SQL calls `"Late"`, and `staging.late` is in a schema. Until the
    /// copy is ended, no other statement can be run.
    ///
    /// # Errors
    /// If there is no such table or column.
    pub fn copy(
        &self,
        table: &str,
        columns: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<CopyIn<'_>, PgError> {
        CopyIn::begin(&self.session, table, columns.into_iter().map(Into::into).collect())
    }

    fn check(&self, statements: &str) -> Result<(), PgError> {
        match statement_check::refused(statements) {
            None => Ok(()),
            Some(Refused::Copy) => {
                Err(PgError::misuse("the rows of a COPY need `tx.copy(table, columns)`")
                    .in_statement(statements))
            }
            Some(Refused::Transaction(word)) => {
                self.refused.set(true);
                let message = format!(
                    "a component cannot execute {word}: the engine begins and ends the transaction of a chunk"
                );
                Err(PgError::misuse(message).in_statement(statements))
            }
        }
    }
}

impl OpenTransaction for Transaction {
    fn is_alive(&self) -> bool {
        let transaction_state = self.session.transaction_state();
        let (begun, commits) = self.before.get();
        // If the connection is lost, the commit reports it. If the server has not answered the `BEGIN` yet, nobody
        // can have ended the transaction.
        self.session.is_cut()
            || transaction_state.begun <= begun
            || (transaction_state.begun == begun + 1
                && transaction_state.commits == commits
                && transaction_state.status != TransactionStatus::None)
    }

    fn has_refused(&self) -> bool {
        self.refused.get()
    }

    fn settle(&self) -> Result<(), Failure> {
        self.session.settle().map_err(Failure::new)
    }

    fn give_up(&self) -> Result<(), Failure> {
        if self.session.is_settled() && self.session.status() == TransactionStatus::None {
            return Ok(());
        }
        self.session.rollback().map_err(Failure::new)
    }

    fn begin_again(&self) -> Result<(), Failure> {
        let settings = self.settings.borrow().clone();
        self.begin_with(settings).map_err(Failure::new)
    }

    fn begin_part(&self) -> Result<(), Failure> {
        self.session.send_batch("SAVEPOINT batch_part").map_err(Failure::new)
    }

    fn keep_part(&self) -> Result<(), Failure> {
        self.session.send_batch("RELEASE batch_part").map_err(Failure::new)
    }

    fn roll_back_part(&self) -> Result<(), Failure> {
        self.session.undo("ROLLBACK TO batch_part; RELEASE batch_part").map_err(Failure::new)
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("place", &self.session.place()).finish_non_exhaustive()
    }
}
