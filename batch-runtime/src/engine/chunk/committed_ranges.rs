//! Keeps the reader out of the ranges of records that an earlier execution committed out of order.

use std::collections::VecDeque;
use std::ops::Range;

use crate::definition::{Failure, Reader};

/// The ranges of records ahead of a reader that are already committed, counted from where it resumed.
///
/// A chunk ends where a range begins, and the reader [passes](Self::pass) the range before the next chunk begins.
/// So the records of a chunk are always consecutive.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommittedRanges {
    /// The number of the next record.
    record: u64,
    /// The ranges ahead of it, in the order of the input.
    ranges: VecDeque<Range<u64>>,
}

/// Why a range could not be passed.
#[derive(Debug)]
pub(crate) enum PassError<E> {
    /// The reader failed, and does not step over the record.
    Read(E),
    /// The input is too short.
    Ended(Failure),
}

impl CommittedRanges {
    /// Takes ranges that are counted from a place, for a reader that is `record` records after that place.
    pub(crate) fn ahead_of(record: u64, ranges: Vec<Range<u64>>) -> Self {
        let ranges = ranges.into_iter().map(|range| range.start - record..range.end - record);
        Self { record: 0, ranges: ranges.collect() }
    }

    /// Returns whether no range is ahead.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns the number of the next record, counted from where the reader resumed.
    pub(crate) fn record(&self) -> u64 {
        self.record
    }

    /// Returns how many records may be read before the next range.
    pub(crate) fn room(&self) -> u64 {
        self.ranges.front().map_or(u64::MAX, |next| next.start.saturating_sub(self.record))
    }

    /// Returns the ranges, counted from the reader's position.
    pub(crate) fn ahead(&self) -> Vec<Range<u64>> {
        let from = |record: u64| record.saturating_sub(self.record);
        self.ranges.iter().map(|range| from(range.start)..from(range.end)).collect()
    }

    /// Counts records that were read or stepped over.
    pub(crate) fn count(&mut self, records: u64) {
        self.record += records;
    }

    /// Moves the reader past the range that begins at its position, if any. After a failure, another call passes
    /// the rest of the range.
    ///
    /// # Errors
    /// If the reader fails and does not step over the record, or if its input ends within the range.
    #[cold]
    pub(crate) fn pass<R: Reader>(&mut self, reader: &mut R) -> Result<(), PassError<R::Error>> {
        while self.room() == 0 {
            let end = self.ranges.front().map_or(self.record, |range| range.end);
            while self.record < end {
                match reader.read() {
                    Ok(Some(_)) => {}
                    Ok(None) => return Err(PassError::Ended(self.too_short())),
                    Err(error) if reader.steps_over(&error) => {}
                    Err(error) => return Err(PassError::Read(error)),
                }
                self.record += 1;
            }
            self.ranges.pop_front();
        }
        Ok(())
    }

    /// Returns the failure for an input that ends although a range is ahead.
    #[cold]
    pub(crate) fn too_short(&self) -> Failure {
        let last = self.ranges.back().map_or(0, |range| range.end);
        Failure::new(format!(
            "the input ends {} records after the place where the step resumed, but an earlier execution committed records up to {last}: the input is not the one that was read then",
            self.record
        ))
    }
}

/// Reads the records outside the ranges, in chunks of `chunk` records.
#[cfg(test)]
pub(crate) fn read_between<R: Reader<Error: std::fmt::Debug>>(
    mut committed_ranges: CommittedRanges,
    mut reader: R,
    chunk: u64,
) -> Vec<R::Item> {
    let mut all = Vec::new();
    loop {
        committed_ranges.pass(&mut reader).unwrap();
        for _ in 0..committed_ranges.room().min(chunk) {
            let Some(item) = reader.read().unwrap() else { return all };
            committed_ranges.count(1);
            all.push(item);
        }
    }
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "one range is meant")]
mod tests {
    use super::*;
    use crate::readers::VecReader;

    #[test]
    fn a_range_is_passed_where_it_begins_and_nowhere_else() {
        let mut reader = VecReader::new((0..20).collect::<Vec<u64>>());
        reader.resume(2).unwrap();
        let read = read_between(CommittedRanges::ahead_of(2, vec![5..7, 9..10]), reader, 2);
        assert_eq!(read, [2, 3, 4, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    }

    #[test]
    fn the_ranges_ahead_are_counted_from_the_reader() {
        let mut committed_ranges = CommittedRanges::ahead_of(2, vec![5..7, 9..10]);
        assert_eq!((committed_ranges.room(), committed_ranges.ahead()), (3, vec![3..5, 7..8]));
        committed_ranges.count(3);
        assert_eq!((committed_ranges.room(), committed_ranges.ahead()), (0, vec![0..2, 4..5]));
    }

    #[test]
    fn an_input_that_ends_within_a_range_is_another_input() {
        let mut committed_ranges = CommittedRanges::ahead_of(0, vec![1..9]);
        let mut reader = VecReader::new(vec!['a', 'b', 'c']);
        reader.read().unwrap();
        committed_ranges.count(1);
        let Err(PassError::Ended(failure)) = committed_ranges.pass(&mut reader) else {
            panic!("the input is too short")
        };
        assert!(failure.to_string().contains("ends 3 records after"), "{failure}");
    }
}
