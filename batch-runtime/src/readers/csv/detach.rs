//! Receives: records in the buffer of a reader. Gives: the next of them in a buffer of their own, with their lines and offsets in the
//! input, so that another thread can take them apart.

use serde::de::DeserializeOwned;

use super::CsvReader;
use super::index;
use super::records::Records;
use super::split::Bounds;
use crate::readers::ReadError;
use crate::readers::source::MOST_TAKEN_OUT;

impl Records {
    /// Nothing of the same input.
    fn nothing(&self) -> Self {
        let mut nothing = Self::with_buffer(self.source.nothing(), self.syntax, Vec::new());
        nothing.ended = true;
        nothing
    }

    /// Begins anew at that place in the input.
    fn begin_at(&mut self, line: u64, byte: u64) {
        self.buffer.clear();
        self.index.clear();
        (self.base, self.line) = (byte, line);
        (self.at, self.next, self.filled) = (0, 0, 0);
        self.next_return = usize::MAX;
    }

    /// Copies the next records to `into`, up to that many, and gives how many they are. They stand behind each other: what lies
    /// between them, such as a blank line, ends them.
    fn copy_next(&mut self, most: usize, end: u64, into: &mut Self) -> Result<usize, ReadError> {
        let mut count = 0;
        let mut behind = (self.line, self.byte());
        into.begin_at(self.line, self.byte());
        while count < most && self.byte() < end && into.filled < MOST_TAKEN_OUT {
            let Some(found) = self.advance()? else { break };
            if count == 0 {
                into.begin_at(found.line, found.byte);
            } else if behind != (found.line, found.byte) {
                self.put_back(found);
                break;
            }
            let (from, to) = (index::place(found.start), index::place(into.buffer.len()));
            into.index.extend(self.index[found.first..self.next].iter().map(|mark| mark - from + to));
            into.buffer.extend_from_slice(&self.buffer[found.start..self.at]);
            into.filled = into.buffer.len();
            behind = (self.line, self.byte());
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
        // The first record says how many columns all have; comments may be of any length and are no records.
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
