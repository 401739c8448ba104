//! Receives: a pattern or a list of files, and how one is opened. Gives: [`FilesReader`], which reads one after the other,
//! and each in a part of its own.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::source;
use crate::definition::{BoxError, Progress, Reader, Splittable};

/// How many files that are read to their end stay open until that is committed; of more, the oldest are opened again.
const OPEN: usize = 16;

/// Reads all files that match a pattern, in the order of their paths: `files("in/*.csv", |path| CsvReader::open(path))`.
///
/// `*` and `?` stand for any characters of a name, `[ab]` for one of these, `**` for any folders.
///
/// # Errors
/// When the pattern is malformed, no file matches it, or a folder cannot be looked into.
pub fn files<R, E, O>(pattern: impl AsRef<str>, open: O) -> Result<FilesReader<R, O>, FilesError>
where
    R: Reader,
    E: Into<BoxError>,
    O: FnMut(&Path) -> Result<R, E>,
{
    let pattern = pattern.as_ref();
    let found = glob::glob(pattern)
        .map_err(|source| FilesError::Pattern { pattern: pattern.into(), problem: source.msg.into() })?;
    let mut paths = Vec::new();
    for path in found {
        let path = path.map_err(|source| FilesError::Folder {
            folder: source.path().display().to_string().into(),
            source: source.into(),
        })?;
        if !path.is_dir() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(FilesError::NoFile { pattern: pattern.into() });
    }
    paths.sort();
    Ok(FilesReader::new(paths, open))
}

/// Reads several files, one after the other, each by a reader of its own; made by [`files`], or of a list.
///
/// The position is the file and the position in it. Files may be added behind that between two executions; if one came
/// or went before it, a restart is refused. In a step with `partitions` each file is a part.
///
/// A file that cannot be opened is not stepped over ([`steps_over`](Reader::steps_over)); of any other error the
/// reader of the file decides.
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
/// let days = || files(folder.join("*.csv").display().to_string(), |path| CsvReader::<u32>::open(path));
/// let mut reader = days()?;
/// for _ in 0..2 {
///     reader.read()?;
/// }
///
/// let mut restarted = days()?;
/// restarted.resume(reader.position())?;
/// assert_eq!(restarted.read()?, Some(3));
/// assert_eq!(days()?.split(8)?.len(), 2, "one a file");
/// # Ok::<(), batch_runtime::BoxError>(())
/// ```
pub struct FilesReader<R: Reader, O> {
    paths: Vec<PathBuf>,
    open: O,
    /// The number of the file that is read, or is next.
    at: usize,
    /// A hash of the paths before that.
    hash: u64,
    current: Option<R>,
    /// Files that are read to their end, of which their readers were not yet told that it is committed.
    untold: VecDeque<Ended<R>>,
    /// What is true of the error that was given last.
    steps_over: bool,
}

struct Ended<R: Reader> {
    file: usize,
    reader: Option<R>,
    end: R::Position,
}

/// Where a [`FilesReader`] stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesPosition<P> {
    /// The files before, and a hash of their paths.
    before: u64,
    hash: u64,
    /// The file that is read; `None` between two.
    file: Option<String>,
    inner: Option<P>,
}

/// A file of a [`FilesReader`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePart {
    /// Its path.
    pub file: String,
}

/// Why files are not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// The pattern is malformed.
    #[error("the pattern `{pattern}` is malformed: {problem}")]
    Pattern {
        /// The pattern.
        pattern: Box<str>,
        /// What is wrong with it.
        problem: Box<str>,
    },
    /// The pattern matches nothing.
    #[error("no file matches `{pattern}`")]
    NoFile {
        /// The pattern.
        pattern: Box<str>,
    },
    /// A folder cannot be looked into.
    #[error("cannot look into {folder}: {source}")]
    Folder {
        /// The folder.
        folder: Box<str>,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A path that would have to be stored is not text.
    #[error("the path {path} is not UTF-8; rename it")]
    NotText {
        /// The path, as far as it can be shown.
        path: Box<str>,
    },
    /// They are not the files of an earlier execution.
    #[error(
        "an earlier execution read {file}, but the files before it have changed since; \
         bring the old files back, or start a new instance (`--next`)"
    )]
    Changed {
        /// Where it stopped.
        file: Box<str>,
    },
}

