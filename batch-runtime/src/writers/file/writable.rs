//! Checks the place where a file is to be written.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use super::WriteError;
use crate::definition::resolved_path;

/// Checks whether a file can be written at `path`, and changes nothing: its folder exists, this user may
/// write to it, and the path is not a folder, a pipe, a device, or a file with several names (hard links). Symbolic
/// links are followed.
///
/// Without this check, a step reports an unwritable output when it begins, perhaps an hour after the launch.
/// As a check of the parameter, `#[param(check = writable)]`, it refuses the launch. It does not suit an
/// output in a folder that an earlier step creates.
///
/// ```
/// use std::path::Path;
///
/// use batch_runtime::writers::writable;
///
/// writable(&std::env::temp_dir().join("ranking.csv"))?;
///
/// let refused = writable(Path::new("/no/such/ranking.csv")).unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "cannot write /no/such/ranking.csv: the folder /no/such does not exist; create it, or name another file"
/// );
/// # Ok::<(), batch_runtime::writers::WriteError>(())
/// ```
///
/// # Errors
/// If the file cannot be written, with the reason and what to do. An existing file is not an error: the
/// writer decides whether to overwrite it.
pub fn writable(path: &Path) -> Result<(), WriteError> {
    let path = resolved_path(path).map_err(|error| WriteError::io("find", path, error))?;
    refuse(&path, true)?;
    let folder = folder_of(&path)?;
    let enter_and_write = AccessFlags::W_OK | AccessFlags::X_OK;
    access(folder, enter_and_write)
        .map_err(|error| WriteError::io("write to the folder", folder, error.into()))
}

pub(super) fn folder_of(path: &Path) -> Result<&Path, WriteError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.exists() {
        Ok(folder)
    } else {
        Err(WriteError::NoFolder { path: path.to_owned(), folder: folder.to_owned() })
    }
}

/// Refuses a path at which there is something other than a file, or a file that must not be overwritten: the new file
/// would take only one of several names, and the others would lead to the old content.
pub(super) fn refuse(path: &Path, overwrite: bool) -> Result<(), WriteError> {
    let looked = std::fs::symlink_metadata(path).and_then(|found| {
        // A link is found here if its target cannot be resolved, or if it was created later.
        if found.is_symlink() { std::fs::metadata(path).map(|_| found) } else { Ok(found) }
    });
    let path = path.to_path_buf();
    match looked {
        Ok(found) if found.is_dir() => Err(WriteError::Folder { path }),
        Ok(found) if found.is_symlink() => Err(WriteError::NotAFile { path, found: "a link" }),
        Ok(found) if !found.is_file() => Err(WriteError::NotAFile { path, found: "a pipe or a device" }),
        Ok(_) if !overwrite => Err(WriteError::Exists { path }),
        Ok(found) if found.nlink() > 1 => Err(WriteError::HardLinks { path, names: found.nlink() }),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(WriteError::io("look at", &path, error)),
    }
}

/// Forces the file's folder entry to disk.
pub(super) fn sync_folder(path: &Path) -> Result<(), WriteError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| WriteError::io("write", folder, error))
}
