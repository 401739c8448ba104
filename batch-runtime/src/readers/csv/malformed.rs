//! Refuses records that are not valid CSV, and says where: stray quotes, carriage returns and byte order
//! marks.

use super::records::{BYTE_ORDER_MARK, Records};
use crate::readers::{ReadError, shown};

/// What is wrong with a record; places are offsets in the buffer.
pub(super) enum Fault {
    /// Text after the quote that closes a field.
    TextAfterQuote { opened: usize, place: usize },
    /// A quote within an unquoted field.
    QuoteInText { place: usize },
    /// A carriage return that does not end a line.
    Return { place: usize },
    /// A byte order mark.
    Mark { place: usize },
}

impl Fault {
    /// The offset of the fault. Nothing before it is affected.
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
    /// Finds the next carriage return at or after `from`. If a block of input has none, its records are not
    /// searched.
    pub(super) fn find_return(&mut self, from: usize) {
        self.next_return = if self.syntax.lenient {
            usize::MAX
        } else {
            memchr::memchr(b'\r', &self.buffer[from..self.filled]).map_or(usize::MAX, |found| from + found)
        };
    }

    /// Refuses a record without quotes that contains a carriage return before its end. The reader has already
    /// passed the record.
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

    /// Refuses a record that begins with a byte order mark within the input. The reader has already passed
    /// the record.
    #[cold]
    pub(super) fn check_mark(&mut self, start: usize, line: u64, byte: u64) -> Result<(), ReadError> {
        if self.syntax.lenient || !self.buffer[start..self.filled].starts_with(BYTE_ORDER_MARK) {
            return Ok(());
        }
        Err(self.malformed_at(start, line, byte, &Fault::Mark { place: start }))
    }

    /// Returns the error for the record at `start`, which is the next one.
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
                     quote opens at line {begin}, character {first}; double a quote within a quoted field",
                    shown_at(place)
                )
            }
            Fault::QuoteInText { place } => {
                let (line, character) = place_of(place);
                format!(
                    "a quote within an unquoted field, at line {line}, character {character}, found `{}`; \
                     quote the field, and double the quote in it",
                    shown_at(place)
                )
            }
            Fault::Return { place } => {
                let (line, character) = place_of(place);
                format!(
                    "a carriage return that does not end a line, at line {line}, character {character}; lines end with LF or CRLF, so \
                     quote a field that contains a carriage return"
                )
            }
            Fault::Mark { .. } => "a byte order mark within the input; were several files joined?".to_owned(),
        };
        ReadError::Malformed { resource: self.resource(), line, byte, problem: problem.into() }
    }
}
