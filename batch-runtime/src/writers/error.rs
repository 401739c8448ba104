//! Receives: what a writer of files could not do. Gives: [`WriteError`], which names the file and what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::definition::resource_name;

/// Why writing failed.
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
    /// A file of that name is there, and no execution of this instance has written it.
    #[error(
        "{} exists already and was not written by this job; move it away, or let the writer overwrite it",
        Name(path)
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A replay would write what was skipped over what was not.
    #[error(
        "{} may hold what the replayed execution wrote, and a replay writes only what that one skipped; give the replay another file to write",
        path.display()
    )]
    Replayed {
        /// The file.
        path: PathBuf,
    },
    /// A folder stands in the file's place.
    #[error("{} is a folder: the name of a file was expected", Name(path))]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// Something that is no file stands in its place.
    #[error("{} is {found}: the name of a file was expected", Name(path))]
    NotAFile {
        /// The place.
        path: PathBuf,
        /// What is there: `a pipe or a device`.
        found: &'static str,
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
        "{} is being written by another process; wait for it, or end it; `--recovery force` goes on without a paused run of this instance",
        Name(path)
    )]
    Held {
        /// The unfinished file.
        path: PathBuf,
    },
    /// Another owner took the file over by force.
    #[error("{} was taken over by another process: this one publishes nothing", Name(path))]
    Lost {
        /// The unfinished file.
        path: PathBuf,
    },
    /// The unfinished file of an earlier execution is gone.
    #[error(
        "{} is missing: an earlier execution committed {committed} bytes of {}; bring it back, or start a new instance (`--next`)",
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
        "{} has {found} bytes, but an earlier execution committed {committed} bytes of {}; bring the file back, or start a new instance (`--next`)",
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
        /// The length it has.
        found: u64,
    },
    /// The file is finished, and yet more items came.
    #[error(
        "{} was finished by an earlier execution and cannot take more items; did the input grow? start a new instance (`--next`)",
        Name(path)
    )]
    Finished {
        /// The file.
        path: PathBuf,
    },
    /// There is no room.
    #[error("cannot write {}: {source}; make room and run it again: what is committed is kept", Name(path))]
    Full {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The operating system could not do it.
    #[error("cannot {action} {}: {source}", Name(path))]
    Io {
        /// What was tried: `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// An item does not fit the format.
    #[error("{}, record {record}{}: {problem}", Name(path), Field(field.as_deref()))]
    Item {
        /// The file.
        path: PathBuf,
        /// The record that would have been written, from 1.
        record: u64,
        /// The item's field, where it is known.
        field: Option<String>,
        /// What is wrong.
        problem: String,
    },
    /// An option is not as it must be.
    #[error("{}: {problem}", Name(path))]
    Options {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl WriteError {
    /// The error of a system call on `path`.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, source },
            _ => Self::Io { action, path, source },
        }
    }
}

/// A file as messages call it: relative where it is below the working folder.
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
            "cannot write out.csv.part: no storage space; make room and run it again: what is committed is kept"
        );
    }
}
