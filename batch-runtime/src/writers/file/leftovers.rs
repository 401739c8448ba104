//! Recognises the unfinished files of an instance, by the tags in its committed positions and in the names of files.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use serde_json::Value;

use super::FilePosition;
use super::names::Tag;

/// Adds the tags of all files in a committed position of a writer, whatever the writer is made of.
pub(crate) fn tags_in(position: &Value, found: &mut BTreeSet<Tag>) {
    if let Ok(file) = serde_json::from_value::<FilePosition>(position.clone()) {
        found.extend(file.tag);
        return;
    }
    match position {
        Value::Array(parts) => parts.iter().for_each(|part| tags_in(part, found)),
        Value::Object(parts) => parts.values().for_each(|part| tags_in(part, found)),
        _ => {}
    }
}

/// Returns the tag in the name of an unfinished file: `NAME.TAG.part`, `NAME.TAG.partition3`.
pub(crate) fn tag_of(name: &OsStr) -> Option<Tag> {
    let parts: Vec<&[u8]> = name.as_bytes().split(|byte| *byte == b'.').collect();
    let tagged = parts.windows(2).skip(1).filter(|pair| is_suffix(pair[1]));
    tagged.filter_map(|pair| Tag::parsed(std::str::from_utf8(pair[0]).ok()?)).next_back()
}

fn is_suffix(part: &[u8]) -> bool {
    let number = part.strip_prefix(b"partition");
    part == b"part"
        || number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "0123456789abcdef";

    #[test]
    fn a_tag_is_found_in_the_names_of_unfinished_files_only() {
        for suffix in ["part", "part.copy", "partition0", "partition12.part", "partition12.part.copy"] {
            let name = format!("out.csv.{TAG}.{suffix}");
            assert_eq!(tag_of(OsStr::new(&name)), Tag::parsed(TAG), "{name}");
        }
        let longer = format!("out.{}.part.{TAG}.part", "0".repeat(16));
        assert_eq!(tag_of(OsStr::new(&longer)), Tag::parsed(TAG), "the last one counts");
        for name in [
            "out.csv.part",
            "out.csv",
            &format!("out.{TAG}"),
            &format!("{TAG}.part"),
            &format!("out.{TAG}0.part"),
            &format!("out.{}.part", TAG.to_uppercase()),
            &format!("out.{TAG}.partition"),
            &format!("out.{TAG}.parts"),
            "out.+123456789abcdef.part",
        ] {
            assert_eq!(tag_of(OsStr::new(name)), None, "{name}");
        }
    }

    #[test]
    fn the_tags_of_all_files_of_a_position_are_found() {
        let file = |digit: &str| {
            let tag = digit.repeat(16);
            serde_json::json!({ "length": 7, "records": 2, "finishing": false, "tag": tag })
        };
        let position = serde_json::json!([
            [file("a"), 7],
            { "number": 2, "complete": [file("b")], "current": file("c") },
            [["key", file("d")]],
            { "length": 7, "tag": "e".repeat(16) },
            "f".repeat(16),
        ]);
        let mut found = BTreeSet::new();
        tags_in(&position, &mut found);
        let expected = ["a", "b", "c", "d"].map(|digit| Tag::parsed(&digit.repeat(16)).unwrap());
        assert_eq!(found, BTreeSet::from(expected));
    }
}
