//! [`WriteError`], the error of the writers of files: it names the file and says what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::definition::resource_name;

/// The error of a writer of files.
///
/// ```
/// use batch_runtime::writers::WriteError;
///
/// let error = WriteError::Exists { path: "late.csv".into() };
/// assert_eq!(
///     error.to_string(),
///     "late.csv exists already and was not written by this job; move it away, or let the writer overwrite it"
/// );
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A file with that name exists, and no execution of this instance has written it.
    #[error(
        "{} exists already and was not written by this job; move it away, or let the writer overwrite it",
        Name(path)
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A replay would overwrite the output of the items that were not skipped.
    #[error(
        "{} may hold what the replayed execution wrote, and a replay writes only the items that were skipped; let the replay write to another file",
        Name(path)
    )]
    Replayed {
        /// The file.
        path: PathBuf,
    },
    /// The path is a folder.
    #[error("{} is a folder: the name of a file was expected", Name(path))]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// The path is something other than a file.
    #[error("{} is {found}: the name of a file was expected", Name(path))]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// The kind of the path: `a pipe or a device`.
        found: &'static str,
    },
    /// The file has other names as well, which would keep the old content.
    #[error(
        "{} is one of {names} names of a file (hard links), and the others would keep the old content; remove this name first if that is intended, or else the others",
        Name(path)
    )]
    HardLinks {
        /// The file.
        path: PathBuf,
        /// The number of its names.
        names: u64,
    },
    /// The file's folder does not exist.
    #[error(
        "cannot write {}: the folder {} does not exist; create it, or name another file",
        Name(path),
        Name(folder)
    )]
    NoFolder {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// Another process is writing the file.
    #[error(
        "{} is being written by another process; wait for it, or end it; `--recovery force` takes over from a paused execution of this instance",
        Name(path)
    )]
    Held {
        /// The unfinished file.
        path: PathBuf,
    },
    /// Another owner took the file over, by force or because the lease of this process had expired.
    #[error("{} was taken over by another process, so this one will not publish it", Name(path))]
    Lost {
        /// The unfinished file.
        path: PathBuf,
    },
    /// The unfinished file of an earlier execution is gone.
    #[error(
        "{} is missing: an earlier execution committed {committed} bytes of {}; restore it, or start a new instance (`--next`)",
        Name(part),
        Name(path)
    )]
    Missing {
        /// The file to be written.
        path: PathBuf,
        /// The unfinished file.
        part: PathBuf,
        /// The committed length in bytes.
        committed: u64,
    },
    /// The unfinished file of an earlier execution lost committed bytes.
    #[error(
        "{} has {found} bytes, but an earlier execution committed {committed} bytes of {}; restore the file, or start a new instance (`--next`)",
        Name(part),
        Name(path)
    )]
    Shorter {
        /// The file to be written.
        path: PathBuf,
        /// The unfinished file.
        part: PathBuf,
        /// The committed length in bytes.
        committed: u64,
        /// Its actual length in bytes.
        found: u64,
    },
    /// The step has begun its file in another folder with the same path, so the step would not find the output that a
    /// partition writes here.
    #[error(
        "the manager writes {} in another folder than this worker, which does not find {} there: give both the same folder \
         under the same path, such as a shared folder, or write to a database",
        Name(path),
        Name(part)
    )]
    NotShared {
        /// The file.
        path: PathBuf,
        /// The unfinished file that the step has begun.
        part: PathBuf,
    },
    /// An earlier execution began the file in another form, and the records of both would be in one file.
    #[error(
        "{} was begun by an earlier execution {how}; finish the instance with the program it began with, or start a new one with `--next`",
        Name(path)
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// The difference.
        how: String,
    },
    /// The file is finished, but more items came.
    #[error(
        "{} was finished by an earlier execution and cannot take more items; did the input grow? start a new instance (`--next`)",
        Name(path)
    )]
    Finished {
        /// The file.
        path: PathBuf,
    },
    /// The disk is full.
    #[error(
        "cannot write {}: {source}; free some space and run the job again; committed data is kept",
        Name(path)
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The operating system reported another error.
    #[error("cannot {action} {}: {source}", Name(path))]
    Io {
        /// The failed action: `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// An item does not fit the format.
    #[error("{}, record {record}{}: {problem}", Name(path), Field(field.as_deref()))]
    Item {
        /// The file.
        path: PathBuf,
        /// The number of the record that was about to be written, from 1.
        record: u64,
        /// The item's field, if it is known.
        field: Option<String>,
        /// The problem.
        problem: String,
    },
    /// An option is invalid.
    #[error("{}: {problem}", Name(path))]
    Options {
        /// The file.
        path: PathBuf,
        /// The problem and its remedy.
        problem: String,
    },
}

impl WriteError {
    /// True if no item can be written: neither this one nor another.
    pub(crate) fn is_about_the_whole_file(&self) -> bool {
        matches!(self, Self::Changed { .. } | Self::Options { .. })
    }

    /// Wraps the error of a system call on `path`.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, source },
            _ => Self::Io { action, path, source },
        }
    }
}

/// Formats a file for messages: relative if it is below the working folder.
struct Name<'a>(&'a Path);

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&resource_name(self.0))
    }
}

struct Field<'a>(Option<&'a str>);

impl std::fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |field| write!(f, ", field `{field}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_says_what_to_do() {
        let error = WriteError::io("write", Path::new("out.csv.part"), io::ErrorKind::StorageFull.into());
        assert_eq!(
            error.to_string(),
            "cannot write out.csv.part: no storage space; free some space and run the job again; committed data is kept"
        );
    }
}
