//! [`FixedOptions`], the layout of a file with fixed-width columns; it is checked when the file is opened.

use std::fmt;
use std::path::Path;

use super::column::FixedColumn;
use super::decode::{Columns, Layout};
use super::{FixedFraming, FixedReader};
use crate::Deserializes;
use crate::definition::{BoxError, resource_name};
use crate::readers::columns;
use crate::readers::framed::{Encoding, Framed, LONGEST, Records, Totals, Trailer};
use crate::readers::source::Source;
use crate::readers::{ReadError, fields};

/// The maximum length, in bytes, of a record without line endings.
const LONGEST_BYTES: usize = 1 << 30;

/// The layout of a file with fixed-width columns.
///
/// A file from a mainframe, in EBCDIC, with packed decimals and no line endings:
///
#[cfg_attr(feature = "encodings", doc = "```")]
#[cfg_attr(not(feature = "encodings"), doc = "```ignore")]
/// use batch_runtime::{Reader, readers::{FixedColumn, FixedReader}};
///
/// let path = std::env::temp_dir().join("doc-fixed-options.dat");
/// std::fs::write(&path, b"\xC1\x82\x40\x00\x12\x5C\xC3\x40\x40\x00\x07\x0D")?;
///
/// let columns = [FixedColumn::new("name", 0..3), FixedColumn::new("balance", 3..6).packed(2)];
/// let mut balances = FixedReader::<(String, f64)>::columns(columns)
///     .record_bytes(6)
///     .encoding("cp037")
///     .open(&path)?;
/// assert_eq!(balances.read()?, Some(("Ab".into(), 1.25)));
/// assert_eq!(balances.read()?, Some(("C".into(), -0.7)));
/// assert_eq!(balances.read()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct FixedOptions<T> {
    columns: Vec<FixedColumn>,
    bytes: Option<usize>,
    first_lines: u64,
    flexible: bool,
    lenient: bool,
    encoding: Option<String>,
    trailer: Option<Trailer<T>>,
}

impl<T> FixedOptions<T> {
    pub(super) fn new(columns: Vec<FixedColumn>) -> Self {
        Self {
            columns,
            bytes: None,
            first_lines: 0,
            flexible: false,
            lenient: false,
            encoding: None,
            trailer: None,
        }
    }

    /// Says that the records have this number of bytes each, with no line endings between them. The places of
    /// the columns then count bytes, and errors name the number of the record instead of its line.
    pub fn record_bytes(mut self, bytes: usize) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Skips lines at the start of the file; with [`record_bytes`](Self::record_bytes), records.
    pub fn skip_lines(mut self, lines: u64) -> Self {
        self.first_lines = lines;
        self
    }

    /// Allows lines that are shorter or longer than their columns: columns that a line lacks are empty, and
    /// characters after the last column are ignored. A line without any character is then a record whose columns are all
    /// empty.
    pub fn flexible(mut self) -> Self {
        self.flexible = true;
        self
    }

    /// Reads a carriage return that does not end a line, and a byte order mark at the start of a line, as text instead of
    /// refusing them.
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Sets the encoding of the file, UTF-8 by default: a name of the [WHATWG Encoding
    /// Standard](https://encoding.spec.whatwg.org/#names-and-labels), such as `windows-1252`; without
    /// [`record_bytes`](Self::record_bytes) also `utf-16`, as [for lines](crate::readers::LinesOptions::encoding), and with it
    /// the EBCDIC code pages `cp037`, `cp273`, `cp500` and `cp1140`. Encodings other than UTF-8 need the cargo feature
    /// `encodings`.
    pub fn encoding(mut self, name: impl Into<String>) -> Self {
        self.encoding = Some(name.into());
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
    /// the trailer, and the number of records before the trailer. Records that cannot be read are counted, but
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
    /// If the file cannot be opened, is a folder, or is in an encoding other than the given one; if the item
    /// needs a column that is not declared, or the columns overlap or lie outside of the record.
    pub fn open(self, path: impl AsRef<Path>) -> Result<FixedReader<T>, ReadError>
    where
        T: Deserializes,
    {
        let path = path.as_ref();
        let refused = |problem: String| ReadError::Options {
            resource: resource_name(path).into(),
            problem: problem.into(),
        };
        if let Some(problem) = self.problem() {
            return Err(refused(problem));
        }
        let names = || self.columns.iter().map(|column| &*column.name);
        if let Some(misfit) = fields::misfit::<T>(names()) {
            return Err(refused(columns::misfit(&misfit, names())));
        }
        let find = if self.bytes.is_some() { Encoding::of_bytes } else { Encoding::of_lines };
        let encoding = self.encoding.as_deref().map_or(Ok(Encoding::Utf8), find).map_err(refused)?;
        let longest = self.bytes.unwrap_or(LONGEST);
        let mut framed =
            Framed::new(Source::open(path)?, longest, encoding, FixedFraming::new(self.bytes, self.flexible));
        if self.bytes.is_none() {
            framed.begin()?;
        }
        for _ in 0..self.first_lines {
            framed.pass()?;
        }
        let layout = Layout::new(self.columns, self.bytes, self.flexible, self.lenient);
        Ok(FixedReader { records: Records::new(framed, Columns::new(layout), self.trailer) })
    }

    fn problem(&self) -> Option<String> {
        if let Some(problem) = FixedColumn::problem(&self.columns) {
            return Some(problem);
        }
        let packed = self.columns.iter().find(|column| column.is_packed());
        let last = self.columns.iter().map(|column| column.range.end).max().unwrap_or_default();
        match (self.bytes, packed) {
            (None, Some(packed)) => Some(format!(
                "column `{}` is packed, and packed bytes may look like a line ending; set `record_bytes`",
                packed.name
            )),
            (Some(bytes), _) if last > bytes => {
                Some(format!("the columns extend to byte {last}, but a record has {bytes} bytes"))
            }
            (Some(bytes), _) if bytes > LONGEST_BYTES => Some("a record has at most 1 GiB".to_owned()),
            (None, _) if last > LONGEST => Some("a line has at most 16 MiB".to_owned()),
            _ => None,
        }
    }
}

impl<T> fmt::Debug for FixedOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedOptions")
            .field("columns", &self.columns)
            .field("record_bytes", &self.bytes)
            .field("skip_lines", &self.first_lines)
            .field("flexible", &self.flexible)
            .field("lenient", &self.lenient)
            .field("encoding", &self.encoding)
            .field("trailer", &self.trailer)
            .finish()
    }
}
