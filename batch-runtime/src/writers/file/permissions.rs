//! Gives a file that replaces another one the owner, the group and the mode of the replaced file; until then,
//! only its owner can read it.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use super::WriteError;

const OWNER_WRITES: u32 = 0o600;

/// Returns the metadata of the file at this path, if there is one.
pub(super) fn of(path: &Path) -> Result<Option<Metadata>, WriteError> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(WriteError::io("look at", path, error)),
    }
}

/// Returns the options for creating a file that replaces `replaced`: readable only by its owner until it gets
/// the permissions of the original. A file with a new name is created as usual.
pub(super) fn to_create(replaced: Option<&Metadata>) -> OpenOptions {
    let mode = if replaced.is_some() { OWNER_WRITES } else { 0o666 };
    let no_link = nix::fcntl::OFlag::O_NOFOLLOW.bits();
    // A compressed file is read again when a chunk is rolled back to a place inside a member.
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(mode)
        .custom_flags(no_link)
        .clone()
}

/// Gives the file the permissions of `like`, and its owner the right to write as long as it is `written_to`. It
/// never grants more: if the group cannot be kept, the new group gets only the permissions of everyone.
pub(super) fn adopt(file: &File, like: &Metadata, written_to: bool) -> io::Result<()> {
    let own = file.metadata()?;
    let mut mode = like.mode() & 0o777;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        // Only root may change the owner.
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
    // On a file system without modes, all files have the same mode, and setting one fails.
    if own.mode() & 0o777 == mode { Ok(()) } else { file.set_permissions(Permissions::from_mode(mode)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_adopted_completely_and_a_file_being_written_stays_writable() {
        let path = std::env::temp_dir().join(format!("batch-permissions-{}", uuid::Uuid::new_v4()));
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
