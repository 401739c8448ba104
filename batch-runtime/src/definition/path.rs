//! Stores a path as text, resolves all spellings of a path to one, and names paths in messages.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

/// The prefix of a path that is stored with escapes.
const ESCAPED: &str = "file:";

/// Linux follows this many links before it reports a loop.
const MAX_LINKS: usize = 40;

/// The path as text: unchanged if it is UTF-8, otherwise the URI of RFC 8089, `file:///in/caf%E9.csv`.
/// Different paths have different texts, so a path that itself begins with `file:` is escaped too.
pub(crate) fn path_to_text(path: &Path) -> String {
    match path.to_str().filter(|text| !text.starts_with(ESCAPED)) {
        Some(text) => text.to_owned(),
        None => file_uri(path),
    }
}

/// The path as a URI, with every character escaped that could be mistaken for another part of a URI.
pub(crate) fn file_uri(path: &Path) -> String {
    let mut text = ESCAPED.to_owned();
    if path.is_absolute() {
        text.push_str("//");
    }
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The path that [`path_to_text`] converted to this text.
///
/// # Errors
/// A message that says what was expected.
pub(crate) fn path_of_text(text: &str) -> Result<PathBuf, String> {
    let Some(escaped) = text.strip_prefix(ESCAPED) else { return Ok(text.into()) };
    let mut rest = escaped.strip_prefix("//").unwrap_or(escaped).bytes();
    let mut path = Vec::with_capacity(rest.len());
    let digit = |rest: &mut dyn Iterator<Item = u8>| {
        rest.next().and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok())
    };
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            path.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (digit(&mut rest), digit(&mut rest)) else {
            return Err(
                "a path is expected; in one that begins with `file:`, two hexadecimal digits follow each `%`"
                    .to_owned(),
            );
        };
        path.push(high << 4 | low);
    }
    Ok(OsString::from_vec(path).into())
}

/// The absolute path that all spellings of a file share: every link is followed to its end, and `.` and `..`
/// are removed. Parts that do not exist yet are kept as written, below the folders that do exist.
///
/// Links below `/proc` are not followed: their targets belong to a process and have no path. A path whose
/// links form a circle stays unchanged, and opening it fails.
///
/// # Errors
/// If there is no working folder for a relative path.
pub(crate) fn resolved_path(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    Ok(follow(&absolute).unwrap_or(absolute))
}

fn follow(path: &Path) -> Option<PathBuf> {
    let mut reached = PathBuf::from("/");
    // A stack of the names that are still to be resolved.
    let mut left = Vec::new();
    push_names(&mut left, path);
    let mut links = 0;
    while let Some(name) = left.pop() {
        if name == ".." {
            reached.pop();
            continue;
        }
        reached.push(name);
        if reached.starts_with("/proc") {
            continue;
        }
        if let Ok(target) = std::fs::read_link(&reached) {
            links += 1;
            if links > MAX_LINKS {
                return None;
            }
            if target.is_absolute() {
                reached = "/".into();
            } else {
                reached.pop();
            }
            push_names(&mut left, &target);
        }
    }
    Some(reached)
}

fn push_names(left: &mut Vec<OsString>, path: &Path) {
    left.extend(path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    }));
}

/// The name of a file in messages: relative if it is below the working folder.
pub(crate) fn resource_name(path: &Path) -> String {
    let below = std::env::current_dir().ok().and_then(|folder| path.strip_prefix(folder).ok());
    shown(below.filter(|below| !below.as_os_str().is_empty()).unwrap_or(path).as_os_str())
}

