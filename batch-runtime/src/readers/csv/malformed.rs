//! Says what is wrong in a record that is not valid CSV, and where: a stray quote, carriage return or byte
//! order mark.

use crate::readers::framed::Input;
use crate::readers::{ReadError, shown};

/// The fault of a record; places are offsets in the buffer.
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

    /// The error for the next record of the input.
    #[cold]
    pub(super) fn error(&self, input: &Input) -> ReadError {
        let (bytes, start) = (input.bytes(), input.at());
        let shown_at = |place: usize| {
            let text = &bytes[place..];
            let text = &text[..memchr::memchr(b'\n', text).unwrap_or(text.len()).min(400)];
            shown(String::from_utf8_lossy(text).trim_end_matches(['\r', '\u{FFFD}']))
        };
        let place_of = |place: usize| {
            let before = &bytes[start..place];
            let lines = before.split(|byte| *byte == b'\n').count() as u64 - 1;
            let begin = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
            let character = String::from_utf8_lossy(&before[begin..]).chars().count() + 1;
            (input.line() + lines, character)
        };
        let problem = match *self {
            Self::TextAfterQuote { opened, place } => {
                let ((begin, first), (end, after)) = (place_of(opened), place_of(place));
                format!(
                    "text follows the quote that closes a field, at line {end}, character {after}, found `{}`; the field's \
                     quote opens at line {begin}, character {first}; double a quote within a quoted field",
                    shown_at(place)
                )
            }
            Self::QuoteInText { place } => {
                let (line, character) = place_of(place);
                format!(
                    "a quote within an unquoted field, at line {line}, character {character}, found `{}`; \
                     quote the field, and double the quote in it",
                    shown_at(place)
                )
            }
            Self::Return { place } => {
                let (line, character) = place_of(place);
                format!(
                    "a carriage return that does not end a line, at line {line}, character {character}; lines end with LF or CRLF, so \
                     quote a field that contains a carriage return"
                )
            }
            Self::Mark { .. } => "a byte order mark within the input; were several files joined?".to_owned(),
        };
        ReadError::Malformed {
            resource: input.resource(),
            line: input.line(),
            byte: input.byte(),
            problem: problem.into(),
        }
    }
}
