//! [`CsvReader`] reads the records of a CSV file, plain or compressed, into values of a serde type.

mod decode;
mod detach;
mod header;
mod index;
mod malformed;
mod number;
mod options;
mod place;
mod quotes;
mod records;
mod resume;
mod row;
mod split;
mod value;

#[cfg(test)]
mod tests;

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use serde::{Deserialize, Serialize};

use self::decode::{Decoder, Refusal};
use self::place::Place;
use self::records::{Record, Records};
use self::split::Bounds;
use self::value::Problem;
use super::error::shown;
use super::fields;
use super::source::Source;
use super::{Identity, ReadError};
use crate::definition::Deserializes;
use crate::{Progress, Reader};

pub use options::CsvOptions;
pub use split::CsvPart;

/// Reads a CSV file, one item per record.
///
/// The file is UTF-8, with or without a byte order mark. Lines end with LF or CRLF, and blank lines are
/// skipped. A field that begins with a quote extends to the closing quote, across delimiters and line
/// endings; a doubled quote within it is one quote. Files named `.gz` or `.zst` are decompressed.
///
/// Everything that RFC 4180 does not allow is an error with its place, and is never read as something else:
/// text after a closing quote, a quote within an unquoted field, a carriage return that does not end a line,
/// a byte order mark within the file. If the end of a record cannot be determined, the reader skips one line
/// and continues with the next. [`CsvOptions`] offers [escapes](CsvOptions::escape) and
/// [lenient](CsvOptions::lenient) parsing.
///
/// With a header, columns are matched to fields by name, in any order, and serde's attributes apply:
/// `rename`, `default`, `alias`, `skip`, `flatten`, `deny_unknown_fields`, `deserialize_with` …; columns that
/// the type does not know are ignored. [Without a header](CsvOptions::without_header), they are matched by
/// position. For an `Option`, an empty field is `None`. A field that is a struct or a sequence is refused.
/// Serde does not say which type a flattened field expects, so its value becomes what it looks like (a
/// number, `true`, a text), as long as that keeps all of its digits;
/// [`untyped_as_text`](CsvOptions::untyped_as_text) keeps the text.
///
/// A restart seeks in a plain file; in a compressed file it decompresses everything before its position.
///
/// Reading continues after an error about one record ([`ReadError::is_about_a_record`]): a bad value, a wrong
/// number of fields, invalid UTF-8, a record that is too long or malformed. It ends after a header that lacks
/// a column of the item (detected when the file is opened, or with the first record), after a failure of the
/// operating system, and after a damaged compressed file.
///
/// ```
/// use batch_runtime::{Reader, readers::CsvReader};
/// use serde::Deserialize;
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct Flight { carrier: String, dep_delay: Option<f64> }
///
/// let path = std::env::temp_dir().join("doc-csv-reader.csv");
/// std::fs::write(&path, "dep_delay,carrier\n12.5,AA\n,UA\n")?;
///
/// let mut flights = CsvReader::<Flight>::open(&path)?;
/// assert_eq!(flights.read()?, Some(Flight { carrier: "AA".into(), dep_delay: Some(12.5) }));
/// let position = flights.position();
///
/// let mut restarted = CsvReader::<Flight>::open(&path)?;
/// restarted.resume(position)?;
/// assert_eq!(restarted.read()?, Some(Flight { carrier: "UA".into(), dep_delay: None }));
/// assert_eq!(restarted.read()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CsvReader<T> {
    records: Records,
    decoder: Decoder,
    flexible: bool,
    /// The number of columns: that of the header, or of the first record.
    columns: Option<usize>,
    bounds: Bounds,
    /// True once the header is known to have what the item needs, as far as that can be determined.
    is_checked: bool,
    item: PhantomData<fn() -> T>,
}

/// The position of a [`CsvReader`], and the file it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsvPosition {
    /// The byte offset in the (decompressed) file.
    byte: u64,
    /// The line at that offset, from 1.
    line: u64,
    columns: Option<usize>,
    /// The number of bytes hashed before `byte`, and their hash: they reveal a line added or removed before
    /// it.
    tail: u64,
    hash: u64,
    input: Identity,
}

