//! [`rolling`] writes many files, one after the other.

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::file::{FileWriter, Opened, Owner, refuse_same_name};
use super::{FilePosition, WriteError};
use crate::definition::{BoxError, ChunkTransaction, Durability, Failure, Mark, Writer};

/// The maximum number of files that one chunk completes: they stay open until the chunk is committed.
const MAX_PER_CHUNK: usize = 200;

/// Writes many files one after the other, each with a writer that `make` returns for its number, from 0. Each
/// file takes a number of [items](RollingFiles::every_items), or grows to a
/// [size](RollingFiles::every_bytes).
///
/// Each file gets its final name after the commit of the chunk that completes it, and is complete from then
/// on. A restart continues the unfinished file; the files before it stay as they are, whatever happened
/// between the commit and the renaming. A restart right after that commit looks for the completed file again:
/// do not move it away until the next one appears, or until the step ends. Without items, there is no file.
///
/// A step with `partitions` cannot use this writer, as the items of a file would come from several
/// partitions; a step with `threads` can. The file names must contain the number.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::testing;
/// use batch_runtime::writers::{Rolling, rolling};
///
/// #[derive(Serialize)]
/// struct Sale { id: u32 }
///
/// #[reader]
/// fn sales() -> impl Iterator<Item = Sale> {
///     (1..=5).map(|id| Sale { id })
/// }
///
/// #[writer]
/// fn parts(folder: PathBuf) -> Rolling<CsvWriter<Sale>> {
///     rolling(move |n| CsvWriter::create(folder.join(format!("part-{n:04}.csv")))).every_items(2)
/// }
///
/// #[step(chunk = 3)]
/// fn export() {
///     sales | parts
/// }
///
/// #[job]
/// fn exports(folder: PathBuf) {
///     export;
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("doc-rolling-{}", std::process::id()));
/// # std::fs::create_dir(&folder)?;
/// assert_eq!(testing::run(&exports(folder.clone()))?.exit.code, "COMPLETED");
/// assert_eq!(std::fs::read_to_string(folder.join("part-0001.csv"))?, "id\n3\n4\n");
/// assert_eq!(std::fs::read_to_string(folder.join("part-0002.csv"))?, "id\n5\n");
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
pub fn rolling<W: FileWriter>(make: impl FnMut(u64) -> W + Send + 'static) -> RollingFiles<W> {
    RollingFiles { make: Box::new(make) }
}

type Make<W> = Box<dyn FnMut(u64) -> W + Send>;

/// The files of [`rolling`], before one of the methods sets when the next file begins.
///
/// ```
/// use batch_runtime::writers::{JsonLinesWriter, Rolling, rolling};
///
/// let files = rolling(|n| JsonLinesWriter::create(format!("part-{n}.jsonl.zst")));
/// let writer: Rolling<JsonLinesWriter<u32>> = files.every_bytes(100_000_000);
/// ```
#[must_use]
pub struct RollingFiles<W> {
    make: Make<W>,
}

impl<W: FileWriter> RollingFiles<W> {
    /// Begins the next file after this number of items (0 counts as 1), also in the middle of a chunk. A chunk
    /// may complete 200 files at most.
    pub fn every_items(self, items: u64) -> Rolling<W> {
        Rolling::new(self.make, Limit::Items(items.max(1)))
    }

    /// Begins the next file after the chunk with which a file reaches this size. A file exceeds this size by at most
    /// one chunk and its footer. For a compressed file, the compressed size counts.
    pub fn every_bytes(self, bytes: u64) -> Rolling<W> {
        Rolling::new(self.make, Limit::Bytes(bytes))
    }
}

#[derive(Debug, Clone, Copy)]
enum Limit {
    Items(u64),
    Bytes(u64),
}

/// Writes many files one after the other; made by [`rolling`].
///
/// ```
/// use batch_runtime::writers::{CsvWriter, Rolling, rolling};
///
/// let writer: Rolling<CsvWriter<(u32, String)>> =
///     rolling(|n| CsvWriter::create(format!("part-{n:04}.csv"))).every_items(100_000);
/// ```
#[must_use]
pub struct Rolling<W> {
    make: Make<W>,
    limit: Limit,
    owner: Owner,
    /// The number of the current file, or of the next one.
    number: u64,
    current: Option<Opened<W>>,
    /// The files before it that are complete, but not yet committed and renamed.
    complete: Vec<Opened<W>>,
    /// Files that were begun in a chunk that was rolled back: empty, and begun again or removed at the end. A
    /// rollback leaves them there because a former owner that wakes up must not remove a file that may belong
    /// to the current one.
    empty: Vec<(u64, Opened<W>)>,
    durability: Durability,
}

/// The committed state of many files that are written one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RollingPosition {
    /// The number of the file after the complete ones.
    number: u64,
    /// The complete files before it. Nothing is left to do for them, except perhaps to rename them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    complete: Vec<FilePosition>,
    /// The state of the file with this number, if it was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<FilePosition>,
}

impl RollingPosition {
    /// The number of the first complete file.
    fn first(&self) -> u64 {
        self.number.saturating_sub(self.complete.len() as u64)
    }
}

impl<W: FileWriter> Rolling<W> {
    fn new(make: Make<W>, limit: Limit) -> Self {
        Self {
            make,
            limit,
            owner: Owner::default(),
            number: 0,
            current: None,
            complete: Vec::new(),
            empty: Vec::new(),
            durability: Durability::Machine,
        }
    }

