//! Receives: the ranges of records that an earlier execution has done behind a hole. Gives: how far the reader may go before the
//! next of them, and the reader taken over it.

use std::collections::VecDeque;
use std::ops::Range;

use crate::definition::{Failure, Reader};

/// What is done ahead of a reader, while its records are counted from the place it went on from.
///
/// No chunk runs into a range: it ends before, and the reader [passes](Self::pass) the range before the next begins. So the
/// records of a chunk follow one another, whatever is done between chunks.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommittedRanges {
    /// The number of the record that is read next.
    record: u64,
    /// Ahead of it, in the order of the input.
    done: VecDeque<Range<u64>>,
}

/// Why a range could not be passed.
#[derive(Debug)]
pub(crate) enum Unpassed<E> {
    /// The reader failed, and does not step over what it failed on.
    Read(E),
    /// The input is too short.
    Ended(Failure),
}

impl CommittedRanges {
    /// The reader stands so many records behind the place that the ranges are counted from.
    pub(crate) fn ahead_of(record: u64, done: Vec<Range<u64>>) -> Self {
        let done = done.into_iter().map(|range| range.start - record..range.end - record);
        Self { record: 0, done: done.collect() }
    }

    /// Is nothing done ahead?
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    /// The number of the record that is read next, counted from where the reader went on.
    pub(crate) fn record(&self) -> u64 {
        self.record
    }

    /// How many records may be read before the next range.
    pub(crate) fn room(&self) -> u64 {
        self.done.front().map_or(u64::MAX, |next| next.start.saturating_sub(self.record))
    }

    /// The ranges, counted from where the reader stands.
    pub(crate) fn ahead(&self) -> Vec<Range<u64>> {
        let from = |record: u64| record.saturating_sub(self.record);
        self.done.iter().map(|range| from(range.start)..from(range.end)).collect()
    }

    /// So many records were read, or stepped over.
    pub(crate) fn count(&mut self, records: u64) {
        self.record += records;
    }

    /// Takes the reader over the range it stands at, if it stands at one; after a failure, over what is left of it.
    ///
    /// # Errors
    /// When the reader fails on more than a record, or its input is at the end.
    #[cold]
    pub(crate) fn pass<R: Reader>(&mut self, reader: &mut R) -> Result<(), Unpassed<R::Error>> {
        while self.room() == 0 {
            let end = self.done.front().map_or(self.record, |range| range.end);
            while self.record < end {
                match reader.read() {
                    Ok(Some(_)) => {}
                    Ok(None) => return Err(Unpassed::Ended(self.too_short())),
                    Err(error) if reader.steps_over(&error) => {}
                    Err(error) => return Err(Unpassed::Read(error)),
                }
                self.record += 1;
            }
            self.done.pop_front();
        }
        Ok(())
    }

    /// The input is at its end, and something is done ahead.
    #[cold]
    pub(crate) fn too_short(&self) -> Failure {
        let last = self.done.back().map_or(0, |range| range.end);
        Failure::new(format!(
            "the input ends {} records behind where the step went on, and an earlier execution has done some up to {last}: it is not the input that was read then",
            self.record
        ))
    }
}

/// What a reader that stands where the gaps begin reads in chunks of that size.
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
    fn an_input_that_ends_within_what_is_done_is_another_input() {
        let mut committed_ranges = CommittedRanges::ahead_of(0, vec![1..9]);
        let mut reader = VecReader::new(vec!['a', 'b', 'c']);
        reader.read().unwrap();
        committed_ranges.count(1);
        let Err(Unpassed::Ended(failure)) = committed_ranges.pass(&mut reader) else {
            panic!("it is shorter")
        };
        assert!(failure.to_string().contains("ends 3 records behind"), "{failure}");
    }
}
