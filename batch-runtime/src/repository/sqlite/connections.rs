//! Receives: the open file. Gives: connections to it, lent and given back, so that a step does not pay for opening one.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::elsewhere::Elsewhere;
use super::lock::{Locks, with_suffix};
use super::queue::{Queue, Queues, Turn};
use crate::definition::{Durability, ExecutionId, StepExecutionId, TransactionWatch, file_uri};
use crate::repository::Clock;

/// Between two looks whether a locked database is still to be waited for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How long a locked database is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// Before a chunk is given up, and with it the work in it.
    pub(super) commit: Duration,
    /// Before anything else is given up.
    pub(super) other: Duration,
    /// Between two copies of what is committed in another database.
    pub(super) mirror: Duration,
    /// Between two looks whether a stop was requested.
    pub(super) poll: Duration,
}

/// What all handles of one repository share.
pub(super) struct Shared {
    /// The file, links resolved.
    pub(super) path: PathBuf,
    /// `BATCH_SCHEMA.REPOSITORY`.
    pub(super) uuid: String,
    pub(super) locks: Locks,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) waits: Waits,
    /// Removed with the last handle.
    pub(super) temporary: bool,
    /// Opened to look only, without the right to write, while nobody writes.
    pub(super) at_rest: bool,
    pub(super) idle: Mutex<Vec<Session>>,
    /// In which this process writes, the file itself and others.
    pub(super) queues: Queues,
    /// That of the file itself.
    pub(super) queue: Arc<Queue>,
    /// Of the executions that this process runs.
    pub(super) durabilities: Mutex<BTreeMap<ExecutionId, Durability>>,
    /// The running steps whose chunks are committed in another database.
    pub(super) elsewhere: Mutex<BTreeMap<StepExecutionId, Elsewhere>>,
}

/// A connection, and what its commits survive at the moment.
#[derive(Debug)]
pub(super) struct Session {
    connection: Connection,
    synchronous: &'static str,
    wait: Cell<Duration>,
    watch: TransactionWatch,
}

impl Session {
    /// Opens the file; what has to be so for every connection is so afterwards.
    pub(super) fn open(path: &Path, flags: OpenFlags, wait: Duration) -> rusqlite::Result<Self> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(wait)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch("PRAGMA foreign_keys = ON")?;
        Self::watched(connection, wait)
    }

    /// Opens a file that this user may not write to, and that nobody writes to: `SQLite` needs no lock and no `-shm` then.
    pub(super) fn open_at_rest(path: &Path, wait: Duration) -> rusqlite::Result<Self> {
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let uri = format!("{}?immutable=1", file_uri(path));
        Self::adopt(Connection::open_with_flags(uri, flags)?, wait)
    }

    /// A connection that was opened by somebody else.
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
}

/// What to open a file with that need not exist.
pub(super) fn create() -> OpenFlags {
    existing() | OpenFlags::SQLITE_OPEN_CREATE
}

/// What to open a file with that has to exist.
pub(super) fn existing() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// `PRAGMA synchronous` for a durability, in WAL.
///
/// NORMAL leaves out the `fsync` of a commit: the death of the machine may take the last commits, but not the order of
/// them, and it damages nothing.
pub(super) fn synchronous(durability: Durability) -> &'static str {
    match durability {
        Durability::Machine => "FULL",
        Durability::Process => "NORMAL",
    }
}

impl Shared {
    /// A connection for what a running execution writes: it waits as long as the longest chunk of another may take.
    pub(super) fn lend_to(self: &Arc<Self>, execution: ExecutionId) -> rusqlite::Result<Lent> {
        self.lend_with(self.durability_of(execution), self.waits.commit)
    }

    /// The same for what may be lost with the machine.
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

/// A poisoned mutex here protects values that are replaced whole: they are as good as before.
pub(super) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection on loan.
#[derive(Debug)]
pub(super) struct Lent {
    owner: Option<Arc<Shared>>,
    session: Option<Session>,
    queue: Arc<Queue>,
}

impl Lent {
    /// A connection that belongs to nobody else and is closed in the end; the queue is that of its file.
    pub(super) fn own(session: Session, queue: Arc<Queue>) -> Self {
        Self { owner: None, session: Some(session), queue }
    }

    /// Does what may have to wait for a lock as long as the connection waits, and asks now and then whether that is still
    /// wanted; `None` where it is not.
    pub(super) fn patiently<T, E: From<rusqlite::Error>>(
        &self,
        attempt: impl Fn() -> rusqlite::Result<T>,
        wanted: impl Fn() -> Result<bool, E>,
    ) -> Result<Option<T>, E> {
        let session = self.session();
        let wait = session.wait.get();
        session.set_wait(wait.min(BETWEEN_LOOKS))?;
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

    /// What watches over the transactions of components.
    pub(super) fn watch(&self) -> &TransactionWatch {
        &self.session().watch
    }

    /// The turn to write, for a statement that is a transaction of its own.
    pub(super) fn turn(&self) -> Turn<'_> {
        self.queue.turn(self.session().wait.get())
    }

    /// Begins a transaction that writes, in turn.
    pub(super) fn begin(&self) -> rusqlite::Result<Writing<'_>> {
        let turn = self.turn();
        let transaction = Transaction::new_unchecked(self, TransactionBehavior::Immediate)?;
        Ok(Writing { transaction, turn })
    }

    fn session(&self) -> &Session {
        self.session.as_ref().expect("there until the loan ends")
    }
}

impl Deref for Lent {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.session().connection()
    }
}

/// A transaction that writes, rolled back unless it is committed. The turn ends behind it.
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
