//! Parses a record with quotes: removes them from its fields, or reports what is wrong.

use super::framing::{CsvFraming, Marks, Syntax};
use super::index;
use super::malformed::Fault;
use crate::readers::ReadError;
use crate::readers::framed::{BYTE_ORDER_MARK, Frame, Input, Next};

/// A record that was copied without its quotes.
#[derive(Debug, Clone, Default)]
pub(super) struct Unquoted {
    /// The fields, separated by one byte each, if the block of the input is known to be text.
    text: String,
    /// The fields if it is not.
    bytes: Vec<u8>,
    /// The end of each field.
    pub(super) ends: Vec<u32>,
    /// Which fields were quoted, up to the last one that was.
    pub(super) quoted: Vec<bool>,
}

impl Unquoted {
    pub(super) fn bytes(&self) -> &[u8] {
        self.text().map_or(&self.bytes, str::as_bytes)
    }

    /// The fields as text, if they are known to be text.
    pub(super) fn text(&self) -> Option<&str> {
        self.bytes.is_empty().then_some(&self.text)
    }

    fn clear(&mut self) {
        self.text.clear();
        self.bytes.clear();
        self.ends.clear();
        self.quoted.clear();
    }
}

/// The extent of a record with quotes.
struct Extent {
    /// The offset of its line ending in the buffer.
    end: usize,
    lines: u64,
    /// The number of its marks in the index: delimiters, quotes and line endings.
    marks: usize,
}

/// Bytes of the buffer, to be copied in pieces.
trait Pieces {
    type Copy;

    /// Appends the bytes between two offsets in the buffer.
    fn append(&self, from: usize, to: usize, copy: &mut Self::Copy);

    fn length(copy: &Self::Copy) -> usize;
}

impl Pieces for [u8] {
    type Copy = Vec<u8>;

    fn append(&self, from: usize, to: usize, copy: &mut Vec<u8>) {
        copy.extend_from_slice(&self[from..to]);
    }

    fn length(copy: &Vec<u8>) -> usize {
        copy.len()
    }
}

/// The buffer from an offset on, where it is known to be text. Quotes and delimiters are ASCII, so the pieces between
/// them are text, and the copy is not checked again.
struct KnownText<'t> {
    text: &'t str,
    start: usize,
}

impl Pieces for KnownText<'_> {
    type Copy = String;

    fn append(&self, from: usize, to: usize, copy: &mut String) {
        copy.push_str(&self.text[from - self.start..to - self.start]);
    }

    fn length(copy: &String) -> usize {
        copy.len()
    }
}

impl Syntax {
    /// Returns the offset of the first byte at or after `from` that is not white space; `from` itself if white
    /// space may not surround quotes.
    #[inline]
    fn pass_blanks(&self, buffer: &[u8], from: usize) -> usize {
        if !self.trim {
            return from;
        }
        let blank = |byte: &&u8| matches!(**byte, b' ' | b'\t') && **byte != self.delimiter;
        from + buffer[from.min(buffer.len())..].iter().take_while(blank).count()
    }
}

impl CsvFraming {
    /// Parses the next record, which contains quotes.
    pub(super) fn unquote(&mut self, input: &Input) -> Frame<Marks> {
        let (start, first, longest) = (input.at(), self.next, input.longest);
        let Extent { end, lines, marks } = match self.copy_unquoted(input, start, first) {
            Ok(Some(extent)) if extent.end - start > longest => {
                return Self::too_long(input, extent.lines > 1);
            }
            Ok(Some(extent)) => extent,
            // Report the length, not a fault beyond the limit: the fault may not have been read yet.
            Ok(None) if input.is_ended() && input.rest().len() > longest => {
                return Self::too_long(input, true);
            }
            Err(fault) if fault.place() - start > longest => return Self::too_long(input, true),
            Ok(None) if input.is_ended() => {
                // Only an open quote can hide the end of the last line.
                let (resource, line, byte) = (input.resource(), input.line(), input.byte());
                return Frame::bad(ReadError::UnclosedQuote { resource, line, byte }, Next::Passed);
            }
            Ok(None) => return Frame::More,
            Err(fault) => return Frame::bad(fault.error(input), Next::Passed),
        };
        self.next = first + marks;
        if input.bytes()[start] == BYTE_ORDER_MARK[0]
            && let Some(fault) = self.stray_mark(input.bytes(), start)
        {
            return Frame::bad(fault.error(input), Next::At { to: end + 1, lines });
        }
        Frame::Record { record: Marks { first, last: first, unquoted: true }, end, to: end + 1, lines }
    }

    #[cold]
    fn too_long(input: &Input, in_quotes: bool) -> Frame<Marks> {
        let missing = if in_quotes { "closing quote" } else { "line end" };
        Frame::bad(input.too_long(missing), Next::Passed)
    }

    /// Copies the record at `start`, which contains quotes, without them; `None` if its end is not yet in the buffer.
    fn copy_unquoted(&mut self, input: &Input, start: usize, first: usize) -> Result<Option<Extent>, Fault> {
        let buffer = input.bytes();
        let next_return = self.next_return(buffer, start);
        let Unquoted { text, bytes, ends, quoted } = {
            self.unquoted.clear();
            &mut self.unquoted
        };
        let marks = &self.index[first..];
        let copier = Copier { syntax: &self.syntax, buffer, marks, next_return };
        // The last mark is after all pieces.
        let reaches = |known: &&str| marks.last().is_some_and(|last| (*last as usize) < start + known.len());
        match input.text_from(start).filter(reaches) {
            Some(known) => copier.copy(start, &KnownText { text: known, start }, text, ends, quoted),
            None => copier.copy(start, buffer, bytes, ends, quoted),
        }
    }
}

