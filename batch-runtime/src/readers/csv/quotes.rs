//! Parses a record with quotes: removes them from its fields, or reports what is wrong.

use super::framing::{CsvFraming, Marks, Syntax};
use super::index;
use super::malformed::Fault;
use crate::readers::ReadError;
use crate::readers::framed::{BYTE_ORDER_MARK, Frame, Input, Next};

/// A record that was copied without its quotes.
struct Unquoted {
    /// The offset of its line ending in the buffer.
    end: usize,
    lines: u64,
    /// The number of its marks in the index: delimiters, quotes and line endings.
    marks: usize,
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
        let Unquoted { end, lines, marks } = match self.copy_unquoted(input, start, first) {
            Ok(Some(unquoted)) if unquoted.end - start > longest => {
                return Self::too_long(input, unquoted.lines > 1);
            }
            Ok(Some(unquoted)) => unquoted,
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

    /// Copies the record at `start`, which contains quotes, into the scratch buffer without them; `None` if
    /// its end is not yet in the buffer.
    fn copy_unquoted(
        &mut self,
        input: &Input,
        start: usize,
        first: usize,
    ) -> Result<Option<Unquoted>, Fault> {
        let Syntax { delimiter, quote, escape, lenient, .. } = self.syntax;
        let buffer = input.bytes();
        let next_return = self.next_return(buffer, start);
        let mut marks = self.index[first..].iter().map(|place| *place as usize);
        let (scratch, ends, quoted) = (&mut self.scratch, &mut self.scratch_ends, &mut self.scratch_quoted);
        scratch.clear();
        ends.clear();
        quoted.clear();
        let mut lines = 1;
        let mut from = start;
        // Fields without quotes are copied together, with their delimiters.
        let mut copied = start;
        let mut used = 0;
        loop {
            let opened = self.syntax.pass_blanks(buffer, from);
            let is_quoted = buffer.get(opened).copied() == quote;
            if is_quoted {
                scratch.extend_from_slice(&buffer[copied..from]);
                marks.next();
                used += 1;
                from = opened + 1;
                loop {
                    let Some(place) = marks.next() else { return Ok(None) };
                    used += 1;
                    if buffer[place] == b'\n' {
                        lines += 1;
                    } else if Some(buffer[place]) == quote
                        && !escape.is_some_and(|escape| is_escaped(&buffer[from..place], escape))
                    {
                        append(&buffer[from..place], escape, scratch);
                        let Some(next) = buffer.get(place + 1) else { return Ok(None) };
                        from = place + 1;
                        if Some(*next) != quote {
                            break;
                        }
                        // Keep the second quote of a pair.
                        marks.next();
                        used += 1;
                        scratch.push(*next);
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
                copied = from;
            }
            loop {
                let Some(place) = marks.next() else { return Ok(None) };
                used += 1;
                let is_end = buffer[place] == b'\n';
                if !is_end && buffer[place] != delimiter {
                    if lenient {
                        continue;
                    }
                    return Err(Fault::QuoteInText { place });
                }
                let text = &buffer[from..place];
                let text = if is_end { text.strip_suffix(b"\r").unwrap_or(text) } else { text };
                if next_return < place
                    && let Some(found) = memchr::memchr(b'\r', text)
                {
                    return Err(Fault::Return { place: from + found });
                }
                let end = from + text.len();
                ends.push(index::place(scratch.len() + (end - copied)));
                quoted.push(is_quoted);
                if is_end {
                    scratch.extend_from_slice(&buffer[copied..end]);
                    return Ok(Some(Unquoted { end: place, lines, marks: used }));
                }
                from = place + 1;
                break;
            }
        }
    }
}

/// Returns whether the character after `text` is escaped: whether `text` ends with an odd number of escapes.
fn is_escaped(text: &[u8], escape: u8) -> bool {
    text.iter().rev().take_while(|byte| **byte == escape).count() % 2 == 1
}

/// Appends quoted text without its escapes.
#[inline]
fn append(text: &[u8], escape: Option<u8>, out: &mut Vec<u8>) {
    let Some(escape) = escape else { return out.extend_from_slice(text) };
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        let kept = if *byte == escape { bytes.next().unwrap_or(byte) } else { byte };
        out.push(*kept);
    }
}
