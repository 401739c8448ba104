//! [`Session`]: one connection, used by one thread at a time, without `async`.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future;
use tokio_postgres::Row;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::types::ToSql;

use super::lease::Bound;
use super::sending::Prepare;
use super::tap::TransactionStatus;
use super::url::Settings;
use super::waiting::{Answer, Answered, SessionState};
use super::wire::{Address, Wire};
use super::{CommitError, PgError, Postgres};

/// The time limit for connecting to a host, unless the URL sets `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a `PostgreSQL` database, used without `async`.
///
/// Every method that returns a result of the database waits for the result on the calling thread.
/// [`send`](Self::send) does not wait: its statement goes out together with the next one that waits, and costs no
/// round trip of its own. If it fails, the next call that waits returns the error.
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
    pub(super) inner: RefCell<SessionState>,
    place: Arc<str>,
    pub(super) named: bool,
    /// The maximum time that a statement of a transaction may take.
    limit: Option<Duration>,
}

impl Session {
    /// Connects, under a name that `pg_stat_activity` shows. Each host of the URL has 10 seconds to answer, unless
    /// the URL sets `connect_timeout`.
    ///
    /// # Errors
    /// If the URL is wrong, no server can be reached, or one refuses the connection.
    pub fn connect(database: &Postgres, application_name: &str) -> Result<Self, PgError> {
        Self::connect_within(database, application_name, CONNECT_TIMEOUT)
    }

