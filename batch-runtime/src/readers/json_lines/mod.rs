//! [`JsonLinesReader`] reads a file with one JSON value per line, plain or compressed, into values of a serde
//! type.

mod lines;
mod shape;
mod split;

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use serde::{Deserialize, Serialize};

use self::lines::{Line, Lines};
use super::source::Source;
use super::{Identity, ReadError, SHOWN_CHARACTERS, shown};
use crate::{Deserializes, Progress, Reader};

pub use split::LinePart;

/// Reads a file with one JSON value per line (JSON Lines, NDJSON), one item per value.
///
/// The file is UTF-8, with or without a byte order mark. Blank lines are skipped, and the last line needs no
/// line ending. Files named `.gz` or `.zst` are decompressed. A restart seeks in a plain file; in a
/// compressed file it decompresses everything before its position.
///
/// Reading continues after an error about one line ([`ReadError::is_about_a_record`]): invalid JSON, a value
/// that does not fit the item, invalid UTF-8, a line that is too long. It ends after a failure of the
/// operating system or a damaged compressed file.
///
/// ```
/// use batch_runtime::{Reader, readers::JsonLinesReader};
/// use serde::Deserialize;
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct Flight { carrier: String, dep_delay: Option<f64> }
///
/// let path = std::env::temp_dir().join("doc-json-lines-reader.jsonl");
/// std::fs::write(&path, r#"{"carrier": "AA", "dep_delay": 12.5}
/// {"carrier": "UA"}"#)?;
///
/// let mut flights = JsonLinesReader::<Flight>::open(&path)?;
/// assert_eq!(flights.read()?, Some(Flight { carrier: "AA".into(), dep_delay: Some(12.5) }));
///
/// let mut restarted = JsonLinesReader::<Flight>::open(&path)?;
/// restarted.resume(flights.position())?;
/// assert_eq!(restarted.read()?, Some(Flight { carrier: "UA".into(), dep_delay: None }));
/// assert_eq!(restarted.read()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JsonLinesReader<T> {
    lines: Lines,
    /// The range of bytes to read, if it is a part.
    part: Option<(u64, u64)>,
    item: PhantomData<fn() -> T>,
}

/// The position of a [`JsonLinesReader`], and the file it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePosition {
    /// The byte offset in the (decompressed) file.
    byte: u64,
    /// The line at that offset, from 1.
    line: u64,
    /// The number of bytes hashed before `byte`, and their hash: they reveal a line added or removed before
    /// it.
    tail: u64,
    hash: u64,
    input: Identity,
}

impl<T> JsonLinesReader<T> {
    /// Opens the file.
    ///
    /// # Errors
    /// If the file cannot be opened, is a folder, is not in UTF-8, or is one JSON value over several lines.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let mut lines = Lines::new(Source::open(path.as_ref())?);
        lines.begin()?;
        shape::check(&mut lines)?;
        Ok(Self { lines, part: None, item: PhantomData })
    }

    /// Sets the maximum length of a line in bytes; 16 MiB by default.
    #[must_use]
    pub fn longest_record(mut self, bytes: usize) -> Self {
        self.lines.longest = bytes;
        self
    }
}

impl<T: Deserializes> Reader for JsonLinesReader<T> {
    type Item = T;
    type Position = LinePosition;
    type Error = ReadError;

    fn read(&mut self) -> Result<Option<T>, ReadError> {
        let end = self.part.map_or(u64::MAX, |(_, end)| end);
        while self.lines.byte() < end
            && let Some(line) = self.lines.advance()?
        {
            let bytes = self.lines.bytes(&line);
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            let text = std::str::from_utf8(bytes).map_err(|error| self.invalid_utf8(&line, error))?;
            return match serde_json::from_str(text) {
                Ok(item) => Ok(Some(item)),
                Err(_) if line.number == 1 && shape::is_array_of_all::<T>(text) => {
                    let resource = self.lines.resource();
                    self.lines.put_back(&line);
                    Err(shape::refused(resource, "it is one JSON array of all items"))
                }
                Err(error) => Err(self.refused(&line, text, &error)),
            };
        }
        Ok(None)
    }

    fn steps_over(&self, error: &ReadError) -> bool {
        error.is_about_a_record()
    }

    fn record(&self, error: &ReadError) -> Option<String> {
        self.lines.line_at(error.record_byte()?)
    }

    fn position(&self) -> LinePosition {
        self.lines.position()
    }

    fn resume(&mut self, position: LinePosition) -> Result<(), ReadError> {
        self.lines.go_to(&position)
    }

    fn detach(&mut self, most: usize, into: &mut Option<Self>) -> Result<usize, ReadError> {
        let end = self.part.map_or(u64::MAX, |(_, end)| end);
        let taken =
            into.get_or_insert_with(|| Self { lines: self.lines.none(), part: None, item: PhantomData });
        self.lines.copy_next(most, end, &mut taken.lines)
    }

    fn progress(&self) -> Option<Progress> {
        let whole = self.lines.source().progress();
        let Some((begin, end)) = self.part else { return Some(whole) };
        let end = end.min(whole.total).max(begin);
        Some(Progress { done: self.lines.byte().clamp(begin, end) - begin, total: end - begin })
    }

