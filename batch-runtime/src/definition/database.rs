//! The databases that steps write to: [`Sqlite`], the typed [`Transaction`] and [`Connection`] that
//! components ask for, and the chunk transaction that writers receive.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::OpenFlags;

use super::transaction_watch::{self, TransactionWatch};
use super::{Failure, Need, Scope};

const BUSY_TIMEOUT: Duration = Duration::from_mins(1);

/// A kind of database that can hold a chunk's transaction.
pub trait Driver: Clone + Send + Sync + 'static {
    /// The driver's own transaction.
    type Transaction<'c>;
    /// The driver's own connection.
    type Connection: 'static;

    /// Returns the chunk's transaction if it is of this kind.
    fn transaction<'c>(chunk: &ChunkTransaction<'c>) -> Option<&'c Self::Transaction<'c>>;

    /// Opens a new connection for reading, which refuses statements that write.
    ///
    /// # Errors
    /// If the database cannot be opened.
    fn connect_for_reading(&self) -> Result<Self::Connection, Failure>;

    /// Converts the handle to the one that the engine uses.
    fn into_handle(self) -> DatabaseHandle;

    /// Returns the database if the handle is of this kind.
    fn from_handle(handle: &DatabaseHandle) -> Option<&Self>;
}

/// A database of any supported kind.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DatabaseHandle {
    /// `SQLite`.
    Sqlite(Sqlite),
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

/// A `SQLite` database file, returned by a `#[database]` function.
///
/// If a step asks for its transaction, its rows are committed there together with the fence and the
/// checkpoint, so that the data and the recorded progress cannot differ.
///
/// ```
/// use batch_runtime::Sqlite;
///
/// let folder = std::env::temp_dir();
/// let warehouse = Sqlite::open(folder.join("doc-warehouse.db"));
/// # let _ = warehouse;
/// ```
#[derive(Clone)]
pub struct Sqlite {
    path: Arc<Path>,
    prepare: Option<Arc<OnConnect>>,
}

type OnConnect = dyn Fn(&rusqlite::Connection) -> rusqlite::Result<()> + Send + Sync;

impl Sqlite {
    /// The database in that file. If the file is missing, the first use that may write creates it. A
    /// [`Connection`] creates it too if an [`on_connect`](Self::on_connect) closure may fill it. Reading
    /// alone does not change the journal mode.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { path: std::path::absolute(&path).unwrap_or(path).into(), prepare: None }
    }

    /// Runs `prepare` on every new connection: pragmas, attached functions, `CREATE TABLE IF NOT EXISTS`.
    #[must_use]
    pub fn on_connect(
        mut self,
        prepare: impl Fn(&rusqlite::Connection) -> rusqlite::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.prepare = Some(Arc::new(prepare));
        self
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a connection with WAL and `busy_timeout` 60 s, and runs the [`on_connect`](Self::on_connect)
    /// closure on it.
    ///
    /// # Errors
    /// If the file cannot be opened or is not a database.
    pub fn connect(&self) -> Result<rusqlite::Connection, rusqlite::Error> {
        let connection = rusqlite::Connection::open(&*self.path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        if let Some(prepare) = &self.prepare {
            prepare(&connection)?;
        }
        Ok(connection)
    }
}

impl Sqlite {
    /// Opens a connection for reading with `busy_timeout` 60 s. Statements that write are refused after the
    /// [`on_connect`](Self::on_connect) closure has run. The file must exist, and its journal mode does not
    /// change.
    pub(crate) fn connect_read_only(&self) -> Result<rusqlite::Connection, rusqlite::Error> {
        // Opened for writing where possible, because `on_connect` and the shared memory of a write-ahead log
        // need it. SQLite itself falls back to read-only.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(&*self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Detects a file that is not a database here rather than at the first statement.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        if let Some(prepare) = &self.prepare {
            prepare(&connection)?;
        }
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Driver for Sqlite {
    type Transaction<'c> = rusqlite::Transaction<'c>;
    type Connection = rusqlite::Connection;

    fn transaction<'c>(chunk: &ChunkTransaction<'c>) -> Option<&'c rusqlite::Transaction<'c>> {
        match chunk.kind {
            Kind::Sqlite { transaction, .. } => Some(transaction),
            Kind::None => None,
        }
    }

    fn connect_for_reading(&self) -> Result<rusqlite::Connection, Failure> {
        let connect = || {
            // `on_connect` may create the very tables that are read.
            if self.prepare.is_some() && !self.path.exists() {
                self.connect()?;
            }
            self.connect_read_only()
        };
        connect().map_err(|error| Failure::new(error).at(format!("database {}", self.path.display())))
    }

    fn into_handle(self) -> DatabaseHandle {
        DatabaseHandle::Sqlite(self)
    }

    fn from_handle(handle: &DatabaseHandle) -> Option<&Self> {
        let DatabaseHandle::Sqlite(sqlite) = handle;
        Some(sqlite)
    }
}

impl Database for Sqlite {
    type Driver = Self;
    const INFO: Option<&'static DatabaseInfo> = None;
}

/// The transaction in which a chunk or a tasklet is committed. It dereferences to the driver's own.
///
/// `Transaction<'_>` belongs to the repository's own database, `Transaction<'_, warehouse>` to that of the
/// `#[database]` function `warehouse`. The engine commits it, never the component: a component's `COMMIT` is
/// refused, and its `ROLLBACK` fails the step. Components may use savepoints freely.
pub struct Transaction<'c, D: Database = Sqlite> {
    inner: &'c <D::Driver as Driver>::Transaction<'c>,
    database: PhantomData<D>,
}

