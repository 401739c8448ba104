//! A folder for a test's files, removed at the end of the test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("batch-files-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// An unfinished file is called `out.csv.part` here, without the mark in its name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        if std::path::Path::new(name).extension().is_some_and(|ending| ending == "part") {
            unfinished(&self.0.join(name))
        } else {
            self.0.join(name)
        }
    }

    #[allow(dead_code, reason = "not every test file has an input")]
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(Path::new(&self.0));
    }
}

/// Removes the marks from the names of unfinished files: 16 hexadecimal digits and a dot before `part`.
pub(crate) fn unmarked(text: &str) -> String {
    let mut rest = text;
    let mut unmarked = String::new();
    while let Some(at) = rest.find(".part") {
        let (before, after) = rest.split_at(at);
        let name = before
            .rsplit_once('.')
            .filter(|(_, mark)| mark.len() == 16 && mark.bytes().all(|digit| digit.is_ascii_hexdigit()));
        unmarked.push_str(name.map_or(before, |(name, _)| name));
        unmarked.push_str(&after[..1]);
        rest = &after[1..];
    }
    unmarked + rest
}

/// Returns the file whose name without its mark is this one, such as `out.csv.part`, if it exists.
fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap().to_str().unwrap();
    let mut entries =
        std::fs::read_dir(path.parent().unwrap()).into_iter().flatten().map(|entry| entry.unwrap());
    let is_it = |entry: &std::fs::DirEntry| unmarked(entry.file_name().to_str().unwrap_or_default()) == name;
    entries.find(is_it).map_or_else(|| path.to_owned(), |entry| entry.path())
}
