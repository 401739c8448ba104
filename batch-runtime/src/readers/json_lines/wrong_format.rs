//! Refuses a file that is one JSON document instead of one value per line.

use std::sync::Arc;

use serde::de::{DeserializeOwned, IgnoredAny};

use crate::readers::framed::Framed;
use crate::readers::json_text::is_value;
use crate::readers::lines::LineFraming;
use crate::readers::{ReadError, fields};

/// The number of bytes examined at the start of the file.
const PROBE_BYTES: usize = 16 * 1024;

/// Examines the first two lines that are not blank.
pub(super) fn check(lines: &mut Framed<LineFraming>) -> Result<(), ReadError> {
    let resource = lines.resource();
    lines.look_ahead(PROBE_BYTES)?;
    let (front, is_whole) = (lines.input.rest(), lines.input.is_ended());
    let mut found =
        front.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    match (found.next(), found.next()) {
        // The second line may be truncated if no third one follows.
        (Some(first), Some(second))
            if begins_a_document(first) && (is_whole || found.next().is_some()) && !is_value(second) =>
        {
            Err(refused(resource, "it is one JSON value over several lines"))
        }
        _ => Ok(()),
    }
}

/// True if the first line is not an item but an array of objects that should be one line each.
#[cold]
pub(super) fn is_array_of_all<T: DeserializeOwned>(line: &str) -> bool {
    let inside = line.trim_start().strip_prefix('[').map(str::trim_start);
    inside.is_some_and(|inside| inside.starts_with('{'))
        && is_value(line.as_bytes())
        && fields::is_struct::<T>()
}

pub(super) fn refused(resource: Arc<str>, problem: &str) -> ReadError {
    let problem =
        format!("{problem}, but one value per line was expected; `JsonArrayReader` reads a JSON array");
    ReadError::Options { resource, problem: problem.into() }
}

/// True if the line begins a value that programs write over several lines.
fn begins_a_document(line: &[u8]) -> bool {
    let is_open = serde_json::from_slice::<IgnoredAny>(line).is_err_and(|error| error.is_eof());
    is_open && (matches!(line, b"{" | b"[" | b"[{") || line.starts_with(b"[") && line.ends_with(b","))
}
