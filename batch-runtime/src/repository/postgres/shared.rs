//! The connections of a repository, and the transactions on them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::error::InnerError;
use super::lock_waits;
use super::options::Options;
use super::process::Process;
use crate::definition::{Durability, ExecutionId, StopSignal};
use crate::postgres::types::ToSql;
use crate::postgres::{Bound, Postgres, Row, Session, TransactionStatus, at_most_one, one};
use crate::repository::work_queue::WorkerId;

/// The wait between two attempts to reach a server that was lost.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// The maximum number of connections of ended steps that are kept for later steps.
const MAX_KEPT: usize = 8;
/// Removes everything that a component may have left on a connection: settings, cursors, locks and temporary tables.
const RESET_CONNECTION: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *;
    SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";
/// How often a transaction is repeated if the server asks for it.
const MAX_SERIALIZATION_FAILURES: u32 = 20;

/// The state shared by all handles of one repository.
pub(super) struct Shared {
    pub(super) database: Postgres,
    /// `BATCH_SCHEMA.REPOSITORY`.
    pub(super) uuid: String,
    pub(super) options: Options,
    pub(super) process: Process,
    pub(super) statements: Statements,
    idle: Mutex<Vec<Session>>,
    /// Connections of ended steps, for later ones: a step of a thousand partitions opens only a few.
    of_steps: Mutex<Vec<Session>>,
    /// Claims whose outcome is not known.
    pub(super) unsettled: Mutex<Vec<Unsettled>>,
    /// The queues in which workers found their last partitions: they may hold more.
    pub(super) found_in: Mutex<BTreeMap<WorkerId, String>>,
    /// The durabilities of the executions that this process runs.
    pub(super) durabilities: Mutex<BTreeMap<ExecutionId, Durability>>,
}

/// A claim that may have been committed.
pub(super) struct Unsettled {
    pub(super) worker: WorkerId,
    /// Its name in `BATCH_PARTITION.CLAIM`.
    pub(super) name: String,
    /// The queue in which the partition was offered.
    pub(super) queue: String,
}

/// The statements with the schema filled in, each made once.
pub(super) struct Statements {
    schema: String,
    made: Mutex<HashMap<&'static str, Arc<str>>>,
}

impl Statements {
    pub(super) fn in_schema(schema: &str) -> Self {
        Self { schema: schema.to_owned(), made: Mutex::default() }
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// The statement, with the schema in place of each `@`.
    pub(super) fn get(&self, statement: &'static str) -> Arc<str> {
        let make = || Arc::from(self.filled(statement));
        Arc::clone(guard(&self.made).entry(statement).or_insert_with(make))
    }

    /// As [`get`](Self::get), for a statement that is not kept.
    pub(super) fn filled(&self, statement: &str) -> String {
        let mut pieces = statement.split('@');
        let mut filled = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            // The name of a sequence is a string in the statement.
            if filled.ends_with('\'') {
                filled += &self.schema.replace('\'', "''");
            } else {
                filled += &self.schema;
            }
            filled.extend([".", piece]);
        }
        filled
    }
}

/// A value of a statement.
pub(super) type Value<'v> = &'v (dyn ToSql + Sync);

/// A session with the statements of a schema.
#[derive(Clone, Copy)]
pub(super) struct Tx<'s> {
    pub(super) session: &'s Session,
    pub(super) statements: &'s Statements,
}

impl Tx<'_> {
    pub(super) fn execute(&self, statement: &'static str, values: &[Value<'_>]) -> Result<u64, InnerError> {
        Ok(self.session.run_own(&self.statements.get(statement), values)?.1)
    }

    pub(super) fn query(&self, query: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, InnerError> {
        Ok(self.session.run_own(&self.statements.get(query), values)?.0)
    }

    pub(super) fn query_one(&self, query: &'static str, values: &[Value<'_>]) -> Result<Row, InnerError> {
        let query = self.statements.get(query);
        Ok(one(self.session.run_own(&query, values)?.0, &query)?)
    }

    pub(super) fn query_opt(
        &self,
        query: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<Row>, InnerError> {
        let query = self.statements.get(query);
        Ok(at_most_one(self.session.run_own(&query, values)?.0, &query)?)
    }

    /// Sends a statement whose answer is awaited with the next one.
    pub(super) fn send(&self, statement: &'static str, values: &[Value<'_>]) -> Result<(), InnerError> {
        Ok(self.session.send_own(&self.statements.get(statement), values)?)
    }
}

