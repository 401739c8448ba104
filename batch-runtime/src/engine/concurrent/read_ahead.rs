//! The chunks that a feed has read ahead, each with the position of the reader after it, and the reason why the feed
//! can read no further.

use crate::definition::{Failure, FaultRules, Reader};
use crate::engine::chunk::committed_ranges::{CommittedRanges, PassError};
use crate::engine::faults::panic;
use crate::engine::faults::reopen::read_failure;

/// A chunk that is being read, or was read ahead.
pub(super) struct ChunkAhead<Position> {
    /// The numbers of its first record, and of the record after its last.
    pub(super) first: u32,
    pub(super) end: u32,
    pub(super) read: u64,
    /// The position of the reader after it, once its end is known.
    pub(super) closed: Option<ReaderPosition<Position>>,
    pub(super) ended: bool,
}

/// A position of the reader, and the committed ranges ahead of it.
pub(super) struct ReaderPosition<Position> {
    pub(super) position: Position,
    pub(super) committed_ranges: CommittedRanges,
}

impl<Position> ReaderPosition<Position> {
    pub(super) fn of(reader: &impl Reader<Position = Position>, committed_ranges: &CommittedRanges) -> Self {
        Self { position: reader.position(), committed_ranges: committed_ranges.clone() }
    }
}

impl<Position> ChunkAhead<Position> {
    pub(super) fn at(record: u32) -> Self {
        Self { first: record, end: record, read: 0, closed: None, ended: false }
    }

    /// Extends the chunk up to the record before `end`, and closes it if a committed range begins there.
    pub(super) fn extend_to(
        &mut self,
        end: u32,
        reader: &impl Reader<Position = Position>,
        committed_ranges: &mut CommittedRanges,
    ) {
        self.end = end;
        if !committed_ranges.is_empty() {
            committed_ranges.count(1);
            self.closed =
                (committed_ranges.room() == 0).then(|| ReaderPosition::of(reader, committed_ranges));
        }
    }
}

/// Why reading cannot go on.
pub(super) enum Blocked {
    /// A read failed, and the record cannot be skipped.
    Read {
        failure: Failure,
        reopens: bool,
    },
    Panicked(Failure),
    Listener(Failure),
}

/// Moves the reader past the committed range at its position.
#[cold]
pub(super) fn pass<R: Reader, const CAREFUL: bool>(
    reader: &mut R,
    committed_ranges: &mut CommittedRanges,
    faults: &FaultRules,
) -> Result<(), Blocked> {
    match panic::catch(|| committed_ranges.pass(reader)).map_err(Blocked::Panicked)? {
        Ok(()) => Ok(()),
        Err(PassError::Ended(failure)) => Err(Blocked::Read { failure, reopens: false }),
        Err(PassError::Read(error)) => {
            let (failure, _) = read_failure(error, reader, faults);
            Err(Blocked::Read { failure, reopens: CAREFUL })
        }
    }
}
