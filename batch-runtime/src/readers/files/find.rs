//! Finds the files whose names match a pattern.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::definition::{resolved_path, resource_name};

/// The rules of a shell: a wildcard does not match a leading dot.
const RULES: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The reason why the files cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// The pattern is malformed.
    #[error("the pattern `{pattern}` is malformed: {problem}")]
    Pattern {
        /// The pattern.
        pattern: Box<str>,
        /// The problem.
        problem: Box<str>,
    },
    /// The pattern matches nothing.
    #[error("no file matches `{names}` in {folder}")]
    NoFile {
        /// The folder that was searched.
        folder: Box<str>,
        /// The pattern, relative to the folder.
        names: Box<str>,
    },
    /// A folder cannot be read.
    #[error("cannot read the folder {folder}: {source}")]
    Folder {
        /// The folder.
        folder: Box<str>,
        /// The operating system's error.
        source: io::Error,
    },
    /// The files differ from those of an earlier execution.
    #[error(
        "an earlier execution read {file}, but the list of files up to there has changed since; \
         restore the old files, or start a new instance (`--next`)"
    )]
    Changed {
        /// The file in which the earlier execution stopped.
        file: Box<str>,
    },
    /// A worker does not have the file of its partition.
    #[error(
        "the worker cannot read {file}, which the manager can read ({source}): give both the same folder under the same \
         path, such as a shared folder"
    )]
    NotHere {
        /// The file.
        file: Box<str>,
        /// The operating system's error.
        source: io::Error,
    },
    /// A worker has another file under the path of its partition.
    #[error(
        "{file} is another file on the worker than on the manager: give both the same folder under the same path, such as \
         a shared folder"
    )]
    OtherFile {
        /// The file.
        file: Box<str>,
    },
}

/// The pattern for one name between slashes.
enum Name {
    /// `**`: any number of folders.
    AnyFolders,
    Like(Pattern),
}

/// Returns the files of a folder that match, in order.
pub(super) fn in_folder(folder: &Path, names: &str) -> Result<Vec<PathBuf>, FilesError> {
    if names.starts_with('/') {
        return Err(malformed(names, "it must be relative to the folder, without a leading `/`"));
    }
    found(folder, names)
}

/// Returns the files that match, in order.
pub(super) fn by_pattern(pattern: &str) -> Result<Vec<PathBuf>, FilesError> {
    let is_plain = |name: &str| !name.contains(['*', '?', '[']);
    let plain: usize = pattern.split_inclusive('/').take_while(|name| is_plain(name)).map(str::len).sum();
    let folder = pattern[..plain].rfind('/').map_or(0, |slash| slash + 1);
    found(Path::new(&pattern[..folder]), &pattern[folder..])
}

fn malformed(pattern: &str, problem: &str) -> FilesError {
    FilesError::Pattern { pattern: pattern.into(), problem: problem.into() }
}

fn found(folder: &Path, names: &str) -> Result<Vec<PathBuf>, FilesError> {
    let parsed = parsed(names)?;
    let mut search = Search { paths: Vec::new(), has_links: false };
    search.look_into(folder, &parsed)?;
    let Search { mut paths, has_links } = search;
    if paths.is_empty() {
        return Err(FilesError::NoFile { folder: name_of(folder), names: names.into() });
    }
    paths.sort();
    paths.dedup();
    if has_links {
        let mut places = BTreeSet::new();
        paths.retain(|path| resolved_path(path).map_or(true, |place| places.insert(place)));
    }
    Ok(paths)
}

fn parsed(names: &str) -> Result<Vec<Name>, FilesError> {
    let mut parsed = Vec::new();
    for name in names.split('/').filter(|name| !matches!(*name, "" | ".")) {
        parsed.push(match name {
            ".." => {
                return Err(malformed(
                    names,
                    "`..` is not allowed; name the other folder as the starting folder",
                ));
            }
            "**" => Name::AnyFolders,
            name => Name::Like(Pattern::new(name).map_err(|error| malformed(names, error.msg))?),
        });
    }
    match parsed.last() {
        Some(Name::Like(_)) if !names.ends_with('/') => Ok(parsed),
        _ => Err(malformed(names, "it must end with a file name such as `*.csv`")),
    }
}

