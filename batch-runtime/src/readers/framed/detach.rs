//! Copies the next records into a buffer of their own, with their lines and offsets in the input, so that
//! another thread can parse them.

use super::split::Bounds;
use super::{Found, Framed, Framing};
use crate::readers::ReadError;
use crate::readers::source::DETACHED_BATCH_BYTES;

impl<F: Framing> Framed<F> {
    /// Returns an empty reader of the same input.
    pub(crate) fn nothing(&self) -> Self {
        let mut framing = self.framing.clone();
        framing.clear();
        let (input, encoding) = (self.input.nothing(), self.encoding);
        Self { input, encoding, framing, bounds: Bounds::NONE, found: Found::default() }
    }

    /// Copies up to `most` of the next records to `into` and returns their number. It stops at a gap between two
    /// records, unless the gap can be copied too.
    pub(crate) fn detach(&mut self, most: usize, into: &mut Self) -> Result<usize, ReadError> {
        let mut count = 0;
        let mut next = self.input.byte();
        into.input.begin_at(self.input.line, next);
        into.framing.clear();
        while count < most && into.input.filled < DETACHED_BATCH_BYTES {
            let Some(found) = self.advance()? else { break };
            let mut from = found.start;
            if count == 0 {
                into.input.begin_at(found.line, found.byte);
            } else if next != found.byte {
                let gap = usize::try_from(found.byte - next).ok().filter(|_| F::DETACHES_GAPS);
                let Some(start) = gap.and_then(|gap| found.start.checked_sub(gap)) else {
                    self.put_back();
                    break;
                };
                from = start;
            }
            let to = into.input.buffer.len();
            self.framing.detach(found.record, from, to, &mut into.framing);
            into.input.buffer.extend_from_slice(&self.input.buffer[from..self.input.at]);
            into.input.filled = into.input.buffer.len();
            next = self.input.byte();
            count += 1;
        }
        Ok(count)
    }
}