impl<R, E, O> FilesReader<R, O>
where
    R: Reader,
    E: Into<BoxError>,
    O: FnMut(&Path) -> Result<R, E>,
{
    /// A reader of these files, in this order.
    pub fn new(paths: impl IntoIterator<Item = impl Into<PathBuf>>, open: O) -> Self {
        let paths = paths.into_iter().map(Into::into).collect();
        Self { paths, open, at: 0, hash: 0, current: None, untold: VecDeque::new(), steps_over: true }
    }

    fn opened(&mut self, file: usize) -> Result<R, BoxError> {
        (self.open)(&self.paths[file]).map_err(Into::into)
    }

    /// Puts the file that is read to its end aside.
    fn leave(&mut self, reader: R) {
        if let Some(oldest) = self.untold.len().checked_sub(OPEN) {
            self.untold[oldest].reader = None;
        }
        let end = reader.position();
        self.untold.push_back(Ended { file: self.at, reader: Some(reader), end });
        self.hash = self.hash_behind(self.hash, self.at);
        self.at += 1;
    }
}

impl<R: Reader, O> FilesReader<R, O> {
    /// The hash of the paths up to a file, of those before it.
    fn hash_behind(&self, before: u64, file: usize) -> u64 {
        source::hash(&[&before.to_le_bytes(), self.paths[file].as_os_str().as_encoded_bytes()].concat())
    }

