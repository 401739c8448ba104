//! Errors about a JSON value in a text.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::fields::{self, Misfit};
use super::framed::{Encoding, NotText, RecordPlace};
use super::rows::named;
use super::{ReadError, SHOWN_CHARACTERS, shown};

/// The error about a value that is not text in its encoding. `element` is the pointer to the value in its document.
#[cold]
pub(super) fn not_text(
    place: &RecordPlace<'_>,
    element: Option<&str>,
    bytes: &[u8],
    error: &NotText,
) -> ReadError {
    let byte = place.byte + error.bytes.start as u64;
    RecordPlace { byte, ..*place }.not_text(bytes, error, element.map(Box::from))
}

/// Refuses an object that has members, but none of the fields of an item that needs none of its fields: all values of the
/// item would be missing.
#[cold]
pub(super) fn refuse_strange_members<T: DeserializeOwned>(
    resource: Arc<str>,
    text: &str,
) -> Result<(), ReadError> {
    let Ok(Members(members)) = serde_json::from_str(text) else { return Ok(()) };
    let Some(Misfit::SharesNone(fields)) = fields::misfit::<T>(members.iter().map(String::as_str)) else {
        return Ok(());
    };
    let problem = format!(
        "its first value has no field of the item: its members are {}, and the fields {}",
        shown(&named(&members)),
        shown(&named(fields))
    );
    Err(ReadError::Options { resource, problem: problem.into() })
}

/// The names of the members of an object.
struct Members(Vec<String>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = members.next_entry()? {
                    names.push(name);
                }
                Ok(Members(names))
            }
        }

        deserializer.deserialize_map(Names)
    }
}

/// True if the text is a JSON value.
pub(super) fn is_value(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// The error about a value that serde refuses, decoded from the encoding. `element` is the pointer to the value; without
/// it, the value is a line.
#[cold]
pub(super) fn refused(
    encoding: Encoding,
    place: &RecordPlace<'_>,
    element: Option<&str>,
    text: &str,
    error: &serde_json::Error,
) -> ReadError {
    let message = error.to_string();
    let suffix = format!(" at line {} column {}", error.line(), error.column());
    let problem = message.strip_suffix(&suffix).unwrap_or(&message);
    let lines_before = error.line().saturating_sub(1);
    let begin = match lines_before.checked_sub(1) {
        None => 0,
        Some(last) => memchr::memchr_iter(b'\n', text.as_bytes()).nth(last).map_or(0, |end| end + 1),
    };
    let end = text.floor_char_boundary(begin + error.column());
    let character = text[begin..end].chars().count();
    // The error is at `end`: show a long value from a little before it.
    let from = text.floor_char_boundary(end.saturating_sub(SHOWN_CHARACTERS / 2));
    let value = if text.chars().nth(SHOWN_CHARACTERS).is_none() || from == 0 {
        shown(text.trim())
    } else {
        format!("…{}", shown(text[from..].trim())).into()
    };
    let problem = Short(problem);
    let problem = match element {
        None => format!("{problem} (at character {character})"),
        Some(element) => {
            let line = if lines_before == 0 {
                String::new()
            } else {
                format!("line {}, ", place.line + lines_before as u64)
            };
            let byte = place.byte + encoding.length_of(&text[..end]) as u64;
            format!("{element}: {problem} (at {line}character {character}, byte {byte})")
        }
    };
    ReadError::Record {
        resource: Arc::clone(place.resource),
        line: place.line,
        byte: place.byte,
        column: None,
        value,
        problem: problem.into(),
    }
}

/// Formats a message with the middle of a long value cut out.
pub(super) struct Short<'a>(pub(super) &'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        if text.len() <= 2 * SHOWN_CHARACTERS {
            return f.write_str(text);
        }
        let (begin, end) =
            (text.floor_char_boundary(SHOWN_CHARACTERS), text.ceil_char_boundary(text.len() - 60));
        write!(f, "{}…{}", &text[..begin], &text[end..])
    }
}
