//! [`JsonLinesOptions`]: the encoding of a file, and how long a line may be.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use super::JsonLinesReader;
use crate::definition::resource_name;
use crate::readers::ReadError;
use crate::readers::framed::{Encoding, LONGEST};

/// Describes a file with one JSON value per line; [`JsonLinesReader::options`] creates it.
///
#[cfg_attr(feature = "encodings", doc = "```")]
#[cfg_attr(not(feature = "encodings"), doc = "```ignore")]
/// use batch_runtime::{Reader, readers::JsonLinesReader};
///
/// let path = std::env::temp_dir().join("doc-json-lines-options.jsonl");
/// let utf16: Vec<u8> = "\u{feff}\"é\"\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
/// std::fs::write(&path, utf16)?;
///
/// let mut words = JsonLinesReader::<String>::options().encoding("utf-16").open(&path)?;
/// assert_eq!(words.read()?.as_deref(), Some("é"));
/// assert_eq!(words.read()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct JsonLinesOptions<T> {
    encoding: Option<Box<str>>,
    longest: usize,
    item: PhantomData<fn() -> T>,
}

impl<T> JsonLinesOptions<T> {
    pub(super) fn new() -> Self {
        Self { encoding: None, longest: LONGEST, item: PhantomData }
    }

    /// Sets the encoding of the file, UTF-8 by default, as [for CSV files](super::super::CsvOptions::encoding).
    pub fn encoding(mut self, name: impl Into<String>) -> Self {
        self.encoding = Some(name.into().into_boxed_str());
        self
    }

    /// Sets the maximum length of a line in bytes; 16 MiB by default.
    pub fn longest_record(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    /// If the file cannot be opened, is a folder, is in another encoding, or is one JSON value over several lines.
    pub fn open(self, path: impl AsRef<Path>) -> Result<JsonLinesReader<T>, ReadError> {
        let path = path.as_ref();
        let encoding = self.encoding.as_deref().map_or(Ok(Encoding::Utf8), Encoding::of_lines);
        let encoding = encoding.map_err(|problem| ReadError::Options {
            resource: resource_name(path).into(),
            problem: problem.into(),
        })?;
        Ok(JsonLinesReader::with_encoding(path, encoding)?.longest_record(self.longest))
    }
}

impl<T> fmt::Debug for JsonLinesOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLinesOptions")
            .field("encoding", &self.encoding)
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}
