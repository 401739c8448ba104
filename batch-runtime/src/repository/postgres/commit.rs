//! Commits each chunk in one transaction on the server. The transaction consists of what the writer sent, the additions
//! of the engine, a guard that fails if it finds no row, and `COMMIT`. It takes one round trip if no answer in between
//! had to be awaited.

use std::mem;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{InnerError, unusable};
use super::shared::{Shared, Statements, Tx, guard};
use crate::definition::{ChunkTransaction, Durability, Failure, Phase};
use crate::postgres::{Bound, CommitError, PgError, Postgres, Row, Session, Transaction};
use crate::repository::{AheadWork, ChunkError, ChunkRecord, ChunkWork, LockWait, RepositoryError};

const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Checks whether the job is to stop while a statement is awaited. Clones share the time of the next check.
#[derive(Clone)]
pub(super) struct StopPoll {
    wanted: LockWait,
    interval: Duration,
    next: Arc<Mutex<Instant>>,
}

impl StopPoll {
    /// Asks the repository at most once in that interval.
    pub(super) fn every(interval: Duration, wanted: LockWait) -> Self {
        Self { wanted, interval, next: Arc::new(Mutex::new(Instant::now())) }
    }

    fn is_stopping(&self) -> bool {
        if self.wanted.is_stop_raised() {
            return true;
        }
        let mut next = guard(&self.next);
        if Instant::now() < *next {
            return false;
        }
        let is_stopping = !self.wanted.should_continue().unwrap_or(true);
        *next = Instant::now() + self.interval;
        is_stopping
    }

    pub(super) fn watch(&self) -> Box<dyn Fn() -> bool + Send> {
        let stop_poll = self.clone();
        Box::new(move || stop_poll.is_stopping())
    }
}

/// The connection on which a step execution commits its chunks. It is opened again if it is lost.
pub(super) struct ChunkConnection {
    database: Postgres,
    pub(super) statements: Statements,
    name: String,
    durable: bool,
    patience: Duration,
    bound: Bound,
    stop_poll: StopPoll,
    /// Where connections of ended steps are kept, if the database is the repository's.
    kept: Option<Arc<Shared>>,
    transaction: Option<Transaction>,
    /// The number of transactions so far.
    chunks: u64,
    /// Distinguishes the current transaction from all others.
    token: String,
    /// Whether the current transaction was begun while the previous commit was in flight.
    is_ahead: bool,
}

/// What became of a chunk, according to the row that the guard writes.
pub(super) enum Found {
    /// The chunk is committed, and the row has this version now.
    Committed(i64),
    /// The chunk is not committed and can no longer be; the row has this version now.
    NotCommitted(i64),
    /// The row has another owner.
    Fenced,
    /// The row is older than a commit that the server had confirmed.
    Forgotten,
}

/// The row of a step that a guard writes.
pub(super) trait Guarded {
    /// Adds what is committed with the chunk, except for the guard itself.
    fn add(&self, tx: &Tx<'_>, record: &ChunkRecord) -> Result<(), InnerError>;

    /// The number of items that all partitions of a step have skipped. Nobody else can add to it until the end of the
    /// transaction.
    fn skipped_so_far(&self, tx: &Tx<'_>, step: &str) -> Result<u64, InnerError>;

    /// Sends the guard and `COMMIT`, without waiting for the answers.
    fn send_guard(
        &self,
        session: &Session,
        statements: &Statements,
        record: &ChunkRecord,
        token: &str,
    ) -> Result<(), CommitError>;

    /// Finds out whether the chunk is committed, and if not, makes sure that it never will be.
    fn look(&self, tx: &Tx<'_>) -> Result<Found, InnerError>;

    /// Notes the version that the row has now.
    fn moved(&mut self, version: i64);

    /// Notes that the chunk is committed, which raised the version by one.
    fn committed(&mut self, record: &ChunkRecord);

    fn fenced(&self) -> RepositoryError;
}

/// Rolls back after a panic of a component, so that nothing of the chunk is committed with the next one.
struct RollbackOnPanic<'s>(&'s Session);

impl Drop for RollbackOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // Without a connection the server rolls back.
            let _ = self.0.rollback();
        }
    }
}

