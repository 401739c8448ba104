//! Resumes at a recorded place, unless the input before it has changed.

use serde::{Deserialize, Serialize};

use super::input::BYTE_ORDER_MARK;
use super::place::{Place, TAIL};
use super::{Framed, Framing};
use crate::readers::source;
use crate::readers::{Identity, ReadError};

/// The position of a reader of a text file, and the file it belongs to.
///
/// `S` is what the format remembers besides the place, such as the number of columns of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextPosition<S = ()> {
    /// The byte offset in the (decompressed) file.
    pub(super) byte: u64,
    /// The line at that offset, from 1.
    line: u64,
    /// The number of bytes hashed before `byte`, and their hash: they reveal a line added or removed before
    /// it.
    tail: u64,
    hash: u64,
    input: Identity,
    #[serde(flatten)]
    state: S,
}

impl<F: Framing> Framed<F> {
    /// The position after the last record.
    pub(crate) fn position(&self) -> TextPosition<F::State> {
        let Place { byte, line, tail, hash } = self.input.place();
        let state = self.framing.state();
        TextPosition { byte, line, tail, hash, input: self.input.source.identity(byte), state }
    }

    /// Moves to a position that an earlier execution recorded.
    pub(crate) fn go_to(&mut self, position: TextPosition<F::State>) -> Result<(), ReadError> {
        let TextPosition { byte, line, tail, hash, input: identity, state } = position;
        let (input, lines) = (&mut self.input, self.framing.has_lines());
        input.source.check(identity, byte)?;
        let Some(target) = byte.checked_sub(tail) else {
            return Err(input.source.changed(byte, "the position is damaged"));
        };
        input.release();
        let tail = usize::try_from(tail).unwrap_or(usize::MAX).min(TAIL);
        // The bytes read to examine the beginning cannot be read again from a compressed file.
        let in_buffer = target.checked_sub(input.base).and_then(|offset| usize::try_from(offset).ok());
        if let Some(offset) = in_buffer.filter(|offset| *offset <= input.filled) {
            input.at = offset;
        } else {
            input.source.skip_to(target)?;
            (input.base, input.at, input.filled) = (target, 0, 0);
            (input.ended, input.completed) = (false, false);
        }
        while input.filled < input.at + tail && !input.ended {
            input.fill(lines)?;
        }
        let known = input.real().get(input.at..input.at + tail);
        let known = known.ok_or_else(|| input.source.changed(byte, "it is shorter"))?;
        if source::hash(known) != hash {
            return Err(input.source.changed(byte, "the line before it differs"));
        }
        let is_in_a_line = known.last().is_some_and(|last| *last != b'\n') && known != BYTE_ORDER_MARK;
        (input.at, input.line, input.record_line) = (input.at + tail, line, line.saturating_sub(1).max(1));
        if lines && is_in_a_line {
            self.pass_the_end_of_a_line(byte)?;
        }
        self.framing.look(&self.input);
        self.framing.resume(state).map_err(|problem| self.input.source.changed(byte, problem))
    }

    /// The last record had no line ending. If the input continues now, it must do so with a line ending,
    /// which is already counted: otherwise the record has grown.
    fn pass_the_end_of_a_line(&mut self, byte: u64) -> Result<(), ReadError> {
        let (input, lines) = (&mut self.input, self.framing.has_lines());
        while input.rest().len() < 2 && !input.ended {
            input.fill(lines)?;
        }
        match input.rest() {
            [] => {}
            [b'\n', ..] => input.at += 1,
            [b'\r', b'\n', ..] => input.at += 2,
            _ => return Err(input.source.changed(byte, "its last line has grown")),
        }
        Ok(())
    }
}
