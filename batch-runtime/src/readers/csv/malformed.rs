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
    /// A blank line in a file of one column.
    Blank { place: usize },
}

impl Fault {
    /// The offset of the fault. Nothing before it is affected.
    pub(super) fn place(&self) -> usize {
        match *self {
            Self::TextAfterQuote { place, .. } | Self::QuoteInText { place } | Self::Return { place } => {
                place
            }
            Self::Mark { place } | Self::Blank { place } => place,
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
        // The line, from the start of the record, and the character.
        let place_of = |place: usize| {
            let before = &bytes[start..place];
            let lines = before.split(|byte| *byte == b'\n').count() as u64 - 1;
            let begin = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
            (lines, String::from_utf8_lossy(&before[begin..]).chars().count() + 1)
        };
        // The error names the line of the record, so the problem names a line only if the record has several.
        let named = |(lines, character): (u64, usize), has_several: bool| {
            if has_several {
                format!("line {}, character {character}", input.line() + lines)
            } else {
                format!("character {character}")
            }
        };
        let problem = match *self {
            Self::TextAfterQuote { opened, place } => {
                let (opened, after) = (place_of(opened), place_of(place));
                let has_several = after.0 > 0;
                format!(
                    "text follows the quote that closes a field, at {}, found `{}`; the field's quote opens at {}; double a \
                     quote within a quoted field",
                    named(after, has_several),
                    shown_at(place),
                    named(opened, has_several)
                )
            }
            Self::QuoteInText { place } => {
                let place_in_record = place_of(place);
                format!(
                    "a quote within an unquoted field, at {}, found `{}`; quote the field, and double the quote in it",
                    named(place_in_record, place_in_record.0 > 0),
                    shown_at(place)
                )
            }
            Self::Return { place } => {
                let place = place_of(place);
                format!(
                    "a carriage return that does not end a line, at {}; lines end with LF or CRLF, so quote a field that \
                     contains a carriage return",
                    named(place, place.0 > 0)
                )
            }
            Self::Mark { .. } => "a byte order mark within the input; were several files joined?".to_owned(),
            Self::Blank { .. } => {
                "a blank line may be a record whose only field is empty; read it as one with \
                `with_blank_lines`, or skip it with `skip_blank_lines`"
                    .to_owned()
            }
        };
        ReadError::Malformed {
            resource: input.resource(),
            line: input.line(),
            byte: input.byte(),
            problem: problem.into(),
        }
    }
}