fn name_of(folder: &Path) -> Box<str> {
    if folder.as_os_str().is_empty() { ".".into() } else { resource_name(folder).into() }
}

struct Search {
    paths: Vec<PathBuf>,
    /// True if several paths may lead to one file.
    has_links: bool,
}

impl Search {
    fn look_into(&mut self, folder: &Path, names: &[Name]) -> Result<(), FilesError> {
        let Some((first, rest)) = names.split_first() else { return Ok(()) };
        if let Name::AnyFolders = first {
            self.look_into(folder, rest)?;
        }
        let failed = |source| FilesError::Folder { folder: name_of(folder), source };
        let place = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        for entry in std::fs::read_dir(place).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (name, path) = (entry.file_name(), folder.join(entry.file_name()));
            let kind = entry.file_type().map_err(failed)?;
            match first {
                Name::AnyFolders if kind.is_dir() && !is_hidden(&name) => self.look_into(&path, names)?,
                Name::Like(pattern) if pattern.matches_with(&name.to_string_lossy(), RULES) => {
                    // A link to a folder counts as a folder.
                    let is_folder = if kind.is_symlink() { path.is_dir() } else { kind.is_dir() };
                    self.has_links |= kind.is_symlink();
                    if rest.is_empty() && !is_folder {
                        self.paths.push(path);
                    } else if !rest.is_empty() && is_folder {
                        self.look_into(&path, rest)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::definition::shown;

    struct Folder(PathBuf);

    impl Folder {
        fn with(files: &[&str]) -> Self {
            let path = std::env::temp_dir().join(format!("batch-find-{}", uuid::Uuid::new_v4()));
            fs::create_dir(&path).unwrap();
            let folder = Self(path);
            for file in files {
                folder.add(file.as_bytes());
            }
            folder
        }

        fn add(&self, file: &[u8]) {
            let path = self.0.join(OsStr::from_bytes(file));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }

        fn found(&self, folder: &str, names: &str) -> Vec<String> {
            let paths = in_folder(&self.0.join(folder), names).unwrap();
            paths.iter().map(|path| shown(path.strip_prefix(&self.0).unwrap().as_os_str())).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn special_characters_in_the_folder_are_not_a_pattern() {
        let folder =
            Folder::with(&["in[2024]/a.csv", "in2/b.csv", "in*/c.csv", "inx/d.csv", "?/e.csv", "x/f.csv"]);
        assert_eq!(folder.found("in[2024]", "*.csv"), ["in[2024]/a.csv"]);
        assert_eq!(folder.found("in*", "*.csv"), ["in*/c.csv"]);
        assert_eq!(folder.found("?", "?.csv"), ["?/e.csv"]);
    }

    #[test]
    fn hidden_files_and_folders_are_ignored_unless_the_pattern_asks_for_them() {
        let folder = Folder::with(&["a.csv", ".half-copied.csv", ".old/b.csv", "new/c.csv"]);
        assert_eq!(folder.found("", "*.csv"), ["a.csv"]);
        assert!(in_folder(&folder.0, "?half*").is_err());
        assert_eq!(folder.found("", ".*.csv"), [".half-copied.csv"]);
        assert_eq!(folder.found("", "*/*.csv"), ["new/c.csv"]);
        assert_eq!(folder.found("", "**/*.csv"), ["a.csv", "new/c.csv"]);
        assert_eq!(folder.found("", ".*/*.csv"), [".old/b.csv"]);
    }

    #[test]
    fn files_are_in_byte_order_including_names_that_are_not_utf_8() {
        let folder = Folder::with(&["b.csv", "a.csv", "Z.csv", "é.csv", "a10.csv", "a9.csv"]);
        folder.add(b"\xff.csv");
        folder.add(b"\xc3.csv");
        let sorted = ["Z.csv", "a.csv", "a10.csv", "a9.csv", "b.csv", "\\xC3.csv", "é.csv", "\\xFF.csv"];
        assert_eq!(folder.found("", "*.csv"), sorted);
    }

    #[test]
    fn folders_of_any_depth_are_searched() {
        let folder = Folder::with(&["a.csv", "x/a.csv", "x/y/a.csv", "x/y/z/b.csv", "x.csv/c.txt"]);
        assert_eq!(folder.found("", "**/a.csv"), ["a.csv", "x/a.csv", "x/y/a.csv"]);
        assert_eq!(folder.found("", "x/**/**/*.csv"), ["x/a.csv", "x/y/a.csv", "x/y/z/b.csv"]);
        assert_eq!(folder.found("", "./x//y/?.csv"), ["x/y/a.csv"]);
        assert_eq!(folder.found("", "*.csv"), ["a.csv"], "a folder is not a file");
    }

    #[test]
    fn a_file_that_several_names_lead_to_is_found_once() {
        let folder = Folder::with(&["2024-05.csv", "far/b.csv"]);
        symlink("2024-05.csv", folder.0.join("current.csv")).unwrap();
        symlink("far", folder.0.join("near")).unwrap();
        assert_eq!(folder.found("", "*.csv"), ["2024-05.csv"]);
        assert_eq!(folder.found("", "*/*.csv"), ["far/b.csv"]);
        assert_eq!(folder.found("", "near/*.csv"), ["near/b.csv"]);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found_so_that_opening_it_fails() {
        let folder = Folder::with(&["a.csv"]);
        symlink("gone.csv", folder.0.join("b.csv")).unwrap();
        assert_eq!(folder.found("", "*.csv"), ["a.csv", "b.csv"]);
    }

    #[test]
    fn a_link_to_a_parent_folder_does_not_loop_forever() {
        let folder = Folder::with(&["x/a.csv"]);
        symlink("..", folder.0.join("x/up")).unwrap();
        assert_eq!(folder.found("", "**/a.csv"), ["x/a.csv"]);
    }

    #[test]
    fn a_pattern_for_the_whole_path_may_have_wildcards_everywhere() {
        let folder = Folder::with(&["in-1/a.csv", "in-2/a.csv", "out/a.csv"]);
        let whole = folder.0.to_str().unwrap();
        let found = by_pattern(&format!("{whole}/in-*/*.csv")).unwrap();
        assert_eq!(found, ["in-1/a.csv", "in-2/a.csv"].map(|file| folder.0.join(file)));
        let found = by_pattern(&format!("{whole}/in-1/a.csv")).unwrap();
        assert_eq!(found, [folder.0.join("in-1/a.csv")]);
        assert!(by_pattern("Cargo.*").unwrap().contains(&"Cargo.toml".into()));
    }

    #[test]
    fn errors_say_why_nothing_is_found() {
        let folder = Folder::with(&["a.csv", ".b.txt"]);
        let message = |names: &str| in_folder(&folder.0, names).unwrap_err().to_string();
        let place = folder.0.display();
        assert_eq!(message("*.txt"), format!("no file matches `*.txt` in {place}"));
        assert_eq!(
            message("/a.csv"),
            "the pattern `/a.csv` is malformed: it must be relative to the folder, without a leading `/`"
        );
        assert_eq!(
            message("../*.csv"),
            "the pattern `../*.csv` is malformed: `..` is not allowed; name the other folder as the starting folder"
        );
        for names in ["", "**", "a/", "a/**"] {
            let problem = "it must end with a file name such as `*.csv`";
            assert_eq!(message(names), format!("the pattern `{names}` is malformed: {problem}"));
        }
        assert!(message("[a").starts_with("the pattern `[a` is malformed: "));
        let gone = in_folder(&folder.0.join("gone"), "*").unwrap_err().to_string();
        assert_eq!(
            gone,
            format!("cannot read the folder {place}/gone: No such file or directory (os error 2)")
        );
    }
}
