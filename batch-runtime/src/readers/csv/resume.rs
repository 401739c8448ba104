//! Resumes at a recorded place, unless the input before it has changed.

use super::place::{Place, TAIL};
use super::records::{BYTE_ORDER_MARK, Records};
use crate::readers::source;
use crate::readers::{Identity, ReadError};

impl Records {
    /// Moves to a place that an earlier execution recorded.
    pub(super) fn go_to(&mut self, place: Place, identity: Identity) -> Result<(), ReadError> {
        self.source.check(identity, place.byte)?;
        let Some(target) = place.byte.checked_sub(place.tail) else {
            return Err(self.source.changed(place.byte, "the position is damaged"));
        };
        self.held = None;
        let tail = usize::try_from(place.tail).unwrap_or(usize::MAX).min(TAIL);
        let in_buffer = target.checked_sub(self.base).and_then(|offset| usize::try_from(offset).ok());
        if let Some(offset) = in_buffer.filter(|offset| *offset <= self.filled) {
            self.at = offset;
        } else {
            self.source.skip_to(target)?;
            (self.base, self.at, self.filled) = (target, 0, 0);
            (self.ended, self.completed) = (false, false);
        }
        while self.filled < self.at + tail && !self.ended {
            self.fill()?;
        }
        // The line ending that was added to the buffer is not in the input.
        let real = self.filled - usize::from(self.completed);
        let known = self.buffer[..real].get(self.at..self.at + tail);
        let known = known.ok_or_else(|| self.source.changed(place.byte, "it is shorter"))?;
        if source::hash(known) != place.hash {
            return Err(self.source.changed(place.byte, "the line before it differs"));
        }
        let ends_inside_a_line = known.last().is_some_and(|byte| *byte != b'\n') && known != BYTE_ORDER_MARK;
        self.at += tail;
        self.line = place.line;
        self.find_marks();
        if ends_inside_a_line {
            self.refuse_a_grown_line(place.byte)?;
        }
        Ok(())
    }

    /// The last record had no line ending. If the input continues now, it must do so with a line ending:
    /// otherwise the record has grown.
    fn refuse_a_grown_line(&mut self, byte: u64) -> Result<(), ReadError> {
        while self.filled - self.at < 2 && !self.ended {
            self.fill()?;
        }
        let rest = &self.buffer[self.at..self.filled];
        if rest.is_empty() || rest.starts_with(b"\n") || rest.starts_with(b"\r\n") {
            // Its end is already counted.
            if !rest.is_empty() {
                self.line -= 1;
            }
            return Ok(());
        }
        Err(self.source.changed(byte, "its last line has grown"))
    }
}