impl<T> CsvReader<T> {
    /// Opens a comma-separated file with a header.
    ///
    /// # Errors
    /// When the file cannot be opened, is a folder, or is empty.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::options().open(path)
    }

    /// Returns options for a file in another dialect.
    pub fn options() -> CsvOptions<T> {
        CsvOptions::new()
    }

    fn with_options(path: &Path, options: CsvOptions<T>) -> Result<Self, ReadError> {
        let mut records = Records::new(Source::open(path)?, options.syntax());
        records.begin()?;
        records.skip_lines(options.first_lines)?;
        records.refuse_separator_line()?;
        let header = if options.header { Some(header::read(&mut records, options.trim)?) } else { None };
        Ok(Self {
            columns: header.as_ref().map(Vec::len),
            records,
            flexible: options.flexible,
            decoder: Decoder::new(header, options),
            bounds: Bounds::NONE,
            is_checked: false,
            item: PhantomData,
        })
    }
}

fn field<'a>(record: Record<'_>, text: &'a str, column: usize) -> &'a str {
    let begin = if column == 0 { 0 } else { record.ends[column - 1] as usize + 1 - record.start };
    &text[begin..(record.ends[column] as usize - record.start).min(text.len())]
}

impl<T: Deserializes> Reader for CsvReader<T> {
    type Item = T;
    type Position = CsvPosition;
    type Error = ReadError;

    fn read(&mut self) -> Result<Option<T>, ReadError> {
        if !self.is_checked {
            self.check_header()?;
        }
        if self.records.byte() >= self.bounds.end {
            return Ok(None);
        }
        let Some(found) = self.records.advance()? else { return Ok(None) };
        let record = self.records.record(found);
        let fields = record.ends.len();
        if self.columns != Some(fields)
            && !self.flexible
            && let Some(expected) = self.columns
        {
            let (resource, Record { line, byte, .. }) = (self.records.resource(), record);
            return Err(ReadError::Columns { resource, line, byte, expected, found: fields });
        }
        let Ok(text) = std::str::from_utf8(record.text) else {
            return Err(self.invalid_utf8(record));
        };
        match self.decoder.decode(record, text) {
            Ok(item) => {
                if self.columns.is_none() && !self.flexible {
                    // Without a header, the first record that is an item determines the number of columns.
                    self.columns = Some(fields);
                }
                Ok(Some(item))
            }
            Err(refusal) => {
                let error = self.refused(record, text, &refusal);
                if !error.is_about_a_record() {
                    self.records.put_back(found);
                }
                Err(error)
            }
        }
    }

    fn steps_over(&self, error: &ReadError) -> bool {
        error.is_about_a_record()
    }

    fn record(&self, error: &ReadError) -> Option<String> {
        self.records.line_at(error.record_byte()?)
    }

    fn position(&self) -> CsvPosition {
        let Place { byte, line, tail, hash } = self.records.place();
        CsvPosition {
            byte,
            line,
            columns: self.columns,
            tail,
            hash,
            input: self.records.source().identity(byte),
        }
    }

    fn resume(&mut self, position: CsvPosition) -> Result<(), ReadError> {
        self.check_header()?;
        let CsvPosition { byte, line, columns, tail, hash, input } = position;
        self.records.go_to(Place { byte, line, tail, hash }, input)?;
        if self.columns.is_some() && self.columns != columns {
            return Err(self.records.source().changed(byte, "it has other columns"));
        }
        self.columns = columns;
        Ok(())
    }

    fn detach(&mut self, most: usize, into: &mut Option<Self>) -> Result<usize, ReadError> {
        self.detach_records(most, into)
    }

    fn progress(&self) -> Option<Progress> {
        let whole = self.records.source().progress();
        Some(if self.bounds.narrowed {
            self.bounds.progress(self.records.byte(), whole.total)
        } else {
            whole
        })
    }

