//! Receives: the databases that steps write to. Gives: [`Sqlite`], the typed [`Transaction`] and [`Connection`]
//! that components ask for, and the transaction of a chunk as writers are handed it.

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

    /// The chunk's transaction, where it is of this kind.
    fn transaction<'c>(chunk: &ChunkTransaction<'c>) -> Option<&'c Self::Transaction<'c>>;

    /// A new connection for reading: statements that write are refused.
    ///
    /// # Errors
    /// When the database cannot be opened.
    fn connect_for_reading(&self) -> Result<Self::Connection, Failure>;

    /// The handle as the engine takes it.
    fn into_handle(self) -> DatabaseHandle;

    /// The database, where the handle is of this kind.
    fn from_handle(handle: &DatabaseHandle) -> Option<&Self>;
}

/// A database of any kind.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DatabaseHandle {
    /// `SQLite`.
    Sqlite(Sqlite),
}

/// A database as a type: [`Sqlite`] stands for the repository's own, the marker of a `#[database]` function
/// for that one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a database",
    label = "not a database",
    note = "put `#[database]` on the function of this name, or leave it out: `Transaction<'_>` is the repository's own"
)]
pub trait Database: 'static {
    /// The kind.
    type Driver: Driver;
    /// The `#[database]` function; `None` for the repository's own database.
    const INFO: Option<&'static DatabaseInfo>;
}

/// A `#[database]` function.
#[derive(Debug)]
pub struct DatabaseInfo {
    /// The module and name: what tells two databases apart.
    pub id: &'static str,
    /// The function's name.
    pub name: &'static str,
    /// What its arguments ask for.
    pub needs: &'static [Need],
    /// Calls the function.
    pub open: fn(&Scope<'_>) -> Result<DatabaseHandle, Failure>,
}

/// A `SQLite` database file: what a `#[database]` function returns.
///
/// The rows of a step that asks for its transaction are committed there together with our guard and
/// checkpoint, so that file and progress cannot differ.
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
    /// The database of that file. Where it does not exist, the first use that may write creates it; so does a
    /// [`Connection`] that a component asks for if there is an [`on_connect`](Self::on_connect) that may fill it.
    /// Reading alone leaves its kind of journal as it is.
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

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new connection: WAL, `busy_timeout` 60 s, and what [`on_connect`](Self::on_connect) asks for.
    ///
    /// # Errors
    /// When the file cannot be opened or is no database.
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
    /// A connection for reading, with `busy_timeout` 60 s and what [`on_connect`](Self::on_connect) asks for: statements
    /// that write are refused behind that. The file must be there, and its journal stays of the kind that it is.
    pub(crate) fn connect_read_only(&self) -> Result<rusqlite::Connection, rusqlite::Error> {
        // Where the file may be written, for the sake of `on_connect` and of the shared memory of a write-ahead log;
        // where it may not, SQLite opens it read-only by itself.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(&*self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // A file that is no database is found out here and not at the first statement.
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
            // What is prepared on every connection may be the very tables that are read.
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

/// The transaction in which a chunk, or a tasklet, is committed: dereferences to the driver's own.
///
/// `Transaction<'_>` is that of the repository's own database, `Transaction<'_, warehouse>` that of the
/// `#[database]` function `warehouse`. It is committed by the engine, never by the component: a `COMMIT` of a component
/// is refused, and a `ROLLBACK` fails the step. Savepoints are the component's own.
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

/// A connection for reading, one a step execution (one a worker): dereferences to the driver's own.
///
/// It sees what is committed, so not the rows of the chunk that is being written. Statements that
/// write are refused: ask for `&Transaction` in the writer.
pub struct Connection<D: Database = Sqlite> {
    inner: <D::Driver as Driver>::Connection,
    database: D::Driver,
}

impl<D: Database> Connection<D> {
    pub(crate) fn open(database: &D::Driver) -> Result<Self, Failure> {
        Ok(Self { inner: database.connect_for_reading()?, database: database.clone() })
    }

    /// What it is connected to.
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

/// The transaction of a chunk, of whatever kind of database: what a [`Writer`](super::Writer) is handed.
#[derive(Clone, Copy)]
pub struct ChunkTransaction<'c> {
    kind: Kind<'c>,
}

#[derive(Clone, Copy)]
enum Kind<'c> {
    None,
    Sqlite {
        transaction: &'c rusqlite::Transaction<'c>,
        /// `None` where nobody commits but a test.
        watch: Option<&'c TransactionWatch>,
    },
}

impl<'c> ChunkTransaction<'c> {
    /// No transaction: a step that runs without a repository.
    #[must_use]
    pub fn none() -> Self {
        Self { kind: Kind::None }
    }

    /// The transaction of a `SQLite` database.
    #[must_use]
    pub fn sqlite(transaction: &'c rusqlite::Transaction<'c>) -> Self {
        Self { kind: Kind::Sqlite { transaction, watch: None } }
    }

    /// The same on a connection that is watched.
    pub(crate) fn watched(transaction: &'c rusqlite::Transaction<'c>, watch: &'c TransactionWatch) -> Self {
        Self { kind: Kind::Sqlite { transaction, watch: Some(watch) } }
    }

    /// The transaction as the type that a component asks for.
    ///
    /// # Errors
    /// When the chunk is not committed in a database of that kind.
    pub fn of<D: Database>(&self) -> Result<Transaction<'c, D>, Failure> {
        D::Driver::transaction(self).map(Transaction::new).ok_or_else(|| {
            Failure::new("there is no transaction: the step runs without a repository, or its repository is of another kind")
        })
    }
}

/// How the engine goes back inside a chunk. Without a transaction there is nothing to go back in, and all of it does nothing.
impl ChunkTransaction<'_> {
    fn execute(self, statement: &str) -> Result<(), Failure> {
        match self.kind {
            Kind::None => Ok(()),
            Kind::Sqlite { transaction, .. } => transaction.execute_batch(statement).map_err(Failure::new),
        }
    }

    /// Is the transaction still there? A database may roll all of it back by itself.
    pub(crate) fn is_alive(self) -> bool {
        match self.kind {
            Kind::None => true,
            Kind::Sqlite { transaction, watch } => {
                !transaction.is_autocommit() && !watch.is_some_and(TransactionWatch::is_rolled_back)
            }
        }
    }

    /// What came of a component's work, by what became of the transaction meanwhile.
    pub(crate) fn after<T>(self, worked: Result<T, Failure>) -> Result<T, Failure> {
        match (worked, self.kind) {
            (Err(failure), Kind::Sqlite { watch: Some(watch), .. }) if watch.has_refused() => {
                Err(transaction_watch::refused(failure))
            }
            (Ok(_), _) if !self.is_alive() => Err(transaction_watch::ended()),
            (worked, _) => worked,
        }
    }

    /// Rolls it back: nothing is locked until it begins again.
    pub(crate) fn give_up(self) -> Result<(), Failure> {
        match self.kind {
            // It may be one that a component has begun.
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

    /// Begins a part that can be taken back alone.
    pub(crate) fn begin_part(self) -> Result<(), Failure> {
        self.execute("SAVEPOINT batch_part")
    }

    /// Keeps the part.
    pub(crate) fn keep_part(self) -> Result<(), Failure> {
        self.execute("RELEASE batch_part")
    }

    /// Takes the part back.
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
