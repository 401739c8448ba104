//! Runs the queries of a reader, in read-only transactions. The query for a page is sent before its rows are needed.

use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures_util::future;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row, Statement};

use super::sending::Prepare;
use super::tap::TransactionStatus;
use super::values::Encoded;
use super::waiting::{Answer, Answered, InFlight};
use super::{PgError, Session, sending};

/// A parameter, encoded for its type.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    value: Encoded,
    type_: Type,
}

impl Parameter {
    /// Encodes a value.
    pub(crate) fn new(value: &(dyn ToSql + Sync), type_: &Type) -> Result<Self, String> {
        let value = Encoded::new(value, type_, &mut BytesMut::new());
        Ok(Self { value: value.map_err(|error| error.to_string())?, type_: type_.clone() })
    }

    /// A value as the server sends it.
    pub(crate) fn binary(bytes: &[u8], type_: &Type) -> Self {
        Self { value: Encoded::of(Bytes::copy_from_slice(bytes)), type_: type_.clone() }
    }

    /// A value in its text form.
    pub(crate) fn text(text: &str, type_: &Type) -> Self {
        Self { value: Encoded::text(text), type_: type_.clone() }
    }
}

/// The server's description of a query.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) parameters: Vec<Type>,
    pub(crate) columns: Vec<DescribedColumn>,
}

impl Described {
    fn of(statement: &Statement) -> Self {
        let columns = statement.columns().iter().map(|column| DescribedColumn {
            name: column.name().to_owned(),
            type_: column.type_().clone(),
            is_of_a_table: column.table_oid().is_some(),
        });
        Self { parameters: statement.params().to_vec(), columns: columns.collect() }
    }
}

/// A column of a query.
#[derive(Debug)]
pub(crate) struct DescribedColumn {
    pub(crate) name: String,
    pub(crate) type_: Type,
    /// Whether the query returns a column of a table unchanged.
    pub(crate) is_of_a_table: bool,
}

/// A query that was sent and whose answer has not been fetched yet.
pub(crate) struct SentQuery {
    statement: Arc<str>,
    answer: Answer<Answered>,
    done: Option<Result<Answered, Error>>,
}

/// The statement that makes a transaction read-only.
const READ_ONLY: &str = "SET TRANSACTION READ ONLY";

impl Session {
    /// The types of a query's parameters and columns.
    pub(crate) fn described(&self, query: &str) -> Result<Described, PgError> {
        if self.named {
            return Ok(Described::of(&self.prepared(query)?.1));
        }
        // A pooler may use another server connection for each statement. Only a transaction makes sure that the
        // statement is prepared and closed on the same one.
        self.begin(READ_ONLY)?;
        let (client, text) = (self.client()?, query.to_owned());
        let prepared = self.finish(query, Box::pin(async move { client.prepare(&text).await }));
        let described = prepared.map(|prepared| Described::of(&prepared));
        self.rollback()?;
        described
    }

    /// Sends a query in a transaction of its own, without waiting for the answer.
    pub(crate) fn ask(&self, query: &str, values: &[Parameter]) -> Result<SentQuery, PgError> {
        let (statement, answer) = self.start_encoded(query, values)?;
        self.begin(READ_ONLY)?;
        let mut sent = InFlight { statement, answer, explain: None };
        self.inner.borrow_mut().hand_over(&mut sent)?;
        self.send_batch("COMMIT")?;
        self.inner.borrow_mut().drive();
        Ok(SentQuery { statement: sent.statement, answer: sent.answer, done: None })
    }

    /// Takes the part of an answer that has arrived, so that the server can send the rest. Returns whether the
    /// answer is complete.
    pub(crate) fn take_arrived(&self, asked: &mut SentQuery) -> bool {
        if asked.done.is_none() {
            let inner = &mut *self.inner.borrow_mut();
            let poll_loop = Arc::clone(&inner.wire.poll_loop);
            let _: Poll<()> = poll_loop.poll(|context| {
                if asked.done.is_none()
                    && let Poll::Ready(done) = asked.answer.as_mut().poll(context)
                {
                    asked.done = Some(done);
                }
                inner.wire.drive(context);
                inner.collect(context);
                Poll::Pending
            });
        }
        asked.done.is_some()
    }

    /// Waits for the rows of a query that was [sent](Self::ask).
    pub(crate) fn answer(&self, asked: SentQuery) -> Result<Vec<Row>, PgError> {
        let SentQuery { statement, answer, done } = asked;
        let answer = match done {
            Some(done) => Box::pin(future::ready(done)),
            None => answer,
        };
        Ok(self.finish(&statement, answer)?.rows)
    }

    /// Runs a query in the open transaction, or else in one of its own.
    pub(crate) fn read(&self, query: &str, values: &[Parameter]) -> Result<Vec<Row>, PgError> {
        if self.status() == TransactionStatus::None && self.is_settled() {
            return self.answer(self.ask(query, values)?);
        }
        let (statement, answer) = self.start_encoded(query, values)?;
        Ok(self.finish(&statement, answer)?.rows)
    }

    /// Runs several queries in one transaction, so that they all see the same rows.
    pub(crate) fn in_one_snapshot<T, E: From<PgError>>(
        &self,
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.begin("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
        let done = read();
        // The transaction has changed nothing, so roll it back.
        let ended = self.rollback();
        let done = done?;
        ended?;
        Ok(done)
    }

    /// Returns the query's text, and a future whose first poll sends the query. The parameters are already encoded.
    fn start_encoded(
        &self,
        query: &str,
        values: &[Parameter],
    ) -> Result<(Arc<str>, Answer<Answered>), PgError> {
        if !self.is_unprepared(query, Prepare::Second) {
            let (text, prepared) = self.prepared(query)?;
            let values: Vec<Encoded> = values.iter().map(|given| given.value.clone()).collect();
            let client = self.client()?;
            let answer = async move { sending::collected(client.query_raw(&prepared, values).await?).await };
            return Ok((text, Box::pin(answer)));
        }
        let text: Arc<str> = query.into();
        let values: Vec<_> = values.iter().map(|given| (given.value.clone(), given.type_.clone())).collect();
        let (client, query) = (self.client()?, Arc::clone(&text));
        let answer = async move { sending::collected(client.query_typed_raw(&query, values).await?).await };
        Ok((text, Box::pin(answer)))
    }
}
