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
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct CsvOptions<T> {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    pub(super) comment: Option<u8>,
    pub(super) header: bool,
    pub(super) trim: bool,
    pub(super) flexible: bool,
    pub(super) nulls: Vec<Box<str>>,
    pub(super) quoted_nulls: bool,
    pub(super) untyped_as_text: bool,
    pub(super) escape: Option<u8>,
    pub(super) lenient: bool,
    pub(super) first_lines: u64,
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
            quoted_nulls: false,
            untyped_as_text: false,
            escape: None,
            lenient: false,
            first_lines: 0,
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
    /// error for any other. May be called several times. An empty field is `None` for an `Option` in any case. In quotes a marker is
    /// a text like any other, and so is an empty one: `"NA"` and `""` are values, unless [`quoted_nulls`](Self::quoted_nulls) says
    /// otherwise.
    pub fn null(mut self, marker: impl Into<String>) -> Self {
        self.nulls.push(marker.into().into_boxed_str());
        self
    }

    /// In quotes, too, an empty field and a [marker](Self::null) stand for no value: for files in which everything is quoted.
    pub fn quoted_nulls(mut self) -> Self {
        self.quoted_nulls = true;
        self
    }

    /// A field of which the type does not say what it is (in a flattened map, an untagged enum, a `serde_json::Value`) is the text
    /// that stands there, and not the number or the `true` that it looks like.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use batch_runtime::{Reader, readers::CsvReader};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Book { title: String, #[serde(flatten)] rest: BTreeMap<String, String> }
    ///
    /// let path = std::env::temp_dir().join("doc-csv-untyped.csv");
    /// std::fs::write(&path, "title,isbn,zip\nDune,0479480001,501\n")?;
    /// let book = CsvReader::<Book>::options().untyped_as_text().open(&path)?.read()?.unwrap();
    /// assert_eq!((&*book.rest["isbn"], &*book.rest["zip"]), ("0479480001", "501"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn untyped_as_text(mut self) -> Self {
        self.untyped_as_text = true;
        self
    }

    /// Within quotes, the byte after `escape` is text: with `\\`, as some databases write it, `"5\" disk"` is `5" disk`. A doubled
    /// quote is one all the same. Outside of quotes it is a character like any other.
    pub fn escape(mut self, escape: u8) -> Self {
        self.escape = Some(escape);
        self
    }

    /// Takes quotes and carriage returns that mean nothing where they stand for text, where they are an error otherwise: text after
    /// the quote that closes a field (`"a"b` is `ab`), a quote within a field that does not begin with one (`5" disk`), a carriage
    /// return that ends no line, a byte order mark at the begin of a line. A quote that is forgotten may then make one record of two.
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// So many lines at the begin of the file are neither header nor record: a title, or `sep=;`.
    pub fn skip_lines(mut self, lines: u64) -> Self {
        self.first_lines = lines;
        self
    }

    /// White space around fields and column names is left out, but for what stands within quotes.
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
        let marks = [Some(self.delimiter), self.quote, self.comment, self.escape];
        let twice = (0..marks.len()).any(|at| marks[at].is_some() && marks[at + 1..].contains(&marks[at]));
        if twice {
            Some("delimiter, quote, comment and escape must be different bytes")
        } else if marks.iter().flatten().any(|mark| !mark.is_ascii() || matches!(mark, b'\n' | b'\r')) {
            Some("delimiter, quote, comment and escape must be ASCII and no line ends")
        } else if self.longest > LONGEST {
            Some("a record may be allowed at most 1 GiB")
        } else {
            None
        }
    }

    pub(super) fn syntax(&self) -> Syntax {
        Syntax {
            delimiter: self.delimiter,
            quote: self.quote,
            comment: self.comment,
            escape: self.escape,
            trim: self.trim,
            lenient: self.lenient,
            longest: self.longest,
        }
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
            .field("escape", &self.escape.map(char::from))
            .field("lenient", &self.lenient)
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}