impl ChunkConnection {
    pub(super) fn new(
        database: Postgres,
        statements: Statements,
        name: String,
        durability: Durability,
        patience: Duration,
        (bound, stop_poll): (Bound, StopPoll),
    ) -> Self {
        let durable = durability == Durability::Machine;
        Self {
            database,
            statements,
            name,
            durable,
            patience,
            bound,
            stop_poll,
            kept: None,
            transaction: None,
            chunks: 0,
            token: String::new(),
            is_ahead: false,
        }
    }

    /// Uses the connection of a step that has ended, if there is one, and leaves its own connection for a later step.
    pub(super) fn keeping(mut self, shared: &Arc<Shared>) -> Self {
        self.kept = Some(Arc::clone(shared));
        self
    }

    fn at(&self, error: InnerError) -> ChunkError {
        match error.at(self.database.place()) {
            RepositoryError::Stopped => ChunkError::Stopped,
            error => ChunkError::Repository(error),
        }
    }

    /// Runs the transaction of one chunk. Returns the guard's row; `None` if the chunk is committed, but the row was
    /// lost.
    pub(super) fn commit(
        &mut self,
        row: &mut impl Guarded,
        record: &mut ChunkRecord,
        work: &mut ChunkWork<'_>,
    ) -> Result<Option<Row>, ChunkError> {
        // Rows that were written ahead belong to a chunk that is sent.
        if mem::take(&mut self.is_ahead) {
            self.roll_back();
        }
        self.send(row, record, work)?;
        self.outcome(row, record)
    }

    /// Begins the transaction of the next chunk while the commit of the previous one is in flight, and calls `write`.
    /// Returns false if the connection is lost: then [`outcome`](Self::outcome) decides about the previous chunk, and
    /// the next one has no transaction.
    pub(super) fn write_ahead(&mut self, write: &mut AheadWork<'_>) -> bool {
        let Some(transaction) = &self.transaction else { return false };
        self.chunks += 1;
        self.token = format!("{} {}", self.name, self.chunks);
        self.is_ahead = transaction.begin(&self.token, self.durable).is_ok();
        if self.is_ahead {
            let _panicking = RollbackOnPanic(transaction.session());
            write(&ChunkTransaction::other(transaction));
        }
        self.is_ahead
    }

    /// Whether the transaction that was begun ahead is still open. The next [`send`](Self::send) then continues in it.
    pub(super) fn is_ahead(&self) -> bool {
        self.is_ahead
    }

    fn begin(&mut self, row: &mut impl Guarded) -> Result<(), ChunkError> {
        self.connect().map_err(|error| self.at(error))?;
        self.chunks += 1;
        self.token = format!("{} {}", self.name, self.chunks);
        let transaction = self.transaction.as_ref().expect("connected above");
        transaction.begin(&self.token, self.durable).map_err(|error| self.again(row, error))
    }

