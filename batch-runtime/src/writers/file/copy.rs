//! Replaces an unfinished file, which another process may still be writing, with a locked copy of its committed
//! part.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::{WriteError, lock, names, permissions, sync_folder};
use crate::locked_file::LockedFile;

/// Returns the path at which the copy is made.
fn place(part: &Path) -> PathBuf {
    names::with_suffix(part, ".copy")
}

/// Replaces `part`, the unfinished form of `path`, with a durable file that has its first `committed` bytes. A
/// process that has `part` open keeps a file without a name.
pub(super) fn replace(path: &Path, part: &Path, committed: u64) -> Result<LockedFile, WriteError> {
    let place = place(part);
    let metadata = permissions::of(part)?;
    let mut file = lock(&place, &permissions::to_create(metadata.as_ref()), false)?;
    let adopted = metadata.map_or(Ok(()), |metadata| permissions::adopt(&file, &metadata, true));
    let adopted = adopted.map_err(|error| WriteError::io("set the mode of", &place, error));
    let replaced = adopted.and_then(|()| fill(&mut file, path, part, committed)).and_then(|()| {
        file.sync_all().map_err(|error| WriteError::io("write", &place, error))?;
        fs::rename(&place, part).map_err(|error| WriteError::io("put a copy in place of", part, error))
    });
    if let Err(error) = replaced {
        clear(part);
        return Err(error);
    }
    sync_folder(part)?;
    Ok(file)
}

fn fill(file: &mut File, path: &Path, part: &Path, committed: u64) -> Result<(), WriteError> {
    let failed = |error| WriteError::io("copy", part, error);
    file.set_len(0).map_err(failed)?;
    if committed == 0 {
        return Ok(());
    }
    let from = File::open(part).map_err(failed)?;
    let found = io::copy(&mut from.take(committed), file).map_err(failed)?;
    if found < committed {
        let (path, part) = (path.to_path_buf(), part.to_path_buf());
        return Err(WriteError::Shorter { path, part, committed, found });
    }
    Ok(())
}

/// Removes the remains of a copy that a crash interrupted.
pub(super) fn clear(part: &Path) {
    let _ = fs::remove_file(place(part));
}
