//! Keeps the owner, the group and the mode of a file that is replaced, from the first byte of the one that replaces it.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use super::WriteError;

const OWNER_WRITES: u32 = 0o600;

/// What is known of the file at this place, if there is one.
pub(super) fn of(path: &Path) -> Result<Option<Metadata>, WriteError> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(WriteError::io("look at", path, error)),
    }
}

/// How a file is made that is to replace `replaced`: readable to its owner alone until it has the rights of that. The file of a
/// new name is made as any other.
pub(super) fn to_create(replaced: Option<&Metadata>) -> OpenOptions {
    let mode = if replaced.is_some() { OWNER_WRITES } else { 0o666 };
    let no_link = nix::fcntl::OFlag::O_NOFOLLOW.bits();
    OpenOptions::new().write(true).create(true).truncate(false).mode(mode).custom_flags(no_link).clone()
}

/// Gives the file the rights of `like`, and while it is written to, those of its owner to do so. Never more: where the group
/// cannot be kept, the other group is allowed what everybody is.
pub(super) fn adopt(file: &File, like: &Metadata, written_to: bool) -> io::Result<()> {
    let own = file.metadata()?;
    let mut mode = like.mode() & 0o777;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        // To another owner only root may give it.
        let given = fchown(file, Some(like.uid()), Some(like.gid())).is_ok()
            || own.gid() == like.gid()
            || fchown(file, None, Some(like.gid())).is_ok();
        if !given {
            mode &= 0o707 | (mode & 0o007) << 3;
        }
    }
    if written_to {
        mode |= OWNER_WRITES;
    }
    // Where a file system knows no modes all files have the same, and setting one fails.
    if own.mode() & 0o777 == mode { Ok(()) } else { file.set_permissions(Permissions::from_mode(mode)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_adopted_whole_and_a_file_that_is_written_to_stays_writable() {
        let path = std::env::temp_dir().join(format!("batch-rights-{}", uuid::Uuid::new_v4()));
        let file = File::create(&path).unwrap();
        for mode in [0o660, 0o444, 0o640, 0o606] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let like = std::fs::metadata(&path).unwrap();
            for (written_to, expected) in [(true, mode | 0o600), (false, mode)] {
                file.set_permissions(Permissions::from_mode(0o600)).unwrap();
                adopt(&file, &like, written_to).unwrap();
                assert_eq!(file.metadata().unwrap().mode() & 0o777, expected);
            }
        }
        std::fs::remove_file(path).unwrap();
    }
}
