//! [`Session`]: one connection, used by one thread at a time, without `async`.

use std::cell::RefCell;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{TryStreamExt as _, future};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, RowStream, Statement};

use super::answers::TransactionStatus;
use super::url::Settings;
use super::waiting::{Answer, Answered, Inner, UnderWay};
use super::wire::{Address, Wire};
use super::{CommitError, PgError, Postgres, values};

/// The time to reach a server, unless the URL says `connect_timeout`.
const CONNECT: Duration = Duration::from_secs(10);
/// The most statements that are kept prepared.
const STATEMENTS: usize = 256;
/// The bytes of parameters after which the driver gets a turn to send them.
const SENT_AT_ONCE: usize = 16 * 1024;
/// The bytes of a statement beside its parameters.
const STATEMENT: usize = 64;
/// The statements after which `send` waits for the first half of their answers, so that memory stays bounded.
const MOST_UNDER_WAY: usize = 4096;

/// A connection to a `PostgreSQL` database, used without `async`.
///
/// Every method that returns something of the database waits for the answer on the calling thread. [`send`](Self::send)
/// does not wait: what it sends goes out together with the next statement that is waited for, in one packet, and costs
/// no round trip of its own. Its error comes out of the next call that waits.
///
/// ```no_run
/// use batch_runtime::postgres::{PgError, Postgres, Session};
///
/// fn carriers() -> Result<i64, PgError> {
///     let session = Session::connect(&Postgres::at("postgres://etl@localhost/flights"), "report")?;
///     Ok(session.query_one("SELECT count(DISTINCT carrier) FROM flight", &[])?.get(0))
/// }
/// ```
pub struct Session {
    inner: RefCell<Inner>,
    place: Arc<str>,
    named: bool,
    /// The most that a statement of a transaction may take.
    limit: Option<Duration>,
}

impl Session {
    /// Connects within 10 seconds, under a name that `pg_stat_activity` shows.
    ///
    /// # Errors
    /// If the URL is wrong, or the server is not reached, or refuses.
    pub fn connect(database: &Postgres, application_name: &str) -> Result<Self, PgError> {
        let settings = database.settings()?;
        let mut refused = PgError::used("the URL names no host");
        for (host, port) in settings.hosts() {
            match Self::connect_to(
                Address::new(host.clone(), port),
                settings,
                database.limit(),
                application_name,
            ) {
                Ok(session) => return Ok(session),
                Err(error) if error.is_connection() => refused = error,
                Err(error) => return Err(error.of_database(&settings.place)),
            }
        }
        Err(refused.of_database(&settings.place))
    }

    fn connect_to(
        address: Address,
        settings: &Settings,
        limit: Option<Duration>,
        name: &str,
    ) -> Result<Self, PgError> {
        let mut config = settings.config.clone();
        config.application_name(name);
        let wait = config.get_connect_timeout().copied().unwrap_or(CONNECT);
        let (client, wire) = Wire::connect(address, &config, Instant::now() + wait)?;
        let session = Self {
            inner: RefCell::new(Inner::new(client, wire)),
            place: settings.place.as_str().into(),
            named: settings.named,
            limit,
        };
        session.check_attributes(config.get_target_session_attrs())?;
        Ok(session)
    }

    fn check_attributes(&self, wanted: TargetSessionAttrs) -> Result<(), PgError> {
        let wants_reading = match wanted {
            TargetSessionAttrs::ReadWrite => "off",
            TargetSessionAttrs::ReadOnly => "on",
            _ => return Ok(()),
        };
        let is: String = self.query_one("SELECT current_setting('transaction_read_only')", &[])?.get(0);
        if is == wants_reading {
            return Ok(());
        }
        let is = if is == "on" { "read-only" } else { "no standby" };
        Err(PgError::unreachable(format!("the server is {is}"), None))
    }

