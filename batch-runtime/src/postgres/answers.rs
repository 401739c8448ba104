//! Listens to the server's answers for what became of the transaction.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Where the session's transaction stands, as the server said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransactionStatus {
    /// There is none.
    #[default]
    None,
    /// It is open.
    Open,
    /// A statement failed in it: until it is rolled back, or a savepoint is, the server refuses everything.
    Failed,
}

/// What the answers so far said.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Heard {
    pub(super) status: TransactionStatus,
    /// Whether the last `COMMIT` or `ROLLBACK` that was answered had committed. The driver hides that the `COMMIT` of a
    /// failed transaction is answered with `ROLLBACK`.
    pub(super) committed: bool,
}

/// Follows the frames of the server's answers, however they are cut into reads.
#[derive(Debug, Default)]
struct Scanner {
    /// The type and length of the current frame, and the first bytes of its body.
    head: [u8; Self::HEAD],
    filled: usize,
    /// The bytes of the current frame to skip.
    skip: usize,
    heard: Heard,
}

impl Scanner {
    /// One byte of type, four of length, and enough for the longest tag that matters, `ROLLBACK`, with its zero.
    const HEAD: usize = 5 + 9;

    fn scan(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let wanted = self.wanted();
            let taken = (wanted - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            // After its length has come, the frame may be wanted in part.
            if self.filled >= 5 && self.filled == self.wanted() {
                self.hear();
                self.skip = self.length().saturating_sub(self.filled - 5);
                self.filled = 0;
            }
        }
    }

    /// The length of the body.
    fn length(&self) -> usize {
        let length = u32::from_be_bytes([self.head[1], self.head[2], self.head[3], self.head[4]]);
        usize::try_from(length).unwrap_or(usize::MAX).saturating_sub(4)
    }

    /// How much of the frame is to be looked at.
    fn wanted(&self) -> usize {
        match self.head[0] {
            b'Z' | b'C' if self.filled >= 5 => 5 + self.length().min(Self::HEAD - 5),
            _ => 5,
        }
    }

    fn hear(&mut self) {
        match (self.head[0], &self.head[5..self.filled]) {
            (b'Z', [status]) => {
                self.heard.status = match status {
                    b'T' => TransactionStatus::Open,
                    b'E' => TransactionStatus::Failed,
                    _ => TransactionStatus::None,
                };
            }
            (b'C', b"COMMIT\0") => self.heard.committed = true,
            (b'C', b"ROLLBACK\0") => self.heard.committed = false,
            _ => {}
        }
    }
}

/// What a [`Listened`] stream tells.
#[derive(Debug, Clone, Default)]
pub(super) struct Ear(Arc<Mutex<Scanner>>);

impl Ear {
    /// What was heard last.
    pub(super) fn heard(&self) -> Heard {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).heard
    }

    fn scan(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).scan(bytes);
    }
}

/// A stream whose reads are listened to, from the first byte after the server has accepted the user.
#[derive(Debug)]
pub(super) struct Listened<S> {
    stream: S,
    ear: Ear,
}

impl<S> Listened<S> {
    pub(super) fn new(stream: S) -> (Self, Ear) {
        let ear = Ear::default();
        (Self { stream, ear: ear.clone() }, ear)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Listened<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.ear.scan(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listened<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind], &length[..], body].concat()
    }

    #[test]
    fn answers_are_understood_however_they_are_cut() {
        let answers = [
            frame(b'2', b""),
            frame(b'D', &[b'Z'; 300]),
            frame(b'C', b"INSERT 0 1\0"),
            frame(b'Z', b"E"),
            frame(b'C', b"COMMIT\0"),
            frame(b'Z', b"T"),
            frame(b'C', b"SELECT 1000000000000\0"),
            frame(b'C', b"BEGIN\0"),
        ]
        .concat();
        for piece in 1..40 {
            let mut scanner = Scanner::default();
            answers.chunks(piece).for_each(|piece| scanner.scan(piece));
            assert_eq!(scanner.heard.status, TransactionStatus::Open);
            assert!(scanner.heard.committed);
            frame(b'C', b"ROLLBACK\0").chunks(piece).for_each(|piece| scanner.scan(piece));
            frame(b'Z', b"I").chunks(piece).for_each(|piece| scanner.scan(piece));
            assert_eq!(scanner.heard.status, TransactionStatus::None);
            assert!(!scanner.heard.committed);
        }
    }
}
