//! Waits for the server's answers, in the order in which the statements were sent.

use std::collections::{HashMap, HashSet, VecDeque};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row, Statement};

use super::lease::Bound;
use super::tap::Feed;
use super::wire::Wire;
use super::{CommitError, PgError, copy, remedy};
use crate::definition::BoxError;

/// The time between two checks whether an answer is still wanted.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// How long a statement may go on after its answer is no longer wanted, and how long cancelling it may then take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a wait goes on after the lease was found to be over. The process may have been paused: then the answer has
/// arrived already, or the lease is renewed at once.
const AFTER_LEASE: Duration = Duration::from_secs(5);

pub(super) type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;
/// Returns whether to stop waiting.
type StopsWaiting = Box<dyn Fn() -> bool + Send>;

/// Turns the server's error about a statement into an error of the component that sent it.
pub(crate) type Explain = Box<dyn FnOnce(PgError) -> BoxError + Send>;

/// The answer to a statement.
pub(super) struct Answered {
    pub(super) rows: Vec<Row>,
    pub(super) count: u64,
}

/// A statement in flight.
pub(super) struct InFlight {
    pub(super) statement: Arc<str>,
    pub(super) answer: Answer<Answered>,
    /// Adds the sender's explanation to the error of the statement.
    pub(super) explain: Option<Explain>,
}

impl InFlight {
    pub(super) fn new(statement: Arc<str>, answer: Answer<Answered>) -> Self {
        Self { statement, answer, explain: None }
    }
}

/// The answers to a query and to the `COMMIT` after it.
type BothAnswers = (Result<Answered, Error>, Result<Answered, Error>);

/// A `COMMIT` that was sent, with everything of its transaction that was not answered by then.
pub(super) struct SentCommit {
    in_flight: VecDeque<InFlight>,
    /// The first error of the statements in flight.
    failed: Option<PgError>,
    /// The query that was sent directly before `COMMIT`.
    query: Arc<str>,
    both: Answer<BothAnswers>,
    answered: Option<BothAnswers>,
    /// The number of transactions that were committed before.
    commits: u64,
    outcome: Option<Result<Vec<Row>, CommitError>>,
}

/// The state of a session.
///
/// The fields are dropped in this order. The users of the client come first, so that the wire closes the connection
/// cleanly. The cached statements come after the client, so that they are not closed one by one.
pub(super) struct SessionState {
    pub(super) in_flight: VecDeque<InFlight>,
    /// The commit whose outcome nobody has asked for yet. Everything in flight was sent after it.
    pub(super) sent_commit: Option<SentCommit>,
    pub(super) client: Arc<Client>,
    pub(super) statements: HashMap<Arc<str>, Statement>,
    /// The statements that were sent once, without being prepared.
    pub(super) run_once: HashSet<Arc<str>>,
    pub(super) wire: Wire,
    /// The first error of the statements in flight.
    pub(super) failed: Option<PgError>,
    /// The approximate number of bytes handed to the driver since it last had the chance to send.
    pub(super) unsent: usize,
    pub(super) watch: Option<StopsWaiting>,
    /// The lease without which no answer is of use any more.
    pub(super) bound: Option<Bound>,
    /// The longest wait for an answer.
    pub(super) longest: Option<Duration>,
    /// The column types of queries, by their text.
    pub(super) columns: HashMap<Arc<str>, Arc<[Type]>>,
    /// The statement and the rows of the copy that has not ended yet.
    pub(super) copying: Option<(Arc<str>, Feed)>,
    /// Whether this session has asked the server to cancel a statement.
    cancelled: bool,
}

impl SessionState {
    pub(super) fn new(client: Client, wire: Wire) -> Self {
        Self {
            in_flight: VecDeque::new(),
            sent_commit: None,
            client: Arc::new(client),
            statements: HashMap::new(),
            run_once: HashSet::new(),
            wire,
            failed: None,
            unsent: 0,
            watch: None,
            bound: None,
            longest: None,
            columns: HashMap::new(),
            copying: None,
            cancelled: false,
        }
    }

