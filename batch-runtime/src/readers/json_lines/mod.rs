//! [`JsonLinesReader`] reads a file with one JSON value per line, plain or compressed, into values of a serde
//! type.

mod options;
mod wrong_format;

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use super::framed::{Encoding, Framed, LONGEST, forward_to_framed, split_framed};
use super::json_item;
use super::json_text;
use super::lines::{Blanks, LineFraming, LineState};
use super::source::Source;
use super::{ReadError, TextPart, TextPosition};
use crate::{Deserializes, Reader};

pub use options::JsonLinesOptions;

/// Reads a file with one JSON value per line (JSON Lines, NDJSON), one item per value.
///
/// The file is UTF-8, with or without a byte order mark, or in [another encoding](JsonLinesOptions::encoding).
/// Blank lines are skipped, and the last line needs no line ending. Files whose names end in `.gz` or `.zst` are
/// decompressed. A restart seeks in a plain file; in a compressed file it decompresses from the start of the gzip
/// member or Zstandard frame that its position is in.
///
/// Reading continues after an error about one line ([`ReadError::is_about_a_record`]): invalid JSON, a value
/// that does not fit the item or would lose a part in it, two members of one name for a map, invalid UTF-8, a line that
/// is too long. It ends after a failure of the
/// operating system or a damaged compressed file. [`JsonArrayReader`](super::JsonArrayReader) reads a JSON array.
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
    lines: Framed<LineFraming>,
    item: PhantomData<fn() -> T>,
}

/// The position of a reader of lines.
pub type LinePosition = TextPosition<LineState>;

/// A part of a file of lines.
pub type LinePart = TextPart<LineState>;

impl<T> JsonLinesReader<T> {
    /// Opens the file.
    ///
    /// # Errors
    /// If the file cannot be opened, is a folder, is not in UTF-8, or is one JSON value over several lines.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::with_encoding(path.as_ref(), Encoding::Utf8)
    }

    /// Returns options for other files.
    pub fn options() -> JsonLinesOptions<T> {
        JsonLinesOptions::new()
    }

    fn with_encoding(path: &Path, encoding: Encoding) -> Result<Self, ReadError> {
        let mut lines =
            Framed::new(Source::open(path)?, LONGEST, encoding, LineFraming::new(Blanks::Skipped));
        lines.begin()?;
        wrong_format::check(&mut lines)?;
        Ok(Self { lines, item: PhantomData })
    }

    /// Sets the maximum length of a line in bytes; 16 MiB by default.
    #[must_use]
    pub fn longest_record(mut self, bytes: usize) -> Self {
        self.lines.input.longest = bytes;
        self
    }
}

impl<T: Deserializes> Reader for JsonLinesReader<T> {
    type Item = T;
    type Position = LinePosition;
    type Error = ReadError;

    fn read(&mut self) -> Result<Option<T>, ReadError> {
        if !self.lines.find()? {
            return Ok(None);
        }
        self.lines.know_text();
        let text = self.lines.text()?;
        match json_item::from_str(&text) {
            Ok(item) => {
                if self.lines.found.line == 1 {
                    let checked = json_text::refuse_strange_members::<T>(self.lines.resource(), &text);
                    if checked.is_err() {
                        self.lines.put_back();
                    }
                    checked?;
                }
                Ok(Some(item))
            }
            Err(_) if self.lines.found.line == 1 && wrong_format::is_array_of_all::<T>(&text) => {
                let resource = self.lines.resource();
                self.lines.put_back();
                Err(wrong_format::refused(resource, "it is one JSON array of all items"))
            }
            Err(error) => {
                Err(json_text::refused(self.lines.encoding, &self.lines.record().1, None, &text, &error))
            }
        }
    }

    forward_to_framed!(self => self.lines);

    fn record(&self, error: &ReadError) -> Option<String> {
        self.lines.line_at(error.record_byte()?)
    }

    fn resume(&mut self, position: LinePosition) -> Result<(), ReadError> {
        self.lines.go_to(position)
    }

    fn detach(&mut self, most: usize, into: &mut Option<Self>) -> Result<usize, ReadError> {
        let taken = into.get_or_insert_with(|| Self { lines: self.lines.nothing(), item: PhantomData });
        self.lines.detach(most, &mut taken.lines)
    }
}

split_framed!(JsonLinesReader, lines, LinePart);

impl<T> fmt::Debug for JsonLinesReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLinesReader").field("lines", &self.lines).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Splittable;
    use crate::readers::tests::detached_records_equal_reads;

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
            reader.lines.input.source.fails_at = Some(byte as u64);
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
            detached_records_equal_reads(open);
            for part in open().split(3).unwrap() {
                detached_records_equal_reads(|| {
                    let mut narrowed = open();
                    narrowed.narrow(part.clone()).unwrap();
                    narrowed
                });
            }
        }
        std::fs::remove_file(&path).unwrap();
    }
}
