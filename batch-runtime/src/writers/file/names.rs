//! Names the unfinished versions of a file, so that no other instance and no user has a file of the same name.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Mark;
use crate::readers::hash;

/// The number of bytes kept of a long name: with its suffix, it must fit into the 143 bytes that some file
/// systems allow.
const KEPT_BYTES: usize = 64;

/// The tag in the names of a file's unfinished versions, which differs between files, steps and instances. In
/// JSON it is 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag(u64);

impl Tag {
    /// Makes the tag from the whole name, so that two long names that begin alike have different tags.
    pub(super) fn new(mark: Mark, path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().as_bytes();
        Self(hash(&[&mark.to_bytes()[..], name].concat()))
    }

    /// Parses a part of a file's name as a tag; `None` if it is not one.
    pub(super) fn parsed(text: &str) -> Option<Self> {
        let is_tag = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_tag { u64::from_str_radix(text, 16).ok().map(Self) } else { None }
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(Self).map_err(D::Error::custom)
    }
}

/// Returns the path `NAME.TAG`, followed by the suffix, in the folder of the file.
pub(super) fn unfinished(path: &Path, tag: Tag, suffix: &str) -> PathBuf {
    let mut name = kept(path.file_name().unwrap_or_default());
    name.push(format!(".{:016x}{suffix}", tag.0));
    path.with_file_name(name)
}

/// Appends a suffix to the path.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.to_owned().into();
    name.push(suffix);
    name.into()
}

/// Returns the start of the name. A name in UTF-8 is cut between characters, because some file systems accept only
/// valid UTF-8.
fn kept(name: &OsStr) -> OsString {
    let bytes = name.as_bytes();
    let end = match name.to_str() {
        Some(text) => text.floor_char_boundary(KEPT_BYTES),
        None => KEPT_BYTES.min(bytes.len()),
    };
    OsString::from_vec(bytes[..end].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str) -> String {
        let path = Path::new(path);
        let name = unfinished(path, Tag::new(Mark::default(), path), ".part");
        name.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_long_name_is_cut_between_characters_and_stays_distinct() {
        let long = "é".repeat(127);
        let (a, b) = (name(&format!("/out/{long}a")), name(&format!("/out/{long}b")));
        assert!(a.starts_with(&format!("/out/{}.", "é".repeat(32))), "{a}");
        assert!(a.len() < 143, "{a}");
        assert_ne!(a, b);
    }

    #[test]
    fn the_tag_depends_on_the_mark_too() {
        let path = Path::new("out.csv");
        assert_ne!(Tag::new(Mark::new(&["a"]), path), Tag::new(Mark::new(&["b"]), path));
    }

    #[test]
    fn a_tag_is_read_back_from_its_json() {
        for tag in [Tag(0), Tag(0x0123_4567_89ab_cdef), Tag(u64::MAX)] {
            let json = serde_json::to_string(&tag).unwrap();
            assert_eq!(json.len(), 18);
            assert_eq!(serde_json::from_str::<Tag>(&json).unwrap(), tag);
        }
    }
}
