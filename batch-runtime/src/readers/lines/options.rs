//! [`LinesOptions`], how the lines of a file become items; the options are checked when the file is opened.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::framing::Blanks;
use super::groups::{Groups, IsLine};
use super::{LineFraming, LinesReader, Parse, Parser};
use crate::definition::{BoxError, resource_name};
use crate::readers::ReadError;
use crate::readers::framed::{Encoding, Framed, LONGEST, Records, Totals, Trailer};
use crate::readers::source::Source;

/// How the lines of a file become items.
///
/// An order takes several lines, the first of which begins with `HEA`; the last line of the file states the number of
/// orders:
///
/// ```
/// use batch_runtime::{BoxError, Reader, readers::LinesReader};
///
/// #[derive(Debug, PartialEq)]
/// struct Order { id: String, items: usize }
///
/// fn order(lines: &str) -> Result<Order, BoxError> {
///     let mut lines = lines.lines();
///     let id = lines.next().and_then(|line| line.strip_prefix("HEA;")).ok_or("expected `HEA;`")?;
///     Ok(Order { id: id.to_owned(), items: lines.count() })
/// }
///
/// fn counts(trailer: &str, orders: u64) -> Result<(), BoxError> {
///     let declared: u64 = trailer.strip_prefix("TRL;").ok_or("expected `TRL;`")?.parse()?;
///     if declared == orders { Ok(()) } else { Err(format!("{declared} orders, but there are {orders}").into()) }
/// }
///
/// let path = std::env::temp_dir().join("doc-lines-options.txt");
/// std::fs::write(&path, "HEA;17\nITM;ink\nITM;pen\nHEA;18\nITM;cup\nTRL;2\n")?;
///
/// let mut orders = LinesReader::options()
///     .record_begins(|line| line.starts_with("HEA") || line.starts_with("TRL"))
///     .trailer(counts)
///     .parse(order)
///     .open(&path)?;
/// assert_eq!(orders.read()?, Some(Order { id: "17".into(), items: 2 }));
/// assert_eq!(orders.read()?, Some(Order { id: "18".into(), items: 1 }));
/// assert_eq!(orders.read()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct LinesOptions<T> {
    parse: Option<Parse<T>>,
    first_lines: u64,
    skips_blanks: bool,
    lenient: bool,
    begins: Option<IsLine>,
    ends: Option<IsLine>,
    encoding: Option<String>,
    longest: usize,
    trailer: Option<Trailer<T>>,
}

impl<T> LinesOptions<T> {
    pub(super) fn new() -> Self {
        Self {
            parse: None,
            first_lines: 0,
            skips_blanks: true,
            lenient: false,
            begins: None,
            ends: None,
            encoding: None,
            longest: LONGEST,
            trailer: None,
        }
    }

    /// Sets the function that turns a record's text into an item. The text is a line without its ending, or
    /// the lines of a group with the endings between them ([`str::lines`] splits them).
    pub fn parse<E: Into<BoxError>>(
        mut self,
        parse: impl Fn(&str) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self {
        self.parse = Some(Arc::new(move |text| parse(text).map_err(Into::into)));
        self
    }

    /// Skips lines at the start of the file.
    pub fn skip_lines(mut self, lines: u64) -> Self {
        self.first_lines = lines;
        self
    }

    /// Reads blank lines as records too.
    pub fn with_blank_lines(mut self) -> Self {
        self.skips_blanks = false;
        self
    }

    /// Reads a carriage return that does not end a line, and a byte order mark at the start of a line, as text instead of
    /// refusing them.
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Reads each group of lines as a record: it begins with a line for which `begins` returns true, and extends
    /// to the line before the next such line. Lines before the first record are an error; if
    /// [`record_ends`](Self::record_ends) is set too, so are lines between two records.
    pub fn record_begins(mut self, begins: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.begins = Some(Arc::new(begins));
        self
    }

    /// Reads each group of lines as a record: it ends with a line for which `ends` returns true. A record
    /// that is cut off by the end of the file, or by the [beginning](Self::record_begins) of the next
    /// record, is an error.
    pub fn record_ends(mut self, ends: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.ends = Some(Arc::new(ends));
        self
    }

    /// Sets the encoding of the file, UTF-8 by default: a name of the [WHATWG Encoding
    /// Standard](https://encoding.spec.whatwg.org/#names-and-labels), such as `windows-1252`, `iso-8859-2` or
    /// `shift_jis`. Encodings other than UTF-8 need the cargo feature `encodings`.
    ///
    /// In UTF-16, either the byte order mark (`utf-16`) or the name (`utf-16le`, `utf-16be`) sets the byte order. The
    /// file is converted to UTF-8 while it is read: errors and positions count bytes of the converted text, and the
    /// file cannot be split.
    pub fn encoding(mut self, name: impl Into<String>) -> Self {
        self.encoding = Some(name.into());
        self
    }

    /// Sets the maximum length of a record in bytes; 16 MiB by default.
    pub fn longest_record(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// Takes the last record of the file as a trailer, which is not an item. Before the first item is read,
    /// `check` is called with its text and the number of records before it; an error fails the step, whatever
    /// `skip` says, so no part of an incomplete file is processed. This reads the file twice. With
    /// partitions, the check happens once, when the file is split.
    pub fn trailer<E: Into<BoxError>>(
        mut self,
        check: impl Fn(&str, u64) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        self.trailer = Some(Trailer::of_records(check));
        self
    }

    /// Like [`trailer`](Self::trailer), and compares totals over the items too: `check` is called with the totals,
    /// the trailer, and the number of records before the trailer. Records that cannot be parsed are counted, but
    /// add nothing to the totals.
    pub fn trailer_with_totals<S: Totals<T> + 'static, E: Into<BoxError>>(
        mut self,
        check: impl Fn(&S, &str, u64) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        self.trailer = Some(Trailer::of_totals(check));
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    /// If the file cannot be opened, is a folder, or is in an encoding other than the given one; if the
    /// options contradict each other.
    pub fn open(self, path: impl AsRef<Path>) -> Result<LinesReader<T>, ReadError> {
        let path = path.as_ref();
        let refused = |problem: String| ReadError::Options {
            resource: resource_name(path).into(),
            problem: problem.into(),
        };
        let Some(parse) = self.parse else {
            return Err(refused("set the function that parses a record: `parse(|line| ..)`".to_owned()));
        };
        let groups = self.begins.is_some() || self.ends.is_some();
        if groups && !self.skips_blanks {
            return Err(refused("`with_blank_lines` does not apply to groups of lines".to_owned()));
        }
        let blanks = if self.skips_blanks { Blanks::Skipped } else { Blanks::Read };
        let encoding =
            self.encoding.as_deref().map_or(Ok(Encoding::Utf8), Encoding::of_lines).map_err(refused)?;
        let mut framed = Framed::new(Source::open(path)?, self.longest, encoding, LineFraming::new(blanks));
        framed.begin()?;
        for _ in 0..self.first_lines {
            framed.pass()?;
        }
        if groups {
            framed.framing.group(Groups::new(self.begins, self.ends, encoding));
        }
        Ok(LinesReader {
            records: Records::new(framed, Parser { parse, lenient: self.lenient }, self.trailer),
        })
    }
}

impl<T> fmt::Debug for LinesOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinesOptions")
            .field("skip_lines", &self.first_lines)
            .field("encoding", &self.encoding)
            .field("longest", &self.longest)
            .field("trailer", &self.trailer)
            .finish_non_exhaustive()
    }
}
