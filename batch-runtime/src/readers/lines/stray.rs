//! Refuses carriage returns and byte order marks that lines cannot hold.

use std::sync::Arc;

use crate::readers::ReadError;
use crate::readers::framed::{BYTE_ORDER_MARK, Framed, Framing, RecordPlace};

/// Refuses the record that was found last if it has a carriage return that does not end a line, or a byte order mark at
/// the start of a line. Without this check, the carriage return or the mark would become a part of a value.
#[inline]
pub(crate) fn refuse_stray<F: Framing>(framed: &mut Framed<F>, puts_back: bool) -> Result<(), ReadError> {
    let (bytes, _) = framed.record();
    let may_be_marked =
        framed.encoding.is_read_as_utf8() && memchr::memchr(BYTE_ORDER_MARK[0], bytes).is_some();
    if may_be_marked || memchr::memchr(b'\r', bytes).is_some() {
        return refuse(framed, puts_back);
    }
    Ok(())
}

#[cold]
fn refuse<F: Framing>(framed: &mut Framed<F>, puts_back: bool) -> Result<(), ReadError> {
    let (bytes, RecordPlace { resource, line, byte }) = framed.record();
    let resource = Arc::clone(resource);
    if line == 1 && framed.input.is_ended() && !framed.input.real().contains(&b'\n') && bytes.contains(&b'\r')
    {
        if puts_back {
            framed.put_back();
        }
        let problem = "its lines end with CR alone; convert the input to LF or CRLF".into();
        return Err(ReadError::Options { resource, problem });
    }
    let has_mark = framed.encoding.is_read_as_utf8();
    for (text, number) in bytes.split(|byte| *byte == b'\n').zip(line..) {
        let is_last = text.as_ptr_range().end == bytes.as_ptr_range().end;
        // Within a group, the ending is a part of the record.
        let text = if is_last { text } else { text.strip_suffix(b"\r").unwrap_or(text) };
        // The error names the line of the record.
        let on = if number > line { format!("on line {number}, ") } else { String::new() };
        let problem = if has_mark && text.starts_with(BYTE_ORDER_MARK) {
            format!("{on}a byte order mark within the input; were several files joined?")
        } else if let Some(at) = memchr::memchr(b'\r', text) {
            let character = String::from_utf8_lossy(&text[..at]).chars().count() + 1;
            format!(
                "{on}a carriage return that does not end a line, at character {character}; lines end with LF or CRLF"
            )
        } else {
            continue;
        };
        return Err(ReadError::Malformed { resource, line, byte, problem: problem.into() });
    }
    Ok(())
}
