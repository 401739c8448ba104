//! Finds the ends of lines, or of groups of lines.

use serde::{Deserialize, Serialize};

use super::groups::Groups;
use crate::readers::framed::{Frame, Framing, Input, Next, Passed, Trails, pass_a_line};

/// Which lines are not records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blanks {
    /// Those without text.
    Skipped,
    /// Those without any character.
    #[cfg(feature = "fixed")]
    SkippedIfEmpty,
    /// None.
    Read,
}

/// Finds lines, or groups of lines, one record each.
#[derive(Debug, Clone)]
pub(crate) struct LineFraming {
    blanks: Blanks,
    /// The number of bytes of the next line that are known to have no line ending.
    searched: usize,
    groups: Option<Box<Groups>>,
    trailer: Option<u64>,
}

/// The part of a line reader's position besides its place: where the trailer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineState {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trailer: Option<u64>,
}

impl LineFraming {
    pub(crate) fn new(blanks: Blanks) -> Self {
        Self { blanks, searched: 0, groups: None, trailer: None }
    }

    /// Finds groups of lines.
    pub(super) fn group(&mut self, groups: Groups) {
        self.groups = Some(Box::new(groups));
    }
}

impl Framing for LineFraming {
    type State = LineState;
    type Record = ();

    const DETACHES_GAPS: bool = true;

    fn has_lines(&self) -> bool {
        true
    }

    fn missing(&self, _open: &[u8]) -> &'static str {
        if self.groups.is_some() { "record end" } else { "line end" }
    }

    #[inline]
    fn next(&mut self, input: &Input) -> Frame<()> {
        if let Some(groups) = &mut self.groups {
            return groups.next(input, self.trailer);
        }
        let line = input.rest();
        let Some(end) = memchr::memchr(b'\n', &line[self.searched..]) else {
            self.searched = line.len();
            return Frame::More;
        };
        let length = self.searched + end;
        self.searched = 0;
        let (to, lines) = (input.at() + length + 1, 1);
        if length > input.longest {
            return Frame::bad(input.too_long("line end"), Next::At { to, lines });
        }
        let length = length - usize::from(line[..length].ends_with(b"\r"));
        let is_skipped = match self.blanks {
            Blanks::Skipped => is_blank(&line[..length]),
            #[cfg(feature = "fixed")]
            Blanks::SkippedIfEmpty => length == 0,
            Blanks::Read => false,
        };
        if is_skipped {
            return Frame::Nothing { to, lines };
        }
        Frame::Record { record: (), end: input.at() + length, to, lines }
    }

    fn moved(&mut self, _input: &Input) {
        self.clear();
    }

    fn pass(&mut self, input: &Input) -> Passed {
        match &mut self.groups {
            Some(groups) => groups.pass(input),
            None => pass_a_line(input),
        }
    }

    fn state(&self) -> LineState {
        LineState { trailer: self.trailer }
    }

    fn resume(&mut self, LineState { trailer }: LineState) -> Result<(), &'static str> {
        self.clear();
        self.trailer = trailer;
        Ok(())
    }

    fn clear(&mut self) {
        self.searched = 0;
        if let Some(groups) = &mut self.groups {
            groups.clear();
        }
    }
}

impl Trails for LineFraming {
    fn trailer(&self) -> Option<u64> {
        self.trailer
    }

    fn set_trailer(&mut self, byte: u64) {
        self.trailer = Some(byte);
    }
}

#[inline]
pub(super) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}
