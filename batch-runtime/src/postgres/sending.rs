//! The part of a [`Session`] that prepares statements, sends them, and fetches their answers.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, RowStream, SimpleQueryMessage, Statement};

use super::tap::{Feed, TransactionState, TransactionStatus};
use super::waiting::{Answer, Answered, Explain, InFlight};
use super::{PgError, Session, values};

/// The maximum number of prepared statements that are kept.
const MAX_STATEMENTS: usize = 256;
/// When this many bytes wait to be sent, the driver sends them.
const SEND_THRESHOLD: usize = 16 * 1024;
/// The approximate size of a statement without its parameters, in bytes.
const STATEMENT_SIZE: usize = 64;
/// When this many statements are in flight, `send` waits for the answers to the first half, so that memory stays
/// bounded.
const MAX_IN_FLIGHT: usize = 4096;

/// When a statement is prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prepare {
    /// Before it is first run, so that the server chooses the types of its parameters.
    First,
    /// Before it is run a second time: preparing costs a round trip, and most statements of the engine run once on a
    /// connection. The values must have the Rust types that the server would choose, or types that it casts to them.
    Second,
}

impl Session {
    /// Runs a statement. If it was prepared for a table that has changed since then, runs it a second time, unless a
    /// transaction is open or an earlier answer is missing.
    pub(super) fn run(
        &self,
        statement: &str,
        values: &[&(dyn ToSql + Sync)],
        prepare: Prepare,
    ) -> Result<Answered, PgError> {
        let alone = self.is_settled() && self.status() == TransactionStatus::None;
        let (text, answer, _) = self.start(statement, values, prepare)?;
        match self.finish(&text, answer) {
            Err(error) if alone && error.is_stale_statement() => {
                let (text, answer, _) = self.start(statement, values, prepare)?;
                self.finish(&text, answer)
            }
            done => done,
        }
    }

