//! [`ChunkTransaction`]: the transaction of a chunk in any kind of database, as the engine and writers use it.

use std::any::Any;
use std::fmt;

use super::Failure;
use super::database::{Database, Driver, Transaction};
use super::transaction_watch::{self, TransactionWatch};

/// The transaction of a chunk in any kind of database, as a [`Writer`](super::Writer) receives it.
#[derive(Clone, Copy)]
pub struct ChunkTransaction<'c> {
    inner: Inner<'c>,
}

#[derive(Clone, Copy)]
enum Inner<'c> {
    None,
    Sqlite {
        transaction: &'c rusqlite::Transaction<'c>,
        /// `None` in tests, where nothing else commits.
        watch: Option<&'c TransactionWatch>,
    },
    Other(&'c dyn OpenTransaction),
}

impl<'c> ChunkTransaction<'c> {
    /// No transaction, for a step that runs without a repository.
    #[must_use]
    pub fn none() -> Self {
        Self { inner: Inner::None }
    }

    /// The transaction of a `SQLite` database.
    #[must_use]
    pub fn sqlite(transaction: &'c rusqlite::Transaction<'c>) -> Self {
        Self { inner: Inner::Sqlite { transaction, watch: None } }
    }

    /// The transaction of a connection that is watched.
    pub(crate) fn watched(transaction: &'c rusqlite::Transaction<'c>, watch: &'c TransactionWatch) -> Self {
        Self { inner: Inner::Sqlite { transaction, watch: Some(watch) } }
    }

    /// The transaction of a database of another kind.
    #[must_use]
    pub fn other(transaction: &'c dyn OpenTransaction) -> Self {
        Self { inner: Inner::Other(transaction) }
    }

    /// Returns the transaction if the database is `SQLite`.
    #[must_use]
    pub fn as_sqlite(&self) -> Option<&'c rusqlite::Transaction<'c>> {
        match self.inner {
            Inner::Sqlite { transaction, .. } => Some(transaction),
            Inner::None | Inner::Other(_) => None,
        }
    }

    /// Returns the transaction if it is a `T`.
    #[must_use]
    pub fn downcast_ref<T: OpenTransaction>(&self) -> Option<&'c T> {
        match self.inner {
            Inner::Other(transaction) => (transaction as &'c dyn Any).downcast_ref(),
            Inner::None | Inner::Sqlite { .. } => None,
        }
    }

    /// Returns whether there is no transaction.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self.inner, Inner::None)
    }

    /// Returns the transaction as the type that a component asks for.
    ///
    /// # Errors
    /// If the chunk is not committed in a database of that kind.
    pub fn of<D: Database>(&self) -> Result<Transaction<'c, D>, Failure> {
        D::Driver::transaction(self).map(Transaction::new).ok_or_else(|| {
            Failure::new("there is no transaction: the step runs without a repository, or its repository is of another kind")
        })
    }
}

/// The transaction of a chunk in a database other than `SQLite`, while components work in it.
pub trait OpenTransaction: Any {
    /// Returns whether this is still the transaction that the engine began. That remains true if the transaction has
    /// failed and must be rolled back.
    fn is_alive(&self) -> bool;

    /// Returns whether a component has tried to end the transaction and was refused.
    fn has_refused(&self) -> bool;

    /// Waits for the statements that were sent without waiting, and returns the first failure.
    ///
    /// # Errors
    /// If a statement failed.
    fn settle(&self) -> Result<(), Failure>;

    /// Rolls the transaction back, which releases all its locks until it begins again.
    ///
    /// # Errors
    /// If the database cannot be reached.
    fn give_up(&self) -> Result<(), Failure>;

    /// Begins the transaction again.
    ///
    /// # Errors
    /// If the database cannot be reached.
    fn begin_again(&self) -> Result<(), Failure>;

    /// Sets a savepoint, which begins a part that can be rolled back on its own.
    ///
    /// # Errors
    /// If the database cannot be reached.
    fn begin_part(&self) -> Result<(), Failure>;

    /// Keeps the part.
    ///
    /// # Errors
    /// If the database cannot be reached.
    fn keep_part(&self) -> Result<(), Failure>;

    /// Rolls the part back.
    ///
    /// # Errors
    /// If the database cannot be reached.
    fn roll_back_part(&self) -> Result<(), Failure>;
}

