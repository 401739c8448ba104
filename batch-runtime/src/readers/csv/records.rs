//! Splits the bytes of a [`Source`] into records: slices of its buffer, with line and byte offset, and the
//! place after each from which to resume.
//!
//! This parser is hand-written: the crates that are faster than `csv` have no exact offset after a record, no
//! limit on its length and no error for a quote that is never closed.

use std::sync::Arc;

use super::index;
use super::place::{Place, TAIL};
use crate::readers::ReadError;
use crate::readers::source::{ENCODED, Source, line_around};

/// The size of a read from the operating system; the buffer and its index stay in the cache.
const BUFFER: usize = 128 * 1024;

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The rules by which bytes become records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syntax {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    pub(super) comment: Option<u8>,
    /// The escape character: within quotes, the byte after it is taken literally.
    pub(super) escape: Option<u8>,
    /// White space may surround quotes.
    pub(super) trim: bool,
    /// Misplaced quotes and carriage returns are text.
    pub(super) lenient: bool,
    pub(super) longest: usize,
}

impl Syntax {
    fn marks(&self) -> [u8; 3] {
        [self.delimiter, b'\n', self.quote.unwrap_or(b'\n')]
    }
}

/// A record: `text` holds the fields, separated by one byte each; `ends` holds the end of each, counted from
/// `start`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'r> {
    pub(super) text: &'r [u8],
    pub(super) start: usize,
    pub(super) ends: &'r [u32],
    /// Which fields were quoted; empty if none was.
    pub(super) quoted: &'r [bool],
    pub(super) line: u64,
    pub(super) byte: u64,
}

/// The place of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) first: usize,
    pub(super) last: usize,
    /// True if the record is in the scratch buffer, without its quotes.
    pub(super) unquoted: bool,
    pub(super) line: u64,
    pub(super) byte: u64,
}

/// Splits a source into records.
pub(super) struct Records {
    pub(super) source: Source,
    pub(super) syntax: Syntax,
    pub(super) buffer: Vec<u8>,
    pub(super) filled: usize,
    /// The offset in the input of the buffer's first byte.
    pub(super) base: u64,
    /// The offset in the buffer after the last record.
    pub(super) at: usize,
    /// The marks in the buffer from `at` on; `next` is the first unused one.
    pub(super) index: Vec<u32>,
    pub(super) next: usize,
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
    pub(super) held: Option<Place>,
    /// The offset in the buffer of the next carriage return, once it was searched for.
    pub(super) next_return: usize,
    pub(super) scratch: Vec<u8>,
    pub(super) scratch_ends: Vec<u32>,
    pub(super) scratch_quoted: Vec<bool>,
}

impl Records {
    pub(super) fn new(source: Source, syntax: Syntax) -> Self {
        Self::with_buffer(source, syntax, vec![0; BUFFER])
    }