    /// Runs a statement of the engine.
    pub(crate) fn run_own(
        &self,
        statement: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<(Vec<Row>, u64), PgError> {
        self.run(statement, values, Prepare::Second).map(|answered| (answered.rows, answered.count))
    }

    /// Sends a statement of the engine without waiting for its answer.
    pub(crate) fn send_own(&self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Result<(), PgError> {
        let (text, answer, size) = self.start(statement, values, Prepare::Second)?;
        self.put(text, answer, size)
    }

    /// Returns whether a statement is to be sent without preparing it.
    pub(super) fn is_unprepared(&self, statement: &str, prepare: Prepare) -> bool {
        if !self.named {
            return true;
        }
        let inner = &mut *self.inner.borrow_mut();
        if prepare == Prepare::First || inner.statements.contains_key(statement) {
            return false;
        }
        if inner.run_once.len() >= MAX_STATEMENTS {
            inner.run_once.clear();
        }
        inner.run_once.insert(statement.into())
    }

    /// Returns the statement's text, a future whose first poll sends the statement, and its approximate size in bytes.
    pub(super) fn start(
        &self,
        statement: &str,
        values: &[&(dyn ToSql + Sync)],
        prepare: Prepare,
    ) -> Result<(Arc<str>, Answer<Answered>, usize), PgError> {
        if self.is_unprepared(statement, prepare) {
            let text: Arc<str> = statement.into();
            let values = values::encode_unprepared(values, statement)?;
            let size = values.iter().map(|(value, _)| value.size()).sum::<usize>() + statement.len();
            let (client, query) = (self.client()?, Arc::clone(&text));
            let answer = async move { collected(client.query_typed_raw(&query, values).await?).await };
            return Ok((text, Box::pin(answer), size));
        }
        let (text, prepared) = self.prepared(statement)?;
        let values = values::encode(values, prepared.params(), statement)?;
        let size = values.iter().map(values::Encoded::size).sum();
        let client = self.client()?;
        let answer = async move { collected(client.query_raw(&prepared, values).await?).await };
        Ok((text, Box::pin(answer), size))
    }

    /// Sends a statement with one encoded parameter, without waiting for the answer. Calls `explain` if the server
    /// refuses the statement.
    pub(crate) fn send_encoded(
        &self,
        statement: &str,
        value: Bytes,
        type_: &Type,
        explain: Explain,
    ) -> Result<(), PgError> {
        let value = values::Encoded::of(value);
        let size = value.size();
        let (text, answer): (Arc<str>, Answer<Answered>) = if self.named {
            let (text, prepared) = self.prepared(statement)?;
            let client = self.client()?;
            let answer = async move { collected(client.query_raw(&prepared, [value]).await?).await };
            (text, Box::pin(answer))
        } else {
            let (text, client): (Arc<str>, _) = (statement.into(), self.client()?);
            let (query, value) = (Arc::clone(&text), (value, type_.clone()));
            let answer = async move { collected(client.query_typed_raw(&query, [value]).await?).await };
            (text, Box::pin(answer))
        };
        self.put_all(InFlight { statement: text, answer, explain: Some(explain) }, size)
    }

    pub(super) fn client(&self) -> Result<Arc<Client>, PgError> {
        let inner = self.inner.borrow();
        inner.check_copy()?;
        Ok(Arc::clone(&inner.client))
    }

    /// Returns the prepared statement. Prepares it first if it is new.
    pub(super) fn prepared(&self, statement: &str) -> Result<(Arc<str>, Statement), PgError> {
        if let Some((text, prepared)) = self.inner.borrow().statements.get_key_value(statement) {
            return Ok((Arc::clone(text), prepared.clone()));
        }
        let text: Arc<str> = statement.into();
        let (client, query) = (self.client()?, Arc::clone(&text));
        let prepared = self.finish(statement, Box::pin(async move { client.prepare(&query).await }))?;
        let statements = &mut self.inner.borrow_mut().statements;
        if statements.len() >= MAX_STATEMENTS {
            statements.clear();
        }
        statements.insert(Arc::clone(&text), prepared.clone());
        Ok((text, prepared))
    }

    /// The types of a query's columns.
    pub(super) fn column_types(&self, query: &str) -> Result<Arc<[Type]>, PgError> {
        if let Some(types) = self.inner.borrow().columns.get(query) {
            return Ok(Arc::clone(types));
        }
        let (client, text) = (self.client()?, query.to_owned());
        // Only the types are kept, not the statement: with `statements=unnamed`, no statement outlives its
        // transaction.
        let described: Answer<_> = Box::pin(async move { client.prepare(&text).await });
        let described = self.finish(query, described)?;
        let types: Arc<[Type]> = described.columns().iter().map(|column| column.type_().clone()).collect();
        self.inner.borrow_mut().columns.insert(query.into(), Arc::clone(&types));
        Ok(types)
    }

    /// Sends a `COPY` statement whose rows follow.
    pub(super) fn begin_copy(&self, statement: &str) -> Result<(Feed, Answer<Answered>, Arc<str>), PgError> {
        let client = self.client()?;
        let inner = &mut *self.inner.borrow_mut();
        let (text, feed) = inner.wire.state.copy(statement);
        let answer: Answer<_> = Box::pin(async move {
            let count = client.simple_query(&text).await?.iter().find_map(|message| match message {
                SimpleQueryMessage::CommandComplete(count) => Some(*count),
                _ => None,
            });
            Ok(Answered { rows: Vec::new(), count: count.unwrap_or_default() })
        });
        let mut sent = InFlight::new(statement.into(), answer);
        inner.hand_over(&mut sent)?;
        inner.copying = Some((Arc::clone(&sent.statement), feed.clone()));
        inner.drive();
        Ok((feed, sent.answer, sent.statement))
    }

    /// Sends rows, and waits until at most `most` bytes of them are unsent. An error ends the copy.
    pub(super) fn feed(
        &self,
        statement: &str,
        answer: &mut Answer<Answered>,
        feed: &Feed,
        most: usize,
    ) -> Result<(), PgError> {
        let mut inner = self.inner.borrow_mut();
        let Some(answered) = inner.feed(answer, feed, most) else { return Ok(()) };
        inner.copying = None;
        feed.cancel();
        let error = match answered {
            Err(error) => inner.error_of(error, statement),
            Ok(_) => PgError::misuse("the server has ended the copy").in_statement(statement),
        };
        Err(inner.failed.take().unwrap_or(error))
    }

    /// Ends a copy and waits for its answer.
    pub(super) fn end_copy(&self, statement: &str, answer: Answer<Answered>) -> Result<u64, PgError> {
        self.inner.borrow_mut().copying = None;
        Ok(self.finish(statement, answer)?.count)
    }

    /// Leaves the answer to a copy for later.
    pub(super) fn end_copy_later(&self, copied: InFlight) {
        let mut inner = self.inner.borrow_mut();
        inner.copying = None;
        inner.in_flight.push_back(copied);
    }

    /// The state of transactions, according to the answers so far.
    pub(super) fn transaction_state(&self) -> TransactionState {
        self.inner.borrow().wire.transaction_state()
    }

    /// Whether the session knows that the connection is lost.
    pub(super) fn is_cut(&self) -> bool {
        self.inner.borrow().wire.is_closed()
    }

    /// Waits for an answer, and for all answers before it.
    pub(super) fn finish<T>(&self, statement: &str, mut answer: Answer<T>) -> Result<T, PgError> {
        let mut inner = self.inner.borrow_mut();
        let answered = inner.wait(&mut answer);
        match inner.failed.take() {
            Some(earlier) => Err(earlier),
            None => answered.map_err(|error| inner.error_of(error, statement)),
        }
    }

    /// Sends a statement and keeps its answer for later.
    pub(super) fn put(
        &self,
        statement: Arc<str>,
        answer: Answer<Answered>,
        size: usize,
    ) -> Result<(), PgError> {
        self.put_all(InFlight::new(statement, answer), size)
    }

    fn put_all(&self, sent: InFlight, size: usize) -> Result<(), PgError> {
        let inner = &mut *self.inner.borrow_mut();
        inner.put(sent)?;
        inner.unsent += size + STATEMENT_SIZE;
        if inner.unsent >= SEND_THRESHOLD {
            inner.drive();
        }
        if inner.in_flight.len() >= MAX_IN_FLIGHT {
            inner.wait_for_half();
        }
        Ok(())
    }
}

pub(super) async fn collected(rows: RowStream) -> Result<Answered, Error> {
    let mut rows = pin!(rows);
    let mut collected = Vec::new();
    while let Some(row) = rows.try_next().await? {
        collected.push(row);
    }
    Ok(Answered { rows: collected, count: rows.rows_affected().unwrap_or_default() })
}
