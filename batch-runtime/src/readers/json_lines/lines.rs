//! Splits the bytes of a [`Source`] into lines: slices of its buffer, with line number and byte offset, and
//! the place after each from which to resume.

use std::ops::Range;
use std::sync::Arc;

use crate::readers::source::{self, ENCODED, MOST_TAKEN_OUT, Source, line_around};
use crate::readers::{ReadError, json_lines::LinePosition};

/// The size of a read from the operating system.
const BUFFER: usize = 128 * 1024;

/// The number of bytes before a position that are hashed into it.
const TAIL: usize = 64;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The lines of a source.
pub(super) struct Lines {
    pub(super) source: Source,
    /// Holds up to [`TAIL`] bytes before `at`, and the bytes read ahead.
    buffer: Vec<u8>,
    /// The offset in the input of the buffer's first byte.
    base: u64,
    /// The start of the next line in the buffer, and the end of the bytes read.
    at: usize,
    filled: usize,
    ended: bool,
    /// The number of the next line, from 1.
    line: u64,
    pub(super) longest: usize,
    /// The position after the last line while the next one is dropped as it is read.
    held: Option<LinePosition>,
}

/// The place of a line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// The range in the buffer, without the line ending.
    pub(super) range: Range<usize>,
    pub(super) number: u64,
    pub(super) byte: u64,
}