    /// Runs the transaction of one chunk up to `COMMIT`, and does not wait for its outcome. The transaction may have been
    /// begun ahead.
    pub(super) fn send(
        &mut self,
        row: &mut impl Guarded,
        record: &mut ChunkRecord,
        work: &mut ChunkWork<'_>,
    ) -> Result<(), ChunkError> {
        if !mem::take(&mut self.is_ahead) {
            self.begin(row)?;
        }
        let transaction = self.transaction.as_ref().expect("the transaction is begun");
        let chunk = ChunkTransaction::other(transaction);
        let panicking = RollbackOnPanic(transaction.session());
        let worked = work(&chunk, record);
        drop(panicking);
        if let Err(failure) = chunk.after(worked) {
            return Err(self.failed(row, failure));
        }
        let tx = Tx { session: transaction.session(), statements: &self.statements };
        if let Some(room) = &record.skip_room {
            match row.skipped_so_far(&tx, &room.step) {
                Ok(so_far) if so_far < room.below => {}
                Ok(so_far) => {
                    self.roll_back();
                    return Err(ChunkError::SkipLimit { so_far });
                }
                Err(error) => return Err(self.chunk_error(row, error)),
            }
        }
        if let Err(error) = row.add(&tx, record) {
            return Err(self.chunk_error(row, error));
        }
        let sent = row.send_guard(transaction.session(), &self.statements, record, &self.token);
        sent.map_err(|error| self.refused(row, error.into_error()))
    }

    /// Waits for the outcome of the commit that was sent last, with this record. If the chunk is not committed, the
    /// transaction that was begun ahead is rolled back, and so it is if the connection was lost.
    pub(super) fn outcome(
        &mut self,
        row: &mut impl Guarded,
        record: &ChunkRecord,
    ) -> Result<Option<Row>, ChunkError> {
        let transaction = self.transaction.as_ref().expect("a commit was sent");
        let error = match transaction.session().outcome() {
            Ok(mut rows) => {
                row.committed(record);
                return Ok(rows.pop());
            }
            Err(error) => error,
        };
        self.is_ahead = false;
        match error {
            error if error.is_unknown() => match self.look(row)? {
                Found::Committed(version) => {
                    row.committed(record);
                    row.moved(version);
                    Ok(None)
                }
                Found::NotCommitted(version) => {
                    row.moved(version);
                    Err(ChunkError::Again(Failure::new(error.into_error())))
                }
                Found::Fenced => Err(row.fenced().into()),
                Found::Forgotten => Err(self.forgotten().into()),
            },
            error => Err(self.refused(row, error.into_error())),
        }
    }

    /// The guard or something before it failed, so nothing is committed.
    fn refused(&mut self, row: &mut impl Guarded, error: PgError) -> ChunkError {
        match error.code() {
            // The guard found no row: it divides by the number of rows that it wrote.
            Some("22012") if error.to_string().contains("in `WITH guard AS (UPDATE ") => match self.look(row)
            {
                Ok(Found::Fenced | Found::Committed(_)) => row.fenced().into(),
                Ok(Found::Forgotten) => self.forgotten().into(),
                Ok(Found::NotCommitted(version)) => {
                    row.moved(version);
                    RepositoryError::TransactionEnded.into()
                }
                Err(error) => error,
            },
            _ => self.chunk_error(row, InnerError::Database(error)),
        }
    }

    /// A component failed. If the database is the reason, the same chunk may succeed at the next attempt.
    fn failed(&mut self, row: &mut impl Guarded, failure: Failure) -> ChunkError {
        let is_transient =
            failure.find::<PgError>().map(|error| error.is_connection() || error.is_serialization());
        let is_cut = self.transaction.as_ref().is_none_or(|transaction| transaction.session().is_closed());
        if failure.find::<PgError>().is_some_and(PgError::is_stopped) {
            self.transaction = None;
            return ChunkError::Stopped;
        }
        if is_cut || is_transient == Some(true) {
            return self.lost(row, failure);
        }
        self.roll_back();
        ChunkError::Work(failure)
    }

    fn chunk_error(&mut self, row: &mut impl Guarded, error: InnerError) -> ChunkError {
        match error {
            InnerError::Database(error) if error.is_connection() || error.is_serialization() => {
                self.again(row, error)
            }
            // The rows are at fault: they broke a deferred constraint, or a statement failed that the writer had sent
            // without waiting for its answer.
            InnerError::Database(error) if error.code().is_some_and(|code| code.starts_with("23")) => {
                self.roll_back();
                ChunkError::Refused(Failure::new(error).during(Phase::Write))
            }
            // Another statement failed that the writer had sent without waiting for its answer.
            InnerError::Database(error) if !error.is_stopped() => {
                let failure = Failure::new(error).during(Phase::Write);
                self.failed(row, failure)
            }
            error => {
                self.roll_back();
                self.at(error)
            }
        }
    }