impl Shared {
    pub(super) fn new(
        database: Postgres,
        uuid: String,
        options: Options,
        statements: Statements,
        session: Session,
    ) -> Self {
        let process = Process::this(database.clone(), options.lease);
        session.bound_by(Bound::Of(process.lease()));
        Self {
            process,
            database,
            uuid,
            options,
            statements,
            idle: Mutex::new(vec![session]),
            of_steps: Mutex::default(),
            unsettled: Mutex::default(),
            found_in: Mutex::default(),
            durabilities: Mutex::default(),
        }
    }

    pub(super) fn place(&self) -> &str {
        self.database.place()
    }

    /// An idle connection, or a new one.
    pub(super) fn lend(&self) -> Result<Lent<'_>, InnerError> {
        loop {
            let Some(session) = guard(&self.idle).pop() else { break };
            if !session.is_closed() {
                return Ok(Lent { shared: self, session: Some(session) });
            }
        }
        Ok(Lent { shared: self, session: Some(self.connect()?) })
    }

    /// A connection on which another step has committed its chunks, if there is one.
    pub(super) fn kept(&self) -> Option<Session> {
        let mut kept = guard(&self.of_steps);
        kept.retain(|session| !session.is_closed());
        kept.pop()
    }

    /// Keeps the connection of a step that has ended for a later one, unless something is still in flight on it.
    pub(super) fn keep(&self, session: Session) {
        if is_at_rest(&session) && guard(&self.of_steps).len() < MAX_KEPT {
            session.set_watch(None);
            // Through a pooler, the name of the connection is a setting too, so the reset removes it.
            let name = self.process.application_name();
            if session.send_batch(&format!("{RESET_CONNECTION}; SET application_name = '{name}'")).is_ok() {
                guard(&self.of_steps).push(session);
            }
        }
    }

    /// A new connection under the name by which a takeover finds it.
    pub(super) fn connect(&self) -> Result<Session, InnerError> {
        let session = Session::connect(&self.database, &self.process.application_name())?;
        session.bound_by(self.bound());
        Ok(session)
    }

    /// The lease that bounds the waits for the server.
    pub(super) fn bound(&self) -> Bound {
        Bound::Of(self.process.lease())
    }

    pub(super) fn tx<'s>(&'s self, session: &'s Session) -> Tx<'s> {
        Tx { session, statements: &self.statements }
    }

    /// Reads in one snapshot. Writes nothing, and needs no right to write.
    pub(super) fn read<T>(&self, work: impl Fn(&Tx<'_>) -> Result<T, InnerError>) -> Result<T, InnerError> {
        let lent = self.lend()?;
        lent.begin("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
        let read = work(&self.tx(&lent));
        lent.rollback()?;
        read
    }

    /// Runs a query outside a transaction. While the server cannot be reached, tries again, for as long as the options
    /// say.
    pub(super) fn ask<T>(
        &self,
        question: impl Fn(&Tx<'_>) -> Result<T, InnerError>,
    ) -> Result<T, InnerError> {
        let until = Instant::now() + self.options.patience;
        loop {
            match self.ask_once(&question) {
                Err(error)
                    if error.is_transient() && Instant::now() < until && !error.is_final(&self.bound()) =>
                {
                    thread::sleep(RETRY_PAUSE);
                }
                answer => return answer,
            }
        }
    }

    /// Runs a query outside a transaction, once.
    pub(super) fn ask_once<T>(
        &self,
        question: impl Fn(&Tx<'_>) -> Result<T, InnerError>,
    ) -> Result<T, InnerError> {
        let lent = self.lend()?;
        question(&self.tx(&lent))
    }

    /// Runs `work` in a transaction that commits. Tries again if the server asks for it, and while the server cannot be
    /// reached, for as long as the options say. If the outcome of a commit is unknown, `done` looks it up before the next
    /// attempt.
    pub(super) fn transact<T>(
        &self,
        durability: Durability,
        stop: Option<&StopSignal>,
        work: impl Fn(&Tx<'_>) -> Result<T, InnerError>,
        done: impl Fn(&Tx<'_>) -> Result<Option<T>, InnerError>,
    ) -> Result<T, InnerError> {
        self.insist(stop, |unknown| self.attempt(durability, stop, unknown, &work, &done))
    }

    /// As [`transact`](Self::transact), in one round trip: `sends` waits for nothing, and the rows of `last` come back
    /// together with the answer to the commit. Each statement that must write a row therefore has to fail by itself if
    /// it finds none.
    pub(super) fn transact_at_once<T>(
        &self,
        durability: Durability,
        stop: Option<&StopSignal>,
        sends: impl Fn(&Tx<'_>) -> Result<(), InnerError>,
        last: (&'static str, &[Value<'_>]),
        read: impl Fn(&[Row]) -> Result<T, InnerError>,
        done: impl Fn(&Tx<'_>) -> Result<Option<T>, InnerError>,
    ) -> Result<T, InnerError> {
        self.insist(stop, |unknown| {
            let lent = self.lend()?;
            lent.watch(stop);
            lent.begin(settings(durability))?;
            let tx = self.tx(&lent);
            if unknown {
                let done = done(&tx).transpose();
                if let Some(done) = done {
                    lent.rollback()?;
                    return Ok(done?);
                }
            }
            if let Err(error) = sends(&tx) {
                lent.rollback()?;
                return Err(error.into());
            }
            match lent.commit_after_own(&self.statements.get(last.0), last.1) {
                Ok(rows) => Ok(read(&rows)?),
                Err(error) => Err(Attempt { unknown: error.is_unknown(), cause: error.into_error().into() }),
            }
        })
    }

    fn insist<T>(
        &self,
        stop: Option<&StopSignal>,
        attempt: impl Fn(bool) -> Result<T, Attempt>,
    ) -> Result<T, InnerError> {
        let until = Instant::now() + self.options.patience;
        let mut unknown = false;
        let mut repeated = 0;
        loop {
            let error = match attempt(unknown) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            unknown |= error.unknown;
            if !error.cause.is_transient() && !error.unknown {
                return Err(if error.cause.is_lock_timeout() {
                    lock_waits::explain(self, error.cause)
                } else {
                    error.cause
                });
            }
            repeated += 1;
            if matches!(&error.cause, InnerError::Database(error) if error.is_serialization()) {
                if repeated > MAX_SERIALIZATION_FAILURES {
                    return Err(error.cause);
                }
            } else if Instant::now() >= until
                || stop.is_some_and(StopSignal::is_raised)
                || error.cause.is_final(&self.bound())
            {
                return Err(error.cause);
            } else {
                thread::sleep(RETRY_PAUSE);
            }
        }
    }

    fn attempt<T>(
        &self,
        durability: Durability,
        stop: Option<&StopSignal>,
        unknown: bool,
        work: &impl Fn(&Tx<'_>) -> Result<T, InnerError>,
        done: &impl Fn(&Tx<'_>) -> Result<Option<T>, InnerError>,
    ) -> Result<T, Attempt> {
        let lent = self.lend()?;
        lent.watch(stop);
        lent.begin(settings(durability))?;
        let tx = self.tx(&lent);
        let worked = if unknown { done(&tx).transpose() } else { None };
        let is_done = worked.is_some();
        let worked = worked.unwrap_or_else(|| work(&tx));
        let value = match worked {
            Ok(value) if !is_done => value,
            ended => {
                lent.rollback()?;
                return Ok(ended?);
            }
        };
        match lent.commit() {
            Ok(()) => Ok(value),
            Err(error) => Err(Attempt { unknown: error.is_unknown(), cause: error.into_error().into() }),
        }
    }

    pub(super) fn durability_of(&self, execution: ExecutionId) -> Durability {
        guard(&self.durabilities).get(&execution).copied().unwrap_or_default()
    }
}

/// The settings of a transaction. A commit that need only survive the process does not wait for the server's disk.
fn settings(durability: Durability) -> &'static str {
    match durability {
        Durability::Machine => lock_waits::PATIENT,
        Durability::Process => concat!(lock_waits::patient!(), "; SET LOCAL synchronous_commit = off"),
    }
}

/// A failed attempt.
struct Attempt {
    cause: InnerError,
    /// It may have committed.
    unknown: bool,
}

impl<T: Into<InnerError>> From<T> for Attempt {
    fn from(cause: T) -> Self {
        Self { cause: cause.into(), unknown: false }
    }
}

/// A borrowed connection.
pub(super) struct Lent<'s> {
    shared: &'s Shared,
    session: Option<Session>,
}

impl Lent<'_> {
    /// Ends a wait when the job is to stop.
    fn watch(&self, stop: Option<&StopSignal>) {
        if let Some(stop) = stop.cloned() {
            self.set_watch(Some(Box::new(move || stop.is_raised())));
        }
    }
}

impl Deref for Lent<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session.as_ref().expect("only `drop` takes the session")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        session.set_watch(None);
        if is_at_rest(&session) {
            guard(&self.shared.idle).push(session);
        }
    }
}

/// Returns whether the connection has no transaction, and no answer is awaited on it.
fn is_at_rest(session: &Session) -> bool {
    session.is_settled() && session.status() == TransactionStatus::None && !session.is_closed()
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("place", &self.place()).finish_non_exhaustive()
    }
}

/// Locks a mutex, even a poisoned one: its value is only replaced as a whole, so it is still valid.
pub(super) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
