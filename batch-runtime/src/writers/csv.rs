//! [`CsvWriter`] writes items of a serde type to a CSV file, one line per item.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use super::columns::{self, Columns, Format};
use super::file::{
    Footer, TransactionalFile, file_options, forward_to_file, forward_to_partitions, one_file,
    totals_in_footer,
};
use super::{FilePosition, WriteError};
use crate::{ChunkTransaction, Durability, Serializes, Writer};

/// Writes items to a CSV file, one line per item, under a header with the names of the item's fields.
///
/// The file is called `NAME.TAG.part`, with a tag made from the step's [mark](crate::Mark) and the file's name, until
/// the writer renames it to `NAME` at the end of the step. If the path is a link, the writer writes to the file
/// that the link leads to. After a crash, the committed part is kept and everything after it is cut off, so no line is
/// lost or duplicated. The writer refuses to replace an existing file `NAME`, unless that file may be
/// [overwritten](Self::overwrite): then the old file stays complete until the end of the step, and the new one takes
/// over its mode, its group and (for root only) its owner. ACLs and extended attributes are not taken over. A pipe, a
/// device, or a file with other names (hard links), which would keep the old content, is refused.
///
/// A file whose name ends in `.gz` or `.zst` is compressed (cargo features `gzip` and `zstd`), with a gzip member or a
/// Zstandard frame for each chunk, so that each commit ends after a complete member or frame. Every program that knows
/// the format reads several of them as one file; a restart of our readers continues in the one in which it stopped.
/// Small chunks compress badly: take a few thousand items, or [less compression](Self::compression_level) if the writer
/// is the bottleneck.
///
/// Fields are quoted where necessary, and where a reader might otherwise trim white space. `None` is empty,
/// or a [marker](Self::null); the empty string of a `Some` is `""`. [`CsvReader`](crate::readers::CsvReader)
/// reads every item back as the same value; an item for which that is impossible is refused: a `None` that
/// would be a blank line, bytes that are not text. serde's attributes apply: `rename`, `skip`, `flatten`,
/// `serialize_with` …; a field omitted by `skip_serializing_if` is written as `None`. A field that is a
/// struct or a sequence is refused. All items must have the same number of fields. Items without field names
/// (tuples) have no header unless [one is set](Self::header). If no item is written at all, the field names
/// are unknown and the file is empty.
///
/// ```
/// use batch_runtime::{ChunkTransaction, Durability, Writer, writers::CsvWriter};
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Delay { carrier: String, minutes: Option<f64> }
///
/// let path = std::env::temp_dir().join("doc-csv-writer.csv");
/// # let _ = std::fs::remove_file(&path);
/// let mut delays = CsvWriter::create(&path).null("NA").footer(|records| format!("# {records} records"));
///
/// // A step does this:
/// delays.open(None)?;
/// let chunk = [Delay { carrier: "AA, Inc.".into(), minutes: Some(4.5) }, Delay { carrier: "UA".into(), minutes: None }];
/// delays.write(&chunk, &ChunkTransaction::none())?;
/// delays.prepare(Durability::Machine)?;
/// delays.seal(Durability::Machine)?;
/// delays.finish(Durability::Machine)?;
///
/// assert_eq!(std::fs::read_to_string(&path)?, "carrier,minutes\n\"AA, Inc.\",4.5\nUA,NA\n# 2 records\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct CsvWriter<T> {
    file: TransactionalFile,
    format: Format,
    header: Header,
    footer: Option<Box<Footer>>,
    /// Known from the first item on.
    columns: Option<Columns>,
    item: PhantomData<fn(&T)>,
}

#[derive(Debug)]
enum Header {
    OfTheItem,
    Given(Vec<String>),
    None,
}

impl<T> CsvWriter<T> {
    /// Creates a comma-separated file with a header. Nothing is touched before the step begins.
    pub fn create(path: impl Into<PathBuf>) -> Self {
        Self {
            file: TransactionalFile::new(path.into()),
            format: Format::new(),
            header: Header::OfTheItem,
            footer: None,
            columns: None,
            item: PhantomData,
        }
    }

