//! Reads several files, one after the other or each in its own partition.

mod find;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::find::FilesError;
use super::source;
use crate::definition::{
    BoxError, Progress, Reader, Splittable, StopSignal, path_of_text, path_to_text, resource_name, shown,
};

/// The number of finished files that stay open until their end is committed; if there are more, the oldest
/// are closed, and reopened when their end is committed.
const MAX_OPEN: usize = 16;

/// The number of bytes at the start of a file that are hashed, so that the manager and its workers can compare them.
const FRONT_BYTES: u64 = 4096;

/// Reads the files of a folder whose names match a pattern: `files(folder, "*.csv", |path| CsvReader::open(path))`.
///
/// In the pattern, `*` and `?` match any characters of a name, `[ab]` matches one of the listed characters,
/// and `**` any folders: `2024-*/*.csv`, `**/*.csv`. The folder is taken literally, whatever characters its
/// name contains.
///
/// - The files are read in the order of their paths, folder by folder, with names compared by their bytes.
/// - A folder that matches is ignored, because it is not a file.
/// - A hidden name, which begins with a dot, only matches a pattern that begins with a dot.
/// - A link is read as the file it leads to; a file that several matching names lead to is read once. A link
///   that leads nowhere fails the step. `**` follows no links to folders.
///
/// # Errors
/// If the pattern is malformed, no file matches it, or a folder cannot be read.
pub fn files<R, E, O>(
    folder: impl AsRef<Path>,
    names: impl AsRef<str>,
    open: O,
) -> Result<FilesReader<R, O>, FilesError>
where
    R: Reader,
    E: Into<BoxError>,
    O: FnMut(&Path) -> Result<R, E>,
{
    Ok(FilesReader::new(find::in_folder(folder.as_ref(), names.as_ref())?, open))
}

/// Reads the files whose paths match a pattern, which may also have wildcards in folder names:
/// `files_by_pattern("in-*/2024/*.csv", |path| CsvReader::open(path))`. Otherwise it works like [`files`].
///
/// Do not put a path from outside, such as a parameter, into the pattern: a `[` in it would be a wildcard.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::readers::files_by_pattern;
///
/// let none = files_by_pattern("/in-[0-9]/*.csv", |path| CsvReader::<u32>::open(path));
/// assert_eq!(none.unwrap_err().to_string(), "no file matches `in-[0-9]/*.csv` in /");
/// ```
///
/// # Errors
/// As for [`files`].
pub fn files_by_pattern<R, E, O>(pattern: impl AsRef<str>, open: O) -> Result<FilesReader<R, O>, FilesError>
where
    R: Reader,
    E: Into<BoxError>,
    O: FnMut(&Path) -> Result<R, E>,
{
    Ok(FilesReader::new(find::by_pattern(pattern.as_ref())?, open))
}

/// Reads several files, one after the other, each with its own reader; [`files`] creates it, or
/// [`new`](Self::new) from a list.
///
/// The position is the file and the position in it. A restart also reads files that were added after that
/// file, but it is refused if files before it were added or removed. In a step with `partitions`, each file
/// is a part, and the files are those of the first execution: a file that is added later belongs to the next
/// instance.
///
/// A file that cannot be opened is not stepped over ([`steps_over`](Reader::steps_over)); for all other
/// errors, the reader of the file decides.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::readers::files;
///
/// let folder = std::env::temp_dir().join("doc-files-reader");
/// std::fs::create_dir_all(&folder)?;
/// std::fs::write(folder.join("monday.csv"), "n\n1\n2\n")?;
/// std::fs::write(folder.join("tuesday.csv"), "n\n3\n")?;
///
/// let days = || files(&folder, "*.csv", |path| CsvReader::<u32>::open(path));
/// let mut reader = days()?;
/// for _ in 0..2 {
///     reader.read()?;
/// }
///
/// let mut restarted = days()?;
/// restarted.resume(reader.position())?;
/// assert_eq!(restarted.read()?, Some(3));
/// assert_eq!(days()?.split(8)?.len(), 2, "one per file");
/// # Ok::<(), batch_runtime::BoxError>(())
/// ```
pub struct FilesReader<R: Reader, O> {
    paths: Vec<PathBuf>,
    open: O,
    /// The index of the current or next file.
    at: usize,
    /// A hash of the paths before it.
    hash: u64,
    current: Option<R>,
    /// Finished files whose readers have not yet been notified that their end is committed.
    unnotified: VecDeque<Ended<R>>,
    /// Whether the last error is stepped over.
    steps_over: bool,
    /// The record that the error concerns.
    record: Option<String>,
    stop: StopSignal,
}

