//! Refuses what is not as CSV is written: stray quotes, carriage returns and byte order marks, each with its place.

use super::records::{BYTE_ORDER_MARK, Records};
use crate::readers::{ReadError, shown};

/// What is wrong with a record; places are those in the buffer.
pub(super) enum Fault {
    /// Text after the quote that closes a field.
    TextAfterQuote { opened: usize, place: usize },
    /// A quote within a field that does not begin with one.
    QuoteInText { place: usize },
    /// A carriage return that ends no line.
    Return { place: usize },
    /// A byte order mark.
    Mark { place: usize },
}

impl Fault {
    /// Where it is; nothing is known of it before that is read.
    pub(super) fn place(&self) -> usize {
        match *self {
            Self::TextAfterQuote { place, .. } | Self::QuoteInText { place } | Self::Return { place } => {
                place
            }
            Self::Mark { place } => place,
        }
    }
}

impl Records {
    /// Looks for the next carriage return from `from` on: where a block of input has none, nothing is looked for in its records.
    pub(super) fn find_return(&mut self, from: usize) {
        self.next_return = if self.syntax.lenient {
            usize::MAX
        } else {
            memchr::memchr(b'\r', &self.buffer[from..self.filled]).map_or(usize::MAX, |found| from + found)
        };
    }

    /// Refuses a record without quotes in which a carriage return stands before its end. The reader is after the record already.
    pub(super) fn check_returns(
        &mut self,
        start: usize,
        end: usize,
        line: u64,
        byte: u64,
    ) -> Result<(), ReadError> {
        if self.next_return < start {
            self.find_return(start);
        }
        if self.next_return < end {
            let fault = Fault::Return { place: self.next_return };
            return Err(self.malformed_at(start, line, byte, &fault));
        }
        if self.next_return == end {
            self.find_return(end + 1);
        }
        Ok(())
    }

    /// Refuses a record that begins with a byte order mark within the input. The reader is after the record already.
    #[cold]
    pub(super) fn check_mark(&mut self, start: usize, line: u64, byte: u64) -> Result<(), ReadError> {
        if self.syntax.lenient || !self.buffer[start..self.filled].starts_with(BYTE_ORDER_MARK) {
            return Ok(());
        }
        Err(self.malformed_at(start, line, byte, &Fault::Mark { place: start }))
    }

    /// The error of the record at `start`, which is the next.
    #[cold]
    pub(super) fn malformed(&self, start: usize, fault: &Fault) -> ReadError {
        self.malformed_at(start, self.line, self.base + start as u64, fault)
    }

    #[cold]
    fn malformed_at(&self, start: usize, line: u64, byte: u64, fault: &Fault) -> ReadError {
        let shown_at = |place: usize| {
            let text = &self.buffer[place..self.filled];
            let text = &text[..memchr::memchr(b'\n', text).unwrap_or(text.len()).min(400)];
            shown(String::from_utf8_lossy(text).trim_end_matches(['\r', '\u{FFFD}']))
        };
        let place_of = |place: usize| {
            let before = &self.buffer[start..place];
            let lines = before.split(|byte| *byte == b'\n').count() as u64 - 1;
            let begin = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
            let character = String::from_utf8_lossy(&before[begin..]).chars().count() + 1;
            (line + lines, character)
        };
        let problem = match *fault {
            Fault::TextAfterQuote { opened, place } => {
                let ((begin, first), (end, after)) = (place_of(opened), place_of(place));
                format!(
                    "text follows the quote that closes a field, at line {end}, character {after}, found `{}`; the field's \
                     quote is opened at line {begin}, character {first}: a quote within quotes is doubled",
                    shown_at(place)
                )
            }
            Fault::QuoteInText { place } => {
                let (line, character) = place_of(place);
                format!(
                    "a quote within a field that does not begin with one, at line {line}, character {character}, found `{}`; \
                     such a field is quoted, and the quote in it doubled",
                    shown_at(place)
                )
            }
            Fault::Return { place } => {
                let (line, character) = place_of(place);
                format!(
                    "a carriage return that ends no line, at line {line}, character {character}; lines end with LF or CRLF, and a \
                     field with a carriage return is quoted"
                )
            }
            Fault::Mark { .. } => {
                "a byte order mark within the input; were several files put together?".to_owned()
            }
        };
        ReadError::Malformed { resource: self.resource(), line, byte, problem: problem.into() }
    }
}
