//! [`CsvReader`] reads the records of a CSV file, plain or compressed, into values of a serde type.

mod decode;
mod framing;
mod header;
mod index;
mod item;
mod malformed;
mod options;
mod quotes;
mod record;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trailer_tests;

use std::fmt;
use std::path::Path;

use self::decode::CsvDecoder;
use self::framing::CsvFraming;
use super::framed::{Decode as _, Encoding, Framed, Records, forward_to_framed};
use super::source::Source;
use super::{ReadError, TextPart, TextPosition};
use crate::Reader;
use crate::definition::{BoxError, Splittable};

pub(super) use framing::CsvFields;
pub use framing::CsvState;
pub use item::CsvItem;
pub use options::CsvOptions;
pub use record::CsvRecord;

/// Reads a CSV file, one item per record.
///
/// The file is UTF-8, with or without a byte order mark, or in [another encoding](CsvOptions::encoding).
/// Lines end with LF or CRLF. Blank lines are skipped; in a file of one column, where they may be records, they are refused
/// unless you [choose](CsvOptions::with_blank_lines). A field that begins with a quote extends to the
/// closing quote, across delimiters and line endings; a doubled quote within it is one quote. Files named
/// `.gz` or `.zst` are decompressed.
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
/// A restart seeks in a plain file; in a compressed file it decompresses from the start of the gzip member or
/// Zstandard frame that its position is in. Our own writers, `pigz -i`, `bgzip` and `pzstd` make many of them;
/// a file that is one member is decompressed from its start.
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
    records: Records<CsvFraming, CsvDecoder, T>,
}

/// The position of a [`CsvReader`].
pub type CsvPosition = TextPosition<CsvState>;

/// A part of a CSV file.
pub type CsvPart = TextPart<CsvState>;

impl<T> CsvReader<T> {
    /// Opens a comma-separated file with a header.
    ///
    /// # Errors
    /// If the file cannot be opened, is a folder, or is empty.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::options().open(path)
    }

    /// Returns options for a file in another dialect.
    pub fn options() -> CsvOptions<T> {
        CsvOptions::new()
    }

    fn with_options(path: &Path, encoding: Encoding, options: CsvOptions<T>) -> Result<Self, ReadError> {
        let framing = CsvFraming::new(options.syntax());
        let mut records = Framed::new(Source::open(path)?, options.longest, encoding, framing);
        records.begin()?;
        for _ in 0..options.first_lines {
            records.pass()?;
        }
        header::refuse_separator_line(&mut records)?;
        let header = if options.header { Some(header::read(&mut records, options.trim)?) } else { None };
        records.framing.columns = header.as_ref().map(Vec::len);
        let (flexible, trailer) = (options.flexible, options.trailer.clone());
        let decoder = CsvDecoder::new(options.decoder(header), flexible);
        Ok(Self { records: Records::new(records, decoder, trailer) })
    }

    /// True if the number of columns is still to be determined.
    fn lacks_columns(&self) -> bool {
        self.records.framed.framing.columns.is_none() && !self.records.decoder.flexible
    }
}

impl<T: CsvItem> Reader for CsvReader<T> {
    type Item = T;
    type Position = CsvPosition;
    type Error = ReadError;

    fn read(&mut self) -> Result<Option<T>, ReadError> {
        self.records.read()
    }

    const RECYCLES: bool = T::IS_LENT;

    #[inline]
    fn recycle(&mut self, item: T) {
        self.records.decoder.recycle(item);
    }

    forward_to_framed!(self => self.records.framed);

    fn record(&self, error: &ReadError) -> Option<String> {
        self.records.framed.record_of(error)
    }

    fn resume(&mut self, position: CsvPosition) -> Result<(), ReadError> {
        self.records.resume(position)
    }

    fn detach(&mut self, most: usize, into: &mut Option<Self>) -> Result<usize, ReadError> {
        self.records.check()?;
        // The first record determines the number of columns for all. Comments may have any length, and are
        // not records.
        if self.lacks_columns() || self.records.framed.framing.syntax.comment.is_some() {
            return Ok(0);
        }
        let mut records = into.take().map(|reader| reader.records);
        let taken = self.records.detach(most, &mut records);
        *into = records.map(|records| Self { records });
        taken
    }
}

/// Splits by byte ranges, cut between records: a record with quoted line endings stays whole, and every part
/// knows the header and its line numbers. This scans the file once from the beginning, because only that
/// reveals what is quoted. A compressed file is a single part: reaching any place in it means decompressing
/// everything before.
impl<T: CsvItem> Splittable for CsvReader<T> {
    type Part = CsvPart;

    fn split(&mut self, parts: usize) -> Result<Vec<CsvPart>, BoxError> {
        self.records.check()?;
        let begin = self.position();
        // Without a header, the first item determines the number of columns of all parts.
        while parts > 1 && self.lacks_columns() {
            match self.read() {
                Ok(None) => break,
                Ok(Some(_)) => {}
                Err(error) if error.is_about_a_record() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.records.framed.split(begin, parts)?)
    }

    fn narrow(&mut self, part: CsvPart) -> Result<(), BoxError> {
        Ok(self.records.narrow(part)?)
    }
}

impl<T> fmt::Debug for CsvReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvReader")
            .field("records", &self.records.framed)
            .field("decoder", &self.records.decoder.columns)
            .finish_non_exhaustive()
    }
}
