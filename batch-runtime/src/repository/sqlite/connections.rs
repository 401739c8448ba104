//! A pool of connections to the open file, so that a step does not pay for opening one.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::lock::{Locks, with_suffix};
use super::write_turns::{Queue, Turn};
use crate::definition::{Durability, ExecutionId, TransactionWatch, file_uri};
use crate::repository::{Clock, Intervals};

/// The interval at which a wait for a locked database checks whether it is still wanted.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// The shortest and the longest pause between two attempts to write while another process writes.
const PAUSES: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(2));
/// A pause is the wait so far, divided by this, so that a wait lasts little longer than it has to.
const PAUSE_DIVISOR: u32 = 8;

/// The time limits and intervals of a repository.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// The wait for a lock after which a chunk is rolled back, with all its work.
    pub(super) commit: Duration,
    /// The wait for a lock after which anything else fails.
    pub(super) other: Duration,
    /// The intervals at which commits in another database are followed.
    pub(super) intervals: Intervals,
}

/// The state shared by all handles of one repository.
pub(super) struct Shared {
    /// The file, with links resolved.
    pub(super) path: PathBuf,
    /// `BATCH_SCHEMA.REPOSITORY`.
    pub(super) uuid: String,
    pub(super) locks: Locks,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) waits: Waits,
    /// Whether the file is removed with the last handle.
    pub(super) temporary: bool,
    /// Whether the file was opened without write access, which works only while nobody writes to it.
    pub(super) at_rest: bool,
    pub(super) idle: Mutex<Vec<Session>>,
    /// The queue of the repository's file.
    pub(super) queue: Arc<Queue>,
    /// The durabilities of the executions that this process runs.
    pub(super) durabilities: Mutex<BTreeMap<ExecutionId, Durability>>,
}

/// A connection, with the current durability of its commits.
#[derive(Debug)]
pub(super) struct Session {
    connection: Connection,
    synchronous: &'static str,
    wait: Cell<Duration>,
    watch: TransactionWatch,
}

impl Session {
    /// Opens the file and sets up the connection.
    pub(super) fn open(path: &Path, flags: OpenFlags, wait: Duration) -> rusqlite::Result<Self> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(wait)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch("PRAGMA foreign_keys = ON")?;
        Self::watched(connection, wait)
    }

    /// Opens a file that this user may not write, while nobody else writes to it: `SQLite` then needs no lock and no
    /// `-shm`.
    pub(super) fn open_at_rest(path: &Path, wait: Duration) -> rusqlite::Result<Self> {
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let uri = format!("{}?immutable=1", file_uri(path));
        Self::adopt(Connection::open_with_flags(uri, flags)?, wait)
    }

    /// Wraps a connection that was opened elsewhere.
    pub(super) fn adopt(connection: Connection, wait: Duration) -> rusqlite::Result<Self> {
        connection.busy_timeout(wait)?;
        connection.set_prepared_statement_cache_capacity(64);
        Self::watched(connection, wait)
    }

    fn watched(mut connection: Connection, wait: Duration) -> rusqlite::Result<Self> {
        let watch = TransactionWatch::on(&mut connection)?;
        Ok(Self { connection, synchronous: "", wait: Cell::new(wait), watch })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn set_synchronous(&mut self, mode: &'static str) -> rusqlite::Result<()> {
        if self.synchronous != mode {
            self.connection.execute_batch(&format!("PRAGMA synchronous = {mode}"))?;
            self.synchronous = mode;
        }
        Ok(())
    }

    fn set_wait(&self, wait: Duration) -> rusqlite::Result<()> {
        if self.wait.get() != wait {
            self.connection.busy_timeout(wait)?;
            self.wait.set(wait);
        }
        Ok(())
    }

    /// Begins a write transaction, as soon as no other process writes.
    ///
    /// `SQLite` itself sleeps up to 100 ms between two attempts. Processes that write alternately, such as workers on
    /// one machine, would spend more time in these sleeps than in their chunks.
    fn begin_when_free(&self) -> rusqlite::Result<Transaction<'_>> {
        let wait = self.wait.get();
        self.connection.busy_timeout(Duration::ZERO)?;
        let mut busy_since = None;
        let begun = loop {
            let begun = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate);
            if !begun.as_ref().is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy))
            {
                break begun;
            }
            let waited = busy_since.get_or_insert_with(Instant::now).elapsed();
            let left = wait.saturating_sub(waited);
            if left.is_zero() {
                break begun;
            }
            let (shortest, longest) = PAUSES;
            thread::sleep((waited / PAUSE_DIVISOR).clamp(shortest, longest).min(left));
        };
        self.connection.busy_timeout(wait)?;
        begun
    }
}

/// The flags to open a file that need not exist.
pub(super) fn create() -> OpenFlags {
    existing() | OpenFlags::SQLITE_OPEN_CREATE
}

/// The flags to open a file that must exist.
pub(super) fn existing() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// `PRAGMA synchronous` for a durability, in WAL.
///
/// NORMAL omits the `fsync` of a commit: a crash of the machine may lose the last commits, but it keeps their
/// order and damages nothing.
pub(super) fn synchronous(durability: Durability) -> &'static str {
    match durability {
        Durability::Machine => "FULL",
        Durability::Process => "NORMAL",
    }
}

