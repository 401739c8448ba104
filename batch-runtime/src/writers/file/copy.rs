//! Receives: an unfinished file that somebody else may go on writing to. Gives: a copy of its committed part in its place,
//! locked.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::{WriteError, lock, names, rights, sync_folder};

/// Where the copy is made.
fn place(part: &Path) -> PathBuf {
    names::with(part, ".copy")
}

/// Puts a file with the first `committed` bytes in the place of `part`, the unfinished form of `path`, and makes that
/// durable. Whoever has `part` open keeps a file without a name.
pub(super) fn replace(path: &Path, part: &Path, committed: u64) -> Result<File, WriteError> {
    let place = place(part);
    let rights = rights::of(part)?;
    let mut file = lock(&place, &rights::to_create(rights.as_ref()), false)?;
    let adopted = rights.map_or(Ok(()), |rights| rights::adopt(&file, &rights, true));
    let adopted = adopted.map_err(|error| WriteError::io("set the mode of", &place, error));
    let replaced = adopted.and_then(|()| fill(&mut file, path, part, committed)).and_then(|()| {
        file.sync_all().map_err(|error| WriteError::io("write", &place, error))?;
        fs::rename(&place, part).map_err(|error| WriteError::io("put a copy in the place of", part, error))
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

/// Removes what a death in the middle of a copy left.
pub(super) fn clear(part: &Path) {
    let _ = fs::remove_file(place(part));
}
