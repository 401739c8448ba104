//! Locks an unfinished file for the process that writes it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use super::WriteError;
use crate::locked_file::LockedFile;

/// Opens and locks the file, and makes sure that the path still leads to it after the lock is taken. If the
/// file system does not support locks, the file counts as held if `require_lock` is true.
pub(super) fn lock(path: &Path, options: &OpenOptions, require_lock: bool) -> Result<LockedFile, WriteError> {
    loop {
        let file = options.open(path).map_err(|error| WriteError::io("open", path, error))?;
        let file = LockedFile(file);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(WriteError::Held { path: path.to_path_buf() }),
            // A file system without locks: the lock of the execution has to suffice.
            Err(TryLockError::Error(error))
                if error.kind() == io::ErrorKind::Unsupported && !require_lock => {}
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                return Err(WriteError::Held { path: path.to_path_buf() });
            }
            Err(TryLockError::Error(error)) => return Err(WriteError::io("lock", path, error)),
        }
        if is_still(path, &file).map_err(|error| WriteError::io("look at", path, error))? {
            return Ok(file);
        }
    }
}

/// True if the path still leads to this file.
pub(super) fn is_still(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let open = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((open.dev(), open.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_while_a_starting_process_holds_a_copy_of_the_descriptor() {
        let path = std::env::temp_dir().join(format!("batch-lock-{}", uuid::Uuid::new_v4()));
        let options = OpenOptions::new().write(true).create(true).clone();
        let held = lock(&path, &options, true).unwrap();
        let copy = held.try_clone().unwrap();
        assert!(matches!(lock(&path, &options, true), Err(WriteError::Held { .. })));
        drop(held);
        assert!(lock(&path, &options, true).is_ok());
        drop(copy);
        std::fs::remove_file(path).unwrap();
    }
}