    /// As [`connect`](Self::connect), with another time limit for each host.
    pub(crate) fn connect_within(
        database: &Postgres,
        application_name: &str,
        wait: Duration,
    ) -> Result<Self, PgError> {
        let settings = database.settings()?;
        let mut refused = PgError::misuse("the URL names no host");
        for address in settings.addresses() {
            let wait = settings.config.get_connect_timeout().copied().unwrap_or(wait);
            match Self::connect_to(address, settings, database.limit(), application_name, wait) {
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
        wait: Duration,
    ) -> Result<Self, PgError> {
        let mut config = settings.config.clone();
        config.application_name(name);
        let (client, wire) = Wire::connect(address, &config, &settings.encryption, Instant::now() + wait)?;
        let session = Self {
            inner: RefCell::new(SessionState::new(client, wire)),
            place: settings.place.as_str().into(),
            named: settings.named,
            limit,
        };
        session.wait_at_most(Some(wait));
        session.check_attributes(config.get_target_session_attrs())?;
        session.wait_at_most(None);
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
        let is = if is == "on" { "read-only" } else { "not a standby" };
        Err(PgError::unreachable(format!("the server is {is}"), None))
    }

    /// Runs a statement and returns the number of rows that it wrote.
    ///
    /// # Errors
    /// If the statement, or one that was sent before, fails.
    pub fn execute(&self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, PgError> {
        Ok(self.run(statement, values, Prepare::First)?.count)
    }

    /// Runs a query and returns all its rows.
    ///
    /// # Errors
    /// If the query, or a statement that was sent before, fails.
    pub fn query(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, PgError> {
        Ok(self.run(query, values, Prepare::First)?.rows)
    }

    /// Runs a query that has exactly one row.
    ///
    /// # Errors
    /// If the query, or a statement that was sent before, fails, or if the query has another number of rows.
    pub fn query_one(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Row, PgError> {
        one(self.query(query, values)?, query)
    }

    /// Runs a query that has at most one row.
    ///
    /// # Errors
    /// If the query, or a statement that was sent before, fails, or if the query has several rows.
    pub fn query_opt(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, PgError> {
        at_most_one(self.query(query, values)?, query)
    }

    /// Runs several statements, separated by semicolons and without parameters.
    ///
    /// # Errors
    /// If one of the statements, or one that was sent before, fails.
    pub fn batch_execute(&self, statements: &str) -> Result<(), PgError> {
        let answer = self.inner.borrow().batch(statements)?;
        self.finish(statements, answer).map(|_| ())
    }

    /// Sends a statement without waiting for its answer.
    ///
    /// If the statement is new, the session first prepares it, and waits for that.
    ///
    /// # Errors
    /// If the statement cannot be prepared, or a value does not fit. The next call that waits, such as
    /// [`settle`](Self::settle), returns the server's error.
    pub fn send(&self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Result<(), PgError> {
        let (text, answer, size) = self.start(statement, values, Prepare::First)?;
        self.put(text, answer, size)
    }

    /// Sends several statements, separated by semicolons and without parameters, and does not wait for the answer.
    ///
    /// # Errors
    /// If the connection is lost.
    pub fn send_batch(&self, statements: &str) -> Result<(), PgError> {
        let answer = self.inner.borrow().batch(statements)?;
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
    /// If the query, or anything before it, fails, the server answers `COMMIT` with a rollback.
    ///
    /// ```
    /// use batch_runtime::postgres::{CommitError, PgError, Session};
    ///
    /// /// Books an amount, if the account has it.
    /// fn book(session: &Session, account: i64, amount: i64) -> Result<(), PgError> {
    ///     session.begin("")?;
    ///     session.send("UPDATE account SET balance = balance - $2 WHERE id = $1", &[&account, &amount])?;
    ///     let guard = "SELECT 1 / count(*) FROM account WHERE id = $1 AND balance >= 0";
    ///     session.commit_after(guard, &[&account]).map_err(CommitError::into_error)?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// If the transaction is not committed, or if its outcome is unknown.
    pub fn commit_after(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, CommitError> {
        self.commit_after_one(query, values, Prepare::First)
    }

    /// As [`commit_after`](Self::commit_after), for a query of the engine.
    pub(crate) fn commit_after_own(
        &self,
        query: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, CommitError> {
        self.commit_after_one(query, values, Prepare::Second)
    }

    /// As [`commit_after_own`](Self::commit_after_own), but does not wait for the answers. The next transaction may begin
    /// before [`outcome`](Self::outcome) waits for them; only its `COMMIT` must be sent later.
    ///
    /// On return the system has everything that was sent, so the server commits even if nobody uses the session.
    pub(crate) fn send_commit_after_own(
        &self,
        query: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<(), CommitError> {
        self.send_commit_after(query, values, Prepare::Second)
    }

    /// Waits for the outcome of the `COMMIT` that was sent last, and returns the rows of the query before it. Does not
    /// wait for what was sent after it.
    pub(crate) fn outcome(&self) -> Result<Vec<Row>, CommitError> {
        self.inner.borrow_mut().outcome()
    }

    /// Whether a `COMMIT` was sent whose outcome nobody has asked for yet.
    pub(super) fn has_sent_commit(&self) -> bool {
        self.inner.borrow().sent_commit.is_some()
    }

    fn commit_after_one(
        &self,
        query: &str,
        values: &[&(dyn ToSql + Sync)],
        prepare: Prepare,
    ) -> Result<Vec<Row>, CommitError> {
        self.send_commit_after(query, values, prepare)?;
        self.outcome()
    }

    fn send_commit_after(
        &self,
        query: &str,
        values: &[&(dyn ToSql + Sync)],
        prepare: Prepare,
    ) -> Result<(), CommitError> {
        match self.start(query, values, prepare) {
            Ok((text, answer, _)) => self.send_commit(text, answer),
            Err(error) => {
                // `COMMIT` was not sent, so roll back. If that fails, the connection is lost, and so is the
                // transaction.
                let _ = self.rollback();
                Err(CommitError::rolled_back(error))
            }
        }
    }

    fn send_commit(&self, query: Arc<str>, answer: Answer<Answered>) -> Result<(), CommitError> {
        let mut inner = self.inner.borrow_mut();
        if inner.wire.is_closed() {
            return Err(CommitError::rolled_back(inner.wire.closed()));
        }
        inner.abandon_copy();
        let commit = inner.batch("COMMIT").map_err(CommitError::rolled_back)?;
        // Both outcomes are needed: which of the two failed decides whether the outcome of the commit is unknown.
        let both: Answer<_> = Box::pin(async { Ok(future::join(answer, commit).await) });
        inner.send_commit(query, both);
        Ok(())
    }

    /// Begins a transaction, together with the next statement that waits. Sends `BEGIN`, the database's [time
    /// limit](Postgres::statement_timeout), and then `settings`, such as `SET LOCAL …` statements.
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
    /// If the transaction is not committed, or if its outcome is unknown.
    pub fn commit(&self) -> Result<(), CommitError> {
        let nothing = Answered { rows: Vec::new(), count: 0 };
        self.send_commit("COMMIT".into(), Box::pin(future::ready(Ok(nothing))))?;
        self.outcome().map(|_| ())
    }

    /// Rolls back, whatever became of the statements that were sent.
    ///
    /// # Errors
    /// If the connection is lost.
    pub fn rollback(&self) -> Result<(), PgError> {
        self.undo("ROLLBACK")
    }

    /// Runs statements that undo everything that was sent before, and drops the errors of the undone statements.
    pub(super) fn undo(&self, statements: &str) -> Result<(), PgError> {
        let mut inner = self.inner.borrow_mut();
        inner.abandon_copy();
        let mut answer = inner.batch(statements)?;
        let answered = inner.wait(&mut answer);
        inner.failed = None;
        answered.map(|_| ()).map_err(|error| inner.error_of(error, statements))
    }

    /// The state of the transaction, according to the answers so far.
    pub fn status(&self) -> TransactionStatus {
        self.inner.borrow().wire.transaction_state().status
    }

    /// Whether everything that was sent is answered, and no error is left to report.
    pub fn is_settled(&self) -> bool {
        let inner = self.inner.borrow();
        inner.in_flight.is_empty() && inner.failed.is_none() && inner.sent_commit.is_none()
    }

    /// Whether the connection is lost, as far as the session knows: it notices the loss only when it uses the
    /// connection.
    pub fn is_closed(&self) -> bool {
        let mut inner = self.inner.borrow_mut();
        inner.drive();
        inner.wire.is_closed()
    }

    /// The major version of the server, such as 15; 0 if the server does not report it.
    ///
    /// ```no_run
    /// # fn checked(session: &batch_runtime::postgres::Session) {
    /// assert!(session.server_version() >= 13);
    /// # }
    /// ```
    pub fn server_version(&self) -> u32 {
        let inner = self.inner.borrow();
        let version = inner.wire.parameter("server_version").unwrap_or_default();
        let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
        version[..digits].parse().unwrap_or_default()
    }

    /// Sets a function that returns whether to stop. It is called every 50 milliseconds while an answer is awaited.
    /// If an answer is still awaited ten seconds after the function first returned true, the statement is cancelled.
    pub fn set_watch(&self, watch: Option<Box<dyn Fn() -> bool + Send>>) {
        self.inner.borrow_mut().watch = watch;
    }

    /// Ends every wait for an answer soon after the lease is over: by then others may have taken over the work, so no
    /// answer is of use any more.
    pub(crate) fn bound_by(&self, bound: Bound) {
        self.inner.borrow_mut().bound = Some(bound);
    }

    /// Ends every wait for an answer after that time, and the session with it (default: never).
    pub(crate) fn wait_at_most(&self, longest: Option<Duration>) {
        self.inner.borrow_mut().longest = longest;
    }

    /// The URL without its password.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }
}

pub(crate) fn one(rows: Vec<Row>, query: &str) -> Result<Row, PgError> {
    exactly_one(rows).map_err(|number| {
        PgError::misuse(format!("the query has {number} rows instead of one")).in_statement(query)
    })
}

pub(crate) fn at_most_one(rows: Vec<Row>, query: &str) -> Result<Option<Row>, PgError> {
    match exactly_one(rows) {
        Ok(row) => Ok(Some(row)),
        Err(0) => Ok(None),
        Err(number) => {
            let message = format!("the query has {number} rows instead of at most one");
            Err(PgError::misuse(message).in_statement(query))
        }
    }
}

fn exactly_one(mut rows: Vec<Row>) -> Result<Row, usize> {
    match rows.pop() {
        Some(row) if rows.is_empty() => Ok(row),
        last => Err(rows.len() + usize::from(last.is_some())),
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("place", &self.place).finish_non_exhaustive()
    }
}
