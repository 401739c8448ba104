//! [`JsonArrayWriter`] writes items of a serde type to a file, as one JSON array.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use serde_json::ser::CompactFormatter;

use super::file::{TransactionalFile, file_options, forward_to_file, forward_to_partitions, one_file};
use super::{FilePosition, WriteError};
use crate::{ChunkTransaction, Durability, Serializes, Writer, exact_json};

const BEGIN: &[u8] = b"[\n";

/// The separator of two items.
const COMMA: &[u8] = b",\n";

/// Writes items to a file, as one JSON array with one item per line. Without items, the array is empty.
///
/// The writer refuses an item that JSON cannot represent: one with a float that is NaN or infinite, or with a `Some` that
/// contains no value (`Some(None)`, `Some(())`, `Some(Value::Null)`), which would be read back as `None`.
/// [`JsonArrayReader`](crate::readers::JsonArrayReader) reads the file; an array cannot be appended to later, but a file of
/// [`JsonLinesWriter`](super::JsonLinesWriter) can.
///
/// The file is called `NAME.TAG.part`, with a tag made from the step's [mark](crate::Mark) and the file's name, until
/// the writer renames it to `NAME` at the end of the step: no other program sees an array that is not closed. If the
/// path is a link, the writer writes to the file that the link leads to. After a crash, the writer keeps the committed
/// part and cuts off everything after it, so no item is lost or duplicated. It refuses to replace an existing file
/// `NAME`, unless that file may be [overwritten](Self::overwrite): then the old file stays complete until the end of the
/// step, and the new one takes over its mode, its group and (for root only) its owner. A pipe, a device, or a file with
/// other names (hard links), which would keep the old content, is refused. A file whose name ends in `.gz` or `.zst` is
/// compressed.
///
/// ```
/// use batch_runtime::{ChunkTransaction, Durability, Writer, writers::JsonArrayWriter};
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Trade { id: u32, price: Option<f64> }
///
/// let path = std::env::temp_dir().join("doc-json-array-writer.json");
/// # let _ = std::fs::remove_file(&path);
/// let mut trades = JsonArrayWriter::create(&path);
///
/// // A step does this:
/// trades.open(None)?;
/// let chunk = [Trade { id: 1, price: Some(4.5) }, Trade { id: 2, price: None }];
/// trades.write(&chunk, &ChunkTransaction::none())?;
/// trades.prepare(Durability::Machine)?;
/// trades.seal(Durability::Machine)?;
/// trades.finish(Durability::Machine)?;
///
/// assert_eq!(std::fs::read_to_string(&path)?, "[\n{\"id\":1,\"price\":4.5},\n{\"id\":2,\"price\":null}\n]\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct JsonArrayWriter<T> {
    file: TransactionalFile,
    item: PhantomData<fn(&T)>,
}

impl<T> JsonArrayWriter<T> {
    /// Creates a file that is one array. No file is touched before the step begins.
    pub fn create(path: impl Into<PathBuf>) -> Self {
        Self { file: TransactionalFile::new(path.into()), item: PhantomData }
    }

    /// Begins the array if the file is still empty.
    fn begin(&mut self) -> Result<(), WriteError> {
        if self.file.is_empty() {
            self.file.buffer()?.extend_from_slice(BEGIN);
            self.file.end_header()?;
        }
        Ok(())
    }
}

impl<T: Serializes> Writer for JsonArrayWriter<T> {
    type Item = T;

    forward_to_file!(self => self.file);

    fn open(&mut self, from: Option<FilePosition>) -> Result<(), WriteError> {
        self.file.open(from)
    }

    fn write(&mut self, items: &[T], _tx: &ChunkTransaction<'_>) -> Result<(), WriteError> {
        self.begin()?;
        let mut is_first = self.file.records() == 0;
        self.file.add_records(items, |item, out| {
            if !std::mem::take(&mut is_first) {
                out.extend_from_slice(COMMA);
            }
            exact_json::append_as(item, out, CompactFormatter)
        })
    }

    fn seal(&mut self, durability: Durability) -> Result<(), WriteError> {
        if self.file.is_sealed() {
            return Ok(());
        }
        self.begin()?;
        let end = |records| if records == 0 { "]".to_owned() } else { "\n]".to_owned() };
        self.file.end(Some(&end), "\n")?;
        self.file.seal(durability)
    }
}

forward_to_partitions!(JsonArrayWriter, COMMA);
one_file!(JsonArrayWriter);
file_options!(JsonArrayWriter);

impl<T> fmt::Debug for JsonArrayWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonArrayWriter").field("file", &self.file).finish_non_exhaustive()
    }
}