struct Ended<R: Reader> {
    file: usize,
    reader: Option<R>,
    end: R::Position,
}

/// The position of a [`FilesReader`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesPosition<P> {
    /// The number of files before the current or next one, and a hash of their paths.
    before: u64,
    hash: u64,
    /// The path of the current file as text; `None` between two files.
    file: Option<String>,
    inner: Option<P>,
}

/// One file of a [`FilesReader`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePart {
    /// Its path. A path that is not UTF-8 is written as a URI, `file:///in/caf%E9.csv`.
    pub file: String,
    /// The file as it was when it became a part; `None` if it could not be read, or if an older version wrote the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<FileSeen>,
}

/// The length and a hash of a file, with which another machine checks that it has the same file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSeen {
    /// Its length in bytes.
    pub length: u64,
    /// A hash of its first bytes.
    pub front: u64,
}

impl FileSeen {
    /// Looks at a file. `within` is the length that it had earlier: a file that has grown since counts as the same.
    fn of(path: &Path, within: Option<u64>) -> io::Result<Self> {
        // Opening a pipe would wait for its other end.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut front = Vec::new();
        file.take(within.unwrap_or(length).min(FRONT_BYTES)).read_to_end(&mut front)?;
        Ok(Self { length, front: source::hash(&front) })
    }
}

impl<R, E, O> FilesReader<R, O>
where
    R: Reader,
    E: Into<BoxError>,
    O: FnMut(&Path) -> Result<R, E>,
{
    /// Creates a reader of these files, in this order.
    pub fn new(paths: impl IntoIterator<Item = impl Into<PathBuf>>, open: O) -> Self {
        let paths = paths.into_iter().map(Into::into).collect();
        Self {
            paths,
            open,
            at: 0,
            hash: 0,
            current: None,
            unnotified: VecDeque::new(),
            steps_over: true,
            record: None,
            stop: StopSignal::new(),
        }
    }

    fn opened(&mut self, file: usize) -> Result<R, BoxError> {
        let mut reader = (self.open)(&self.paths[file]).map_err(Into::into)?;
        reader.stops_with(&self.stop);
        Ok(reader)
    }

    /// Sets a finished file aside.
    fn leave(&mut self, reader: R) {
        if let Some(oldest) = self.unnotified.len().checked_sub(MAX_OPEN) {
            self.unnotified[oldest].reader = None;
        }
        let end = reader.position();
        self.unnotified.push_back(Ended { file: self.at, reader: Some(reader), end });
        self.hash = self.hash_after(self.hash, self.at);
        self.at += 1;
    }
}

impl<R: Reader, O> FilesReader<R, O> {
    /// Returns the hash of the paths up to and including `file`, given that of the paths before it.
    fn hash_after(&self, before: u64, file: usize) -> u64 {
        source::hash(&[&before.to_le_bytes(), self.paths[file].as_os_str().as_encoded_bytes()].concat())
    }

    /// The path as stored in the position.
    fn stored(&self, file: usize) -> Option<String> {
        self.paths.get(file).map(|path| path_to_text(path))
    }

    /// The path as shown in messages.
    fn name(&self, file: usize) -> Option<String> {
        self.paths.get(file).map(|path| resource_name(path))
    }
}

