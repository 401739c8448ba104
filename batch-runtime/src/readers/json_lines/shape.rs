//! Refuses a file that is one JSON document, where a value a line was expected.

use serde::de::{DeserializeOwned, IgnoredAny};

use super::lines::Lines;
use crate::readers::{ReadError, fields};

/// How much of the file is looked at.
const LOOKED_AT: usize = 16 * 1024;

/// Looks at the first two lines that are not blank.
pub(super) fn check<T: DeserializeOwned>(lines: &mut Lines) -> Result<(), ReadError> {
    let resource = lines.resource();
    let (front, is_whole) = lines.peek(LOOKED_AT)?;
    let mut found =
        front.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let problem = match (found.next(), found.next()) {
        // The second may be cut where no third follows.
        (Some(first), Some(second))
            if begins_a_document(first) && (is_whole || found.next().is_some()) && !is_value(second) =>
        {
            "it is one JSON value over several lines"
        }
        (Some(first @ [b'[', rest @ ..]), None)
            if rest.trim_ascii_start().starts_with(b"{")
                && (!is_whole || is_value(first))
                && fields::is_struct::<T>() =>
        {
            "it is one JSON array of all items"
        }
        _ => return Ok(()),
    };
    let problem =
        format!("{problem}, where a value a line is expected; `jq -c '.[]'` makes lines of an array");
    Err(ReadError::Options { resource, problem: problem.into() })
}

fn is_value(line: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

/// Is the line the begin of a value as programs write one over several lines?
fn begins_a_document(line: &[u8]) -> bool {
    let is_open = serde_json::from_slice::<IgnoredAny>(line).is_err_and(|error| error.is_eof());
    is_open && (matches!(line, b"{" | b"[" | b"[{") || line.starts_with(b"[") && line.ends_with(b","))
}
