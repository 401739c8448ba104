//! Receives: how a CSV file is written. Gives: [`CsvOptions`], checked when the file is opened.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use super::CsvReader;
use super::records::Syntax;
use crate::definition::resource_name;
use crate::readers::ReadError;

/// The most bytes that a record may be allowed to have: places in the buffer are 32 bits.
const LONGEST: usize = 1 << 30;

/// How a CSV file is written; made by [`CsvReader::options`].
///
/// ```
/// use batch_runtime::{Reader, readers::CsvReader};
/// use serde::Deserialize;
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct Delay { carrier: String, minutes: Option<f64> }
///
/// let path = std::env::temp_dir().join("doc-csv-options.csv");
/// std::fs::write(&path, "# late flights\ncarrier;minutes\nAA;NA\nUA; 4.5\n")?;
///
/// let mut delays = CsvReader::<Delay>::options().delimiter(b';').comment(b'#').null("NA").trimmed().open(&path)?;
/// assert_eq!(delays.read()?, Some(Delay { carrier: "AA".into(), minutes: None }));
/// assert_eq!(delays.read()?, Some(Delay { carrier: "UA".into(), minutes: Some(4.5) }));
/// assert_eq!(delays.read()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct CsvOptions<T> {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    pub(super) comment: Option<u8>,
    pub(super) header: bool,
    pub(super) trim: bool,
    pub(super) flexible: bool,
    pub(super) nulls: Vec<Box<str>>,
    pub(super) longest: usize,
    item: PhantomData<fn() -> T>,
}

impl<T> CsvOptions<T> {
    pub(super) fn new() -> Self {
        Self {
            delimiter: b',',
            quote: Some(b'"'),
            comment: None,
            header: true,
            trim: false,
            flexible: false,
            nulls: Vec::new(),
            longest: 16 * 1024 * 1024,
            item: PhantomData,
        }
    }

    /// What stands between two fields; a comma if it is not said.
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// What encloses a field that contains delimiters, line ends or, doubled, itself; `"` if it is not said.
    pub fn quote(mut self, quote: u8) -> Self {
        self.quote = Some(quote);
        self
    }

    /// Quotes are characters like any other.
    pub fn without_quotes(mut self) -> Self {
        self.quote = None;
        self
    }

    /// The first line is a record already: the columns go to the item's fields in order.
    pub fn without_header(mut self) -> Self {
        self.header = false;
        self
    }

    /// Lines that begin with `comment` are left out.
    pub fn comment(mut self, comment: u8) -> Self {
        self.comment = Some(comment);
        self
    }

    /// A text that stands for no value: `None` for an `Option`, the default for a field with `#[serde(default)]`, an
    /// error for any other. May be called several times. An empty field is `None` for an `Option` in any case.
    pub fn null(mut self, marker: impl Into<String>) -> Self {
        self.nulls.push(marker.into().into_boxed_str());
        self
    }

    /// White space around fields and column names is left out.
    pub fn trimmed(mut self) -> Self {
        self.trim = true;
        self
    }

    /// A record may have fewer or more fields than there are columns: what is missing is `None` for an `Option` and
    /// the default for a field with `#[serde(default)]`, what is too much is left out. Without a header only
    /// `#[serde(default)]` allows a field to be missing.
    pub fn flexible(mut self) -> Self {
        self.flexible = true;
        self
    }

    /// The most bytes that a record may have, up to 1 GiB; 16 MiB if it is not said.
    pub fn longest_record(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// Opens the file and reads its header; decompresses `.gz` and `.zst` (cargo features `gzip` and `zstd`).
    ///
    /// # Errors
    /// When the file cannot be opened, is a folder, or is empty where a header was expected; when two options
    /// contradict each other.
    pub fn open(self, path: impl AsRef<Path>) -> Result<CsvReader<T>, ReadError> {
        let path = path.as_ref();
        if let Some(problem) = self.problem() {
            return Err(ReadError::Options { resource: resource_name(path).into(), problem: problem.into() });
        }
        CsvReader::with_options(path, self)
    }

    fn problem(&self) -> Option<&'static str> {
        let marks = [Some(self.delimiter), self.quote, self.comment];
        let twice = (0..marks.len()).any(|at| marks[at].is_some() && marks[at + 1..].contains(&marks[at]));
        if twice {
            Some("delimiter, quote and comment must be three different bytes")
        } else if marks.iter().flatten().any(|mark| !mark.is_ascii() || matches!(mark, b'\n' | b'\r')) {
            Some("delimiter, quote and comment must be ASCII and no line ends")
        } else if self.longest > LONGEST {
            Some("a record may be allowed at most 1 GiB")
        } else {
            None
        }
    }

    pub(super) fn syntax(&self) -> Syntax {
        Syntax { delimiter: self.delimiter, quote: self.quote, comment: self.comment, longest: self.longest }
    }
}

impl<T> Clone for CsvOptions<T> {
    fn clone(&self) -> Self {
        Self { nulls: self.nulls.clone(), ..*self }
    }
}

impl<T> fmt::Debug for CsvOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvOptions")
            .field("delimiter", &char::from(self.delimiter))
            .field("quote", &self.quote.map(char::from))
            .field("comment", &self.comment.map(char::from))
            .field("header", &self.header)
            .field("trim", &self.trim)
            .field("flexible", &self.flexible)
            .field("nulls", &self.nulls)
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}
