//! [`JsonArrayOptions`]: where the array is, its encoding, and how long an element may be.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use super::JsonArrayReader;
use crate::readers::ReadError;
use crate::readers::framed::LONGEST;

/// Describes where a document holds its array; [`JsonArrayReader::options`] creates it.
///
/// ```
/// use batch_runtime::{Reader, readers::JsonArrayReader};
///
/// let path = std::env::temp_dir().join("doc-json-array-options.json");
/// std::fs::write(&path, r#"{"page": 1, "data": {"prices": [12, 7]}}"#)?;
///
/// let mut prices = JsonArrayReader::<u32>::options().at("/data/prices").open(&path)?;
/// assert_eq!((prices.read()?, prices.read()?, prices.read()?), (Some(12), Some(7), None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct JsonArrayOptions<T> {
    pub(super) at: String,
    pub(super) encoding: Option<Box<str>>,
    pub(super) longest: usize,
    item: PhantomData<fn() -> T>,
}

impl<T> JsonArrayOptions<T> {
    pub(super) fn new() -> Self {
        Self { at: String::new(), encoding: None, longest: LONGEST, item: PhantomData }
    }

    /// Sets the JSON pointer to the array (RFC 6901): `/data/trades` is the value of `trades` in the object
    /// that is the value of `data`, `/0` the first value of an array. In a key, `~1` stands for a slash and `~0`
    /// for a tilde. By default the document itself is the array.
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.at = pointer.into();
        self
    }

    /// Sets the encoding of the file, UTF-8 by default: a name of the [WHATWG Encoding
    /// Standard](https://encoding.spec.whatwg.org/#names-and-labels), such as `windows-1252`, `iso-8859-2` or
    /// `shift_jis`. Encodings other than UTF-8 need the cargo feature `encodings`.
    ///
    /// In UTF-16, either the byte order mark (`utf-16`) or the name (`utf-16le`, `utf-16be`) sets the byte order. A file in
    /// UTF-16, or in an encoding with several bytes per character, is converted to UTF-8 while it is read: errors and
    /// positions count bytes of the converted text, and the file cannot be split. ISO-2022-JP and EBCDIC are refused.
    ///
    #[cfg_attr(feature = "encodings", doc = "```")]
    #[cfg_attr(not(feature = "encodings"), doc = "```ignore")]
    /// use batch_runtime::{Reader, readers::JsonArrayReader};
    ///
    /// let path = std::env::temp_dir().join("doc-json-array-encoding.json");
    /// std::fs::write(&path, b"[\"caf\xE9\"]")?;
    ///
    /// let mut words = JsonArrayReader::<String>::options().encoding("windows-1252").open(&path)?;
    /// assert_eq!(words.read()?.as_deref(), Some("café"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn encoding(mut self, name: impl Into<String>) -> Self {
        self.encoding = Some(name.into().into_boxed_str());
        self
    }

    /// Sets the maximum length of an element in bytes; 16 MiB by default.
    pub fn longest_record(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    /// If the file cannot be opened, is a folder, is in another encoding, holds one JSON value per line, or has no
    /// array at the [pointer](Self::at); or if there is no such [encoding](Self::encoding), or documents cannot be read in
    /// it.
    pub fn open(self, path: impl AsRef<Path>) -> Result<JsonArrayReader<T>, ReadError> {
        JsonArrayReader::with_options(path.as_ref(), &self)
    }
}

impl<T> fmt::Debug for JsonArrayOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonArrayOptions")
            .field("at", &self.at)
            .field("encoding", &self.encoding)
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}