    /// Runs a statement and returns the number of rows that it wrote.
    ///
    /// # Errors
    /// If the statement, or one that was sent before, fails.
    pub fn execute(&self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, PgError> {
        Ok(self.run(statement, values)?.count)
    }

    /// Runs a query and returns all its rows.
    ///
    /// # Errors
    /// If the query, or a statement that was sent before, fails.
    pub fn query(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, PgError> {
        Ok(self.run(query, values)?.rows)
    }

    /// Runs a query that has exactly one row.
    ///
    /// # Errors
    /// If the query, or a statement that was sent before, fails, or it has another number of rows.
    pub fn query_one(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Row, PgError> {
        self.query_opt(query, values)?.ok_or_else(|| wrong_number(0, "one").in_statement(query))
    }

    /// Runs a query that has at most one row.
    ///
    /// # Errors
    /// If the query, or a statement that was sent before, fails, or it has several rows.
    pub fn query_opt(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, PgError> {
        let mut rows = self.query(query, values)?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            several => Err(wrong_number(several, "at most one").in_statement(query)),
        }
    }

    /// Runs several statements, separated by semicolons and without parameters.
    ///
    /// # Errors
    /// If one of the statements, or one that was sent before, fails.
    pub fn batch_execute(&self, statements: &str) -> Result<(), PgError> {
        let answer = batch(&self.inner.borrow().client, statements);
        self.finish(statements, answer).map(|_| ())
    }

    /// Sends a statement without waiting for its answer.
    ///
    /// A statement that this session has not seen before is prepared first, which is waited for.
    ///
    /// # Errors
    /// If the statement cannot be prepared, or a value does not fit. What the server says comes out of the next call
    /// that waits, such as [`settle`](Self::settle).
    pub fn send(&self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Result<(), PgError> {
        let (text, answer, size) = self.start(statement, values)?;
        self.put(text, answer, size)
    }

    /// Sends several statements, separated by semicolons and without parameters, and does not wait for the answer.
    ///
    /// # Errors
    /// If the connection is lost.
    pub fn send_batch(&self, statements: &str) -> Result<(), PgError> {
        let answer = batch(&self.inner.borrow().client, statements);
        self.put(statements.into(), answer, statements.len())
    }

    /// Waits for the answers to everything that was sent.
    ///
    /// # Errors
    /// The first error among them.
    pub fn settle(&self) -> Result<(), PgError> {
        self.inner.borrow_mut().settle()
    }

    /// Sends a query and `COMMIT` together with everything that was sent before, waits for all of it, and returns the
    /// query's rows: one round trip.
    ///
    /// The query decides. If it, or anything before it, fails, the server answers `COMMIT` with a rollback.
    ///
    /// # Errors
    /// If the transaction is not committed, or if nobody can know whether it is.
    pub fn commit_after(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, CommitError> {
        match self.start(query, values) {
            Ok((text, answer, _)) => self.commit_with(&text, answer),
            Err(error) => {
                // `COMMIT` was not sent. Without a connection there is nothing to roll back either.
                let _ = self.rollback();
                Err(CommitError::rolled_back(error))
            }
        }
    }

    fn commit_with(&self, query: &str, answer: Answer<Answered>) -> Result<Vec<Row>, CommitError> {
        let mut inner = self.inner.borrow_mut();
        if inner.wire.is_closed() {
            return Err(CommitError::rolled_back(inner.wire.closed()));
        }
        let commit = batch(&inner.client, "COMMIT");
        // Each outcome on its own: what is known depends on which of the two failed.
        let mut both: Answer<_> = Box::pin(async { Ok(future::join(answer, commit).await) });
        let waited = inner.wait(&mut both);
        let earlier = inner.failed.take();
        let (answered, committed) =
            waited.map_err(|error| CommitError::unknown(inner.blame(error, "COMMIT")))?;
        let answered = answered.map_err(|error| inner.blame(error, query));
        let committed = committed.map_err(|error| inner.blame(error, "COMMIT"));
        match (answered, committed) {
            (Ok(answered), Ok(_)) if inner.wire.heard().committed => Ok(answered.rows),
            (Ok(_), Ok(_)) => Err(CommitError::rolled_back(earlier.unwrap_or_else(|| {
                PgError::used("the server answered COMMIT with a rollback").in_statement(query)
            }))),
            (Err(error), _) | (Ok(_), Err(error)) if error.is_connection() => {
                Err(CommitError::unknown(earlier.unwrap_or(error)))
            }
            (Err(error), _) | (Ok(_), Err(error)) => Err(CommitError::rolled_back(earlier.unwrap_or(error))),
        }
    }

    /// Begins a transaction together with the next statement that is waited for: `BEGIN`, the database's
    /// [limit of time](Postgres::statement_timeout), and then `settings`, such as `SET LOCAL …` statements.
    ///
    /// # Errors
    /// If the connection is lost.
    pub fn begin(&self, settings: &str) -> Result<(), PgError> {
        let limit =
            self.limit.map(|limit| format!("SET LOCAL statement_timeout = {}; ", limit.as_millis().max(1)));
        self.send_batch(&format!("BEGIN; {}{settings}", limit.unwrap_or_default()))
    }

    /// Waits for everything that was sent, and commits.
    ///
    /// # Errors
    /// If the transaction is not committed, or if nobody can know whether it is.
    pub fn commit(&self) -> Result<(), CommitError> {
        let nothing = Answered { rows: Vec::new(), count: 0 };
        self.commit_with("COMMIT", Box::pin(future::ready(Ok(nothing)))).map(|_| ())
    }

    /// Rolls back, whatever became of the statements that were sent.
    ///
    /// # Errors
    /// If the connection is lost.
    pub fn rollback(&self) -> Result<(), PgError> {
        let mut inner = self.inner.borrow_mut();
        let mut answer = batch(&inner.client, "ROLLBACK");
        let answered = inner.wait(&mut answer);
        inner.failed = None;
        answered.map(|_| ()).map_err(|error| inner.blame(error, "ROLLBACK"))
    }

    /// Where the transaction stands, as far as answers were waited for.
    pub fn status(&self) -> TransactionStatus {
        self.inner.borrow().wire.heard().status
    }

    /// Whether nothing was sent that is not answered yet.
    pub fn is_settled(&self) -> bool {
        let inner = self.inner.borrow();
        inner.under_way.is_empty() && inner.failed.is_none()
    }

    /// Whether the connection is lost. A cut that no statement has met is not known yet.
    pub fn is_closed(&self) -> bool {
        let mut inner = self.inner.borrow_mut();
        inner.drive();
        inner.wire.is_closed()
    }

    /// Sets what is asked every 50 milliseconds while an answer is awaited: whether to stop. Ten seconds after it first
    /// said so, the statement is cancelled.
    pub fn set_watch(&self, watch: Option<Box<dyn Fn() -> bool + Send>>) {
        self.inner.borrow_mut().watch = watch;
    }

    /// The URL without its password.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Runs a statement, and a second time if it was prepared for a table that has changed since.
    fn run(&self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Answered, PgError> {
        let alone = self.is_settled() && self.status() == TransactionStatus::None;
        let (text, answer, _) = self.start(statement, values)?;
        match self.finish(&text, answer) {
            Err(error) if alone && error.is_stale_statement() => {
                let (text, answer, _) = self.start(statement, values)?;
                self.finish(&text, answer)
            }
            done => done,
        }
    }

    /// Makes a statement ready to be sent with the first poll, with its text and some idea of its size.
    fn start(
        &self,
        statement: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<(Arc<str>, Answer<Answered>, usize), PgError> {
        if !self.named {
            let text: Arc<str> = statement.into();
            let values = values::encode_untold(values, statement)?;
            let size = values.iter().map(|(value, _)| value.size()).sum::<usize>() + statement.len();
            let (client, query) = (self.client(), Arc::clone(&text));
            let answer = async move { collected(client.query_typed_raw(&query, values).await?).await };
            return Ok((text, Box::pin(answer), size));
        }
        let (text, prepared) = self.prepared(statement)?;
        let values = values::encode(values, prepared.params(), statement)?;
        let size = values.iter().map(values::Encoded::size).sum();
        let client = self.client();
        let answer = async move { collected(client.query_raw(&prepared, values).await?).await };
        Ok((text, Box::pin(answer), size))
    }

    fn client(&self) -> Arc<Client> {
        Arc::clone(&self.inner.borrow().client)
    }

    /// The prepared statement, prepared now if it is new.
    pub(super) fn prepared(&self, statement: &str) -> Result<(Arc<str>, Statement), PgError> {
        if let Some((text, prepared)) = self.inner.borrow().statements.get_key_value(statement) {
            return Ok((Arc::clone(text), prepared.clone()));
        }
        let text: Arc<str> = statement.into();
        let (client, query) = (self.client(), Arc::clone(&text));
        let prepared = self.finish(statement, Box::pin(async move { client.prepare(&query).await }))?;
        let statements = &mut self.inner.borrow_mut().statements;
        if statements.len() >= STATEMENTS {
            statements.clear();
        }
        statements.insert(Arc::clone(&text), prepared.clone());
        Ok((text, prepared))
    }

    /// Waits for an answer, and for all before it.
    fn finish<T>(&self, statement: &str, mut answer: Answer<T>) -> Result<T, PgError> {
        let mut inner = self.inner.borrow_mut();
        let answered = inner.wait(&mut answer);
        match inner.failed.take() {
            Some(earlier) => Err(earlier),
            None => answered.map_err(|error| inner.blame(error, statement)),
        }
    }

    /// Sends a statement and keeps its answer for later.
    fn put(&self, statement: Arc<str>, answer: Answer<Answered>, size: usize) -> Result<(), PgError> {
        let inner = &mut *self.inner.borrow_mut();
        inner.put(UnderWay { statement, answer })?;
        inner.unsent += size + STATEMENT;
        if inner.unsent >= SENT_AT_ONCE {
            inner.drive();
        }
        if inner.under_way.len() >= MOST_UNDER_WAY {
            inner.wait_for_half();
        }
        Ok(())
    }
}

/// The answer to several statements without parameters.
fn batch(client: &Arc<Client>, statements: &str) -> Answer<Answered> {
    let (client, statements) = (Arc::clone(client), statements.to_owned());
    Box::pin(async move {
        client.batch_execute(&statements).await?;
        Ok(Answered { rows: Vec::new(), count: 0 })
    })
}

async fn collected(rows: RowStream) -> Result<Answered, Error> {
    let mut rows = pin!(rows);
    let mut collected = Vec::new();
    while let Some(row) = rows.try_next().await? {
        collected.push(row);
    }
    Ok(Answered { rows: collected, count: rows.rows_affected().unwrap_or_default() })
}

fn wrong_number(number: usize, wanted: &str) -> PgError {
    PgError::used(format!("the query has {number} rows instead of {wanted}"))
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("place", &self.place).finish_non_exhaustive()
    }
}
