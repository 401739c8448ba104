//! [`JsonLinesWriter`] writes items of a serde type to a file, as one JSON value per line.

mod exact;

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use serde::Serialize;

use super::file::{Footer, TransactionalFile};
use super::{FilePosition, WriteError};
use crate::{ChunkTransaction, Durability, Mark, Partitionable, Serializes, Writer};

/// Writes items to a file, as one JSON value per line (JSON Lines, NDJSON).
///
/// An item that JSON cannot represent is refused: one with a float that is NaN or infinite, or with a
/// [`RawValue`](serde_json::value::RawValue) that spans several lines.
///
/// The file is written as `NAME.MARK.part` with a [mark](crate::Mark) of its own, and gets its name at the
/// end of the step. If the path is a link, it is followed, and the file is written where the link ends. After
/// a crash, the committed part is kept and everything after it is cut off, so no line is lost or duplicated.
/// The writer refuses to replace an existing file of that name, unless it may be
/// [overwritten](Self::overwrite): then the old file stays complete until the end of the step, and the new
/// one takes over its mode, its group and (for root only) its owner. ACLs and extended attributes are not
/// taken over, and other hard links keep the old content. A pipe or a device is refused.
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
    header: Option<String>,
    footer: Option<Box<Footer>>,
    item: PhantomData<fn(&T)>,
}

impl<T> JsonLinesWriter<T> {
    /// Creates a file without header and footer. Nothing is touched before the step begins.
    pub fn create(path: impl Into<PathBuf>) -> Self {
        Self { file: TransactionalFile::new(path.into()), header: None, footer: None, item: PhantomData }
    }

    /// Allows the writer to replace an existing file of that name at the end of the step; otherwise such a
    /// file is refused at the beginning.
    pub fn overwrite(mut self, yes: bool) -> Self {
        self.file.overwrite(yes);
        self
    }

    /// Adds this line before the first item, verbatim.
    pub fn header(mut self, line: impl Into<String>) -> Self {
        self.header = Some(line.into());
        self
    }

    /// Adds the text that `footer` makes of the number of items, verbatim, after the last item.
    pub fn footer(mut self, footer: impl Fn(u64) -> String + Send + Sync + 'static) -> Self {
        self.footer = Some(Box::new(footer));
        self
    }

    /// Appends the header if the file is still empty.
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

/// Each partition writes `NAME.MARK.partition0`, `NAME.MARK.partition1` …; at the end they are joined in
/// NAME, under one header and before one footer, as if the file had been written in one piece. Until then,
/// this takes twice the space.
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
