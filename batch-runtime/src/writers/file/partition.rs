//! Joins the files that the partitions of a step wrote, in the order of the partitions and under one header.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::names::{self, Tag};
use super::{FilePosition, State, TransactionalFile, WriteError};

/// Returns the path of a partition's part of `path`.
pub(super) fn place(path: &Path, tag: Option<Tag>, number: u32) -> PathBuf {
    let suffix = format!(".partition{number}");
    match tag {
        Some(tag) => names::unfinished(path, tag, &suffix),
        None => names::with_suffix(path, &suffix),
    }
}

/// The file that the partitions' files are joined into. Once it exists, no partition can begin its file: an
/// owner that has lost the step might otherwise do so.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) path: PathBuf,
    pub(super) overwrite: bool,
}

impl TransactionalFile {
    /// Makes this the separate file of a partition.
    pub(crate) fn of_partition(&mut self, number: u32) {
        self.partition = Some(number);
    }

    /// Refuses to write a partition in a folder where the step has not begun its file: the partition then runs on
    /// another machine, and the folder is not shared.
    pub(super) fn check_shared(&self) -> Result<(), WriteError> {
        let Some(Whole { path, overwrite }) = &self.whole else { return Ok(()) };
        let part = match self.tag {
            Some(tag) => names::unfinished(path, tag, ".part"),
            None => names::with_suffix(&self.path_as_given, ".part"),
        };
        // A file that is there and must not be replaced is refused with a message of its own.
        if part.exists() || (!overwrite && path.exists()) {
            return Ok(());
        }
        Err(WriteError::NotShared { path: path.clone(), part })
    }

    /// True for the file of a partition, which has no footer.
    pub(super) fn is_of_partition(&self) -> bool {
        self.partition.is_some()
    }

    /// Marks the data written so far as the header.
    pub(crate) fn end_header(&mut self) -> Result<(), WriteError> {
        if self.is_of_partition() {
            if self.compression.is_some() {
                // The header can be left out of the whole file only if it is a member by itself.
                self.flush()?;
            }
            self.header = self.written + self.buffer.len() as u64;
        }
        Ok(())
    }

    /// Appends the files of the partitions, with `between` between two that hold records.
    pub(crate) fn merge(
        &mut self,
        partitions: Vec<Option<FilePosition>>,
        between: &[u8],
    ) -> Result<(), WriteError> {
        let mut header: Option<Vec<u8>> = None;
        for (number, position) in (0..).zip(partitions) {
            let place = place(&self.path, position.map_or(self.tag, |position| position.tag), number);
            let position = position.unwrap_or_default();
            self.refuse_other_compression(position)?;
            let mut from = self.open_partition(&place, position)?;
            if position.header > 0 {
                let mut found = Vec::new();
                let read = (&mut from).take(position.header).read_to_end(&mut found);
                // The same header may be compressed in several ways.
                let found = read.and_then(|_| match self.compression {
                    None => Ok(found),
                    Some(compression) => compression.decode(&*found, u64::MAX),
                });
                let found = found.map_err(|error| WriteError::io("read", &place, error))?;
                match &header {
                    None => self.buffer.extend_from_slice(header.insert(found)),
                    Some(header) if *header == found => {}
                    Some(_) => {
                        let problem = format!(
                            "the header of partition {number} differs from that of the partitions before it"
                        );
                        return Err(WriteError::Options { path: self.path.clone(), problem });
                    }
                }
            }
            let Some(form) = self.form.with(position.form) else {
                let problem = format!(
                    "partition {number} was written with other columns or options than those before it; \
                     finish the instance with the program it began with, or start a new one with `--next`"
                );
                return Err(WriteError::Options { path: self.path.clone(), problem });
            };
            self.form = form;
            if self.records > 0 && position.records > 0 {
                self.buffer.extend_from_slice(between);
            }
            self.append(&mut from)?;
            self.records += position.records;
        }
        Ok(())
    }

