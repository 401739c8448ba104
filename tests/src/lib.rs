//! Tests of the framework; see the folders beside this one. What several of them need is here.

use std::path::{Path, PathBuf};

/// The text without the marks in the names of unfinished files: 16 hexadecimal digits and a dot before `part`.
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

/// The file whose name is this one without its mark, as `out.csv.part`, if it is there.
///
/// # Panics
/// When the path has no name, or its folder cannot be read.
#[must_use]
pub fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap().to_str().unwrap();
    let mut entries =
        std::fs::read_dir(path.parent().unwrap()).into_iter().flatten().map(|entry| entry.unwrap());
    let is_it = |entry: &std::fs::DirEntry| unmarked(entry.file_name().to_str().unwrap_or_default()) == name;
    entries.find(is_it).map_or_else(|| path.to_owned(), |entry| entry.path())
}
