//! [`Sqlite`]: a database file that holds the rows of a step.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::OpenFlags;

use super::Failure;
use super::chunk_transaction::ChunkTransaction;
use super::database::{Database, DatabaseHandle, DatabaseInfo, DatabaseKind, Driver};

const BUSY_TIMEOUT: Duration = Duration::from_mins(1);

/// A `SQLite` database file, returned by a `#[database]` function.
///
/// If a step asks for a transaction of this database, the rows of the step are committed here together with the fence
/// and the checkpoint, so that the data and the recorded progress cannot differ.
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
    /// [`Connection`](super::Connection) creates it too if an [`on_connect`](Self::on_connect) closure may fill it.
    /// Reading alone does not change the journal mode.
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
    const KIND: DatabaseKind = DatabaseKind::SQLITE;
    type Transaction<'c> = rusqlite::Transaction<'c>;
    type Borrowed<'c> = &'c rusqlite::Transaction<'c>;
    type Connection = rusqlite::Connection;

    fn transaction<'c>(chunk: &ChunkTransaction<'c>) -> Option<&'c rusqlite::Transaction<'c>> {
        chunk.as_sqlite()
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
        DatabaseHandle::new(self)
    }

    fn from_handle(handle: &DatabaseHandle) -> Option<Self> {
        handle.downcast_ref::<Self>().cloned()
    }
}

impl Database for Sqlite {
    type Driver = Self;
    const INFO: Option<&'static DatabaseInfo> = None;
}