/// Copies a record without its quotes.
struct Copier<'a> {
    syntax: &'a Syntax,
    buffer: &'a [u8],
    /// The marks in the buffer from the record on.
    marks: &'a [u32],
    /// The offset in the buffer of the next carriage return.
    next_return: usize,
}

/// A quoted field.
struct Closed {
    /// The offset in the buffer after its closing quote, and after white space that may follow that.
    to: usize,
    lines: u64,
    marks: usize,
}

impl Copier<'_> {
    fn copy<P: Pieces + ?Sized>(
        &self,
        start: usize,
        pieces: &P,
        copy: &mut P::Copy,
        ends: &mut Vec<u32>,
        quoted: &mut Vec<bool>,
    ) -> Result<Option<Extent>, Fault> {
        let Self { syntax: &Syntax { delimiter, lenient, .. }, buffer, marks, next_return } = *self;
        let mut lines = 1;
        // Fields without quotes are copied together, with their delimiters.
        let mut copied = start;
        let mut from = start;
        let mut is_quoted = false;
        let mut used = 0;
        loop {
            let Some(place) = marks.get(used) else { return Ok(None) };
            let place = *place as usize;
            used += 1;
            let mark = buffer[place];
            if mark == delimiter || mark == b'\n' {
                let is_return = mark == b'\n' && buffer[from..place].ends_with(b"\r");
                let end = place - usize::from(is_return);
                if next_return < end {
                    self.refuse_return(from, end)?;
                }
                ends.push(index::place(P::length(copy) + (end - copied)));
                if mark == b'\n' {
                    pieces.append(copied, end, copy);
                    return Ok(Some(Extent { end: place, lines, marks: used }));
                }
                from = place + 1;
                is_quoted = false;
            } else if !is_quoted && place == self.syntax.pass_blanks(buffer, from) {
                pieces.append(copied, from, copy);
                let Some(closed) = self.copy_quoted(place, used, pieces, copy)? else { return Ok(None) };
                quoted.resize(ends.len(), false);
                quoted.push(true);
                is_quoted = true;
                (from, copied) = (closed.to, closed.to);
                lines += closed.lines;
                used += closed.marks;
            } else if !lenient {
                return Err(Fault::QuoteInText { place });
            }
        }
    }

    /// Refuses a carriage return in a field without quotes.
    #[cold]
    fn refuse_return(&self, from: usize, end: usize) -> Result<(), Fault> {
        match memchr::memchr(b'\r', &self.buffer[from..end]) {
            Some(found) => Err(Fault::Return { place: from + found }),
            None => Ok(()),
        }
    }

    /// Copies the field whose quote opens at `opened`; `first` is the number of the next mark.
    fn copy_quoted<P: Pieces + ?Sized>(
        &self,
        opened: usize,
        first: usize,
        pieces: &P,
        copy: &mut P::Copy,
    ) -> Result<Option<Closed>, Fault> {
        let Self { syntax: &Syntax { delimiter, quote, escape, lenient, .. }, buffer, marks, .. } = *self;
        let mut marks = marks[first..].iter().map(|place| *place as usize);
        let mut from = opened + 1;
        let mut lines = 0;
        let mut used = 0;
        loop {
            let Some(place) = marks.next() else { return Ok(None) };
            used += 1;
            if buffer[place] == b'\n' {
                lines += 1;
            } else if Some(buffer[place]) == quote
                && !escape.is_some_and(|escape| is_escaped(&buffer[from..place], escape))
            {
                match escape {
                    None => pieces.append(from, place, copy),
                    Some(escape) => self.append_escaped(from, place, escape, pieces, copy),
                }
                let Some(next) = buffer.get(place + 1) else { return Ok(None) };
                from = place + 1;
                if Some(*next) != quote {
                    break;
                }
                // Keep the second quote of a pair.
                pieces.append(from, from + 1, copy);
                marks.next();
                used += 1;
                from += 1;
            }
        }
        if !lenient {
            let rest = self.syntax.pass_blanks(buffer, from);
            match buffer.get(rest..) {
                Some([b'\r', b'\n', ..] | [b'\n', ..]) => from = rest,
                Some([byte, ..]) if *byte == delimiter => from = rest,
                Some([] | [b'\r']) | None => return Ok(None),
                Some(_) => return Err(Fault::TextAfterQuote { opened, place: rest }),
            }
        }
        Ok(Some(Closed { to: from, lines, marks: used }))
    }

    /// Appends quoted text without its escapes.
    #[cold]
    fn append_escaped<P: Pieces + ?Sized>(
        &self,
        mut from: usize,
        to: usize,
        escape: u8,
        pieces: &P,
        copy: &mut P::Copy,
    ) {
        let mut searched = from;
        while let Some(found) = memchr::memchr(escape, &self.buffer[searched..to]) {
            let place = searched + found;
            if place + 1 == to {
                break;
            }
            pieces.append(from, place, copy);
            // The character after the escape is kept, even if it is the escape.
            from = place + 1;
            searched = from + 1;
        }
        pieces.append(from, to, copy);
    }
}

/// Returns whether the character after `text` is escaped: whether `text` ends with an odd number of escapes.
fn is_escaped(text: &[u8], escape: u8) -> bool {
    text.iter().rev().take_while(|byte| **byte == escape).count() % 2 == 1
}
