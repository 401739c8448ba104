//! [`CopyIn`] copies many rows into a table, with `COPY … FROM STDIN` in its binary form.

use std::fmt;
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio_postgres::types::{IsNull, ToSql, Type};

use super::tap::Feed;
use super::waiting::{Answer, Answered, Explain, InFlight};
use super::{PgError, Session, identifier};

/// Rows are sent in frames of about this many bytes.
const FRAME_SIZE: usize = 32 * 1024;
/// When more than this many bytes are unsent, `add` waits for the network.
const MAX_UNSENT: usize = 1024 * 1024;
/// The size of the type and the length of a frame, in bytes.
const HEAD: usize = 5;
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Rows on their way into a table, made by [`Transaction::copy`](super::Transaction::copy).
///
/// The rows are sent as they are added. [`end`](Self::end) waits until the server has taken them;
/// [`end_later`](Self::end_later) does not. If the `CopyIn` is dropped without either call, the copy fails, and
/// so does the chunk.
///
/// ```
/// use batch_runtime::postgres::{PgError, Transaction};
///
/// fn save(names: &[String], tx: &Transaction) -> Result<u64, PgError> {
///     let mut rows = tx.copy("person", ["name"])?;
///     names.iter().try_for_each(|name| rows.add(&[name]))?;
///     rows.end()
/// }
/// ```
pub struct CopyIn<'t> {
    session: &'t Session,
    statement: Arc<str>,
    columns: Vec<String>,
    types: Arc<[Type]>,
    feed: Feed,
    /// `None` once the answer has arrived.
    answer: Option<Answer<Answered>>,
    /// The frame that is being filled.
    buffer: BytesMut,
    rows: u64,
}

impl<'t> CopyIn<'t> {
    pub(super) fn begin(session: &'t Session, table: &str, columns: Vec<String>) -> Result<Self, PgError> {
        let names = columns.iter().map(|column| identifier::quoted(column)).collect::<Vec<_>>().join(", ");
        let table = identifier::qualified(table);
        let types = session.column_types(&format!("SELECT {names} FROM {table}"))?;
        let statement = format!("COPY {table} ({names}) FROM STDIN (FORMAT binary)");
        Self::begin_with(session, &statement, columns, types)
    }

    fn begin_with(
        session: &'t Session,
        statement: &str,
        columns: Vec<String>,
        types: Arc<[Type]>,
    ) -> Result<Self, PgError> {
        let (feed, answer, statement) = session.begin_copy(statement)?;
        let mut copy = Self {
            session,
            statement,
            columns,
            types,
            feed,
            answer: Some(answer),
            buffer: BytesMut::with_capacity(FRAME_SIZE + FRAME_SIZE / 4),
            rows: 0,
        };
        copy.buffer.put_bytes(0, HEAD);
        copy.buffer.put_slice(SIGNATURE);
        Ok(copy)
    }

    /// Adds a row: a value for each column, in their order.
    ///
    /// # Errors
    /// If a value does not fit its column (the row is then left out), or if the server has refused an earlier row.
    pub fn add(&mut self, values: &[&(dyn ToSql + Sync)]) -> Result<(), PgError> {
        let start = self.buffer.len();
        if let Err(error) = self.encode(values) {
            self.buffer.truncate(start);
            return Err(error);
        }
        self.added()
    }

    /// Begins a copy of encoded rows.
    pub(crate) fn of_encoded(session: &'t Session, statement: &str) -> Result<Self, PgError> {
        Self::begin_with(session, statement, Vec::new(), Arc::default())
    }

    /// Adds a row of that many values, each encoded and preceded by its length.
    pub(crate) fn add_encoded(&mut self, values: u16, row: &[u8]) -> Result<(), PgError> {
        self.buffer.put_u16(values);
        self.buffer.put_slice(row);
        self.added()
    }

    fn added(&mut self) -> Result<(), PgError> {
        self.rows += 1;
        if self.buffer.len() < FRAME_SIZE {
            return Ok(());
        }
        self.push();
        self.advance()
    }