    /// Sets the delimiter between fields; a comma by default.
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.format.delimiter = delimiter;
        self.format.mark();
        self
    }

    /// Sets the quote character, `"` by default. It encloses a field that contains delimiters, line endings
    /// or, doubled, the quote itself.
    pub fn quote(mut self, quote: u8) -> Self {
        self.format.quote = quote;
        self.format.mark();
        self
    }

    /// Doubles this byte within quotes, for a reader that treats it as an
    /// [escape](crate::readers::CsvOptions::escape).
    pub fn escape(mut self, escape: u8) -> Self {
        self.format.escape = Some(escape);
        self
    }

    /// Quotes a field that begins with this byte, for a reader that would treat it as the start of a
    /// [comment](crate::readers::CsvOptions::comment).
    pub fn comment(mut self, comment: u8) -> Self {
        self.format.comment = Some(comment);
        self.format.mark();
        self
    }

    /// Sets the marker for `None`; nothing by default. A value that equals the marker is quoted: our reader
    /// then reads it as a value.
    pub fn null(mut self, marker: impl Into<String>) -> Self {
        self.format.null = marker.into();
        self
    }

    /// Ends lines with CRLF instead of LF.
    pub fn crlf(mut self) -> Self {
        self.format.line_end = "\r\n";
        self
    }

    /// Sets the names in the header.
    pub fn header<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.header = Header::Given(names.into_iter().map(Into::into).collect());
        self
    }

    /// Writes no header.
    pub fn without_header(mut self) -> Self {
        self.header = Header::None;
        self
    }

    /// Adds the text that `footer` returns for the number of items, verbatim, after the last item. If the
    /// text has several lines, it must contain the line endings between them.
    pub fn footer(mut self, footer: impl Fn(u64) -> String + Send + Sync + 'static) -> Self {
        self.footer = Some(Box::new(footer));
        self
    }

    fn problem(&self) -> Option<&'static str> {
        let Format { delimiter, quote, escape, comment, .. } = self.format;
        let bad = |mark: u8| {
            !mark.is_ascii()
                || mark.is_ascii_alphanumeric()
                || matches!(mark, b'\n' | b'\r' | b'-' | b'.' | b'+')
        };
        if bad(delimiter) || bad(quote) {
            Some(
                "delimiter and quote must be ASCII and not line endings, letters, digits or signs of numbers",
            )
        } else if escape.into_iter().chain(comment).any(|mark| {
            !mark.is_ascii() || matches!(mark, b'\n' | b'\r') || [delimiter, quote].contains(&mark)
        }) {
            Some("escape and comment must be ASCII, not line endings, and different from delimiter and quote")
        } else if delimiter == quote {
            Some("delimiter and quote must be two different bytes")
        } else {
            None
        }
    }

    /// Appends the header if the file is still empty.
    fn begin(&mut self) -> Result<(), WriteError> {
        if !self.file.is_empty() {
            return Ok(());
        }
        let names = match (&self.header, &self.columns) {
            (Header::Given(names), _) => names,
            (Header::OfTheItem, Some(columns)) => &columns.names,
            (Header::OfTheItem, None) | (Header::None, _) => return Ok(()),
        };
        if names.iter().any(|name| name.contains('\0')) {
            let problem =
                "a column name contains a NUL byte, so a reader would not treat the file as text".to_owned();
            return Err(WriteError::Options { path: self.file.path().to_path_buf(), problem });
        }
        if !names.is_empty() {
            let columns = Columns { count: names.len(), names: Vec::new() };
            let line = columns::append(names, &self.format, &columns, self.file.buffer()?);
            line.map_err(|error| self.file.refused(0, error))?;
            self.file.end_header()?;
        }
        Ok(())
    }

    fn learn(&mut self, item: &T) -> Result<(), WriteError>
    where
        T: Serializes,
    {
        if self.columns.is_some() {
            return Ok(());
        }
        let columns = columns::columns(item, &self.format).map_err(|error| self.file.refused(1, error))?;
        if let Header::Given(names) = &self.header
            && names.len() != columns.count
        {
            let problem =
                format!("the header has {} names, but an item has {} fields", names.len(), columns.count);
            return Err(WriteError::Options { path: self.file.path().to_path_buf(), problem });
        }
        if columns.names.is_empty() {
            self.file.with_columns(&[format!("{} values without names", columns.count)])?;
        } else {
            self.file.with_columns(&columns.names)?;
        }
        self.columns = Some(columns);
        Ok(())
    }
}

impl<T: Serializes> Writer for CsvWriter<T> {
    type Item = T;

    forward_to_file!(self => self.file);

    fn open(&mut self, from: Option<FilePosition>) -> Result<(), WriteError> {
        if let Some(problem) = self.problem() {
            let path = self.file.path().to_path_buf();
            return Err(WriteError::Options { path, problem: problem.to_owned() });
        }
        self.file.open(from)?;
        let Format { delimiter, quote, escape, comment, ref null, line_end, .. } = self.format;
        let bytes = [Some(delimiter), Some(quote), escape, comment].map(|byte| format!("{byte:?}"));
        let header = match &self.header {
            Header::OfTheItem => "of the item".to_owned(),
            Header::Given(names) => format!("{names:?}"),
            Header::None => "none".to_owned(),
        };
        self.file.with_options(
            "delimiter, quote, escape, comment marker, null marker, line ending and header",
            &[&bytes.concat(), null, line_end, &header],
        )
    }

    fn write(&mut self, items: &[T], _tx: &ChunkTransaction<'_>) -> Result<(), WriteError> {
        let Some(first) = items.first() else { return Ok(()) };
        self.learn(first)?;
        self.begin()?;
        let (format, columns) = (&self.format, self.columns.get_or_insert_default());
        self.file.add_records(items, |item, out| columns::append(item, format, columns, out))
    }

    fn seal(&mut self, durability: Durability) -> Result<(), WriteError> {
        if self.file.is_sealed() {
            return Ok(());
        }
        self.begin()?;
        self.file.end(self.footer.as_deref(), self.format.line_end)?;
        self.file.seal(durability)
    }
}

forward_to_partitions!(CsvWriter);
one_file!(CsvWriter);
file_options!(CsvWriter);
totals_in_footer!(CsvWriter, footer);

impl<T> fmt::Debug for CsvWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvWriter")
            .field("file", &self.file)
            .field("format", &self.format)
            .field("header", &self.header)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}
