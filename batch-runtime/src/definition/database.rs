//! The databases that steps read and write: the traits that each kind of database implements, and the typed
//! [`Transaction`] and [`Connection`] that components ask for.

use std::any::Any;
use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use super::chunk_transaction::ChunkTransaction;
use super::sqlite::Sqlite;
use super::{Failure, Need, Scope};
use crate::repository::{CheckpointRequest, Checkpoints, LockWait, RepositoryError};

/// A kind of database that can hold a chunk's transaction.
pub trait Driver: Clone + Send + Sync + 'static {
    /// The kind.
    const KIND: DatabaseKind;
    /// The driver's own transaction.
    type Transaction<'c>;
    /// The form in which a component receives the open transaction: usually a reference.
    type Borrowed<'c>: Copy + Borrow<Self::Transaction<'c>>;
    /// The driver's own connection.
    type Connection: 'static;

    /// Returns the chunk's transaction if it is of this kind.
    fn transaction<'c>(chunk: &ChunkTransaction<'c>) -> Option<Self::Borrowed<'c>>;

    /// Opens a new connection for reading, which refuses statements that write.
    ///
    /// # Errors
    /// If the database cannot be opened.
    fn connect_for_reading(&self) -> Result<Self::Connection, Failure>;

    /// Converts the database to the handle that the engine uses.
    fn into_handle(self) -> DatabaseHandle;

    /// Returns the database if the handle is of this kind.
    fn from_handle(handle: &DatabaseHandle) -> Option<Self>;
}

/// A database of any kind, as the engine uses it. Clones share one database.
#[derive(Debug, Clone)]
pub struct DatabaseHandle(Arc<dyn Backend>);

impl DatabaseHandle {
    /// A handle to that database.
    pub fn new(database: impl Backend) -> Self {
        Self(Arc::new(database))
    }

    /// Returns the database if it is of that kind.
    #[must_use]
    pub fn downcast_ref<B: Backend>(&self) -> Option<&B> {
        let database: &dyn Any = &*self.0;
        database.downcast_ref()
    }
}

impl Deref for DatabaseHandle {
    type Target = dyn Backend;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

/// A database that can hold the rows of a step and, with them, the checkpoint of the step.
pub trait Backend: Any + Send + Sync + fmt::Debug {
    /// The kind, as in messages: "`SQLite`".
    fn kind(&self) -> DatabaseKind;

    /// Its location for messages, without a password.
    fn place(&self) -> String;

    /// Opens the checkpoints of one step in this database, and creates their table if it does not exist.
    ///
    /// # Errors
    /// If the database cannot be opened; [`RepositoryError::Stopped`] if the job is asked to stop while this waits
    /// for a lock.
    fn checkpoints(
        &self,
        key: CheckpointRequest,
        wanted: &LockWait,
    ) -> Result<Arc<dyn Checkpoints>, RepositoryError>;
}

/// A kind of database: its name, and the type that stands for it in a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseKind {
    /// Its name, as in messages.
    pub name: &'static str,
    /// The type of its databases, as a user writes it: `Sqlite`.
    pub ty: &'static str,
}

impl DatabaseKind {
    /// [`Sqlite`].
    pub const SQLITE: Self = Self { name: "SQLite", ty: "Sqlite" };
    /// [`AnyDatabase`](super::AnyDatabase): a step that asks for it uses the repository's own database,
    /// whatever its kind.
    pub const ANY: Self = Self { name: "any database", ty: "AnyDatabase" };
    /// [`Postgres`](crate::postgres::Postgres).
    #[cfg(feature = "postgres")]
    pub const POSTGRES: Self = Self { name: "PostgreSQL", ty: "Postgres" };
}

/// The database that a component asks for.
#[derive(Debug, Clone, Copy)]
pub enum Of {
    /// The repository's own, which must be of that kind.
    Own(DatabaseKind),
    /// The one that a `#[database]` function returns.
    Named(&'static DatabaseInfo),
}

impl Of {
    /// The database that the two writers write to, if any: a step writes to at most one.
    pub(crate) const fn either(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(Self::Own(_)), Some(Self::Named(_))) | (None, _) => other,
            (Some(_), _) => one,
        }
    }

    /// The database that a type stands for.
    #[must_use]
    pub const fn type_of<D: Database>() -> Self {
        match D::INFO {
            Some(info) => Self::Named(info),
            None => Self::Own(<D::Driver as Driver>::KIND),
        }
    }
}

/// A database as a type: [`Sqlite`] means the repository's own, the marker of a `#[database]` function means
/// the database that it returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a database",
    label = "not a database",
    note = "put `#[database]` on the function of this name, or leave it out: `Transaction<'_>` is the repository's own"
)]
pub trait Database: 'static {
    /// The driver of this kind of database.
    type Driver: Driver;
    /// The `#[database]` function; `None` for the repository's own database.
    const INFO: Option<&'static DatabaseInfo>;
}

/// A `#[database]` function.
#[derive(Debug)]
pub struct DatabaseInfo {
    /// The module and name, which identify the database.
    pub id: &'static str,
    /// The function's name.
    pub name: &'static str,
    /// The needs of its arguments.
    pub needs: &'static [Need],
    /// Calls the function.
    pub open: fn(&Scope<'_>) -> Result<DatabaseHandle, Failure>,
}

/// The transaction in which a chunk or a tasklet is committed. It dereferences to the driver's own.
///
/// `Transaction<'_>` belongs to the repository's own database, `Transaction<'_, warehouse>` to that of the
/// `#[database]` function `warehouse`. The engine commits it, never the component: a component's `COMMIT` is
/// refused, and its `ROLLBACK` fails the step. Components may use savepoints freely.
pub struct Transaction<'c, D: Database = Sqlite> {
    inner: <D::Driver as Driver>::Borrowed<'c>,
    database: PhantomData<D>,
}

impl<'c, D: Database> Transaction<'c, D> {
    pub(crate) fn new(inner: <D::Driver as Driver>::Borrowed<'c>) -> Self {
        Self { inner, database: PhantomData }
    }
}

impl<'c, D: Database> Deref for Transaction<'c, D> {
    type Target = <D::Driver as Driver>::Transaction<'c>;

    fn deref(&self) -> &Self::Target {
        self.inner.borrow()
    }
}

impl<D: Database> fmt::Debug for Transaction<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

/// A connection for reading: one for each step execution, or for each of its threads. It dereferences to the driver's
/// own.
///
/// It sees only committed rows, not those of the chunk being written. Statements that write are refused: ask for
/// `&Transaction` in the writer.
pub struct Connection<D: Database = Sqlite> {
    inner: <D::Driver as Driver>::Connection,
    database: D::Driver,
}

impl<D: Database> Connection<D> {
    pub(crate) fn open(database: &D::Driver) -> Result<Self, Failure> {
        Ok(Self { inner: database.connect_for_reading()?, database: database.clone() })
    }

    /// The database it is connected to.
    pub(crate) fn database(&self) -> &D::Driver {
        &self.database
    }
}

impl<D: Database> Deref for Connection<D> {
    type Target = <D::Driver as Driver>::Connection;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl<D: Database> fmt::Debug for Connection<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
