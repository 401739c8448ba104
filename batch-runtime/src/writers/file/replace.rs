//! Replaces a file as a whole, for texts that no step writes.

use std::io::Write as _;
use std::path::Path;

use super::names::{self, Tag};
use super::{WriteError, folder_of, lock, permissions, refuse};
use crate::Mark;
use crate::definition::resolved_path;

/// Replaces a file, like a writer that may overwrite it: a reader sees the old text or the new one, and nothing in
/// between. Links are followed to their end, and the new file takes over the mode and the owner of the old one.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), WriteError> {
    let path = resolved_path(path).map_err(|error| WriteError::io("find", path, error))?;
    refuse(&path, true)?;
    folder_of(&path)?;
    // Another process may replace the same file at the same time.
    let process = std::process::id().to_string();
    let part = names::unfinished(&path, Tag::new(Mark::new(&[&process]), &path), ".part");
    let written = write(&path, &part, text);
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written
}

fn write(path: &Path, part: &Path, text: &str) -> Result<(), WriteError> {
    let replaced = permissions::of(path)?;
    let mut file = lock(part, &permissions::to_create(replaced.as_ref()), false)?;
    let filled =
        file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).and_then(|()| file.sync_data());
    filled.map_err(|error| WriteError::io("write", part, error))?;
    if let Some(replaced) = replaced {
        permissions::adopt(&file, &replaced, false)
            .map_err(|error| WriteError::io("set the mode of", part, error))?;
    }
    std::fs::rename(part, path).map_err(|error| WriteError::io("give its final name to", part, error))
}
