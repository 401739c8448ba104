//! Receives: the bytes of a [`Source`]. Gives: one record after another as slices of its buffer, with line and byte
//! offset, and the place behind each to go on from.
//!
//! Written here and not taken from a crate: those that are faster than `csv` give no exact offset behind a record,
//! no bound on its length and no error for a quote that is never closed.

use std::sync::Arc;

use super::index;
use super::place::{Place, TAIL};
use crate::readers::ReadError;
use crate::readers::source::{Source, line_around};

/// What a read asks of the operating system; the buffer and its index stay in the cache.
const BUFFER: usize = 128 * 1024;

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How bytes become records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syntax {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    pub(super) comment: Option<u8>,
    pub(super) longest: usize,
}

impl Syntax {
    fn marks(&self) -> [u8; 3] {
        [self.delimiter, b'\n', self.quote.unwrap_or(b'\n')]
    }
}

/// A record: `text` holds the fields with one byte between them, `ends` where each ends, both counted from `start`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'r> {
    pub(super) text: &'r [u8],
    pub(super) start: usize,
    pub(super) ends: &'r [u32],
    pub(super) line: u64,
    pub(super) byte: u64,
}

/// Where a record was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) start: usize,
    end: usize,
    pub(super) first: usize,
    last: usize,
    /// It lies in the scratch, without its quotes.
    unquoted: bool,
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
    /// The place in the buffer behind the last record.
    pub(super) at: usize,
    /// Marks in the buffer from `at` on; `next` is the first that is not used.
    pub(super) index: Vec<u32>,
    pub(super) next: usize,
    /// The line at `at`, from 1.
    pub(super) line: u64,
    /// The line of the record that was found last.
    record_line: u64,
    /// The source has no more.
    pub(super) ended: bool,
    /// The last line had no end, and one was put into the buffer.
    pub(super) completed: bool,
    /// The place behind the last record, where `at` is already behind it: what lies between is dropped as it is read.
    pub(super) held: Option<Place>,
    scratch: Vec<u8>,
    scratch_ends: Vec<u32>,
}

