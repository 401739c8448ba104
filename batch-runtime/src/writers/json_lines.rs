//! [`JsonLinesWriter`] writes items of a serde type to a file, as one JSON value per line.

use std::fmt;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::PathBuf;

use serde_json::ser::Formatter;

use super::file::{Ends, Refusal, TransactionalFile, forward_to_file, forward_to_partitions, lines_of_text};
use super::{FilePosition, WriteError};
use crate::{ChunkTransaction, Durability, Serializes, Writer, exact_json};

/// Writes items to a file, as one JSON value per line (JSON Lines, NDJSON).
///
/// The writer refuses an item that one line of JSON cannot represent: one with a float that is NaN or infinite, with a
/// `Some` that contains no value (`Some(None)`, `Some(())`, `Some(Value::Null)`), which would be read back as `None`, or
/// with a [`RawValue`](serde_json::value::RawValue) that spans several lines.
///
/// The file is called `NAME.TAG.part`, with a tag made from the step's [mark](crate::Mark) and the file's name, until
/// the writer renames it to `NAME` at the end of the step. If the path is a link, the writer writes to the file that
/// the link leads to. After a crash, the writer keeps the committed part and cuts off everything after it, so no line
/// is lost or duplicated. It refuses to replace an existing file `NAME`, unless that file may be
/// [overwritten](Self::overwrite): then the old file stays complete until the end of the step, and the new one
/// takes over its mode, its group and (for root only) its owner. ACLs and extended attributes are not taken over. A
/// pipe, a device, or a file with other names (hard links), which would keep the old content, is refused.
///
/// A file whose name ends in `.gz` or `.zst` is compressed (cargo features `gzip` and `zstd`), with a gzip member or a
/// Zstandard frame for each chunk, so that each commit ends after a complete member or frame. Every program that knows
/// the format reads several of them as one file; after a restart, a reader of this crate continues in the member or
/// frame in which it stopped. Small chunks compress badly: use chunks of several thousand items. If the writer is the
/// bottleneck, choose [less compression](Self::compression_level).
///
/// ```
/// use batch_runtime::{ChunkTransaction, Durability, Writer, writers::JsonLinesWriter};
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Delay { carrier: &'static str, minutes: Option<f64> }
///
/// let path = std::env::temp_dir().join("doc-json-lines-writer.jsonl");
/// # let _ = std::fs::remove_file(&path);
/// let mut delays = JsonLinesWriter::create(&path).footer(|records| format!(r#"{{"records":{records}}}"#));
///
/// // A step does this:
/// delays.open(None)?;
/// delays.write(&[Delay { carrier: "AA", minutes: Some(4.5) }], &ChunkTransaction::none())?;
/// delays.prepare(Durability::Machine)?;
/// delays.seal(Durability::Machine)?;
/// delays.finish(Durability::Machine)?;
///
/// assert_eq!(std::fs::read_to_string(&path)?, "{\"carrier\":\"AA\",\"minutes\":4.5}\n{\"records\":1}\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct JsonLinesWriter<T> {
    file: TransactionalFile,
    ends: Ends,
    item: PhantomData<fn(&T)>,
}

/// Writes raw values verbatim if they are on one line.
struct OneLine;

impl Formatter for OneLine {
    fn write_raw_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.contains('\n') {
            return Err(io::Error::other("a raw value spans several lines; write it on one line"));
        }
        writer.write_all(fragment.as_bytes())
    }
}

impl<T> JsonLinesWriter<T> {
    /// Creates a file without a header or footer. No file is touched before the step begins.
    pub fn create(path: impl Into<PathBuf>) -> Self {
        Self { file: TransactionalFile::new(path.into()), ends: Ends::new(), item: PhantomData }
    }
}

impl<T: Serializes> Writer for JsonLinesWriter<T> {
    type Item = T;

    forward_to_file!(self => self.file);

    fn open(&mut self, from: Option<FilePosition>) -> Result<(), WriteError> {
        self.file.open(from)
    }

    fn write(&mut self, items: &[T], _tx: &ChunkTransaction<'_>) -> Result<(), WriteError> {
        self.ends.begin(&mut self.file)?;
        self.file.add_records(items, |item, out| {
            exact_json::append_as(item, &mut *out, OneLine)?;
            out.push(b'\n');
            Ok::<_, serde_json::Error>(())
        })
    }

    fn seal(&mut self, durability: Durability) -> Result<(), WriteError> {
        self.ends.seal(&mut self.file, durability)
    }
}

forward_to_partitions!(JsonLinesWriter);
lines_of_text!(JsonLinesWriter);

impl<T> fmt::Debug for JsonLinesWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLinesWriter")
            .field("file", &self.file)
            .field("header", &self.ends.header)
            .finish_non_exhaustive()
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        let message = error.to_string();
        match exact_json::field_of(&message) {
            Some((field, problem)) => Self { field: Some(field.to_owned()), problem: problem.to_owned() },
            None => Self { field: None, problem: message },
        }
    }
}
