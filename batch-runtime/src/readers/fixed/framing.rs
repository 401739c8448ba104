//! Finds records that are lines, or that have a fixed number of bytes.

use crate::readers::ReadError;
use crate::readers::framed::{Frame, Framing, Input, Next, Passed, Trails};
use crate::readers::lines::{Blanks, LineFraming, LineState};

/// Finds lines, or records of a fixed number of bytes.
#[derive(Debug, Clone)]
pub(super) struct FixedFraming {
    lines: LineFraming,
    /// The length of each record in bytes, if the records are not lines.
    bytes: Option<usize>,
}

impl FixedFraming {
    /// Lines are records if they have any character; in a flexible file, also those without.
    pub(super) fn new(bytes: Option<usize>, flexible: bool) -> Self {
        let blanks = if flexible { Blanks::Read } else { Blanks::SkippedIfEmpty };
        Self { lines: LineFraming::new(blanks), bytes }
    }

    fn next_bytes(input: &Input, length: usize) -> Frame<()> {
        let rest = input.rest().len();
        if rest >= length {
            let end = input.at() + length;
            return Frame::Record { record: (), end, to: end, lines: 1 };
        }
        if rest == 0 || !input.is_ended() {
            return Frame::More;
        }
        let (resource, line, byte) = (input.resource(), input.line(), input.byte());
        let problem = format!("the input ends after {rest} of the {length} bytes of this record").into();
        let error = ReadError::Malformed { resource, line, byte, problem };
        Frame::bad(error, Next::At { to: input.at() + rest, lines: 1 })
    }
}

impl Framing for FixedFraming {
    type State = LineState;
    type Record = ();

    const DETACHES_GAPS: bool = true;

    fn has_lines(&self) -> bool {
        self.bytes.is_none()
    }

    fn takes_utf16(&self) -> bool {
        self.has_lines()
    }

    fn missing(&self, open: &[u8]) -> &'static str {
        self.lines.missing(open)
    }

    #[inline]
    fn next(&mut self, input: &Input) -> Frame<()> {
        match self.bytes {
            None => self.lines.next(input),
            Some(length) => Self::next_bytes(input, length),
        }
    }

    fn moved(&mut self, input: &Input) {
        self.lines.moved(input);
    }

    fn pass(&mut self, input: &Input) -> Passed {
        let Some(length) = self.bytes else { return self.lines.pass(input) };
        let rest = input.rest().len();
        let done = rest >= length || input.is_ended();
        Passed { bytes: if done { rest.min(length) } else { 0 }, lines: u64::from(done), done }
    }

    fn state(&self) -> LineState {
        self.lines.state()
    }

    fn resume(&mut self, state: LineState) -> Result<(), &'static str> {
        self.lines.resume(state)
    }

    fn clear(&mut self) {
        self.lines.clear();
    }
}

impl Trails for FixedFraming {
    fn trailer(&self) -> Option<u64> {
        self.lines.trailer()
    }

    fn set_trailer(&mut self, byte: u64) {
        self.lines.set_trailer(byte);
    }
}