impl<R, E, O> Reader for FilesReader<R, O>
where
    R: Reader,
    E: Into<BoxError>,
    O: FnMut(&Path) -> Result<R, E>,
{
    type Item = R::Item;
    type Position = FilesPosition<R::Position>;
    type Error = BoxError;

    fn kind() -> String {
        format!("FilesReader<{}>", R::kind())
    }

    #[inline]
    fn read(&mut self) -> Result<Option<R::Item>, BoxError> {
        loop {
            if self.current.is_none() {
                if self.at == self.paths.len() {
                    return Ok(None);
                }
                self.steps_over = false;
                self.current = Some(self.opened(self.at)?);
            }
            let Some(reader) = &mut self.current else { return Ok(None) };
            match reader.read() {
                Ok(Some(item)) => return Ok(Some(item)),
                Ok(None) => {}
                Err(error) => {
                    self.steps_over = reader.steps_over(&error);
                    self.record = if self.steps_over { reader.record(&error) } else { None };
                    return Err(error.into());
                }
            }
            if let Some(reader) = self.current.take() {
                self.leave(reader);
            }
        }
    }

    fn position(&self) -> Self::Position {
        FilesPosition {
            before: self.at as u64,
            hash: self.hash,
            file: self.current.as_ref().and_then(|_| self.stored(self.at)),
            inner: self.current.as_ref().map(R::position),
        }
    }

    fn resume(&mut self, position: Self::Position) -> Result<(), BoxError> {
        let FilesPosition { before, hash, file, inner } = position;
        let at = usize::try_from(before).ok().filter(|at| {
            *at <= self.paths.len() && (0..*at).fold(0, |before, file| self.hash_after(before, file)) == hash
        });
        let Some(at) = at.filter(|at| file.is_none() || file == self.stored(*at)) else {
            let file = match file.as_deref().map(path_of_text) {
                Some(Ok(path)) => resource_name(&path),
                _ => format!("{before} files"),
            };
            return Err(FilesError::Changed { file: file.into() }.into());
        };
        (self.at, self.hash) = (at, hash);
        if let Some(inner) = inner {
            let mut reader = self.opened(at)?;
            reader.resume(inner).map_err(Into::into)?;
            self.current = Some(reader);
        }
        Ok(())
    }

    fn stops_with(&mut self, stop: &StopSignal) {
        self.stop = stop.clone();
    }

    fn committed(&mut self, position: &Self::Position) -> Result<(), BoxError> {
        while self.unnotified.front().is_some_and(|ended| (ended.file as u64) < position.before)
            && let Some(Ended { file, reader, end }) = self.unnotified.pop_front()
        {
            let mut reader = match reader {
                Some(reader) => reader,
                None => self.opened(file)?,
            };
            reader.committed(&end).map_err(Into::into)?;
        }
        match (&position.inner, &mut self.current) {
            (Some(inner), Some(current)) if position.before == self.at as u64 => {
                current.committed(inner).map_err(Into::into)
            }
            _ => Ok(()),
        }
    }

    const RECYCLES: bool = R::RECYCLES;

    #[inline]
    fn recycle(&mut self, item: R::Item) {
        if let Some(reader) = &mut self.current {
            reader.recycle(item);
        }
    }

    fn steps_over(&self, _error: &BoxError) -> bool {
        self.steps_over
    }

    fn record(&self, _error: &BoxError) -> Option<String> {
        self.record.clone()
    }

    /// Counted in files; a single file reports its reader's progress.
    fn progress(&self) -> Option<Progress> {
        match (&self.current, self.paths.len()) {
            (Some(only), 1) => only.progress(),
            (_, total) => Some(Progress { done: self.at as u64, total: total as u64 }),
        }
    }

    fn location(&self) -> Option<String> {
        match &self.current {
            Some(reader) => reader.location().or_else(|| self.name(self.at)),
            None => self.name(self.at),
        }
    }
}

/// Returns one part per file, however many are requested: `threads` sets how many are read at the same time.
impl<R, E, O> Splittable for FilesReader<R, O>
where
    R: Reader,
    E: Into<BoxError>,
    O: FnMut(&Path) -> Result<R, E>,
{
    type Part = FilePart;

    fn split(&mut self, _parts: usize) -> Result<Vec<FilePart>, BoxError> {
        let part =
            |path: &PathBuf| FilePart { file: path_to_text(path), seen: FileSeen::of(path, None).ok() };
        Ok(self.paths.iter().map(part).collect())
    }

    fn check(&self, part: &FilePart) -> Result<(), BoxError> {
        let Some(seen) = &part.seen else { return Ok(()) };
        let path = path_of_text(&part.file)?;
        let file = || resource_name(&path).into();
        match FileSeen::of(&path, Some(seen.length)) {
            Ok(here) if here.front == seen.front && here.length >= seen.length => Ok(()),
            Ok(_) => Err(FilesError::OtherFile { file: file() }.into()),
            Err(source) => Err(FilesError::NotHere { file: file(), source }.into()),
        }
    }

    fn narrow(&mut self, part: FilePart) -> Result<(), BoxError> {
        self.paths = vec![path_of_text(&part.file)?];
        Ok(())
    }

    fn part_name(part: &FilePart) -> Option<String> {
        path_of_text(&part.file).ok()?.file_name().map(shown)
    }
}

impl<R: Reader, O> fmt::Debug for FilesReader<R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesReader")
            .field("paths", &self.paths)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
