//! Refuses a file with one JSON value per line.

use super::framing::JsonArrayFraming;
use crate::readers::ReadError;
use crate::readers::framed::Framed;
use crate::readers::json_text::is_value;

/// The number of bytes examined at the start of the file.
const PROBE_BYTES: usize = 16 * 1024;

/// Examines the first two lines that are not blank.
pub(super) fn check(elements: &mut Framed<JsonArrayFraming>) -> Result<(), ReadError> {
    let resource = elements.resource();
    elements.look_ahead(PROBE_BYTES)?;
    let front = elements.input.rest();
    let mut found =
        front.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    match (found.next(), found.next()) {
        (Some(first), Some(second)) if is_value(first) && matches!(second[0], b'{' | b'[') => {
            let problem = "it has one JSON value per line; read it with `JsonLinesReader`".into();
            Err(ReadError::Options { resource, problem })
        }
        _ => Ok(()),
    }
}
