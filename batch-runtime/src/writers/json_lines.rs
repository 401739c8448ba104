//! Receives: items of a serde type. Gives: [`JsonLinesWriter`], a file with each as JSON on a line of its own.

mod exact;

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use serde::Serialize;

use super::file::{Footer, TransactionalFile};
use super::{FilePosition, WriteError};
use crate::{ChunkTransaction, Durability, Mark, Partitionable, Serializes, Writer};

/// Writes items to a file, each as JSON on a line of its own (JSON Lines, NDJSON).
///
/// An item is refused that JSON has no words for: with a float that is NaN or infinite, or a
/// [`RawValue`](serde_json::value::RawValue) over several lines.
///
/// A link is followed: the file is written where it ends, as `NAME.MARK.part` with a [mark](crate::Mark) of its own, and gets
/// its name at the end of the step. After a crash the committed part is kept and what came after it is cut off, so that no
/// line is lost or doubled. A file of that name that was there before is refused, unless it may be
/// [overwritten](Self::overwrite): then it stays whole until the end of the step, and its mode, its group and its owner (this
/// only for root) pass to the new one. Its ACL and extended attributes do not, and other hard links keep the old content.
/// A pipe or a device is refused.
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
/// // What a step does:
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
    header: Option<String>,
    footer: Option<Box<Footer>>,
    item: PhantomData<fn(&T)>,
}

impl<T> JsonLinesWriter<T> {
    /// A file without header and footer. Nothing is touched before the step begins.
    pub fn create(path: impl Into<PathBuf>) -> Self {
        Self { file: TransactionalFile::new(path.into()), header: None, footer: None, item: PhantomData }
    }

    /// A file of that name is replaced at the end of the step, where it would be refused at the beginning.
    pub fn overwrite(mut self, yes: bool) -> Self {
        self.file.overwrite(yes);
        self
    }

    /// Before the first item stands this, as it is.
    pub fn header(mut self, line: impl Into<String>) -> Self {
        self.header = Some(line.into());
        self
    }

    /// Behind the last item stands what `footer` makes of the number of items, as it is.
    pub fn footer(mut self, footer: impl Fn(u64) -> String + Send + Sync + 'static) -> Self {
        self.footer = Some(Box::new(footer));
        self
    }

    /// Appends the header if nothing stands before.
    fn begin(&mut self) -> Result<(), WriteError> {
        if let Some(header) = &self.header
            && self.file.is_empty()
        {
            let out = self.file.buffer()?;
            out.extend_from_slice(header.as_bytes());
            out.push(b'\n');
            self.file.end_header();
        }
        Ok(())
    }
}

impl<T: Serializes> Writer for JsonLinesWriter<T> {
    type Item = T;
    type Position = FilePosition;
    type Error = WriteError;

    const GOES_BACK: bool = true;

    fn mark(&mut self, mark: Mark) {
        self.file.mark(mark);
    }

    fn take_over(&mut self) {
        self.file.take_over();
    }

    fn replays(&mut self) {
        self.file.replays();
    }

    fn open(&mut self, from: Option<FilePosition>) -> Result<(), WriteError> {
        self.file.open(from)
    }

    fn write(&mut self, items: &[T], _tx: &ChunkTransaction<'_>) -> Result<(), WriteError> {
        self.begin()?;
        let out = self.file.buffer()?;
        let begin = out.len();
        let mut written = 0;
        for item in items {
            written += 1;
            if let Err(error) = exact::append(item, out) {
                out.truncate(begin);
                return Err(WriteError::Item {
                    path: self.file.path().to_path_buf(),
                    record: self.file.records() + written,
                    field: None,
                    problem: error.to_string(),
                });
            }
            out.push(b'\n');
        }
        self.file.added(written)
    }

    fn prepare(&mut self, durability: Durability) -> Result<(), WriteError> {
        self.file.prepare(durability)
    }

    fn position(&self) -> FilePosition {
        self.file.position()
    }

    fn rollback(&mut self, to: &FilePosition) -> Result<(), WriteError> {
        self.file.rollback(*to)
    }

    fn seal(&mut self, durability: Durability) -> Result<(), WriteError> {
        if self.file.is_sealed() {
            return Ok(());
        }
        self.begin()?;
        self.file.end(self.footer.as_deref(), "\n")?;
        self.file.seal(durability)
    }

    fn finish(&mut self, durability: Durability) -> Result<(), WriteError> {
        self.file.finish(durability)
    }
}

/// Each partition writes `NAME.MARK.partition0`, `NAME.MARK.partition1` …; in the end they stand in NAME one after the other, under one
/// header and before one footer, as if the file had been written in one piece. Until then that takes twice the room.
impl<T: Serialize> Partitionable for JsonLinesWriter<T> {
    fn of_partition(&mut self, number: u32) {
        self.file.of_partition(number);
    }

    fn merge(&mut self, partitions: Vec<Option<FilePosition>>) -> Result<(), WriteError> {
        self.file.merge(partitions)
    }

    fn clear(&mut self, partitions: u32) -> Result<(), WriteError> {
        self.file.clear(partitions)
    }
}

impl<T> fmt::Debug for JsonLinesWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLinesWriter")
            .field("file", &self.file)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
