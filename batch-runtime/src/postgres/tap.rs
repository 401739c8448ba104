//! Sits between the driver and the network, and adds what the driver cannot do.
//!
//! The tap sees how transactions end: the driver hides that the server answers the `COMMIT` of a failed transaction
//! with `ROLLBACK`. The tap also sends the rows of a `COPY` directly after its statement: the driver would first wait
//! a round trip for the server's permission, and would lose the connection if the server refused.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{Event, Frames};

/// The state of the session's transaction, according to the server's last answer.
///
/// ```
/// use batch_runtime::postgres::{PgError, Session, TransactionStatus};
///
/// fn rolled_back(session: &Session) -> Result<(), PgError> {
///     match session.status() {
///         TransactionStatus::None => Ok(()),
///         TransactionStatus::Open | TransactionStatus::Failed => session.rollback(),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransactionStatus {
    /// There is no transaction.
    #[default]
    None,
    /// A transaction is open.
    Open,
    /// A statement failed in the transaction. The server refuses all others until a rollback of the whole transaction
    /// or to a savepoint.
    Failed,
}

/// The state of transactions, according to the answers so far.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct TransactionState {
    pub(super) status: TransactionStatus,
    /// Whether the last answer to a `COMMIT` or `ROLLBACK` said that the transaction is committed.
    pub(super) committed: bool,
    /// The number of times that a transaction was begun.
    pub(super) begun: u64,
    /// The number of times that a transaction was committed.
    pub(super) commits: u64,
}

/// The comment that marks a `COPY` statement whose rows the tap sends.
const COPY: &str = "/*batch ";

/// The state that the session shares with its tap.
#[derive(Debug, Clone, Default)]
pub(super) struct TapState(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    transaction_state: TransactionState,
    /// The `COPY` statements that the driver has not sent yet: the mark and the rows of each.
    feeds: VecDeque<(String, Feed)>,
    copies: u64,
}

impl TapState {
    pub(super) fn transaction_state(&self) -> TransactionState {
        self.lock().transaction_state
    }

