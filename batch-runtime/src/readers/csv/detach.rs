//! Copies the next records into a buffer of their own, with their lines and offsets in the input, so that
//! another thread can parse them.

use serde::de::DeserializeOwned;

use super::CsvReader;
use super::index;
use super::records::Records;
use super::split::Bounds;
use crate::readers::ReadError;
use crate::readers::source::MOST_TAKEN_OUT;

impl Records {
    /// Returns an empty reader of the same input.
    fn nothing(&self) -> Self {
        let mut nothing = Self::with_buffer(self.source.nothing(), self.syntax, Vec::new());
        nothing.ended = true;
        nothing
    }

    /// Empties the buffer and starts at the given place in the input.
    fn begin_at(&mut self, line: u64, byte: u64) {
        self.buffer.clear();
        self.index.clear();
        (self.base, self.line) = (byte, line);
        (self.at, self.next, self.filled) = (0, 0, 0);
        self.next_return = usize::MAX;
    }

    /// Copies up to `most` of the next records to `into` and returns their number. The copied records follow
    /// each other directly: anything between them, such as a blank line, ends the copy.
    fn copy_next(&mut self, most: usize, end: u64, into: &mut Self) -> Result<usize, ReadError> {
        let mut count = 0;
        let mut next = (self.line, self.byte());
        into.begin_at(self.line, self.byte());
        while count < most && self.byte() < end && into.filled < MOST_TAKEN_OUT {
            let Some(found) = self.advance()? else { break };
            if count == 0 {
                into.begin_at(found.line, found.byte);
            } else if next != (found.line, found.byte) {
                self.put_back(found);
                break;
            }
            let (from, to) = (index::place(found.start), index::place(into.buffer.len()));
            into.index.extend(self.index[found.first..self.next].iter().map(|mark| mark - from + to));
            into.buffer.extend_from_slice(&self.buffer[found.start..self.at]);
            into.filled = into.buffer.len();
            next = (self.line, self.byte());
            count += 1;
        }
        Ok(count)
    }
}

impl<T: DeserializeOwned> CsvReader<T> {
    pub(super) fn detach_records(
        &mut self,
        most: usize,
        into: &mut Option<Self>,
    ) -> Result<usize, ReadError> {
        if !self.is_checked {
            self.check_header()?;
        }
        // The first record determines the number of columns for all. Comments may have any length, and are
        // not records.
        if (self.columns.is_none() && !self.flexible) || self.records.syntax.comment.is_some() {
            return Ok(0);
        }
        let taken = into.get_or_insert_with(|| Self {
            records: self.records.nothing(),
            decoder: self.decoder.clone(),
            flexible: self.flexible,
            columns: self.columns,
            bounds: Bounds::NONE,
            is_checked: true,
            item: self.item,
        });
        self.records.copy_next(most, self.bounds.end, &mut taken.records)
    }
}