    fn again(&mut self, row: &mut impl Guarded, error: PgError) -> ChunkError {
        self.lost(row, Failure::new(error).during(Phase::Write))
    }

    /// The chunk was not committed, because of the database: makes sure that the database is reachable again.
    fn lost(&mut self, row: &mut impl Guarded, failure: Failure) -> ChunkError {
        if self.roll_back() {
            return ChunkError::Again(failure);
        }
        match self.look(row) {
            Ok(Found::NotCommitted(version)) => {
                row.moved(version);
                ChunkError::Again(failure)
            }
            Ok(Found::Committed(_) | Found::Fenced) => row.fenced().into(),
            Ok(Found::Forgotten) => self.forgotten().into(),
            Err(error) => error,
        }
    }

    fn forgotten(&self) -> RepositoryError {
        unusable(
            self.database.place(),
            "the server has lost commits that it had confirmed, as a crash can if commits need not reach the disk: start the job again, and it continues after the last commit that is left",
        )
    }

    /// Rolls back on the connection. Forgets the connection and returns false if that is not possible: then the server
    /// rolls back, sooner or later.
    fn roll_back(&mut self) -> bool {
        let rolled_back =
            self.transaction.as_ref().is_some_and(|transaction| transaction.session().rollback().is_ok());
        if !rolled_back {
            self.transaction = None;
        }
        rolled_back
    }

    /// Looks at the row on a new connection, and tries again while the server is unreachable.
    fn look(&mut self, row: &impl Guarded) -> Result<Found, ChunkError> {
        let until = Instant::now() + self.patience;
        loop {
            if self.transaction.as_ref().is_some_and(|transaction| transaction.session().is_closed()) {
                self.transaction = None;
            }
            let looked = self.connect().and_then(|()| {
                let transaction = self.transaction.as_ref().expect("connected above");
                let session = transaction.session();
                if !session.is_settled() || session.status() != crate::postgres::TransactionStatus::None {
                    session.rollback()?;
                }
                row.look(&Tx { session, statements: &self.statements })
            });
            match looked {
                Err(error)
                    if error.is_transient()
                        && !error.is_final(&self.bound)
                        && Instant::now() < until
                        && !self.stop_poll.is_stopping() =>
                {
                    self.transaction = None;
                    thread::sleep(RETRY_PAUSE);
                }
                looked => return looked.map_err(|error| self.at(error)),
            }
        }
    }

    /// Connects unless there is a connection; tries again while the server is unreachable.
    fn connect(&mut self) -> Result<(), InnerError> {
        let until = Instant::now() + self.patience;
        if self.transaction.as_ref().is_some_and(|transaction| !transaction.session().is_closed()) {
            return Ok(());
        }
        loop {
            let kept = self.kept.as_ref().and_then(|shared| shared.kept());
            let connected = kept.map_or_else(|| Session::connect(&self.database, &self.name), Ok);
            match connected.map_err(InnerError::from) {
                Ok(session) => {
                    session.set_watch(Some(self.stop_poll.watch()));
                    session.bound_by(self.bound.clone());
                    self.transaction = Some(Transaction::on(session));
                    return Ok(());
                }
                Err(error)
                    if error.is_transient()
                        && !error.is_final(&self.bound)
                        && Instant::now() < until
                        && !self.stop_poll.is_stopping() =>
                {
                    thread::sleep(RETRY_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for ChunkConnection {
    fn drop(&mut self) {
        if let (Some(shared), Some(transaction)) = (&self.kept, self.transaction.take()) {
            shared.keep(transaction.into_session());
        }
    }
}