    /// Opens the file of a partition, if it is still as it was committed.
    fn open_partition(&self, place: &Path, position: FilePosition) -> Result<File, WriteError> {
        let committed = position.length;
        let (path, part) = (self.path.clone(), place.to_path_buf());
        let file = match File::open(place) {
            Ok(file) if position.finishing => file,
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(WriteError::io("open", place, error));
            }
            _ => return Err(WriteError::Missing { path, part, committed }),
        };
        let found = file.metadata().map_err(|error| WriteError::io("look at", place, error))?.len();
        if found == committed { Ok(file) } else { Err(WriteError::Shorter { path, part, committed, found }) }
    }

    fn append(&mut self, from: &mut File) -> Result<(), WriteError> {
        self.flush()?;
        let State::Open(file) = &mut self.state else {
            return Err(WriteError::io("write", &self.part, io::Error::other("it was not opened")));
        };
        // The operating system copies from file to file directly.
        let copied = io::copy(from, &mut **file);
        self.torn = copied.is_err();
        self.written += copied.map_err(|error| WriteError::io("write", &self.part, error))?;
        self.unforced = true;
        Ok(())
    }

    /// Removes the files of the first `partitions` partitions.
    pub(crate) fn clear(&self, partitions: u32) -> Result<(), WriteError> {
        for number in 0..partitions {
            let place = place(&self.path, self.tag, number);
            match fs::remove_file(&place) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(WriteError::io("remove", &place, error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Durability::Machine;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("batch-merge-{}", uuid::Uuid::new_v4()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn whole(&self) -> TransactionalFile {
            let mut whole = TransactionalFile::new(self.0.join("out.txt"));
            whole.open(None).unwrap();
            whole
        }

        /// Returns a complete partition that wrote `header` and `text`.
        fn part(&self, number: u32, header: &str, text: &str) -> FilePosition {
            // The step has begun its file, unless the test holds it open.
            let _ = TransactionalFile::new(self.0.join("out.txt")).open(None);
            let mut part = TransactionalFile::new(self.0.join("out.txt"));
            part.of_partition(number);
            part.open(None).unwrap();
            part.buffer().unwrap().extend_from_slice(header.as_bytes());
            part.end_header().unwrap();
            part.buffer().unwrap().extend_from_slice(text.as_bytes());
            part.added(1);
            part.seal(Machine).unwrap();
            part.finish(Machine).unwrap();
            part.position()
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn parts_follow_each_other_under_one_header() {
        let folder = Folder::new();
        let mut whole = folder.whole();
        let parts =
            [folder.part(0, "", ""), folder.part(1, "h\n", "a\n"), folder.part(2, "h\n", "b\n")].map(Some);
        whole.merge(parts.into(), b"").unwrap();
        assert_eq!(whole.records(), 3);
        whole.seal(Machine).unwrap();
        whole.finish(Machine).unwrap();
        whole.clear(3).unwrap();
        whole.clear(3).unwrap();
        assert_eq!(fs::read_to_string(folder.0.join("out.txt")).unwrap(), "h\na\nb\n");
        assert_eq!(folder.names(), ["out.txt"]);
    }

    #[test]
    fn a_part_is_not_begun_where_the_whole_is_not() {
        let folder = Folder::new();
        let mut part = TransactionalFile::new(folder.0.join("out.txt"));
        part.of_partition(0);
        let refused = part.open(None).unwrap_err();
        assert!(matches!(refused, WriteError::NotShared { .. }), "{refused}");
        assert!(folder.names().is_empty());
        drop(folder.whole());
        part.open(None).unwrap();
    }

    #[test]
    fn a_missing_or_changed_part_is_refused() {
        let folder = Folder::new();
        let part = folder.part(0, "", "abc");
        let place = place(&folder.0.join("out.txt"), part.tag, 0);
        fs::write(&place, "ab").unwrap();
        let refused = folder.whole().merge(vec![Some(part)], b"").unwrap_err();
        assert!(matches!(refused, WriteError::Shorter { committed: 3, found: 2, .. }), "{refused}");
        fs::remove_file(place).unwrap();
        let refused = folder.whole().merge(vec![Some(part)], b"").unwrap_err();
        assert!(matches!(refused, WriteError::Missing { committed: 3, .. }), "{refused}");
    }

    #[test]
    fn parts_under_different_headers_are_refused() {
        let folder = Folder::new();
        let parts = [folder.part(0, "h\n", ""), folder.part(1, "g\n", "")].map(Some);
        let refused = folder.whole().merge(parts.into(), b"").unwrap_err().to_string();
        assert!(refused.contains("the header of partition 1"), "{refused}");
    }

    #[test]
    fn a_part_is_not_begun_once_the_whole_exists() {
        let folder = Folder::new();
        fs::write(folder.0.join("out.txt"), "whole").unwrap();
        let mut part = TransactionalFile::new(folder.0.join("out.txt"));
        part.of_partition(0);
        assert!(matches!(part.open(None), Err(WriteError::Exists { .. })));
        assert_eq!(folder.names(), ["out.txt"]);
    }
}