    /// Announces a `COPY`. Returns the statement with its mark, and the feed for its rows.
    pub(super) fn copy(&self, statement: &str) -> (String, Feed) {
        let mut shared = self.lock();
        shared.copies += 1;
        let mark = format!("{COPY}{:08x}*/", shared.copies & 0xffff_ffff);
        let feed = Feed::default();
        shared.feeds.push_back((mark.clone(), feed.clone()));
        (mark + statement, feed)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rows of one `COPY`, as frames.
#[derive(Debug, Clone, Default)]
pub(super) struct Feed(Arc<Mutex<Rows>>);

#[derive(Debug, Default)]
struct Rows {
    frames: VecDeque<Bytes>,
    /// Whether a part of the first frame was sent.
    begun: bool,
    size: usize,
    ended: bool,
}

impl Feed {
    /// Adds a frame.
    pub(super) fn push(&self, frame: Bytes) {
        let mut rows = self.lock();
        rows.size += frame.len();
        rows.frames.push_back(frame);
    }

    /// Says that no more frames follow.
    pub(super) fn end(&self) {
        self.lock().ended = true;
    }

    /// Drops the frames that were not sent, because nobody will read them. A frame of which a part was sent is still
    /// sent to its end.
    pub(super) fn cancel(&self) {
        let mut rows = self.lock();
        let begun = usize::from(rows.begun);
        rows.frames.truncate(begun);
        rows.size = rows.frames.front().map_or(0, Bytes::len);
        rows.ended = true;
    }

    /// The number of bytes that are not sent yet.
    pub(super) fn size(&self) -> usize {
        self.lock().size
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream with a tap, which inspects the protocol from the first byte.
#[derive(Debug)]
pub(super) struct Tap<S> {
    stream: S,
    state: TapState,
    answers: Frames,
    requests: Frames,
    /// The feed that is being sent.
    feed: Option<Feed>,
    /// The number of `COPY` statements whose permission to send rows has not arrived yet. The tap hides these
    /// permissions from the driver.
    permissions_to_hide: usize,
}

impl<S> Tap<S> {
    pub(super) fn new(stream: S) -> (Self, TapState) {
        let state = TapState::default();
        let (answers, requests) = (Frames::of_server(), Frames::of_client());
        (Self { stream, state: state.clone(), answers, requests, feed: None, permissions_to_hide: 0 }, state)
    }

    /// Inspects bytes from the server. Moves those for the driver to the front, and returns their number.
    fn hear(&mut self, bytes: &mut [u8]) -> usize {
        let mut shared = self.state.lock();
        let (mut from, mut to) = (0, 0);
        while from < bytes.len() {
            let (taken, event) = self.answers.take(&bytes[from..]);
            let kind = match event {
                Event::Within(kind) => kind,
                Event::End(kind, body) => {
                    shared.hear(kind, body);
                    kind
                }
            };
            let ended = matches!(event, Event::End(..));
            if kind == b'G' && self.permissions_to_hide > 0 {
                self.permissions_to_hide -= usize::from(ended);
            } else {
                // Nothing has to move unless something before it was hidden.
                if to < from {
                    bytes.copy_within(from..from + taken, to);
                }
                to += taken;
            }
            from += taken;
        }
        to
    }

    /// Returns how many of these bytes come before the rows of a `COPY`: all, or those up to the end of its
    /// statement.
    fn before_rows(&self, bytes: &[u8]) -> usize {
        let shared = self.state.lock();
        let Some((mark, _)) = shared.feeds.front() else { return bytes.len() };
        let mut requests = self.requests.clone();
        let mut at = 0;
        while at < bytes.len() {
            let (taken, event) = requests.take(&bytes[at..]);
            at += taken;
            if matches!(event, Event::End(b'Q', body) if body.starts_with(mark.as_bytes())) {
                break;
            }
        }
        at
    }

    /// Notes that these bytes were sent.
    fn sent(&mut self, mut bytes: &[u8]) {
        let mut shared = self.state.lock();
        while !bytes.is_empty() {
            let (taken, event) = self.requests.take(bytes);
            bytes = &bytes[taken..];
            if let Some((mark, _)) = shared.feeds.front()
                && matches!(event, Event::End(b'Q', body) if body.starts_with(mark.as_bytes()))
            {
                self.feed = shared.feeds.pop_front().map(|(_, feed)| feed);
                self.permissions_to_hide += 1;
            }
        }
    }
}

impl Shared {
    fn hear(&mut self, kind: u8, body: &[u8]) {
        match (kind, body) {
            (b'Z', [status]) => {
                self.transaction_state.status = match status {
                    b'T' => TransactionStatus::Open,
                    b'E' => TransactionStatus::Failed,
                    _ => TransactionStatus::None,
                };
            }
            (b'C', b"BEGIN\0" | b"START TRANSACTION\0") => {
                self.transaction_state.begun += 1;
                // The status follows only after the last statement of the message.
                self.transaction_state.status = TransactionStatus::Open;
            }
            (b'C', b"COMMIT\0") => {
                self.transaction_state.committed = true;
                self.transaction_state.commits += 1;
            }
            (b'C', b"ROLLBACK\0") => self.transaction_state.committed = false,
            _ => {}
        }
    }
}

impl<S: AsyncWrite + Unpin> Tap<S> {
    /// Sends the rows that have been added, and returns whether the feed is finished.
    fn poll_feed(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let Some(feed) = &self.feed else { return Poll::Ready(Ok(true)) };
        let mut rows = feed.lock();
        while let Some(frame) = rows.frames.front_mut() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, frame))?;
            frame.advance(sent);
            rows.begun = !frame.is_empty();
            if !rows.begun {
                rows.frames.pop_front();
            }
            rows.size = rows.size.saturating_sub(sent);
        }
        let ended = rows.ended;
        drop(rows);
        if ended {
            self.feed = None;
        }
        Poll::Ready(Ok(ended))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            let read = buffer.filled().len() - before;
            let left = self.hear(&mut buffer.filled_mut()[before..]);
            buffer.set_filled(before + left);
            // If all bytes were hidden, read on: returning no bytes would signal the end of the stream.
            if read == 0 || left > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !ready!(self.poll_feed(context))? {
            // No waker is needed, because the thread that adds the next row also polls the driver.
            return Poll::Pending;
        }
        let allowed = self.before_rows(bytes);
        let sent = ready!(Pin::new(&mut self.stream).poll_write(context, &bytes[..allowed]))?;
        self.sent(&bytes[..sent]);
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_feed(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frames::frame;
    use super::*;

    /// A stream that reads and writes in small pieces, and keeps all that is written.
    #[derive(Debug)]
    struct Pieces {
        bytes: Vec<u8>,
        size: usize,
        written: Vec<u8>,
        /// The maximum number of bytes that can be written until the stream is full.
        most: usize,
    }

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let size = self.size.min(self.bytes.len());
            let piece: Vec<u8> = self.bytes.drain(..size).collect();
            buffer.put_slice(&piece);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Pieces {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let size = self.size.min(bytes.len()).min(self.most - self.written.len());
            if size == 0 {
                return Poll::Pending;
            }
            self.written.extend_from_slice(&bytes[..size]);
            Poll::Ready(Ok(size))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn pieces(bytes: Vec<u8>, size: usize) -> Pieces {
        Pieces { bytes, size, written: Vec::new(), most: usize::MAX }
    }

    fn read_all(tap: &mut Tap<Pieces>, context: &mut Context<'_>) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let mut space = [0; 64];
            let mut buffer = ReadBuf::new(&mut space);
            assert!(Pin::new(&mut *tap).poll_read(context, &mut buffer).is_ready());
            if buffer.filled().is_empty() {
                return all;
            }
            all.extend_from_slice(buffer.filled());
        }
    }

    /// Writes as the driver does, as far as it can.
    fn write(tap: &mut Tap<Pieces>, context: &mut Context<'_>, bytes: &mut Vec<u8>) {
        while !bytes.is_empty() {
            match Pin::new(&mut *tap).poll_write(context, bytes) {
                Poll::Ready(sent) => drop(bytes.drain(..sent.unwrap())),
                Poll::Pending => return,
            }
        }
        let _ = Pin::new(&mut *tap).poll_flush(context);
    }

    #[test]
    fn answers_are_understood_however_they_are_cut() {
        let context = &mut Context::from_waker(std::task::Waker::noop());
        let answers = [
            frame(b'C', b"START TRANSACTION\0"),
            frame(b'D', &[b'Z'; 300]),
            frame(b'C', b"INSERT 0 1\0"),
            frame(b'Z', b"E"),
            frame(b'C', b"COMMIT\0"),
            frame(b'Z', b"T"),
            frame(b'C', b"SELECT 1000000000000\0"),
            frame(b'C', b"BEGIN\0"),
            frame(b'G', b"nobody copies: this is for the driver"),
        ]
        .concat();
        for size in 1..40 {
            let (mut tap, state) = Tap::new(pieces(answers.clone(), size));
            assert_eq!(read_all(&mut tap, context), answers);
            let transaction_state = state.transaction_state();
            assert_eq!(
                (transaction_state.status, transaction_state.begun, transaction_state.commits),
                (TransactionStatus::Open, 2, 1)
            );
            assert!(transaction_state.committed);
            tap.stream.bytes = [frame(b'C', b"ROLLBACK\0"), frame(b'Z', b"I")].concat();
            read_all(&mut tap, context);
            assert_eq!(state.transaction_state().status, TransactionStatus::None);
            assert!(!state.transaction_state().committed);
        }
    }

    #[test]
    fn a_feed_that_is_cancelled_ends_with_a_whole_frame() {
        let context = &mut Context::from_waker(std::task::Waker::noop());
        let startup = [&8_u32.to_be_bytes()[..], &[0; 4]].concat();
        for cancelled_after in 0..40 {
            let (mut tap, state) = Tap::new(pieces(Vec::new(), usize::MAX));
            let (statement, feed) = state.copy("COPY t FROM STDIN");
            let copy = frame(b'Q', format!("{statement}\0").as_bytes());
            let after = frame(b'Q', b"ROLLBACK\0");
            let mut bytes = [&startup[..], &copy, &after].concat();
            write(&mut tap, context, &mut bytes);
            let (first, second) = (frame(b'd', b"one row"), frame(b'd', b"two"));
            let all = [&first[..], &second].concat();
            feed.push(first.clone().into());
            feed.push(second.into());
            tap.stream.most = tap.stream.written.len() + cancelled_after.min(all.len());
            write(&mut tap, context, &mut bytes);
            feed.cancel();
            tap.stream.most = usize::MAX;
            write(&mut tap, context, &mut bytes);
            let sent = match cancelled_after {
                0 => 0,
                within if within <= first.len() => first.len(),
                _ => all.len(),
            };
            let expected = [&startup[..], &copy, &all[..sent], &after].concat();
            assert_eq!(tap.stream.written, expected, "after {cancelled_after} bytes");
        }
    }

    #[test]
    fn rows_follow_their_statement_and_precede_the_next() {
        let context = &mut Context::from_waker(std::task::Waker::noop());
        let startup = [&8_u32.to_be_bytes()[..], &[0; 4]].concat();
        for size in 1..40 {
            let (mut tap, state) = Tap::new(pieces(Vec::new(), size));
            let (statement, feed) = state.copy("COPY t FROM STDIN");
            let copy = frame(b'Q', format!("{statement}\0").as_bytes());
            let (before, after) = (frame(b'Q', b"BEGIN\0"), frame(b'Q', b"COMMIT\0"));
            let mut bytes = [&startup[..], &before, &copy, &after].concat();
            feed.push(frame(b'd', b"one").into());
            write(&mut tap, context, &mut bytes);
            assert_eq!(bytes, after, "what follows waits for the end of the rows");
            feed.push(frame(b'd', b"two").into());
            write(&mut tap, context, &mut bytes);
            feed.push(frame(b'c', b"").into());
            feed.end();
            write(&mut tap, context, &mut bytes);
            let rows = [frame(b'd', b"one"), frame(b'd', b"two"), frame(b'c', b"")].concat();
            assert_eq!(tap.stream.written, [&startup[..], &before, &copy, &rows, &after].concat());
            assert_eq!(feed.size(), 0);

            // The driver does not see the permission to send rows.
            let answers = [frame(b'G', b"\x01\0\x02\0\0\0\0"), frame(b'C', b"COPY 2\0"), frame(b'Z', b"T")];
            tap.stream.bytes = answers.concat();
            assert_eq!(read_all(&mut tap, context), answers[1..].concat());
        }
    }
}