    fn encode(&mut self, values: &[&(dyn ToSql + Sync)]) -> Result<(), PgError> {
        if values.len() != self.types.len() {
            let (has, given) = (self.types.len(), values.len());
            let message = format!("the copy has {has} columns, and {given} values are given");
            return Err(PgError::misuse(message).in_statement(&self.statement));
        }
        // The server allows fewer columns than this maximum.
        self.buffer.put_i16(i16::try_from(values.len()).unwrap_or(i16::MAX));
        for ((value, type_), column) in values.iter().zip(&*self.types).zip(&self.columns) {
            let start = self.buffer.len();
            self.buffer.put_i32(-1);
            let refused = |why: &dyn fmt::Display| {
                PgError::misuse(format!("row {}, column `{column}`: {why}", self.rows + 1))
                    .in_statement(&self.statement)
            };
            if let IsNull::No =
                value.to_sql_checked(type_, &mut self.buffer).map_err(|error| refused(&error))?
            {
                let length = self.buffer.len() - start - 4;
                let length = i32::try_from(length).map_err(|_| refused(&"the value is larger than 2 GB"))?;
                self.buffer[start..start + 4].copy_from_slice(&length.to_be_bytes());
            }
        }
        Ok(())
    }

    /// Ends the frame and begins the next.
    fn push(&mut self) {
        let mut frame = self.buffer.split();
        frame[0] = b'd';
        // A frame is at most about 32 KB plus one row, whose values the server limits to 1 GB.
        let length = u32::try_from(frame.len() - 1).unwrap_or(u32::MAX);
        frame[1..HEAD].copy_from_slice(&length.to_be_bytes());
        self.feed.push(frame.freeze());
        self.buffer.reserve(FRAME_SIZE + FRAME_SIZE / 4);
        self.buffer.put_bytes(0, HEAD);
    }

    /// Lets the driver send rows, and checks whether the server has refused one.
    fn advance(&mut self) -> Result<(), PgError> {
        let Some(answer) = &mut self.answer else { return Err(self.failed_already()) };
        match self.session.feed(&self.statement, answer, &self.feed, MAX_UNSENT) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.answer = None;
                Err(error)
            }
        }
    }

    fn failed_already(&self) -> PgError {
        PgError::misuse("the copy has failed already").in_statement(&self.statement)
    }

    /// Ends the copy, waits until the server has taken all rows, and returns their number.
    ///
    /// # Errors
    /// If the server refuses a row.
    pub fn end(mut self) -> Result<u64, PgError> {
        let answer = self.finish()?;
        self.session.end_copy(&self.statement, answer)
    }

    /// Ends the copy without waiting. If the server refuses a row, the next call that waits returns the error.
    ///
    /// # Errors
    /// If the copy has failed already.
    pub fn end_later(self) -> Result<(), PgError> {
        self.end_explained(None)
    }

    /// As [`end_later`](Self::end_later); calls `explain` if the server refuses a row.
    pub(crate) fn end_explained(mut self, explain: Option<Explain>) -> Result<(), PgError> {
        let answer = self.finish()?;
        self.session.end_copy_later(InFlight { statement: Arc::clone(&self.statement), answer, explain });
        Ok(())
    }

    fn finish(&mut self) -> Result<Answer<Answered>, PgError> {
        let answer = self.answer.take().ok_or_else(|| self.failed_already())?;
        self.buffer.put_i16(-1);
        self.push();
        self.feed.push(Bytes::from_static(b"c\0\0\0\x04"));
        self.feed.end();
        Ok(answer)
    }
}

/// The frame that makes the server abort a copy.
pub(super) fn abort_frame() -> Bytes {
    let why = b"the copy was not ended: call `end` or `end_later`\0";
    let mut frame = BytesMut::new();
    frame.put_u8(b'f');
    frame.put_u32(u32::try_from(why.len() + 4).unwrap_or_default());
    frame.put_slice(why);
    frame.freeze()
}

impl Drop for CopyIn<'_> {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            self.feed.push(abort_frame());
            self.feed.end();
            self.session.end_copy_later(InFlight::new(Arc::clone(&self.statement), answer));
        }
    }
}

impl fmt::Debug for CopyIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyIn")
            .field("statement", &self.statement)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}
