//! Finds the ends of records that span several lines.

use std::fmt;
use std::sync::Arc;

use super::framing::is_blank;
use crate::readers::ReadError;
use crate::readers::framed::{Encoding, Frame, Input, Next, Passed};

/// Says whether a line begins or ends a record.
pub(super) type IsLine = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Finds groups of lines.
#[derive(Clone)]
pub(super) struct Groups {
    /// True for the first line of a record.
    begins: Option<IsLine>,
    /// True for the last line of a record.
    ends: Option<IsLine>,
    encoding: Encoding,
    /// The complete lines of the next record that were examined: the number of their bytes, and of the lines.
    length: usize,
    lines: u64,
    /// True if the first of these lines does not begin a record.
    is_stray: bool,
    /// While a record is being dropped: true after its first line.
    is_passing: bool,
    /// While a record is being dropped: true within a line whose start was dropped.
    is_in_a_line: bool,
}

impl Groups {
    pub(super) fn new(begins: Option<IsLine>, ends: Option<IsLine>, encoding: Encoding) -> Self {
        Self {
            begins,
            ends,
            encoding,
            length: 0,
            lines: 0,
            is_stray: false,
            is_passing: false,
            is_in_a_line: false,
        }
    }

    pub(super) fn clear(&mut self) {
        (self.length, self.lines, self.is_stray) = (0, 0, false);
        (self.is_passing, self.is_in_a_line) = (false, false);
    }

    fn says(&self, rule: Option<&IsLine>, line: &[u8]) -> bool {
        rule.is_some_and(|rule| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.encoding
                .decode(line)
                .map_or_else(|_| rule(&String::from_utf8_lossy(line)), |text| rule(&text))
        })
    }

    fn begins(&self, line: &[u8]) -> bool {
        self.says(self.begins.as_ref(), line)
    }

    fn ends(&self, line: &[u8]) -> bool {
        self.says(self.ends.as_ref(), line)
    }

    /// Returns the next record, which ends before the trailer.
    pub(super) fn next(&mut self, input: &Input, trailer: Option<u64>) -> Frame<()> {
        let rest = input.rest();
        loop {
            let from = self.length;
            if from > 0 && trailer.is_some_and(|trailer| input.byte() + from as u64 >= trailer) {
                return self.finish(input, self.ends.is_some());
            }
            let Some(length) = memchr::memchr(b'\n', &rest[from..]) else {
                return if input.is_ended() && from > 0 {
                    self.finish(input, self.ends.is_some())
                } else {
                    Frame::More
                };
            };
            let line = &rest[from..from + length];
            if from == 0 {
                if is_blank(line) {
                    return Frame::Nothing { to: input.at() + length + 1, lines: 1 };
                }
                self.is_stray = self.begins.is_some() && !self.begins(line);
            } else if self.begins(line) {
                return self.finish(input, self.ends.is_some());
            }
            (self.length, self.lines) = (from + length + 1, self.lines + 1);
            if self.ends(line) {
                return self.finish(input, false);
            }
        }
    }

    /// Returns the record of the lines that were examined. `is_open` is true if its last line is missing.
    fn finish(&mut self, input: &Input, is_open: bool) -> Frame<()> {
        let (length, lines, is_stray) = (self.length, self.lines, self.is_stray);
        self.clear();
        let to = input.at() + length;
        let malformed = |problem: &str| {
            let (resource, line, byte) = (input.resource(), input.line(), input.byte());
            let error = ReadError::Malformed { resource, line, byte, problem: problem.into() };
            Frame::bad(error, Next::At { to, lines })
        };
        if length > input.longest {
            return Frame::bad(input.too_long("record end"), Next::At { to, lines });
        }
        if is_stray {
            return malformed("no record begins on this line");
        }
        if is_open {
            return malformed("the record that begins on this line has no last line");
        }
        let record = &input.rest()[..length - 1];
        let end = to - 1 - usize::from(record.ends_with(b"\r"));
        Frame::Record { record: (), end, to, lines }
    }

    /// Drops whole lines up to the next record.
    pub(super) fn pass(&mut self, input: &Input) -> Passed {
        let rest = input.rest();
        let (mut bytes, mut lines) = (0, 0);
        loop {
            let Some(length) = memchr::memchr(b'\n', &rest[bytes..]) else {
                if rest.len() - bytes > input.longest {
                    // This line is longer than a record can be, so it does not begin one.
                    (bytes, self.is_in_a_line) = (rest.len(), true);
                }
                return Passed { bytes, lines, done: input.is_ended() };
            };
            let line = &rest[bytes..bytes + length];
            let is_whole = !std::mem::replace(&mut self.is_in_a_line, false);
            if self.is_passing && is_whole && self.begins(line) {
                return Passed { bytes, lines, done: true };
            }
            self.is_passing = true;
            (bytes, lines) = (bytes + length + 1, lines + 1);
            if is_whole && self.ends(line) {
                return Passed { bytes, lines, done: true };
            }
        }
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups").finish_non_exhaustive()
    }
}