    fn location(&self) -> Option<String> {
        Some(format!("{}, line {}", self.records.resource(), self.records.record_line()))
    }
}

impl<T: Deserializes> CsvReader<T> {
    /// Refuses a header that lacks a column of the item, before any record is read.
    #[cold]
    fn check_header(&mut self) -> Result<(), ReadError> {
        if self.decoder.has_header()
            && let Some(missing) = fields::missing::<T>(self.decoder.names())
        {
            let problem = header::lacks(missing, self.decoder.names()).into();
            return Err(ReadError::Header { resource: self.records.resource(), problem });
        }
        self.is_checked = true;
        Ok(())
    }
}

impl<T> CsvReader<T> {
    #[cold]
    fn invalid_utf8(&self, record: Record<'_>) -> ReadError {
        let valid = std::str::from_utf8(record.text).map_or_else(|error| error.valid_up_to(), str::len);
        let column = record.ends.iter().take_while(|end| **end as usize - record.start <= valid).count();
        let column = column.min(record.ends.len() - 1);
        let begin = if column == 0 { 0 } else { record.ends[column - 1] as usize + 1 - record.start };
        let end = (record.ends[column] as usize - record.start).min(record.text.len());
        ReadError::InvalidUtf8 {
            resource: self.records.resource(),
            line: record.line,
            byte: record.byte,
            column: Some(self.decoder.name(column)),
            value: shown(&String::from_utf8_lossy(&record.text[begin..end])),
        }
    }

    /// True if the field would be null without its quotes.
    fn is_null_in_quotes(&self, record: Record<'_>, column: Option<usize>, field: &str) -> bool {
        let is_quoted = column.is_some_and(|column| record.quoted.get(column) == Some(&true));
        is_quoted && (field.is_empty() || self.decoder.nulls.iter().any(|null| **null == *field))
    }

    #[cold]
    fn refused(&self, record: Record<'_>, text: &str, refusal: &Refusal) -> ReadError {
        let resource = self.records.resource();
        let Refusal { error, column } = refusal;
        let header =
            |problem: String| ReadError::Header { resource: resource.clone(), problem: problem.into() };
        let mut column = *column;
        match &*error.0 {
            Problem::Missing(name) => {
                // In a flexible file, the record may be too short for it.
                column = self.decoder.column(name);
                if column.is_none() {
                    return header(header::lacks(name, self.decoder.names()));
                }
            }
            Problem::Duplicate(name) => return header(format!("two columns match the item's `{name}`")),
            Problem::Unknown(name) => return header(format!("column `{name}` is unknown to the item")),
            Problem::Nested(text) => {
                let column = column.map(|column| format!("column `{}`: ", self.decoder.name(column)));
                return ReadError::Options {
                    resource,
                    problem: format!("{}{text}", column.unwrap_or_default()).into(),
                };
            }
            Problem::Length(text) if column.is_none() && self.columns == Some(record.ends.len()) => {
                return ReadError::Options { resource, problem: text.as_str().into() };
            }
            Problem::Text(_) | Problem::Length(_) | Problem::Null => {}
        }
        let field =
            column.filter(|column| *column < record.ends.len()).map(|column| field(record, text, column));
        ReadError::Record {
            resource,
            line: record.line,
            byte: record.byte,
            column: column.map(|column| self.decoder.name(column)),
            value: shown(field.unwrap_or_default()),
            problem: match &*error.0 {
                Problem::Text(text) | Problem::Length(text) => match field {
                    Some(field) if self.is_null_in_quotes(record, column, field) => {
                        format!("{text}; `quoted_nulls` treats it as null in quotes too").into()
                    }
                    _ => text.as_str().into(),
                },
                _ => "expected a value".into(),
            },
        }
    }
}

impl<T> fmt::Debug for CsvReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvReader")
            .field("resource", &self.records.resource())
            .field("place", &self.records.place())
            .field("decoder", &self.decoder)
            .finish_non_exhaustive()
    }
}
