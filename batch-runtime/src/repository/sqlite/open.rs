//! Opens the repository in a file and updates its schema, or explains why it cannot.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{ErrorCode, OpenFlags};

use super::SqliteRepository;
use super::connections::{Session, Shared, Waits, create, existing};
use super::error::{InnerError, unusable};
use super::filesystem;
use super::lock::{Locks, with_suffix};
use super::{schema, write_turns};
use crate::repository::{Clock, Intervals, RepositoryError, SystemClock};

/// The options for opening a repository.
///
/// ```
/// use std::time::Duration;
/// use batch_runtime::repository::sqlite::SqliteOptions;
///
/// let path = std::env::temp_dir().join(format!("doc-options-{}.db", std::process::id()));
/// let repository = SqliteOptions::new().wait(Duration::from_secs(1)).open(&path)?;
/// # drop(repository);
/// # for suffix in ["", "-wal", "-shm", ".lock"] {
/// #     let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
/// # }
/// # Ok::<(), batch_runtime::repository::RepositoryError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    clock: Arc<dyn Clock>,
    pub(super) waits: Waits,
    /// `None` for the implementation that suits the system.
    pub(super) locks: Option<fn(&Path) -> Locks>,
    temporary: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            waits: Waits {
                commit: Duration::from_mins(1),
                other: Duration::from_secs(5),
                intervals: Intervals::default(),
            },
            locks: None,
            temporary: false,
        }
    }
}

impl SqliteOptions {
    /// Uses the system's clock. Waits for a locked database for up to 60 s in the commit of a chunk, and 5 s
    /// in a launch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the wait for a locked database, for every operation.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        (self.waits.commit, self.waits.other) = (wait, wait);
        self
    }

    /// Sets the interval at which the commits of a step in another database are copied into the repository
    /// (default: once a second), and the interval at which requested stops are checked (default: ten times a
    /// second).
    #[must_use]
    pub fn intervals(mut self, mirror: Duration, poll: Duration) -> Self {
        self.waits.intervals = Intervals { mirror, poll };
        self
    }

    /// Opens the repository in that file, and creates the file if it does not exist.
    ///
    /// # Errors
    /// [`RepositoryError::Unusable`], with what to do.
    pub fn open(self, path: impl AsRef<Path>) -> Result<SqliteRepository, RepositoryError> {
        let path = absolute(path.as_ref())?;
        filesystem::check(&path)?;
        self.connect(&path, create())
    }

    /// Opens the repository in that file, which must exist.
    ///
    /// # Errors
    /// [`RepositoryError::Unusable`], with what to do.
    pub fn open_existing(self, path: impl AsRef<Path>) -> Result<SqliteRepository, RepositoryError> {
        let path = absolute(path.as_ref())?;
        if !path.exists() {
            return Err(unusable(&path, "does not exist: `run` creates it"));
        }
        filesystem::check(&path)?;
        self.connect(&path, existing())
    }

    pub(super) fn temporary(mut self) -> Result<SqliteRepository, RepositoryError> {
        self.temporary = true;
        let name = format!("batch-{}.db", uuid::Uuid::new_v4());
        self.open(std::env::temp_dir().join(name))
    }

    fn connect(self, path: &Path, flags: OpenFlags) -> Result<SqliteRepository, RepositoryError> {
        let creates = flags.contains(OpenFlags::SQLITE_OPEN_CREATE);
        let opened = Session::open(path, flags, self.waits.other)
            .map_err(InnerError::Sqlite)
            .and_then(|session| self.prepared(session, path, creates));
        let (opened, at_rest) = match opened {
            Err(InnerError::Sqlite(error)) if !creates && may_not_write(&error) && is_at_rest(path) => {
                let session = Session::open_at_rest(path, self.waits.other).map_err(InnerError::Sqlite);
                (session.and_then(|session| self.prepared(session, path, false)), true)
            }
            opened => (opened, false),
        };
        let (session, uuid) = opened.map_err(|error| error.at(path))?;
        // Resolves links, so that all names of the file share their locks.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let locks = self.locks.map_or_else(|| Locks::beside(&path), |locks| locks(&path));
        Ok(SqliteRepository {
            shared: Arc::new(Shared {
                queue: write_turns::of(&path),
                path,
                uuid,
                locks,
                clock: self.clock,
                waits: self.waits,
                temporary: self.temporary,
                at_rest,
                idle: Mutex::new(vec![session]),
                durabilities: Mutex::default(),
            }),
        })
    }

    /// Updates the schema and reads the repository's ID.
    fn prepared(
        &self,
        mut session: Session,
        path: &Path,
        creates: bool,
    ) -> Result<(Session, String), InnerError> {
        if creates && session.connection().is_readonly("main")? {
            let what = "is read-only: make the file and its folder writable, or name another";
            return Err(unusable(path, what).into());
        }
        if self.temporary {
            session.set_synchronous("OFF")?;
        }
        let uuid = schema::prepare(session.connection(), path, creates, self.waits.other)?;
        Ok((session, uuid))
    }
}

/// In WAL mode `SQLite` writes to the folder even for reads.
fn may_not_write(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

/// Returns whether the file itself holds everything. Data of current writers, or of one that died, is in the
/// `-wal`.
fn is_at_rest(path: &Path) -> bool {
    with_suffix(path, "-wal").metadata().map_or(true, |wal| wal.len() == 0)
}

fn absolute(path: &Path) -> Result<PathBuf, RepositoryError> {
    std::path::absolute(path).map_err(|error| unusable(path, format!("is not a valid path: {error}")))
}
