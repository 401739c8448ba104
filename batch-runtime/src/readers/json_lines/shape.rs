//! Refuses a file that is one JSON document, where a value a line was expected.

use std::sync::Arc;

use serde::de::{DeserializeOwned, IgnoredAny};

use super::lines::Lines;
use crate::readers::{ReadError, fields};

/// How much of the file is looked at.
const LOOKED_AT: usize = 16 * 1024;

/// Looks at the first two lines that are not blank.
pub(super) fn check(lines: &mut Lines) -> Result<(), ReadError> {
    let resource = lines.resource();
    let (front, is_whole) = lines.peek(LOOKED_AT)?;
    let mut found =
        front.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    match (found.next(), found.next()) {
        // The second may be cut where no third follows.
        (Some(first), Some(second))
            if begins_a_document(first) && (is_whole || found.next().is_some()) && !is_value(second) =>
        {
            Err(refused(resource, "it is one JSON value over several lines"))
        }
        _ => Ok(()),
    }
}

/// Is the first line, which is no item, an array of objects where each line is to be one?
#[cold]
pub(super) fn is_array_of_all<T: DeserializeOwned>(line: &str) -> bool {
    let inside = line.trim_start().strip_prefix('[').map(str::trim_start);
    inside.is_some_and(|inside| inside.starts_with('{'))
        && is_value(line.as_bytes())
        && fields::is_struct::<T>()
}

pub(super) fn refused(resource: Arc<str>, problem: &str) -> ReadError {
    let problem =
        format!("{problem}, where a value a line is expected; `jq -c '.[]'` makes lines of an array");
    ReadError::Options { resource, problem: problem.into() }
}

fn is_value(line: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

/// Is the line the begin of a value as programs write one over several lines?
fn begins_a_document(line: &[u8]) -> bool {
    let is_open = serde_json::from_slice::<IgnoredAny>(line).is_err_and(|error| error.is_eof());
    is_open && (matches!(line, b"{" | b"[" | b"[{") || line.starts_with(b"[") && line.ends_with(b","))
}