    /// Returns the current file, and begins it if there is none.
    fn current(&mut self) -> Result<&mut W, BoxError> {
        let opened = match self.current.take() {
            Some(opened) => opened,
            None => self.begin()?,
        };
        Ok(&mut self.current.insert(opened).writer)
    }

    fn begin(&mut self) -> Result<Opened<W>, BoxError> {
        if self.complete.len() == MAX_PER_CHUNK {
            return Err(Failure::new(format!(
                "a chunk completes more than {MAX_PER_CHUNK} files; write smaller chunks, or more items into each file"
            ))
            .into());
        }
        if let Some(place) = self.empty.iter().position(|(number, _)| *number == self.number) {
            return Ok(self.empty.swap_remove(place).1);
        }
        let writer = (self.make)(self.number);
        if let Some(before) = self.number.checked_sub(1) {
            // With `overwrite`, the second would replace the first.
            let files = || format!("files {before} and {}", self.number);
            refuse_same_name(&writer, &(self.make)(before), files)?;
        }
        Ok(self.owner.open(writer, None)?)
    }

    /// Lets the next item begin another file.
    fn complete(&mut self) {
        if let Some(current) = self.current.take() {
            self.complete.push(current);
            self.number += 1;
        }
    }

    /// Gives the committed files their final names.
    fn publish(&mut self, durability: Durability) -> Result<(), WriteError> {
        for file in &mut self.complete {
            file.writer.finish(durability)?;
        }
        self.complete.clear();
        Ok(())
    }
}

impl<W: FileWriter> Writer for Rolling<W> {
    type Item = W::Item;
    type Position = RollingPosition;
    type Error = BoxError;

    fn kind() -> String {
        format!("rolling({})", W::kind())
    }

    const CAN_ROLL_BACK: bool = true;

    fn mark(&mut self, mark: Mark) {
        self.owner.mark = mark;
    }

    fn take_over(&mut self) {
        self.owner.takes_over = true;
    }

    fn replays(&mut self) {
        self.owner.replays = true;
    }

    fn open(&mut self, from: Option<RollingPosition>) -> Result<(), BoxError> {
        let from = from.unwrap_or_default();
        for (number, complete) in (from.first()..).zip(&from.complete) {
            let mut file = self.owner.open((self.make)(number), Some(*complete))?;
            file.writer.finish(Durability::Machine)?;
        }
        self.number = from.number;
        if let Some(current) = from.current {
            self.current = Some(self.owner.open((self.make)(from.number), Some(current))?);
        }
        Ok(())
    }

    fn write(&mut self, items: &[W::Item], tx: &ChunkTransaction<'_>) -> Result<(), BoxError> {
        let mut rest = items;
        while !rest.is_empty() {
            let limit = self.limit;
            let file = self.current()?;
            let room = match limit {
                Limit::Items(most) => most.saturating_sub(file.position().records),
                Limit::Bytes(_) => u64::MAX,
            };
            let taken = usize::try_from(room).map_or(rest.len(), |room| room.min(rest.len()));
            let (now, later) = rest.split_at(taken);
            if !now.is_empty() {
                file.write(now, tx)?;
            }
            if taken as u64 == room {
                self.complete();
            }
            rest = later;
        }
        Ok(())
    }

    fn prepare(&mut self, durability: Durability) -> Result<(), BoxError> {
        self.durability = durability;
        if let Some(current) = &mut self.current {
            current.writer.prepare(durability)?;
            if let Limit::Bytes(most) = self.limit
                && current.writer.position().length >= most
            {
                self.complete();
            }
        }
        for file in &mut self.complete {
            file.writer.seal(durability)?;
        }
        Ok(())
    }

    fn position(&self) -> RollingPosition {
        let complete = self.complete.iter().map(|file| file.writer.position()).collect();
        let current = self.current.as_ref().map(|file| file.writer.position());
        RollingPosition { number: self.number, complete, current }
    }

    fn committed(&mut self) -> Result<(), BoxError> {
        Ok(self.publish(self.durability)?)
    }

    fn rollback(&mut self, to: &RollingPosition) -> Result<(), BoxError> {
        let first = self.number - self.complete.len() as u64;
        let files: Vec<_> = self.complete.drain(..).chain(self.current.take()).collect();
        let mut outcome = Ok(());
        for (number, mut file) in (first..).zip(files) {
            let place = number.checked_sub(to.first()).and_then(|place| usize::try_from(place).ok());
            let complete = place.and_then(|place| to.complete.get(place)).copied();
            let current = to.current.filter(|_| number == to.number);
            outcome = outcome.and(file.rollback(complete.or(current)));
            if complete.is_some() {
                self.complete.push(file);
            } else if current.is_some() {
                self.current = Some(file);
            } else {
                self.empty.push((number, file));
            }
        }
        self.number = to.number;
        Ok(outcome?)
    }

    fn seal(&mut self, durability: Durability) -> Result<(), BoxError> {
        self.complete();
        for file in &mut self.complete {
            file.writer.seal(durability)?;
        }
        Ok(())
    }

    fn finish(&mut self, durability: Durability) -> Result<(), BoxError> {
        self.publish(durability)?;
        for (_, file) in &mut self.empty {
            file.writer.discard()?;
        }
        self.empty.clear();
        Ok(())
    }
}

impl<W> fmt::Debug for RollingFiles<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RollingFiles").finish_non_exhaustive()
    }
}

impl<W: fmt::Debug> fmt::Debug for Rolling<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rolling")
            .field("limit", &self.limit)
            .field("number", &self.number)
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}
