//! Finds the process that holds the `SQLite` lock of a file.

use std::path::Path;

/// The process that keeps others from writing to the database, such as `4711 (python3)`; `None` if the system
/// does not say.
///
/// Reads the kernel's list and opens no file: closing a handle of a database would drop the locks that this
/// process holds on it.
#[cfg(target_os = "linux")]
pub(super) fn of(database: &Path) -> Option<String> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let files = [super::lock::with_suffix(database, "-shm"), database.to_owned()];
    let pid = files.iter().find_map(|file| {
        use std::os::unix::fs::MetadataExt as _;
        let found = file.metadata().ok()?;
        let (major, minor) = (nix::sys::stat::major(found.dev()), nix::sys::stat::minor(found.dev()));
        writer(&locks, &format!("{major:02x}:{minor:02x}:{}", found.ino()))
    })?;
    if pid == std::process::id() {
        return None;
    }
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| !c.is_control()).collect();
    Some(if name.is_empty() { pid.to_string() } else { format!("{pid} ({name})") })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn of(_database: &Path) -> Option<String> {
    None
}

/// The process with an exclusive lock on one of the bytes that keep other writers away: the first bytes of
/// the `-shm`, or those from 2³⁰ on in the file itself.
#[cfg(target_os = "linux")]
fn writer(locks: &str, file: &str) -> Option<u32> {
    const OF_WAL: u64 = 120;
    const OF_FILE: u64 = 1 << 30;
    locks.lines().find_map(|line| {
        // `1: POSIX  ADVISORY  WRITE 4711 08:01:1234 120 120`; a lock that is waited for has `->` after its number.
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "POSIX", _, "WRITE", pid, place, from, _] = words[..] else { return None };
        let from: u64 = from.parse().ok()?;
        (place == file && (from == OF_WAL || from >= OF_FILE)).then(|| pid.parse().ok())?
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_writer_is_found_among_the_locks_of_the_system() {
        let locks = "\
1: OFDLCK ADVISORY  WRITE -1 08:01:77 120 120
2: POSIX  ADVISORY  READ 10 08:01:77 123 123
3: POSIX  ADVISORY  WRITE 11 08:01:78 120 120
4: POSIX  ADVISORY  WRITE 12 08:01:77 120 120
4: -> POSIX  ADVISORY  WRITE 13 08:01:77 120 120
5: POSIX  ADVISORY  WRITE 14 08:01:79 1073741824 1073742335
6: FLOCK  ADVISORY  WRITE 15 08:01:80 0 EOF
";
        assert_eq!(writer(locks, "08:01:77"), Some(12));
        assert_eq!(writer(locks, "08:01:79"), Some(14));
        assert_eq!(writer(locks, "08:01:80"), None);
    }
}