/// The name unchanged if it is UTF-8; other bytes as `\xE9`, so that two names never look the same.
pub(crate) fn shown(name: &OsStr) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("batch-path-{}", uuid::Uuid::new_v4()));
            fs::create_dir(&path).unwrap();
            Self(fs::canonicalize(path).unwrap())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn path(bytes: &[u8]) -> PathBuf {
        OsString::from_vec(bytes.to_vec()).into()
    }

    #[test]
    fn a_path_in_utf_8_is_stored_unchanged() {
        for text in ["/in/a b.csv", "a.csv", "/in/käse%20.csv", "./file:a"] {
            assert_eq!(path_to_text(Path::new(text)), text);
        }
    }

    #[test]
    fn a_path_that_is_not_utf_8_is_stored_as_a_uri() {
        assert_eq!(path_to_text(&path(b"/in/caf\xe9 1%.csv")), "file:///in/caf%E9%201%25.csv");
        assert_eq!(path_to_text(&path(b"in/\xff")), "file:in/%FF");
        assert_eq!(path_to_text(Path::new("file:///a")), "file:file%3A///a");
    }

    #[test]
    fn a_broken_escape_is_refused() {
        for text in ["file:///a%", "file:///a%f", "file:///a%+1", "file:///a%fg"] {
            assert!(path_of_text(text).unwrap_err().contains("hexadecimal"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_path_is_read_back_from_its_text(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..12),
                "(file:|/|//|%|é|\\PC){0,6}".prop_map(String::into_bytes),
            ],
        ) {
            let path = path(&bytes);
            let read_back = path_of_text(&path_to_text(&path)).unwrap();
            prop_assert_eq!(read_back.as_os_str(), path.as_os_str());
        }
    }

    #[test]
    fn names_that_are_not_utf_8_differ_in_messages() {
        assert_eq!(resource_name(&path(b"/in/\xff.csv")), "/in/\\xFF.csv");
        assert_eq!(resource_name(&path(b"/in/\xfe\xe2\x82.csv")), "/in/\\xFE\\xE2\\x82.csv");
    }

    #[test]
    fn all_spellings_of_a_file_are_resolved_to_one() {
        let folder = Folder::new();
        let at = |name: &str| folder.0.join(name);
        fs::create_dir_all(at("run7/deep")).unwrap();
        fs::write(at("run7/a.csv"), "").unwrap();
        symlink("run7/a.csv", at("relative")).unwrap();
        symlink(at("relative"), at("absolute")).unwrap();
        symlink("run7/deep", at("folder")).unwrap();
        for spelling in [
            "run7/a.csv",
            "./run7/./a.csv",
            "run7//a.csv",
            "x/../run7/a.csv",
            "run7/deep/../a.csv",
            "relative",
            "absolute",
            // `..` leads up from the target of the link, not from the link itself.
            "folder/../a.csv",
        ] {
            assert_eq!(resolved_path(&at(spelling)).unwrap(), at("run7/a.csv"), "{spelling}");
        }
    }

    #[test]
    fn a_file_that_does_not_exist_yet_is_resolved_to_where_it_will_be() {
        let folder = Folder::new();
        let at = |name: &str| folder.0.join(name);
        fs::create_dir(at("real")).unwrap();
        symlink("real", at("folder")).unwrap();
        symlink("real/target.csv", at("dangling")).unwrap();
        for (spelling, place) in
            [("folder/new.csv", "real/new.csv"), ("dangling", "real/target.csv"), ("no/x/../y", "no/y")]
        {
            assert_eq!(resolved_path(&at(spelling)).unwrap(), at(place), "{spelling}");
        }
        fs::write(at("real/target.csv"), "").unwrap();
        assert_eq!(resolved_path(&at("dangling")).unwrap(), at("real/target.csv"));
    }

    #[test]
    fn links_in_a_circle_are_left_unchanged() {
        let folder = Folder::new();
        symlink("b", folder.0.join("a")).unwrap();
        symlink("a", folder.0.join("b")).unwrap();
        assert_eq!(resolved_path(&folder.0.join("a")).unwrap(), folder.0.join("a"));
    }

    #[test]
    fn a_file_of_the_process_keeps_its_name() {
        assert_eq!(resolved_path(Path::new("/proc/self/fd/0")).unwrap(), Path::new("/proc/self/fd/0"));
    }

    #[test]
    fn resolving_twice_changes_nothing() {
        let folder = Folder::new();
        symlink("../..", folder.0.join("up")).unwrap();
        let once = resolved_path(&folder.0.join("up/a/../b")).unwrap();
        assert_eq!(resolved_path(&once).unwrap(), once);
    }
}