    /// Refuses a statement in the middle of a copy, because its answer would never arrive.
    pub(super) fn check_copy(&self) -> Result<(), PgError> {
        match &self.copying {
            None => Ok(()),
            Some((statement, _)) => Err(PgError::misuse("end the copy first").in_statement(statement)),
        }
    }

    /// Fails a copy that was dropped without an end.
    pub(super) fn abandon_copy(&mut self) {
        if let Some((_, feed)) = self.copying.take() {
            feed.push(copy::abort_frame());
            feed.end();
        }
    }

    /// Returns a future whose first poll sends several statements without parameters.
    pub(super) fn batch(&self, statements: &str) -> Result<Answer<Answered>, PgError> {
        self.check_copy()?;
        let (client, statements) = (Arc::clone(&self.client), statements.to_owned());
        Ok(Box::pin(async move {
            client.batch_execute(&statements).await?;
            Ok(Answered { rows: Vec::new(), count: 0 })
        }))
    }

    /// Hands a statement to the driver, and keeps its answer for later.
    pub(super) fn put(&mut self, mut sent: InFlight) -> Result<(), PgError> {
        self.hand_over(&mut sent)?;
        self.in_flight.push_back(sent);
        Ok(())
    }

    /// Hands a statement to the driver.
    pub(super) fn hand_over(&mut self, sent: &mut InFlight) -> Result<(), PgError> {
        if self.wire.is_closed() {
            let error = self.failed.take().unwrap_or_else(|| self.wire.closed());
            return Err(error.in_statement(&sent.statement));
        }
        let poll_loop = Arc::clone(&self.wire.poll_loop);
        // The first poll hands the statement over. It cannot return an answer yet, but it can return an error.
        match poll_loop.poll(|context| sent.answer.as_mut().poll(context)) {
            Poll::Ready(Err(error)) => Err(self.error_of(error, &sent.statement)),
            Poll::Ready(Ok(_)) | Poll::Pending => Ok(()),
        }
    }

    /// Lets the driver work without waiting for anything.
    pub(super) fn drive(&mut self) {
        self.unsent = 0;
        let poll_loop = Arc::clone(&self.wire.poll_loop);
        let _: Poll<()> = poll_loop.poll(|context| {
            self.wire.drive(context);
            self.collect(context);
            Poll::Pending
        });
    }

    /// Takes the answers that have arrived.
    pub(super) fn collect(&mut self, context: &mut Context<'_>) {
        if let Some(mut sent) = self.sent_commit.take() {
            self.collect_commit(&mut sent, context);
            let is_answered = sent.outcome.is_some();
            self.sent_commit = Some(sent);
            if !is_answered {
                return;
            }
        }
        let (mut in_flight, mut failed) = (mem::take(&mut self.in_flight), self.failed.take());
        self.collect_from(&mut in_flight, &mut failed, context);
        (self.in_flight, self.failed) = (in_flight, failed);
    }