    fn name(&self, file: usize) -> Option<String> {
        self.paths.get(file).map(|path| path.display().to_string())
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
            file: self.current.as_ref().and_then(|_| self.name(self.at)),
            inner: self.current.as_ref().map(R::position),
        }
    }

    fn resume(&mut self, position: Self::Position) -> Result<(), BoxError> {
        let FilesPosition { before, hash, file, inner } = position;
        let at = usize::try_from(before).ok().filter(|at| {
            *at <= self.paths.len() && (0..*at).fold(0, |before, file| self.hash_behind(before, file)) == hash
        });
        let Some(at) = at.filter(|at| file.is_none() || file == self.name(*at)) else {
            let file = file.unwrap_or_else(|| format!("{before} files"));
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

    fn committed(&mut self, position: &Self::Position) -> Result<(), BoxError> {
        while self.untold.front().is_some_and(|ended| (ended.file as u64) < position.before)
            && let Some(Ended { file, reader, end }) = self.untold.pop_front()
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

    fn steps_over(&self, _error: &BoxError) -> bool {
        self.steps_over
    }

    /// In files; of a single one, what its reader says.
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

/// One part a file, however many are asked for: how many are read at once is said by `threads`.
impl<R, E, O> Splittable for FilesReader<R, O>
where
    R: Reader,
    E: Into<BoxError>,
    O: FnMut(&Path) -> Result<R, E>,
{
    type Part = FilePart;

    fn split(&mut self, _parts: usize) -> Result<Vec<FilePart>, BoxError> {
        let part = |path: &PathBuf| match path.to_str() {
            Some(file) => Ok(FilePart { file: file.to_owned() }),
            None => Err(FilesError::NotText { path: path.display().to_string().into() }.into()),
        };
        self.paths.iter().map(part).collect()
    }

    fn narrow(&mut self, part: FilePart) -> Result<(), BoxError> {
        self.paths = vec![part.file.into()];
        Ok(())
    }

    fn part_name(part: &FilePart) -> Option<String> {
        Path::new(&part.file).file_name().map(|name| name.to_string_lossy().into_owned())
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::readers::tests::{Faulty, rest, restarts_everywhere, stored};

    /// Each "file" is the script of a reader.
    fn scripts(names: &[&str]) -> FilesReader<Faulty, impl FnMut(&Path) -> Result<Faulty, String> + use<>> {
        FilesReader::new(names.iter().map(PathBuf::from), |path: &Path| match path.to_str() {
            Some("missing") => Err("no such file".to_owned()),
            Some(script) => Ok(Faulty::new(script.trim_start_matches('a'))),
            None => Err("not text".to_owned()),
        })
    }

    #[test]
    fn files_are_read_one_after_the_other_and_a_restart_goes_on_behind_every_item() {
        restarts_everywhere(|| scripts(&["12", "a", "x3", "aa", "4x5"]), &[1, 2, 3, 4, 5]);
        restarts_everywhere(|| scripts(&[]), &[]);
    }

    #[test]
    fn each_file_is_a_part() {
        let open = || scripts(&["12", "a", "3"]);
        let read: Vec<_> = open()
            .split(2)
            .unwrap()
            .into_iter()
            .map(|part| {
                let narrowed = || {
                    let mut reader = open();
                    reader.narrow(part.clone()).unwrap();
                    reader
                };
                let items = rest(&mut narrowed());
                restarts_everywhere(narrowed, &items);
                items
            })
            .collect();
        assert_eq!(read, [vec![1, 2], vec![], vec![3]]);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_not_stepped_over_and_nothing_before_it_is_repeated() {
        let mut reader = scripts(&["1", "missing", "2"]);
        reader.read().unwrap();
        let error = reader.read().unwrap_err();
        assert!(!reader.steps_over(&error));
        let mut anew = scripts(&["1", "missing", "2"]);
        anew.resume(stored(&reader)).unwrap();
        assert_eq!(anew.read().unwrap_err().to_string(), "no such file");
    }

    #[test]
    fn behind_an_error_reading_goes_on_where_the_reader_of_the_file_says_so() {
        let mut reader = scripts(&["1x2!3"]);
        reader.read().unwrap();
        let error = reader.read().unwrap_err();
        assert!(reader.steps_over(&error));
        reader.read().unwrap();
        let error = reader.read().unwrap_err();
        assert!(!reader.steps_over(&error));
    }

    #[test]
    fn a_restart_is_refused_if_files_before_the_position_changed_and_not_if_some_came_behind() {
        let mut reader = scripts(&["12", "34"]);
        for _ in 0..3 {
            reader.read().unwrap();
        }
        let mut more = scripts(&["12", "34", "5"]);
        more.resume(stored(&reader)).unwrap();
        assert_eq!(rest(&mut more), [4, 5]);
        for other in [&["0", "12", "34"][..], &["34"], &["12", "3"], &["13", "34"]] {
            let error = scripts(other).resume(stored(&reader)).unwrap_err();
            assert!(error.to_string().contains("new instance"), "{error}");
        }
    }

    /// Tells where its file was committed.
    struct Told<'t>(Option<u32>, &'t RefCell<Vec<u32>>);

    impl Reader for Told<'_> {
        type Item = u32;
        type Position = u32;
        type Error = String;

        fn read(&mut self) -> Result<Option<u32>, String> {
            Ok(self.0.take())
        }

        fn position(&self) -> u32 {
            u32::from(self.0.is_none())
        }

        fn resume(&mut self, _position: u32) -> Result<(), String> {
            Ok(())
        }

        fn committed(&mut self, position: &u32) -> Result<(), String> {
            self.1.borrow_mut().push(*position);
            Ok(())
        }
    }

    #[test]
    fn every_file_that_ended_within_a_chunk_is_told_of_the_commit_once() {
        let (told, opened) = (RefCell::new(Vec::new()), RefCell::new(0));
        let names = (0..100).map(|name| PathBuf::from(name.to_string()));
        let mut reader = FilesReader::new(names, |_: &Path| {
            *opened.borrow_mut() += 1;
            Ok::<_, String>(Told(Some(7), &told))
        });
        while reader.read().unwrap().is_some() {}
        assert!(reader.untold.iter().filter(|ended| ended.reader.is_some()).count() <= OPEN + 1);
        let end = reader.position();
        reader.committed(&end).unwrap();
        reader.committed(&end).unwrap();
        assert_eq!(*told.borrow(), vec![1; 100]);
    }

    #[test]
    fn a_pattern_without_a_file_or_that_is_none_is_refused() {
        let open = |path: &Path| super::super::JsonLinesReader::<u32>::open(path);
        let none = files("/no/such/folder/*.jsonl", open).unwrap_err();
        assert_eq!(none.to_string(), "no file matches `/no/such/folder/*.jsonl`");
        assert!(matches!(files("a[", open).unwrap_err(), FilesError::Pattern { .. }));
    }
}