    pub(super) fn with_buffer(source: Source, syntax: Syntax, buffer: Vec<u8>) -> Self {
        Self {
            source,
            syntax,
            buffer,
            filled: 0,
            base: 0,
            at: 0,
            index: Vec::new(),
            next: 0,
            line: 1,
            record_line: 1,
            ended: false,
            completed: false,
            held: None,
            next_return: usize::MAX,
            scratch: Vec::new(),
            scratch_ends: Vec::new(),
            scratch_quoted: Vec::new(),
        }
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn resource(&self) -> Arc<str> {
        self.source.resource().clone()
    }

    /// The offset in the input after the last record; one more at the end of an input whose last line has no
    /// line ending.
    #[inline]
    pub(super) fn byte(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Returns the text from the start of the line that contains `byte` up to the place after the last
    /// record, as far as it is still in the buffer.
    #[cold]
    pub(super) fn line_at(&self, byte: u64) -> Option<String> {
        line_around(&self.buffer[..self.at.min(self.filled)], byte.checked_sub(self.base)?)
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

    /// The line of the last record found.
    pub(super) fn record_line(&self) -> u64 {
        self.record_line
    }

    /// Skips a byte order mark, and refuses other encodings; only called before the first record.
    pub(super) fn begin(&mut self) -> Result<(), ReadError> {
        self.look_ahead(ENCODED)?;
        let front = &self.buffer[..self.filled];
        self.source.check_encoding(front)?;
        if front.starts_with(BYTE_ORDER_MARK) {
            self.at = BYTE_ORDER_MARK.len();
            self.find_marks();
        }
        Ok(())
    }

    /// Reads on until `bytes` bytes follow the last record, or the input ends. An error after the first of
    /// them is returned only when reading gets there.
    pub(super) fn look_ahead(&mut self, bytes: usize) -> Result<(), ReadError> {
        while self.filled < self.at + bytes && !self.ended {
            match self.fill() {
                Err(_) if self.filled > self.at => {
                    self.find_marks();
                    return Ok(());
                }
                filled => filled?,
            }
        }
        Ok(())
    }

    /// Finds the next record and skips blank and comment lines; `None` at the end of the input.
    pub(super) fn advance(&mut self) -> Result<Option<Found>, ReadError> {
        loop {
            let start = self.at;
            if self.syntax.comment.is_some() && self.skip_comment()? {
                continue;
            }
            let first = self.next;
            let mut last = first;
            let end = loop {
                let Some(place) = self.index.get(last) else { break None };
                let place = *place as usize;
                let mark = self.buffer[place];
                if mark == self.syntax.delimiter {
                    last += 1;
                } else if mark == b'\n' {
                    break Some(place);
                } else {
                    // Records with quotes are rarer and have a parser of their own.
                    if let Some(found) = self.unquote(start, first)? {
                        return Ok(Some(found));
                    }
                    break None;
                }
            };
            let Some(end) = end else {
                if self.ended && start == self.filled {
                    return Ok(None);
                }
                self.fill_for(start)?;
                continue;
            };
            (self.at, self.next) = (end + 1, last + 1);
            let line = self.line;
            self.line += 1;
            let text_end = if end > start && self.buffer[end - 1] == b'\r' { end - 1 } else { end };
            if text_end == start && first == last {
                continue;
            }
            let byte = self.base + start as u64;
            self.record_line = line;
            if end - start > self.syntax.longest {
                return Err(self.too_long(line, byte, false));
            }
            if self.next_return <= end {
                self.check_returns(start, text_end, line, byte)?;
            }
            if self.buffer[start] == BYTE_ORDER_MARK[0] {
                self.check_mark(start, line, byte)?;
            }
            return Ok(Some(Found { start, end: text_end, first, last, unquoted: false, line, byte }));
        }
    }

    /// Returns the record at `found`.
    #[inline]
    pub(super) fn record(&self, found: Found) -> Record<'_> {
        let Found { start, end, first, last, line, byte, .. } = found;
        if found.unquoted {
            let (ends, quoted) = (&self.scratch_ends, &self.scratch_quoted);
            Record { text: &self.scratch, start: 0, ends, quoted, line, byte }
        } else {
            let ends = &self.index[first..=last];
            Record { text: &self.buffer[start..end], start, ends, quoted: &[], line, byte }
        }
    }

    /// Puts the record just found back, so that it is the next one again.
    #[cold]
    pub(super) fn put_back(&mut self, found: Found) {
        (self.at, self.line) = (found.start, found.line);
        self.find_marks();
    }

    /// True if a comment line was skipped, or if more input was read to look at.
    fn skip_comment(&mut self) -> Result<bool, ReadError> {
        if self.at == self.filled {
            if self.ended {
                return Ok(false);
            }
            self.fill_for(self.at)?;
            return Ok(true);
        }
        if Some(self.buffer[self.at]) != self.syntax.comment {
            return Ok(false);
        }
        loop {
            let Some(place) = self.index.get(self.next) else {
                // Drop the comment as it is read, so that it may have any length.
                self.held = Some(self.place());
                self.at = self.filled;
                if self.ended {
                    self.held = None;
                    return Ok(true);
                }
                self.fill()?;
                continue;
            };
            let place = *place as usize;
            self.next += 1;
            if self.buffer[place] == b'\n' {
                self.at = place + 1;
                self.line += 1;
                self.held = None;
                return Ok(true);
            }
        }
    }

    /// Reads on for the record that begins at `start` and does not end in the buffer.
    fn fill_for(&mut self, start: usize) -> Result<(), ReadError> {
        if self.filled - start <= self.syntax.longest {
            return self.fill();
        }
        let (line, byte) = (self.line, self.base + start as u64);
        // A record that goes on after a line ending is quoted.
        let in_quotes = memchr::memchr(b'\n', &self.buffer[start..self.filled]).is_some();
        self.skip_line(start)?;
        Err(self.too_long(line, byte, in_quotes))
    }

    pub(super) fn too_long(&self, line: u64, byte: u64, in_quotes: bool) -> ReadError {
        ReadError::TooLong { resource: self.resource(), line, byte, limit: self.syntax.longest, in_quotes }
    }

    /// Moves to the line after the one at `start`, however long that is. If the end of a record cannot be
    /// determined, only its first line is lost.
    #[cold]
    pub(super) fn skip_line(&mut self, start: usize) -> Result<(), ReadError> {
        self.record_line = self.line;
        self.at = start;
        self.held = Some(self.place());
        loop {
            if let Some(length) = memchr::memchr(b'\n', &self.buffer[self.at..self.filled]) {
                self.at += length + 1;
                break;
            }
            self.at = self.filled;
            if self.ended {
                break;
            }
            self.fill()?;
        }
        self.held = None;
        self.line += 1;
        let at = index::place(self.at);
        self.next = self.index.partition_point(|mark| *mark < at);
        Ok(())
    }

    /// Reads on, and keeps everything after `at` and the tail before it.
    pub(super) fn fill(&mut self) -> Result<(), ReadError> {
        let kept = self.at.saturating_sub(TAIL);
        self.buffer.copy_within(kept..self.filled, 0);
        self.base += kept as u64;
        self.at -= kept;
        self.filled -= kept;
        if self.filled > self.buffer.len() / 2 {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        // The last byte of the buffer stays free for the end of the last line.
        let room = self.buffer.len() - 1;
        let count = self.source.fill(&mut self.buffer[self.filled..room])?;
        self.filled += count;
        if count == 0 {
            self.ended = true;
            if self.filled > self.at && self.buffer[self.filled - 1] != b'\n' {
                self.buffer[self.filled] = b'\n';
                self.filled += 1;
                self.completed = true;
            }
        }
        self.find_marks();
        Ok(())
    }

    pub(super) fn find_marks(&mut self) {
        self.index.clear();
        self.next = 0;
        self.find_return(self.at);
        index::find(&self.buffer[self.at..self.filled], self.at, self.syntax.marks(), &mut self.index);
    }
}
