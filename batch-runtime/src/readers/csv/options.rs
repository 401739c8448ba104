//! [`CsvOptions`], the dialect of a CSV file; the options are checked when the file is opened.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use super::CsvReader;
use super::framing::{Blanks, Syntax};
use crate::definition::{BoxError, resource_name};
use crate::readers::ReadError;
use crate::readers::columns::Decoder;
use crate::readers::framed::{self, Encoding, Totals, Trailer};

/// The upper limit for the length of a record: offsets in the buffer are 32 bits.
const LONGEST: usize = 1 << 30;

/// Describes the dialect of a CSV file; [`CsvReader::options`] creates it.
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
#[expect(clippy::struct_excessive_bools, reason = "each is a separate option")]
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
    pub(super) blanks: Blanks,
    pub(super) first_lines: u64,
    pub(super) longest: usize,
    pub(super) encoding: Option<Box<str>>,
    pub(super) trailer: Option<Trailer<T>>,
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
            blanks: Blanks::Refused,
            first_lines: 0,
            longest: framed::LONGEST,
            encoding: None,
            trailer: None,
            item: PhantomData,
        }
    }

    /// Sets the delimiter between fields; a comma by default.
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// Sets the quote character, `"` by default. It encloses a field that contains delimiters, line endings
    /// or, doubled, the quote itself.
    pub fn quote(mut self, quote: u8) -> Self {
        self.quote = Some(quote);
        self
    }

    /// Treats quotes as ordinary characters.
    pub fn without_quotes(mut self) -> Self {
        self.quote = None;
        self
    }

    /// Treats the first line as a record: columns are matched to the item's fields by position.
    pub fn without_header(mut self) -> Self {
        self.header = false;
        self
    }

    /// Skips lines that begin with `comment`.
    pub fn comment(mut self, comment: u8) -> Self {
        self.comment = Some(comment);
        self
    }

    /// Adds a text that means null: `None` for an `Option`, the default for a field with `#[serde(default)]`,
    /// an error for all others. Call it several times to add several. An empty field is always `None` for an
    /// `Option`. A quoted marker is an ordinary text, and so is a quoted empty field: `"NA"` and `""` are
    /// values, unless [`quoted_nulls`](Self::quoted_nulls) says otherwise.
    pub fn null(mut self, marker: impl Into<String>) -> Self {
        self.nulls.push(marker.into().into_boxed_str());
        self
    }

    /// Treats a quoted empty field or a quoted [marker](Self::null) as null too, for files in which every
    /// field is quoted.
    pub fn quoted_nulls(mut self) -> Self {
        self.quoted_nulls = true;
        self
    }

    /// Keeps the text of a field whose type is not declared (in a flattened map, an untagged enum, a
    /// `serde_json::Value`), instead of the number or the `true` that it looks like.
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

    /// Sets the escape character: within quotes, the byte after `escape` is taken literally. With `\\`, as
    /// some databases write it, `"5\" disk"` is `5" disk`. A doubled quote still means one quote. Outside
    /// quotes, the escape character has no special meaning.
    pub fn escape(mut self, escape: u8) -> Self {
        self.escape = Some(escape);
        self
    }

    /// Reads misplaced quotes and carriage returns as text instead of refusing them: text after the quote
    /// that closes a field (`"a"b` is `ab`), a quote within an unquoted field (`5" disk`), a carriage return
    /// that does not end a line, a byte order mark at the start of a line. With a forgotten quote, two
    /// records may then be read as one.
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Reads a blank line in a file of one column as a record whose only field is empty, as some databases write a null. By
    /// default such a line is an error, which a step may skip; in a file of several columns, blank lines are skipped.
    pub fn with_blank_lines(mut self) -> Self {
        self.blanks = Blanks::Read;
        self
    }

    /// Skips blank lines in a file of one column too, instead of [reading](Self::with_blank_lines) or refusing them.
    pub fn skip_blank_lines(mut self) -> Self {
        self.blanks = Blanks::Skipped;
        self
    }

    /// Skips the first lines of the file, which are neither header nor record: a title, or `sep=;`.
    pub fn skip_lines(mut self, lines: u64) -> Self {
        self.first_lines = lines;
        self
    }

    /// Removes white space around fields and column names, but not within quotes.
    pub fn trimmed(mut self) -> Self {
        self.trim = true;
        self
    }

    /// Allows a record to have fewer or more fields than there are columns. A missing field is `None` for an
    /// `Option` and the default for a field with `#[serde(default)]`; surplus fields are ignored. Without a
    /// header, only fields with `#[serde(default)]` may be missing.
    pub fn flexible(mut self) -> Self {
        self.flexible = true;
        self
    }

    /// Sets the maximum length of a record in bytes, up to 1 GiB; 16 MiB by default.
    pub fn longest_record(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// Sets the encoding of the file, UTF-8 by default: a name of the [WHATWG Encoding
    /// Standard](https://encoding.spec.whatwg.org/#names-and-labels), such as `windows-1252`, `iso-8859-2` or
    /// `shift_jis`. Encodings other than UTF-8 need the cargo feature `encodings`.
    ///
    /// In UTF-16, the byte order mark says the byte order (`utf-16`), or the name does (`utf-16le`, `utf-16be`). The file
    /// is converted to UTF-8 while it is read: errors and positions count bytes of the converted text, and the file
    /// cannot be split.
    pub fn encoding(mut self, name: impl Into<String>) -> Self {
        self.encoding = Some(name.into().into_boxed_str());
        self
    }

    /// Takes the last record of the file as a trailer, which is not an item and need not have the columns of one. Before
    /// the first item is read, `check` is called with its text, as it is in the file, and the number of records before it;
    /// an error fails the step, whatever `skip` says, so no part of an incomplete file is processed. This reads the file
    /// twice. With partitions, the check happens once, when the file is split.
    ///
    /// ```
    /// use batch_runtime::{BoxError, Reader, readers::CsvReader};
    ///
    /// fn counts(trailer: &str, payments: u64) -> Result<(), BoxError> {
    ///     let declared: u64 = trailer.strip_prefix("TOTAL,").ok_or("expected `TOTAL,`")?.parse()?;
    ///     if declared == payments { Ok(()) } else { Err(format!("{declared} payments, but there are {payments}").into()) }
    /// }
    ///
    /// let path = std::env::temp_dir().join("doc-csv-trailer.csv");
    /// let open = || CsvReader::<(u32, i64, String)>::options().trailer(counts).open(&path);
    ///
    /// std::fs::write(&path, "id,cents,to\n1,250,Ann\n2,99,Bob\nTOTAL,2\n")?;
    /// let mut payments = open()?;
    /// assert_eq!(payments.read()?, Some((1, 250, "Ann".into())));
    /// assert_eq!(payments.read()?, Some((2, 99, "Bob".into())));
    /// assert_eq!(payments.read()?, None);
    ///
    /// std::fs::write(&path, "id,cents,to\n1,250,Ann\nTOTAL,2\n")?;
    /// let error = open()?.read().unwrap_err();
    /// assert!(error.to_string().ends_with("line 3, trailer: 2 payments, but there are 1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trailer<E: Into<BoxError>>(
        mut self,
        check: impl Fn(&str, u64) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        self.trailer = Some(Trailer::of_records(check));
        self
    }

    /// Like [`trailer`](Self::trailer), and compares totals over the items too: `check` is called with the totals, the
    /// trailer, and the number of records before the trailer. Records that cannot be read are counted, but add nothing to
    /// the totals.
    pub fn trailer_with_totals<S: Totals<T> + 'static, E: Into<BoxError>>(
        mut self,
        check: impl Fn(&S, &str, u64) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self
    where
        T: 'static,
    {
        self.trailer = Some(Trailer::of_totals(check));
        self
    }

    /// Opens the file and reads its header. Decompresses `.gz` and `.zst` (cargo features `gzip` and `zstd`).
    ///
    /// # Errors
    /// If the file cannot be opened, is a folder, or is empty where a header is expected; if two options
    /// contradict each other.
    pub fn open(self, path: impl AsRef<Path>) -> Result<CsvReader<T>, ReadError> {
        let path = path.as_ref();
        let refused = |problem: String| ReadError::Options {
            resource: resource_name(path).into(),
            problem: problem.into(),
        };
        if let Some(problem) = self.problem() {
            return Err(refused(problem.to_owned()));
        }
        let encoding = self.encoding.as_deref().map_or(Ok(Encoding::Utf8), Encoding::of_lines);
        let encoding = encoding.map_err(refused)?;
        if let Some(mark) = self.marks().into_iter().flatten().find(|mark| encoding.hides(*mark)) {
            return Err(refused(format!(
                "`{}` may be a part of another character in this encoding; convert the input to UTF-8",
                char::from(mark)
            )));
        }
        CsvReader::with_options(path, encoding, self)
    }

    /// The delimiter, quote, comment and escape.
    fn marks(&self) -> [Option<u8>; 4] {
        [Some(self.delimiter), self.quote, self.comment, self.escape]
    }

    fn problem(&self) -> Option<&'static str> {
        let marks = self.marks();
        let twice = (0..marks.len()).any(|at| marks[at].is_some() && marks[at + 1..].contains(&marks[at]));
        if twice {
            Some("delimiter, quote, comment and escape must be different bytes")
        } else if marks.iter().flatten().any(|mark| !mark.is_ascii() || matches!(mark, b'\n' | b'\r')) {
            Some("delimiter, quote, comment and escape must be ASCII and not line endings")
        } else if self.longest > LONGEST {
            Some("`longest_record` must be at most 1 GiB")
        } else {
            None
        }
    }

    /// The decoder of records with these columns.
    pub(super) fn decoder(self, header: Option<Vec<Box<str>>>) -> Decoder {
        let mut decoder = Decoder::new(header);
        decoder.trim = self.trim;
        decoder.nulls = self.nulls.into();
        decoder.quoted_nulls = self.quoted_nulls;
        decoder.untyped_as_text = self.untyped_as_text;
        decoder
    }

    pub(super) fn syntax(&self) -> Syntax {
        Syntax {
            delimiter: self.delimiter,
            quote: self.quote,
            comment: self.comment,
            escape: self.escape,
            trim: self.trim,
            lenient: self.lenient,
            blanks: self.blanks,
        }
    }
}

impl<T> Clone for CsvOptions<T> {
    fn clone(&self) -> Self {
        Self {
            nulls: self.nulls.clone(),
            encoding: self.encoding.clone(),
            trailer: self.trailer.clone(),
            ..*self
        }
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
            .field("encoding", &self.encoding)
            .field("lenient", &self.lenient)
            .field("longest", &self.longest)
            .field("trailer", &self.trailer)
            .finish_non_exhaustive()
    }
}