/// Rollbacks inside a chunk. Without a transaction, these methods do nothing.
impl ChunkTransaction<'_> {
    /// Returns whether the transaction is still open: a database may roll it back on its own.
    pub(crate) fn is_alive(self) -> bool {
        match self.inner {
            Inner::None => true,
            Inner::Sqlite { transaction, watch } => {
                !transaction.is_autocommit() && !watch.is_some_and(TransactionWatch::is_rolled_back)
            }
            Inner::Other(transaction) => transaction.is_alive(),
        }
    }

    /// Returns the outcome of a component's work, which is a failure if the transaction has ended meanwhile.
    pub(crate) fn after<T>(self, worked: Result<T, Failure>) -> Result<T, Failure> {
        match (worked, self.inner) {
            (Err(failure), Inner::Sqlite { watch: Some(watch), .. }) if watch.has_refused() => {
                Err(transaction_watch::refused(failure))
            }
            (Err(failure), Inner::Other(transaction)) if transaction.has_refused() => {
                Err(transaction_watch::refused(failure))
            }
            // A component that ignores the refusal believes that its rows are committed.
            (Ok(_), Inner::Other(transaction)) if transaction.has_refused() => {
                Err(transaction_watch::ended())
            }
            (Ok(_), _) if !self.is_alive() => Err(transaction_watch::ended()),
            (worked, _) => worked,
        }
    }

    /// As [`after`](Self::after), for work whose failure must be known now: also waits for statements that were sent
    /// without waiting.
    pub(crate) fn settled(self, worked: Result<(), Failure>) -> Result<(), Failure> {
        let worked = match self.inner {
            Inner::Other(transaction) if worked.is_ok() => transaction.settle(),
            _ => worked,
        };
        self.after(worked)
    }

    /// Rolls the transaction back, which releases all its locks until it begins again.
    pub(crate) fn give_up(self) -> Result<(), Failure> {
        match self.inner {
            // Rolls back even a transaction that a component has begun.
            Inner::Sqlite { transaction, .. } if !transaction.is_autocommit() => {
                execute(transaction, "ROLLBACK")
            }
            Inner::Other(transaction) => transaction.give_up(),
            Inner::None | Inner::Sqlite { .. } => Ok(()),
        }
    }

    /// Begins the transaction again.
    pub(crate) fn begin_again(self) -> Result<(), Failure> {
        match self.inner {
            Inner::None => Ok(()),
            Inner::Sqlite { transaction, watch } => {
                execute(transaction, "BEGIN IMMEDIATE")?;
                if let Some(watch) = watch {
                    watch.began();
                }
                Ok(())
            }
            Inner::Other(transaction) => transaction.begin_again(),
        }
    }

    /// Sets a savepoint, which begins a part that can be rolled back on its own.
    pub(crate) fn begin_part(self) -> Result<(), Failure> {
        match self.inner {
            Inner::None => Ok(()),
            Inner::Sqlite { transaction, .. } => execute(transaction, "SAVEPOINT batch_part"),
            Inner::Other(transaction) => transaction.begin_part(),
        }
    }

    /// Keeps the part.
    pub(crate) fn keep_part(self) -> Result<(), Failure> {
        match self.inner {
            Inner::None => Ok(()),
            Inner::Sqlite { transaction, .. } => execute(transaction, "RELEASE batch_part"),
            Inner::Other(transaction) => transaction.keep_part(),
        }
    }

    /// Rolls the part back.
    pub(crate) fn roll_back_part(self) -> Result<(), Failure> {
        match self.inner {
            Inner::None => Ok(()),
            Inner::Sqlite { transaction, .. } => {
                execute(transaction, "ROLLBACK TO batch_part; RELEASE batch_part")
            }
            Inner::Other(transaction) => transaction.roll_back_part(),
        }
    }
}

fn execute(transaction: &rusqlite::Transaction<'_>, statement: &str) -> Result<(), Failure> {
    transaction.execute_batch(statement).map_err(Failure::new)
}

impl fmt::Debug for ChunkTransaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.inner {
            Inner::None => "ChunkTransaction::None",
            Inner::Sqlite { .. } => "ChunkTransaction::Sqlite",
            Inner::Other(_) => "ChunkTransaction::Other",
        })
    }
}