impl<'c, D: Database> Transaction<'c, D> {
    pub(crate) fn new(inner: &'c <D::Driver as Driver>::Transaction<'c>) -> Self {
        Self { inner, database: PhantomData }
    }
}

impl<'c, D: Database> Deref for Transaction<'c, D> {
    type Target = <D::Driver as Driver>::Transaction<'c>;

    fn deref(&self) -> &Self::Target {
        self.inner
    }
}

impl<D: Database> fmt::Debug for Transaction<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

/// A connection for reading, one for each step execution or worker. It dereferences to the driver's own.
///
/// It sees only committed rows, so not those of the chunk being written. Statements that write are refused:
/// ask for `&Transaction` in the writer.
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

/// The transaction of a chunk in any kind of database, as a [`Writer`](super::Writer) receives it.
#[derive(Clone, Copy)]
pub struct ChunkTransaction<'c> {
    kind: Kind<'c>,
}

#[derive(Clone, Copy)]
enum Kind<'c> {
    None,
    Sqlite {
        transaction: &'c rusqlite::Transaction<'c>,
        /// `None` in tests, where nothing else commits.
        watch: Option<&'c TransactionWatch>,
    },
}

impl<'c> ChunkTransaction<'c> {
    /// No transaction, for a step that runs without a repository.
    #[must_use]
    pub fn none() -> Self {
        Self { kind: Kind::None }
    }

    /// The transaction of a `SQLite` database.
    #[must_use]
    pub fn sqlite(transaction: &'c rusqlite::Transaction<'c>) -> Self {
        Self { kind: Kind::Sqlite { transaction, watch: None } }
    }

    /// The transaction of a connection that is watched.
    pub(crate) fn watched(transaction: &'c rusqlite::Transaction<'c>, watch: &'c TransactionWatch) -> Self {
        Self { kind: Kind::Sqlite { transaction, watch: Some(watch) } }
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

/// Rolls back inside a chunk. Without a transaction these methods do nothing.
impl ChunkTransaction<'_> {
    fn execute(self, statement: &str) -> Result<(), Failure> {
        match self.kind {
            Kind::None => Ok(()),
            Kind::Sqlite { transaction, .. } => transaction.execute_batch(statement).map_err(Failure::new),
        }
    }

    /// Returns whether the transaction is still open: a database may roll it back on its own.
    pub(crate) fn is_alive(self) -> bool {
        match self.kind {
            Kind::None => true,
            Kind::Sqlite { transaction, watch } => {
                !transaction.is_autocommit() && !watch.is_some_and(TransactionWatch::is_rolled_back)
            }
        }
    }

    /// The outcome of a component's work, considering what happened to the transaction meanwhile.
    pub(crate) fn after<T>(self, worked: Result<T, Failure>) -> Result<T, Failure> {
        match (worked, self.kind) {
            (Err(failure), Kind::Sqlite { watch: Some(watch), .. }) if watch.has_refused() => {
                Err(transaction_watch::refused(failure))
            }
            (Ok(_), _) if !self.is_alive() => Err(transaction_watch::ended()),
            (worked, _) => worked,
        }
    }

    /// Rolls it back and so releases all locks until it begins again.
    pub(crate) fn give_up(self) -> Result<(), Failure> {
        match self.kind {
            // A component may have begun this transaction.
            Kind::Sqlite { transaction, .. } if !transaction.is_autocommit() => self.execute("ROLLBACK"),
            _ => Ok(()),
        }
    }

    /// Begins it again.
    pub(crate) fn begin_again(self) -> Result<(), Failure> {
        self.execute("BEGIN IMMEDIATE")?;
        if let Kind::Sqlite { watch: Some(watch), .. } = self.kind {
            watch.began();
        }
        Ok(())
    }

    /// Begins a part that can be rolled back on its own.
    pub(crate) fn begin_part(self) -> Result<(), Failure> {
        self.execute("SAVEPOINT batch_part")
    }

    /// Keeps the part.
    pub(crate) fn keep_part(self) -> Result<(), Failure> {
        self.execute("RELEASE batch_part")
    }

    /// Rolls the part back.
    pub(crate) fn take_part_back(self) -> Result<(), Failure> {
        self.execute("ROLLBACK TO batch_part; RELEASE batch_part")
    }
}

impl fmt::Debug for ChunkTransaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::None => "ChunkTransaction::None",
            Kind::Sqlite { .. } => "ChunkTransaction::Sqlite",
        })
    }
}