    /// Takes the answers that have arrived to statements of one transaction.
    fn collect_from(
        &mut self,
        in_flight: &mut VecDeque<InFlight>,
        failed: &mut Option<PgError>,
        context: &mut Context<'_>,
    ) {
        while let Some(mut first) = in_flight.pop_front() {
            match first.answer.as_mut().poll(context) {
                Poll::Pending => {
                    in_flight.push_front(first);
                    return;
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => {
                    let error = self.error_of(error, &first.statement);
                    // Errors after the first one only say that the transaction has failed.
                    if failed.is_none() {
                        *failed = Some(error.explained(first.explain));
                    }
                }
            }
        }
    }

    fn collect_commit(&mut self, sent: &mut SentCommit, context: &mut Context<'_>) {
        if sent.outcome.is_some() {
            return;
        }
        // Poll these answers before the earlier ones have arrived, because the first poll sends the statements.
        if sent.answered.is_none()
            && let Poll::Ready(Ok(answered)) = sent.both.as_mut().poll(context)
        {
            sent.answered = Some(answered);
        }
        self.collect_from(&mut sent.in_flight, &mut sent.failed, context);
        if sent.in_flight.is_empty()
            && let Some(answered) = sent.answered.take()
        {
            sent.outcome = Some(self.outcome_of(sent, answered));
        }
    }

    fn outcome_of(
        &mut self,
        sent: &mut SentCommit,
        (answered, committed): BothAnswers,
    ) -> Result<Vec<Row>, CommitError> {
        let earlier = sent.failed.take();
        let answered = answered.map_err(|error| self.error_of(error, &sent.query));
        let committed = committed.map_err(|error| self.error_of(error, "COMMIT"));
        let state = self.wire.transaction_state();
        match (answered, committed) {
            // The last answer that ended a transaction may already be one to the next transaction, such as that to a
            // `ROLLBACK TO` a savepoint.
            (Ok(answered), Ok(_))
                if state.committed || (state.commits > sent.commits && earlier.is_none()) =>
            {
                Ok(answered.rows)
            }
            (Ok(_), Ok(_)) => Err(CommitError::rolled_back(earlier.unwrap_or_else(|| {
                PgError::misuse("the server answered COMMIT with a rollback").in_statement(&sent.query)
            }))),
            (Err(error), _) | (Ok(_), Err(error)) if error.is_connection() => {
                Err(CommitError::unknown(earlier.unwrap_or(error)))
            }
            (Err(error), _) | (Ok(_), Err(error)) => Err(CommitError::rolled_back(earlier.unwrap_or(error))),
        }
    }

    /// Sends a query and `COMMIT` with the first poll of `both`. Returns once the system has all bytes.
    pub(super) fn send_commit(&mut self, query: Arc<str>, both: Answer<BothAnswers>) {
        debug_assert!(self.sent_commit.is_none(), "the outcome of the last commit was not asked for");
        self.sent_commit = Some(SentCommit {
            in_flight: mem::take(&mut self.in_flight),
            failed: self.failed.take(),
            query,
            both,
            answered: None,
            commits: self.wire.transaction_state().commits,
            outcome: None,
        });
        // The driver sends what was polled before, so poll once and then let it send.
        let mut polls = 0_u32;
        self.wait_until(|inner, context| {
            polls = polls.saturating_add(1);
            if polls == 1 {
                inner.collect(context);
            }
            polls > 1 && !inner.wire.poll_loop.is_full() || inner.is_commit_answered()
        });
    }

    fn is_commit_answered(&self) -> bool {
        self.sent_commit.as_ref().is_none_or(|sent| sent.outcome.is_some())
    }

    /// Waits for the outcome of the `COMMIT` that was sent last.
    pub(super) fn outcome(&mut self) -> Result<Vec<Row>, CommitError> {
        if !self.is_commit_answered() {
            self.wait_until(|inner, _| inner.is_commit_answered());
        }
        let Some(sent) = self.sent_commit.take() else {
            return Err(CommitError::rolled_back(PgError::misuse("no COMMIT was sent")));
        };
        sent.outcome.unwrap_or_else(|| {
            let closed = self.error_of(None, "COMMIT");
            Err(CommitError::unknown(sent.failed.unwrap_or(closed)))
        })
    }

    /// Waits for the answers to the first half of what was sent.
    pub(super) fn wait_for_half(&mut self) {
        let half = self.in_flight.len() / 2;
        self.wait_until(|inner, _| inner.in_flight.len() <= half);
    }

    /// Lets the driver send rows, and waits until no more than `most` bytes of them are left, or the copy is answered.
    pub(super) fn feed(
        &mut self,
        answer: &mut Answer<Answered>,
        feed: &Feed,
        most: usize,
    ) -> Option<Result<Answered, Error>> {
        let mut done = None;
        self.wait_until(|_, context| {
            if done.is_none()
                && let Poll::Ready(answered) = answer.as_mut().poll(context)
            {
                done = Some(answered);
            }
            done.is_some() || feed.size() <= most
        });
        done
    }

    /// Waits for the answers to all that was sent.
    pub(super) fn settle(&mut self) -> Result<(), PgError> {
        self.abandon_copy();
        self.wait_until(|inner, _| inner.in_flight.is_empty());
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Waits for the answers to everything that was sent before, and then for this answer. `Err(None)` means that no
    /// answer will arrive.
    pub(super) fn wait<T>(&mut self, answer: &mut Answer<T>) -> Result<T, Option<Error>> {
        let mut done = None;
        self.wait_until(|inner, context| {
            // Poll this answer before the earlier ones have arrived, because the first poll sends its statement.
            if done.is_none()
                && let Poll::Ready(answered) = answer.as_mut().poll(context)
            {
                done = Some(answered);
            }
            done.is_some() && inner.in_flight.is_empty()
        });
        done.map_or(Err(None), |answered| answered.map_err(Some))
    }

    /// Polls the driver, and sleeps in between, until the condition holds or the connection has ended.
    fn wait_until(&mut self, mut is_done: impl FnMut(&mut Self, &mut Context<'_>) -> bool) {
        self.unsent = 0;
        self.cancelled = false;
        let poll_loop = Arc::clone(&self.wire.poll_loop);
        let mut patience = Patience::new();
        loop {
            let was_closed = self.wire.is_closed();
            let polled = poll_loop.poll(|context| {
                let done = is_done(self, context);
                self.wire.drive(context);
                self.collect(context);
                if done || is_done(self, context) { Poll::Ready(()) } else { Poll::Pending }
            });
            if polled.is_ready() || was_closed {
                return;
            }
            if !self.wire.is_closed() {
                self.sleep(&mut patience);
            }
        }
    }

    /// Sleeps until the socket is ready. Checks now and then whether the answer is still wanted. Cancels the statement
    /// when `PATIENCE` has passed since the answer was found to be unwanted, and cuts the connection when `AFTER_LEASE`
    /// has passed since the lease was found to be over.
    fn sleep(&mut self, patience: &mut Patience) {
        if self.watch.is_none() && self.bound.is_none() && self.longest.is_none() {
            return self.wire.poll_loop.sleep(None);
        }
        let now = Instant::now();
        self.wire.poll_loop.sleep(Some(patience.next_check.saturating_duration_since(now)));
        if Instant::now() < patience.next_check {
            return;
        }
        patience.next_check = Instant::now() + CHECK_INTERVAL;
        if self.longest.is_some_and(|longest| patience.began.elapsed() >= longest) {
            return self.wire.give_up(remedy::silent);
        }
        if self.bound.as_ref().is_some_and(Bound::is_over) {
            let end = *patience.end_after_lease.get_or_insert_with(|| Instant::now() + AFTER_LEASE);
            if end <= Instant::now() {
                // A request to cancel would not be answered either.
                return self.wire.give_up(remedy::silent_until_the_lease_ended);
            }
        } else {
            patience.end_after_lease = None;
        }
        let Some(watch) = &self.watch else { return };
        match patience.end {
            None if watch() => patience.end = Some(Instant::now() + PATIENCE),
            Some(end) if end <= Instant::now() => {
                patience.end = Some(Instant::now() + PATIENCE);
                if self.cancelled {
                    // The server does not even answer the request to cancel, so the outcome of the statement is
                    // unknown.
                    self.wire.cut();
                } else {
                    self.cancelled = true;
                    if let Err(error) = self.wire.cancel() {
                        tracing::debug!("the statement could not be cancelled: {error}");
                    }
                }
            }
            _ => {}
        }
    }

    /// Converts the driver's error into the error that the session returns for a statement.
    pub(super) fn error_of(&mut self, error: impl Into<Option<Error>>, statement: &str) -> PgError {
        let error = match error.into().filter(|error| !error.is_closed()) {
            None => self.wire.closed(),
            Some(error) if self.cancelled && error.code() == Some(&SqlState::QUERY_CANCELED) => {
                PgError::stopped()
            }
            Some(error) => PgError::driver(error),
        };
        if error.is_stale_statement() {
            self.statements.clear();
            self.columns.clear();
        }
        error.in_statement(statement)
    }
}

/// The time limits of a wait for an answer.
struct Patience {
    began: Instant,
    /// The next check whether the answer is still wanted.
    next_check: Instant,
    /// When to end the wait; `None` while the answer is wanted.
    end: Option<Instant>,
    /// When to end the wait because the lease is over; `None` while it runs.
    end_after_lease: Option<Instant>,
}

impl Patience {
    fn new() -> Self {
        let began = Instant::now();
        Self { began, next_check: began + CHECK_INTERVAL, end: None, end_after_lease: None }
    }
}