impl Lines {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            base: 0,
            at: 0,
            filled: 0,
            ended: false,
            line: 1,
            longest: 16 * 1024 * 1024,
            held: None,
        }
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn resource(&self) -> Arc<str> {
        self.source.resource().clone()
    }

    /// Returns the bytes of the line just found.
    pub(super) fn bytes(&self, line: &Line) -> &[u8] {
        &self.buffer[line.range.clone()]
    }

    /// Returns the line that contains `byte`, as far as it is still in the buffer.
    #[cold]
    pub(super) fn line_at(&self, byte: u64) -> Option<String> {
        line_around(&self.buffer[..self.at.min(self.filled)], byte.checked_sub(self.base)?)
    }

    /// The number of the last line read.
    pub(super) fn last(&self) -> u64 {
        self.line - 1
    }

    pub(super) fn byte(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Finds the next line, including empty ones.
    pub(super) fn advance(&mut self) -> Result<Option<Line>, ReadError> {
        let mut searched = self.at;
        loop {
            let end =
                memchr::memchr(b'\n', &self.buffer[searched..self.filled]).map(|found| searched + found);
            let length = end.unwrap_or(self.filled) - self.at;
            if length > self.longest {
                return Err(self.skip_line(end)?);
            }
            if let Some(end) = end {
                return Ok(Some(self.take(end, end + 1)));
            }
            if self.ended {
                return Ok((self.at < self.filled).then(|| self.take(self.filled, self.filled)));
            }
            self.fill()?;
            searched = self.at + length;
        }
    }

    /// Returns the next bytes of the input, at least `most` of them if there are as many, and whether they
    /// are the rest of it.
    pub(super) fn peek(&mut self, most: usize) -> Result<(&[u8], bool), ReadError> {
        self.look_ahead(most)?;
        Ok((&self.buffer[self.at..self.filled], self.ended))
    }

    /// Reads on until `bytes` bytes follow the last line, or the input ends. An error after the first of them
    /// is returned only when reading gets there.
    fn look_ahead(&mut self, bytes: usize) -> Result<(), ReadError> {
        while self.filled < self.at + bytes && !self.ended {
            match self.fill() {
                Err(_) if self.filled > self.at => return Ok(()),
                filled => filled?,
            }
        }
        Ok(())
    }

    /// Returns an empty reader of the same input.
    pub(super) fn none(&self) -> Self {
        Self { longest: self.longest, ended: true, ..Self::new(self.source.nothing()) }
    }

    /// Copies lines to `into` until `most` of them are not blank, and returns the number of those.
    pub(super) fn copy_next(&mut self, most: usize, end: u64, into: &mut Self) -> Result<usize, ReadError> {
        into.buffer.clear();
        (into.at, into.filled) = (0, 0);
        let mut count = 0;
        while count < most && self.byte() < end && into.filled < MOST_TAKEN_OUT {
            let Some(line) = self.advance()? else { break };
            if into.filled == 0 {
                (into.base, into.line) = (line.byte, line.number);
            }
            count += usize::from(!self.bytes(&line).trim_ascii().is_empty());
            into.buffer.extend_from_slice(&self.buffer[line.range.start..self.at]);
            into.filled = into.buffer.len();
        }
        Ok(count)
    }

    fn take(&mut self, end: usize, next: usize) -> Line {
        let line = Line { range: self.at..end, number: self.line, byte: self.byte() };
        self.at = next;
        self.line += 1;
        line
    }

    /// Puts the line just found back, so that it is the next one again.
    #[cold]
    pub(super) fn put_back(&mut self, line: &Line) {
        (self.at, self.line) = (line.range.start, line.number);
    }

    /// Moves past a line that is too long, whose end may be known.
    #[cold]
    fn skip_line(&mut self, mut end: Option<usize>) -> Result<ReadError, ReadError> {
        let (line, byte) = (self.line, self.byte());
        self.held = Some(self.position());
        while end.is_none() {
            self.at = self.filled;
            if self.ended {
                break;
            }
            self.fill()?;
            end = memchr::memchr(b'\n', &self.buffer[self.at..self.filled]).map(|found| self.at + found);
        }
        self.held = None;
        self.at = end.map_or(self.filled, |end| end + 1);
        self.line += 1;
        let (resource, limit) = (self.resource(), self.longest);
        Ok(ReadError::TooLong { resource, line, byte, limit, in_quotes: false })
    }

    /// Reads on; drops the bytes before the next line, except for the tail of a position.
    fn fill(&mut self) -> Result<(), ReadError> {
        let dropped = self.at.saturating_sub(TAIL);
        self.buffer.copy_within(dropped..self.filled, 0);
        self.base += dropped as u64;
        self.at -= dropped;
        self.filled -= dropped;
        if self.buffer.len() - self.filled < BUFFER / 2 {
            // Double the buffer, so that a long line is not copied with each read.
            self.buffer.resize((2 * self.filled).max(BUFFER), 0);
        }
        let count = self.source.fill(&mut self.buffer[self.filled..])?;
        self.filled += count;
        self.ended = count == 0;
        Ok(())
    }

    /// Skips a byte order mark, and refuses other encodings.
    pub(super) fn begin(&mut self) -> Result<(), ReadError> {
        self.look_ahead(ENCODED)?;
        self.source.check_encoding(&self.buffer[..self.filled])?;
        if self.buffer[..self.filled].starts_with(BYTE_ORDER_MARK) {
            self.at = BYTE_ORDER_MARK.len();
        }
        Ok(())
    }

    pub(super) fn position(&self) -> LinePosition {
        if let Some(held) = &self.held {
            return held.clone();
        }
        let tail = &self.buffer[self.at.saturating_sub(TAIL)..self.at];
        let byte = self.byte();
        LinePosition {
            byte,
            line: self.line,
            tail: tail.len() as u64,
            hash: source::hash(tail),
            input: self.source.identity(byte),
        }
    }

    /// Moves to a position before the first line is read.
    pub(super) fn go_to(&mut self, position: &LinePosition) -> Result<(), ReadError> {
        let LinePosition { byte, line, tail, hash, input } = *position;
        self.source.check(input, byte)?;
        self.held = None;
        let tail = usize::try_from(tail).unwrap_or(usize::MAX).min(TAIL);
        let Some(target) = byte.checked_sub(tail as u64) else {
            return Err(self.source.changed(byte, "the position is damaged"));
        };
        // The bytes read to examine the beginning cannot be read again from a compressed file.
        let in_buffer = target.checked_sub(self.base).and_then(|offset| usize::try_from(offset).ok());
        if let Some(offset) = in_buffer.filter(|offset| *offset <= self.filled) {
            self.at = offset;
        } else {
            self.source.skip_to(target)?;
            (self.base, self.at, self.filled, self.ended) = (target, 0, 0, false);
        }
        // One more byte reveals whether a line without a line ending has grown.
        while self.filled < self.at + tail + 2 && !self.ended {
            self.fill()?;
        }
        let begin = self.at;
        let known = self.buffer[..self.filled].get(begin..begin + tail);
        let known = known.ok_or_else(|| self.source.changed(byte, "it is shorter"))?;
        if source::hash(known) != hash {
            return Err(self.source.changed(byte, "the line before it differs"));
        }
        let rest = &self.buffer[begin + tail..self.filled];
        let open = known.last().is_some_and(|last| *last != b'\n') && known != BYTE_ORDER_MARK;
        (self.at, self.line) = (begin + tail, line);
        if open && rest.starts_with(b"\n") {
            self.at += 1;
        } else if open && rest.starts_with(b"\r\n") {
            self.at += 2;
        } else if open && !rest.is_empty() {
            return Err(self.source.changed(byte, "its last line has grown"));
        }
        Ok(())
    }
}
