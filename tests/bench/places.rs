//! Receives: nothing. Gives: the folders that benchmarks work in, one in memory and one on a disk.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// A folder of this run's own, gone with it.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Is it a tmpfs?
    pub(crate) in_memory: bool,
}

impl Folder {
    /// A folder in `/dev/shm`, or on the disk where there is none.
    pub(crate) fn in_memory() -> Outcome<Self> {
        let shared_memory = Path::new("/dev/shm");
        if shared_memory.is_dir() { Self::create(shared_memory, true) } else { Self::on_disk() }
    }

    /// A folder beside what cargo builds.
    pub(crate) fn on_disk() -> Outcome<Self> {
        Self::create(Path::new(env!("CARGO_TARGET_TMPDIR")), false)
    }

    fn create(parent: &Path, in_memory: bool) -> Outcome<Self> {
        let path = parent.join(format!("batch-bench-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self { path, in_memory })
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A folder inside of it.
    pub(crate) fn folder(&self, name: &str) -> Outcome<PathBuf> {
        let path = self.path.join(name);
        fs::create_dir_all(&path)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind does no harm.
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

/// Removes files, and what `SQLite` and a repository leave beside a database.
pub(crate) fn remove(paths: &[&Path]) -> Outcome {
    for path in paths {
        for suffix in ["", "-wal", "-shm", ".lock"] {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            match fs::remove_file(&name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// The folder in which cargo leaves what it builds.
pub(crate) fn target() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().unwrap_or(temporary).to_owned()
}
