//! Finds the field that an error of `serde_json` is about, in the JSON text of the item.

use std::fmt::Write as _;

/// A container that is still open: an object with its latest key, or an array with its current index.
enum Open {
    Object { key: Option<String>, is_key_next: bool },
    Array(usize),
}

/// The path of the value at that line and column, both from 1: `address.zip`, `tags[3]`. `None` for the whole
/// text.
pub(super) fn path(text: &str, line: usize, column: usize) -> Option<Box<str>> {
    let begin: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let bytes = text.as_bytes();
    let end = bytes.len().min(begin + column);
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while at < end {
        match bytes[at] {
            b'{' => open.push(Open::Object { key: None, is_key_next: true }),
            b'[' => open.push(Open::Array(0)),
            b'}' | b']' => drop(open.pop()),
            b',' => match open.last_mut() {
                Some(Open::Object { is_key_next, .. }) => *is_key_next = true,
                Some(Open::Array(index)) => *index += 1,
                None => {}
            },
            b'"' => {
                let from = at;
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                if let Some(Open::Object { key, is_key_next }) = open.last_mut()
                    && std::mem::take(is_key_next)
                {
                    *key = text.get(from..=at).and_then(|key| serde_json::from_str(key).ok());
                }
            }
            _ => {}
        }
        at += 1;
    }
    let mut path = String::new();
    for level in &open {
        match level {
            Open::Object { key: Some(key), .. } if path.is_empty() => path.push_str(key),
            // Writing to a string does not fail.
            Open::Object { key: Some(key), .. } => drop(write!(path, ".{key}")),
            Open::Object { key: None, .. } => {}
            Open::Array(index) => drop(write!(path, "[{index}]")),
        }
    }
    (!path.is_empty()).then(|| path.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its errors matter")]
    struct Item {
        id: u32,
        tags: Vec<u8>,
        address: Option<BTreeMap<String, u8>>,
    }

    fn of(text: &str) -> Option<Box<str>> {
        let error = serde_json::from_str::<Item>(text).unwrap_err();
        path(text, error.line(), error.column())
    }

    #[test]
    fn the_field_of_a_bad_value_is_found_wherever_it_is() {
        for (text, field) in [
            (r#"{"id": "x", "tags": []}"#, Some("id")),
            (r#"{"a,\"b": {"c": [1, 2]}, "id": -1, "tags": []}"#, Some("id")),
            ("{\"id\": 1,\n \"tags\": [1, 2, 300]}", Some("tags[2]")),
            (r#"{"id": 1, "tags": [], "address": {"no": 1, "zip": null}}"#, Some("address.zip")),
            (r#"{"id": 1}"#, None),
            ("7", None),
        ] {
            assert_eq!(of(text).as_deref(), field, "{text}");
        }
    }
}