    fn location(&self) -> Option<String> {
        Some(format!("{}, line {}", self.lines.resource(), self.lines.last()))
    }
}

impl<T> JsonLinesReader<T> {
    #[cold]
    fn invalid_utf8(&self, line: &Line, error: std::str::Utf8Error) -> ReadError {
        let bytes = self.lines.bytes(line);
        // Show the invalid bytes, even in a long line.
        let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
        let from = valid.floor_char_boundary(valid.len().saturating_sub(SHOWN_CHARACTERS / 2));
        ReadError::InvalidUtf8 {
            resource: self.lines.resource(),
            line: line.number,
            byte: line.byte + error.valid_up_to() as u64,
            column: None,
            value: shown(String::from_utf8_lossy(&bytes[from..]).trim()),
        }
    }

    #[cold]
    fn refused(&self, line: &Line, text: &str, error: &serde_json::Error) -> ReadError {
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let problem = message.strip_suffix(&place).unwrap_or(&message);
        let character = text[..text.floor_char_boundary(error.column())].chars().count();
        // The error ends at this column: show a long line from a little before it.
        let from = text.floor_char_boundary(error.column().saturating_sub(SHOWN_CHARACTERS / 2));
        let value = if text.chars().nth(SHOWN_CHARACTERS).is_none() || from == 0 {
            shown(text.trim())
        } else {
            format!("…{}", shown(text[from..].trim())).into()
        };
        ReadError::Record {
            resource: self.lines.resource(),
            line: line.number,
            byte: line.byte,
            column: None,
            value,
            problem: format!("{} (at character {character})", Short(problem)).into(),
        }
    }
}

impl<T> fmt::Debug for JsonLinesReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLinesReader")
            .field("resource", &self.lines.resource())
            .field("position", &self.lines.position())
            .finish_non_exhaustive()
    }
}

/// Formats a message with the middle of a long value cut out.
struct Short<'a>(&'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        if text.len() <= 2 * SHOWN_CHARACTERS {
            return f.write_str(text);
        }
        let (begin, end) =
            (text.floor_char_boundary(SHOWN_CHARACTERS), text.ceil_char_boundary(text.len() - 60));
        write!(f, "{}…{}", &text[..begin], &text[end..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Splittable;
    use crate::readers::tests::taken_out_is_read;

    fn read_on(reader: &mut JsonLinesReader<u32>) -> (Vec<Result<u32, String>>, Option<ReadError>) {
        let mut outcomes = Vec::new();
        loop {
            match reader.read() {
                Ok(Some(item)) => outcomes.push(Ok(item)),
                Ok(None) => return (outcomes, None),
                Err(error) if reader.steps_over(&error) => outcomes.push(Err(error.to_string())),
                Err(error) => return (outcomes, Some(error)),
            }
        }
    }

    #[test]
    fn a_failed_reader_is_reopened_at_its_position_wherever_that_was() {
        let text = format!("1\n\n2\n{}\nbad\n3\n{}4\n5", "9".repeat(500_000), " ".repeat(900));
        let path = std::env::temp_dir().join(format!("batch-json-unplugged-{}.jsonl", std::process::id()));
        std::fs::write(&path, &text).unwrap();
        let open = || JsonLinesReader::<u32>::open(&path).unwrap().longest_record(1_000);
        let (whole, error) = read_on(&mut open());
        assert!(error.is_none());
        assert_eq!(whole.iter().filter(|outcome| outcome.is_err()).count(), 2, "{whole:?}");
        for byte in (0..text.len()).step_by(4_999).chain([1, 2, 3, 5, 6, text.len() - 1, text.len()]) {
            let mut reader = open();
            reader.lines.source.fails_at = Some(byte as u64);
            let (mut outcomes, error) = read_on(&mut reader);
            assert!(matches!(error, Some(ReadError::Io { .. })), "{error:?}");
            let position = serde_json::to_string(&reader.position()).unwrap();
            let mut reopened = open();
            reopened.resume(serde_json::from_str(&position).unwrap()).unwrap();
            outcomes.extend(read_on(&mut reopened).0);
            assert_eq!(outcomes, whole, "unplugged at {byte}");
        }
        std::fs::remove_file(&path).unwrap();
    }
    #[test]
    fn detached_lines_equal_those_that_are_read() {
        let many = "12\n3\n".repeat(30_000);
        let inputs = [
            "1\n2\n3\n4\n5\n".to_owned(),
            "\u{feff}\n1\n\n  \n2\r\nbad\n\n3".to_owned(),
            format!("1\n{}\n2\n\n", "9".repeat(2_000)),
            many,
            String::new(),
        ];
        let path = std::env::temp_dir().join(format!("batch-json-taken-out-{}.jsonl", std::process::id()));
        for input in inputs {
            std::fs::write(&path, input).unwrap();
            let open = || JsonLinesReader::<u32>::open(&path).unwrap().longest_record(1_000);
            taken_out_is_read(open);
            for part in open().split(3).unwrap() {
                taken_out_is_read(|| {
                    let mut narrowed = open();
                    narrowed.narrow(part.clone()).unwrap();
                    narrowed
                });
            }
        }
        std::fs::remove_file(&path).unwrap();
    }
}