/// Where in a quotation a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotation {
    FieldBegins,
    Outside,
    Inside,
    /// Behind a quote inside, which ends the quotation unless another follows.
    Closing,
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
            scratch: Vec::new(),
            scratch_ends: Vec::new(),
        }
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn resource(&self) -> Arc<str> {
        self.source.resource().clone()
    }

    /// The offset in the input behind the last record; at the end of an input without a last line end, one more.
    #[inline]
    pub(super) fn byte(&self) -> u64 {
        self.base + self.at as u64
    }

    /// What lies between the begin of the line with that byte and the place after the last record, as far as it is in the
    /// buffer still.
    #[cold]
    pub(super) fn line_at(&self, byte: u64) -> Option<String> {
        line_around(&self.buffer[..self.at.min(self.filled)], byte.checked_sub(self.base)?)
    }

    /// The line of the record that was found last.
    pub(super) fn record_line(&self) -> u64 {
        self.record_line
    }

    /// Skips a byte order mark; before the first record only.
    pub(super) fn skip_byte_order_mark(&mut self) -> Result<(), ReadError> {
        while self.filled < 3 && !self.ended {
            self.fill()?;
        }
        let front = &self.buffer[..self.filled];
        if front.starts_with(b"\xFF\xFE") || front.starts_with(b"\xFE\xFF") {
            let problem = "it is UTF-16; convert the input to UTF-8".into();
            return Err(ReadError::Options { resource: self.resource(), problem });
        }
        if front.starts_with(BYTE_ORDER_MARK) {
            self.at = BYTE_ORDER_MARK.len();
            self.find_marks();
        }
        Ok(())
    }

    /// Finds the next record, blank and comment lines left out; `None` at the end of the input.
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
                    // Records with quotes are rarer and are taken apart by a function of their own.
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
            return Ok(Some(Found { start, end: text_end, first, last, unquoted: false, line, byte }));
        }
    }

    /// The record that was found.
    #[inline]
    pub(super) fn record(&self, found: Found) -> Record<'_> {
        let Found { start, end, first, last, line, byte, .. } = found;
        if found.unquoted {
            Record { text: &self.scratch, start: 0, ends: &self.scratch_ends, line, byte }
        } else {
            Record { text: &self.buffer[start..end], start, ends: &self.index[first..=last], line, byte }
        }
    }

    /// Makes the record that was just found the next one again.
    #[cold]
    pub(super) fn put_back(&mut self, found: Found) {
        (self.at, self.line) = (found.start, found.line);
        self.find_marks();
    }

    /// True if a comment line was skipped, or more of the input is there to look at.
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
                // What was seen of it is dropped, so that a comment may have any length.
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

    /// Copies the record at `start`, in which there are quotes, into the scratch without them; `None` if its end is
    /// not yet in the buffer.
    fn unquote(&mut self, start: usize, first: usize) -> Result<Option<Found>, ReadError> {
        let Syntax { delimiter, quote, .. } = self.syntax;
        let buffer = &self.buffer[..self.filled];
        let mut marks = self.index[first..].iter().map(|place| *place as usize);
        let (scratch, ends) = (&mut self.scratch, &mut self.scratch_ends);
        scratch.clear();
        ends.clear();
        let mut lines = 1;
        let mut from = start;
        let mut used = 0;
        let end = 'record: loop {
            if buffer.get(from).copied() == quote {
                marks.next();
                used += 1;
                from += 1;
                loop {
                    let Some(place) = marks.next() else { break 'record None };
                    used += 1;
                    if buffer[place] == b'\n' {
                        lines += 1;
                    } else if Some(buffer[place]) == quote {
                        scratch.extend_from_slice(&buffer[from..place]);
                        let Some(behind) = buffer.get(place + 1) else { break 'record None };
                        from = place + 1;
                        if Some(*behind) != quote {
                            break;
                        }
                        // The second quote of a pair is the one that is kept.
                        marks.next();
                        used += 1;
                        scratch.push(*behind);
                        from += 1;
                    }
                }
            }
            loop {
                let Some(place) = marks.next() else { break 'record None };
                used += 1;
                if buffer[place] == delimiter {
                    scratch.extend_from_slice(&buffer[from..place]);
                    ends.push(index::place(scratch.len()));
                    scratch.push(b'\n');
                    from = place + 1;
                    break;
                }
                if buffer[place] == b'\n' {
                    let text = &buffer[from..place];
                    scratch.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
                    ends.push(index::place(scratch.len()));
                    break 'record Some(place);
                }
                // A quote that does not begin its field is a character like any other.
            }
        };
        let byte = self.base + start as u64;
        let Some(end) = end else {
            if self.ended {
                // Nothing but an open quote hides the end of the last line.
                self.record_line = self.line;
                (self.at, self.next) = (self.filled, self.index.len());
                let line = self.line;
                self.line += lines;
                return Err(ReadError::UnclosedQuote { resource: self.resource(), line, byte });
            }
            return Ok(None);
        };
        (self.at, self.next) = (end + 1, first + used);
        let line = self.line;
        self.line += lines;
        self.record_line = line;
        if end - start > self.syntax.longest {
            return Err(self.too_long(line, byte, false));
        }
        Ok(Some(Found { start, end, first, last: first, unquoted: true, line, byte }))
    }

    /// Reads on for the record that begins at `start` and does not end in the buffer.
    fn fill_for(&mut self, start: usize) -> Result<(), ReadError> {
        if self.filled - start <= self.syntax.longest {
            return self.fill();
        }
        let (line, byte) = (self.line, self.base + start as u64);
        self.record_line = line;
        let in_quotes = self.skip_record()?;
        Err(self.too_long(line, byte, in_quotes))
    }

    fn too_long(&self, line: u64, byte: u64, in_quotes: bool) -> ReadError {
        ReadError::TooLong { resource: self.resource(), line, byte, limit: self.syntax.longest, in_quotes }
    }

    /// Goes behind the record at `at` however long it is; true if what of it is in the buffer ends in a quotation.
    fn skip_record(&mut self) -> Result<bool, ReadError> {
        let Syntax { delimiter, quote, .. } = self.syntax;
        let mut quotation = Quotation::FieldBegins;
        let mut in_quotes = None;
        self.held = Some(self.place());
        loop {
            let unread = &self.buffer[self.at..self.filled];
            let mut end = None;
            for (place, byte) in unread.iter().enumerate() {
                let is_quote = Some(*byte) == quote;
                self.line += u64::from(*byte == b'\n');
                quotation = match quotation {
                    Quotation::Inside if is_quote => Quotation::Closing,
                    Quotation::Inside => Quotation::Inside,
                    Quotation::FieldBegins | Quotation::Closing if is_quote => Quotation::Inside,
                    _ if *byte == b'\n' => {
                        end = Some(place + 1);
                        break;
                    }
                    _ if *byte == delimiter => Quotation::FieldBegins,
                    _ => Quotation::Outside,
                };
            }
            let in_quotes = *in_quotes.get_or_insert(quotation == Quotation::Inside);
            self.at = end.map_or(self.filled, |end| self.at + end);
            if end.is_some() || self.ended {
                self.held = None;
                self.find_marks();
                return Ok(in_quotes);
            }
            self.fill()?;
        }
    }

    /// Reads on, keeping what is behind `at` and the tail before it.
    pub(super) fn fill(&mut self) -> Result<(), ReadError> {
        let kept = self.at.saturating_sub(TAIL);
        self.buffer.copy_within(kept..self.filled, 0);
        self.base += kept as u64;
        self.at -= kept;
        self.filled -= kept;
        if self.filled > self.buffer.len() / 2 {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        // The last byte of the buffer is kept free for the end of the last line.
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
        index::find(&self.buffer[self.at..self.filled], self.at, self.syntax.marks(), &mut self.index);
    }
}