impl Shared {
    /// A connection for the writes of a running execution: it waits for a lock as long as the longest chunk of another
    /// execution can take.
    pub(super) fn lend_to(self: &Arc<Self>, execution: ExecutionId) -> rusqlite::Result<Lent> {
        self.lend_with(self.durability_of(execution), self.waits.commit)
    }

    /// As [`lend_to`](Self::lend_to), for data that need not survive a crash of the machine.
    pub(super) fn lend_fast(self: &Arc<Self>) -> rusqlite::Result<Lent> {
        self.lend_with(Durability::Process, self.waits.commit)
    }

    /// A connection for everything else.
    pub(super) fn lend(self: &Arc<Self>, durability: Durability) -> rusqlite::Result<Lent> {
        self.lend_with(durability, self.waits.other)
    }

    fn lend_with(self: &Arc<Self>, durability: Durability, wait: Duration) -> rusqlite::Result<Lent> {
        let idle = guard(&self.idle).pop();
        let mut session = match idle {
            Some(session) => session,
            None if self.at_rest => Session::open_at_rest(&self.path, wait)?,
            None => Session::open(&self.path, existing(), wait)?,
        };
        session.set_wait(wait)?;
        session.set_synchronous(self.synchronous(durability))?;
        Ok(Lent { owner: Some(Arc::clone(self)), session: Some(session), queue: Arc::clone(&self.queue) })
    }

    /// `PRAGMA synchronous` for the repository's own file.
    pub(super) fn synchronous(&self, durability: Durability) -> &'static str {
        if self.temporary { "OFF" } else { synchronous(durability) }
    }

    pub(super) fn durability_of(&self, execution: ExecutionId) -> Durability {
        guard(&self.durabilities).get(&execution).copied().unwrap_or_default()
    }

    pub(super) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.temporary {
            guard(&self.idle).clear();
            for suffix in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(with_suffix(&self.path, suffix));
            }
            self.locks.remove();
        }
    }
}

/// Locks a mutex, even a poisoned one: its value is only replaced as a whole, so it is still valid.
pub(super) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A borrowed connection.
#[derive(Debug)]
pub(super) struct Lent {
    owner: Option<Arc<Shared>>,
    session: Option<Session>,
    queue: Arc<Queue>,
}

impl Lent {
    /// A connection that nobody else uses and that is closed in the end, with the queue of its file.
    pub(super) fn own(session: Session, queue: Arc<Queue>) -> Self {
        Self { owner: None, session: Some(session), queue }
    }

    /// Runs an operation that may wait for a lock, for at most the wait of the connection, and checks now and
    /// then whether it is still wanted; returns `None` if it is not.
    pub(super) fn patiently<T, E: From<rusqlite::Error>>(
        &self,
        attempt: impl Fn() -> rusqlite::Result<T>,
        wanted: impl Fn() -> Result<bool, E>,
    ) -> Result<Option<T>, E> {
        let session = self.session();
        let wait = session.wait.get();
        session.set_wait(wait.min(CHECK_INTERVAL))?;
        let began = Instant::now();
        let done = loop {
            match attempt() {
                Err(error)
                    if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                        && began.elapsed() < wait =>
                {
                    match wanted() {
                        Ok(true) => {}
                        Ok(false) => break Ok(None),
                        Err(error) => break Err(error),
                    }
                }
                done => break done.map(Some).map_err(E::from),
            }
        };
        session.set_wait(wait)?;
        done
    }

    /// The watch over the transactions of components.
    pub(super) fn watch(&self) -> &TransactionWatch {
        &self.session().watch
    }

    /// Takes the turn to write, for a statement that is its own transaction.
    pub(super) fn turn(&self) -> Turn<'_> {
        self.queue.turn(self.session().wait.get())
    }

    /// Takes the turn and begins a write transaction.
    pub(super) fn begin(&self) -> rusqlite::Result<Writing<'_>> {
        let turn = self.turn();
        let transaction = self.session().begin_when_free()?;
        Ok(Writing { transaction, turn })
    }

    fn session(&self) -> &Session {
        self.session.as_ref().expect("only `drop` takes the session")
    }
}

impl Deref for Lent {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.session().connection()
    }
}

/// A write transaction, rolled back unless it is committed. The turn ends after it.
#[derive(Debug)]
pub(super) struct Writing<'l> {
    transaction: Transaction<'l>,
    turn: Turn<'l>,
}

impl Writing<'_> {
    pub(super) fn commit(self) -> rusqlite::Result<()> {
        let Self { transaction, turn } = self;
        let committed = transaction.commit();
        drop(turn);
        committed
    }
}

impl<'l> Deref for Writing<'l> {
    type Target = Transaction<'l>;

    fn deref(&self) -> &Transaction<'l> {
        &self.transaction
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(owner), Some(session)) = (&self.owner, self.session.take())
            && session.connection.is_autocommit()
        {
            guard(&owner.idle).push(session);
        }
    }
}
