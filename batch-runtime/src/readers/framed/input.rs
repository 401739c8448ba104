//! Buffers the bytes of a source, and keeps the place after the last record.

use std::sync::Arc;

use super::place::{Place, TAIL};
use super::valid_text::ValidText;
use crate::readers::ReadError;
use crate::readers::source::{ENCODING_PROBE_BYTES, Source};

/// The size of a read from the operating system; the buffer and its index stay in the cache.
const BUFFER: usize = 128 * 1024;

pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A source, a buffer with some of its bytes, and the place after the last record.
pub(crate) struct Input {
    pub(crate) source: Source,
    /// Holds up to [`TAIL`] bytes before `at`, and the bytes read ahead.
    pub(super) buffer: Vec<u8>,
    pub(super) filled: usize,
    /// The offset in the input of the buffer's first byte.
    pub(super) base: u64,
    /// The offset in the buffer after the last record.
    pub(super) at: usize,
    /// The line at `at`, from 1.
    pub(super) line: u64,
    /// The line of the last record found.
    pub(super) record_line: u64,
    /// True once the source has ended.
    pub(super) ended: bool,
    /// True if the last line had no line ending and one was added to the buffer.
    pub(super) completed: bool,
    /// The place after the last record while `at` is further ahead: the input between them is dropped as it
    /// is read.
    held: Option<Place>,
    text: ValidText,
    /// The maximum length of a record in bytes.
    pub(crate) longest: usize,
}

impl Input {
    pub(super) fn new(source: Source, longest: usize) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            filled: 0,
            base: 0,
            at: 0,
            line: 1,
            record_line: 1,
            ended: false,
            completed: false,
            held: None,
            text: ValidText::default(),
            longest,
        }
    }

    /// Returns an empty input with the name of this one.
    pub(super) fn nothing(&self) -> Self {
        Self { ended: true, ..Self::new(self.source.nothing(), self.longest) }
    }

    /// Empties the buffer, for bytes that begin at the given place of the input.
    pub(super) fn begin_at(&mut self, line: u64, byte: u64) {
        self.buffer.clear();
        self.text.forget();
        (self.base, self.line, self.at, self.filled) = (byte, line, 0, 0);
    }

    pub(crate) fn resource(&self) -> Arc<str> {
        self.source.resource().clone()
    }

    /// All bytes in the buffer; the place is at [`at`](Self::at).
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// The offset in the buffer after the last record.
    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The bytes after the last record, as far as they are in the buffer.
    #[inline]
    pub(crate) fn rest(&self) -> &[u8] {
        &self.buffer[self.at..self.filled]
    }

    /// Checks the bytes in the buffer from `start` on as UTF-8, unless that was done before.
    #[inline]
    pub(crate) fn know_text(&mut self, start: usize) {
        self.text.know(&self.buffer[..self.filled], start);
    }

    /// Returns the text between two offsets in the buffer, if [`know_text`](Self::know_text) found that it is text.
    #[inline]
    pub(crate) fn text(&self, start: usize, end: usize) -> Option<&str> {
        self.text.between(start, end)
    }

    /// Returns the text from an offset in the buffer on, if [`know_text`](Self::know_text) found that it is text.
    #[inline]
    pub(crate) fn text_from(&self, start: usize) -> Option<&str> {
        self.text.from(start)
    }

    /// The bytes in the buffer up to the place after the last record.
    pub(super) fn before(&self) -> &[u8] {
        &self.buffer[..self.at.min(self.filled)]
    }

    /// The bytes in the buffer that are in the input: without the line ending that was added.
    pub(crate) fn real(&self) -> &[u8] {
        &self.buffer[..self.filled - usize::from(self.completed)]
    }

    /// The line at the place, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// True if no bytes follow those in the buffer.
    #[inline]
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// True if no bytes follow the last record.
    #[inline]
    pub(super) fn is_at_end(&self) -> bool {
        self.ended && self.at == self.filled
    }

    /// The offset in the input after the last record. At the end of an input whose last line was given a line
    /// ending, this is one more than the length of the input.
    #[inline]
    pub(crate) fn byte(&self) -> u64 {
        self.base + self.at as u64
    }

    #[inline]
    pub(super) fn pass_to(&mut self, to: usize, lines: u64) {
        self.at = to;
        self.line += lines;
    }

    /// Returns the place after the last record.
    pub(super) fn place(&self) -> Place {
        if let Some(held) = self.held {
            return held;
        }
        // The line ending that was added to the buffer is not in the input.
        let at = self.at - usize::from(self.completed && self.at == self.filled);
        Place::of(&self.buffer, self.base, at, self.line)
    }

    /// Keeps the place while the input after it is dropped.
    pub(super) fn hold(&mut self) {
        self.held = Some(self.place());
    }

    pub(super) fn release(&mut self) {
        self.held = None;
    }

    /// Skips a byte order mark, and refuses other encodings.
    pub(super) fn begin(&mut self, lines: bool, takes_utf16: bool) -> Result<(), ReadError> {
        self.look_ahead(ENCODING_PROBE_BYTES, lines)?;
        self.source.check_encoding(self.bytes(), takes_utf16)?;
        if self.bytes().starts_with(BYTE_ORDER_MARK) {
            self.at = BYTE_ORDER_MARK.len();
        }
        Ok(())
    }

    pub(super) fn look_ahead(&mut self, bytes: usize, lines: bool) -> Result<(), ReadError> {
        while self.filled < self.at + bytes && !self.ended {
            match self.fill(lines) {
                Err(_) if self.filled > self.at => return Ok(()),
                filled => filled?,
            }
        }
        Ok(())
    }

    /// Reads on, and keeps everything after the place and the tail before it. If the input ends and `lines` is
    /// true, its last line is given a line ending.
    pub(super) fn fill(&mut self, lines: bool) -> Result<(), ReadError> {
        self.text.forget();
        let dropped = self.at.saturating_sub(TAIL);
        self.buffer.copy_within(dropped..self.filled, 0);
        self.base += dropped as u64;
        self.at -= dropped;
        self.filled -= dropped;
        if self.buffer.len() - self.filled < BUFFER / 2 {
            // Double the buffer, so that a long record is not copied with each read.
            self.buffer.resize((2 * self.filled).max(BUFFER), 0);
        }
        // The last byte of the buffer stays free for the end of the last line.
        let room = self.buffer.len() - 1;
        let count = self.source.fill(&mut self.buffer[self.filled..room])?;
        self.filled += count;
        if count == 0 {
            self.ended = true;
            if lines && self.filled > self.at && self.buffer[self.filled - 1] != b'\n' {
                self.buffer[self.filled] = b'\n';
                self.filled += 1;
                self.completed = true;
            }
        }
        Ok(())
    }

    /// The error for the record at the place, which is too long.
    #[cold]
    pub(crate) fn too_long(&self, missing: &'static str) -> ReadError {
        ReadError::TooLong {
            resource: self.resource(),
            line: self.line,
            byte: self.byte(),
            limit: self.longest,
            missing,
        }
    }
}
