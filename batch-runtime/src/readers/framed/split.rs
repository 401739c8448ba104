//! Splits an input into parts, cut only between records.

use serde::{Deserialize, Serialize};

use super::{Framed, Framing, TextPosition};
use crate::definition::{Progress, evenly};
use crate::readers::ReadError;

/// A part of a text file: the records from one place up to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextPart<S = ()> {
    begin: TextPosition<S>,
    /// The offset after its last record; `None` in the last part.
    end: Option<u64>,
}

impl<S> TextPart<S> {
    pub(crate) fn begin(&self) -> &TextPosition<S> {
        &self.begin
    }
}

/// The range of bytes that a reader is limited to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    begin: u64,
    pub(super) end: u64,
    /// True if a range was set.
    narrowed: bool,
}

impl Bounds {
    pub(super) const NONE: Self = Self { begin: 0, end: u64::MAX, narrowed: false };
}

impl<F: Framing> Framed<F> {
    /// Splits by byte ranges, cut between records. This finds every record from `begin` on, because only that
    /// reveals what is quoted, and so that every part knows its line numbers. A compressed file is a single part:
    /// reaching any place in it means decompressing everything before.
    pub(crate) fn split(
        &mut self,
        begin: TextPosition<F::State>,
        parts: usize,
    ) -> Result<Vec<TextPart<F::State>>, ReadError> {
        let from = begin.byte;
        let mut begins = vec![begin];
        if self.input.source.is_plain() && parts > 1 {
            let length = self.input.source.progress().total;
            for target in evenly(length.saturating_sub(from), parts).skip(1) {
                let mut more = true;
                while more && self.input.byte() < from + target {
                    more = match self.advance() {
                        Ok(found) => found.is_some(),
                        Err(error) if error.is_about_a_record() => true,
                        Err(error) => return Err(error),
                    };
                }
                if !more || self.input.byte() >= length {
                    break;
                }
                if begins.last().is_none_or(|last| last.byte < self.input.byte()) {
                    begins.push(self.position());
                }
            }
        }
        let ends: Vec<_> = begins.iter().skip(1).map(|next| Some(next.byte)).chain([None]).collect();
        Ok(begins.into_iter().zip(ends).map(|(begin, end)| TextPart { begin, end }).collect())
    }

    /// Limits reading to a part.
    pub(crate) fn narrow(&mut self, part: TextPart<F::State>) -> Result<(), ReadError> {
        let TextPart { begin, end } = part;
        let first = begin.byte;
        self.go_to(begin)?;
        self.bounds = Bounds { begin: first, end: end.unwrap_or(u64::MAX), narrowed: true };
        Ok(())
    }

    /// Ends the reading before the trailer, once it is known.
    pub(super) fn end_before(&mut self, trailer: Option<u64>) {
        let Bounds { end, narrowed, .. } = &mut self.bounds;
        let trailer = trailer.unwrap_or(u64::MAX);
        *end = if *narrowed { trailer.min(*end) } else { trailer };
    }

    /// The number of bytes read, of the file or of the part.
    pub(crate) fn progress(&self) -> Progress {
        let whole = self.input.source.progress();
        let Bounds { begin, end, narrowed } = self.bounds;
        if !narrowed {
            return whole;
        }
        let end = end.min(whole.total).max(begin);
        Progress { done: self.input.byte().clamp(begin, end) - begin, total: end - begin }
    }
}
