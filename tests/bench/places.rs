//! The folders that benchmarks work in: one in memory and one on a disk.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// A folder for this run, removed at its end.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// True if it is a tmpfs.
    pub(crate) in_memory: bool,
}

impl Folder {
    /// A folder in `/dev/shm`, or on the disk if there is none.
    pub(crate) fn in_memory() -> Outcome<Self> {
        let shared_memory = Path::new("/dev/shm");
        if shared_memory.is_dir() { Self::create(shared_memory, true) } else { Self::on_disk() }
    }

    /// A folder next to cargo's build output.
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
        // A folder that remains does no harm.
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

/// Removes files, and those that `SQLite` and a repository leave next to a database.
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

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().unwrap_or(temporary).to_owned()
}
