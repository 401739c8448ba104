//! Receives: a reader that reads ahead. Gives: the chunks it has read, each with where the reader stood behind it.

use crate::definition::Reader;
use crate::engine::chunk::committed_ranges::CommittedRanges;

/// A chunk as it is read.
pub(super) struct Ahead<Position> {
    /// The number of its first record, and that behind its last.
    pub(super) first: u32,
    pub(super) end: u32,
    pub(super) read: u64,
    /// Where the reader stood behind it, once it is known where it ends.
    pub(super) closed: Option<Behind<Position>>,
    pub(super) ended: bool,
}

/// Where a reader stood, and what is done ahead of it.
pub(super) struct Behind<Position> {
    pub(super) position: Position,
    pub(super) committed_ranges: CommittedRanges,
}

impl<Position> Behind<Position> {
    pub(super) fn of(reader: &impl Reader<Position = Position>, committed_ranges: &CommittedRanges) -> Self {
        Self { position: reader.position(), committed_ranges: committed_ranges.clone() }
    }
}

impl<Position> Ahead<Position> {
    pub(super) fn at(record: u32) -> Self {
        Self { first: record, end: record, read: 0, closed: None, ended: false }
    }

    /// The record before `end` is the last of it; the chunk ends where something is done ahead.
    pub(super) fn take(
        &mut self,
        end: u32,
        reader: &impl Reader<Position = Position>,
        committed_ranges: &mut CommittedRanges,
    ) {
        self.end = end;
        if !committed_ranges.is_empty() {
            committed_ranges.count(1);
            self.closed = (committed_ranges.room() == 0).then(|| Behind::of(reader, committed_ranges));
        }
    }
}
