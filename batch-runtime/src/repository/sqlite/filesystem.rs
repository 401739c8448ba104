//! Refuses paths where `SQLite`'s WAL and locks cannot be trusted.

use std::path::Path;

use super::error::unusable;
use crate::repository::RepositoryError;

/// Refuses a path that cannot be the file of a repository.
pub(super) fn check(path: &Path) -> Result<(), RepositoryError> {
    if path.is_dir() {
        return Err(unusable(path, "is a folder: name a file in it"));
    }
    let folder = path.parent().unwrap_or(path);
    if !folder.is_dir() {
        return Err(unusable(path, format!("folder {} does not exist: create it", folder.display())));
    }
    match kind_of(folder).and_then(network) {
        Some(kind) => Err(unusable(
            path,
            format!("is on a {kind} file system, where SQLite cannot lock files: put it on a local disk"),
        )),
        None => Ok(()),
    }
}

/// Returns whether `other` is the file of the repository. A hard link to it is refused: `SQLite` derives the
/// name of the WAL from the name of the file, and two WALs damage the file.
pub(super) fn is_repository(repository: &Path, other: &Path) -> Result<bool, RepositoryError> {
    let Ok(resolved) = other.canonicalize() else { return Ok(false) };
    if resolved == repository {
        return Ok(true);
    }
    if same_inode(repository, &resolved) {
        let what = format!(
            "is a hard link to the repository, and SQLite cannot use a file under two names: name it as {}",
            repository.display()
        );
        return Err(unusable(other, what));
    }
    Ok(false)
}

#[cfg(unix)]
fn same_inode(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn same_inode(_one: &Path, _other: &Path) -> bool {
    false
}

/// The kernel's number for the type of the file system.
#[cfg(target_os = "linux")]
fn kind_of(folder: &Path) -> Option<i128> {
    nix::sys::statfs::statfs(folder).ok().map(|stat| i128::from(stat.filesystem_type().0))
}

#[cfg(not(target_os = "linux"))]
fn kind_of(_folder: &Path) -> Option<i128> {
    None
}

/// The name of the file system, if it is a network file system or its locks are local to this machine.
fn network(kind: i128) -> Option<&'static str> {
    // As in linux/magic.h. The sign is lost if the type is 32 bits wide.
    Some(match kind & 0xffff_ffff {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB/CIFS",
        0x0102_1997 => "9p",
        0x6573_5546 => "FUSE",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x564c => "NCP",
        0x00c3_6400 => "Ceph",
        0x0bd0_0bd0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x1983_0326 => "BeeGFS",
        0x7461_636f => "OCFS2",
        0x0116_1970 => "GFS2",
        0x786f_4256 => "VirtualBox shared folder",
        0xbacb_acbc => "VMware shared folder",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_name() {
        for (kind, name) in [
            (0x6969, Some("NFS")),
            (0xff53_4d42, Some("SMB/CIFS")),
            (i128::from(0xff53_4d42_u32.cast_signed()), Some("SMB/CIFS")),
            (0x0102_1997, Some("9p")),
            (0x6573_5546, Some("FUSE")),
            (0xef53, None),
            (0x0102_1994, None),
            (0x9123_683e, None),
        ] {
            assert_eq!(network(kind), name, "{kind:x}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_local_file_system_is_recognised_and_accepted() {
        let kind = kind_of(Path::new("/proc")).expect("known");
        assert_eq!(kind, 0x9fa0);
        assert_eq!(network(kind), None);
    }

    #[test]
    fn the_repository_is_known_under_every_name_but_a_hard_link() {
        let folder = std::env::temp_dir().join(format!("batch-same-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let folder = folder.canonicalize().unwrap();
        let (file, hard, other) = (folder.join("a"), folder.join("b"), folder.join("c"));
        std::fs::write(&file, "").unwrap();
        std::fs::write(&other, "").unwrap();
        std::fs::hard_link(&file, &hard).unwrap();
        assert!(
            is_repository(&file, &folder.join("..").join(folder.file_name().unwrap()).join("a")).unwrap()
        );
        assert!(!is_repository(&file, &other).unwrap());
        assert!(!is_repository(&file, &folder.join("missing")).unwrap());
        #[cfg(unix)]
        assert!(is_repository(&file, &hard).unwrap_err().to_string().contains("is a hard link"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
