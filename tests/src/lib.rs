//! Helpers shared by several of the framework's tests, which are in the folders next to this one.

#[cfg(feature = "postgres")]
pub mod postgres;
pub mod proxy;

use std::path::{Path, PathBuf};

/// Removes the marks from the names of unfinished files in a text: 16 hexadecimal digits and a dot before `part`.
#[must_use]
pub fn unmarked(text: &str) -> String {
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

/// Finds the file whose name without its mark is this one, such as `out.csv.part`.
///
/// # Panics
/// If the path has no name, or its folder cannot be read.
#[must_use]
pub fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap().to_str().unwrap();
    let mut entries =
        std::fs::read_dir(path.parent().unwrap()).into_iter().flatten().map(|entry| entry.unwrap());
    let is_it = |entry: &std::fs::DirEntry| unmarked(entry.file_name().to_str().unwrap_or_default()) == name;
    entries.find(is_it).map_or_else(|| path.to_owned(), |entry| entry.path())
}
