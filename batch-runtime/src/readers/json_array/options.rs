//! [`JsonArrayOptions`]: where the array is, and how long an element may be.

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
    pub(super) longest: usize,
    item: PhantomData<fn() -> T>,
}

impl<T> JsonArrayOptions<T> {
    pub(super) fn new() -> Self {
        Self { at: String::new(), longest: LONGEST, item: PhantomData }
    }

    /// Sets the JSON pointer to the array (RFC 6901): `/data/trades` is the value of `trades` in the object
    /// that is the value of `data`, `/0` the first value of an array. In a key, `~1` stands for a slash and `~0`
    /// for a tilde. By default the document itself is the array.
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.at = pointer.into();
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
    /// If the file cannot be opened, is a folder, is not in UTF-8, holds one JSON value per line, or has no
    /// array at the [pointer](Self::at).
    pub fn open(self, path: impl AsRef<Path>) -> Result<JsonArrayReader<T>, ReadError> {
        JsonArrayReader::with_options(path.as_ref(), &self)
    }
}

impl<T> fmt::Debug for JsonArrayOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonArrayOptions")
            .field("at", &self.at)
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}
