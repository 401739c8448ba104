//! Tracks chunks that are committed in any order: a reader position before which everything is done, and the
//! ranges done after it.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::definition::Failure;
use crate::engine::chunk::checkpoint;
use crate::engine::chunk::committed_ranges::CommittedRanges;

/// The records of an input that are done, counted from where the step resumed ([`CommittedRanges::record`]).
///
/// Adjacent ranges are merged, so there are never more ranges than chunks in flight and inherited ranges together.
#[derive(Debug, Clone)]
pub(crate) struct Watermark {
    /// Everything before this position is done.
    mark: KnownPosition,
    /// The ranges done after the mark, by their first record.
    done: BTreeMap<u64, DoneRange>,
}

/// An encoded position of the reader, and the number of the record after it.
#[derive(Debug, Clone)]
struct KnownPosition {
    record: u64,
    position: String,
}

#[derive(Debug, Clone)]
struct DoneRange {
    end: u64,
    /// The last known position in the range.
    known: Option<KnownPosition>,
}

impl Watermark {
    /// Begins with everything before `position` done, and with the committed ranges after it.
    pub(crate) fn new(position: String, committed_ranges: &CommittedRanges) -> Self {
        let record = committed_ranges.record();
        let inherited = committed_ranges.ahead().into_iter().map(|range| {
            let end = record + range.end;
            (record + range.start, DoneRange { end, known: None })
        });
        Self { mark: KnownPosition { record, position }, done: inherited.collect() }
    }

    /// Marks records as committed. `after` is the encoded position of the reader after them, or `None` for a
    /// part of a chunk, because the position after a part is unknown.
    pub(crate) fn commit(&mut self, records: Range<u64>, after: Option<&str>) {
        let (mut start, mut end) = (records.start.max(self.mark.record), records.end);
        if end < start {
            return;
        }
        let mut known = after.map(|position| KnownPosition { record: end, position: position.to_owned() });
        while let Some((&other_start, _)) =
            self.done.range(..=end).next_back().filter(|(_, other)| other.end >= start)
        {
            let other = self.done.remove(&other_start).expect("was just found");
            known = match (known, other.known) {
                // Of two positions before the same record, the later one is from a chunk without records, and is
                // further on in the input.
                (Some(mine), Some(its)) if (its.record, other_start) > (mine.record, start) => Some(its),
                (mine, its) => mine.or(its),
            };
            (start, end) = (start.min(other_start), end.max(other.end));
        }
        if start == self.mark.record
            && let Some(known) = known.take()
        {
            start = known.record;
            self.mark = known;
            if start == end {
                return;
            }
        }
        self.done.insert(start, DoneRange { end, known });
    }

    /// Returns the encoded position to store now.
    pub(crate) fn text(&self) -> Result<String, Failure> {
        let from = |record: u64| record - self.mark.record;
        let done = self.done.iter().filter(|(start, range)| range.end > **start);
        let done: Vec<_> = done.map(|(start, range)| from(*start)..from(range.end)).collect();
        checkpoint::add_ranges(&self.mark.position, &done)
    }

    /// Returns the encoded position to store in the transaction that [commits](Self::commit) these records.
    pub(crate) fn text_with(&self, records: Range<u64>, after: Option<&str>) -> Result<String, Failure> {
        let mut then = self.clone();
        then.commit(records, after);
        then.text()
    }

    /// Returns the number of the record after the mark: [`Reader::committed`] may be called with positions up
    /// to it.
    ///
    /// [`Reader::committed`]: crate::definition::Reader::committed
    #[cfg(test)]
    pub(crate) fn record(&self) -> u64 {
        self.mark.record
    }
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "one range is meant")]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::definition::Reader;
    use crate::engine::chunk::checkpoint::{Place, decode_place, encode};
    use crate::engine::chunk::committed_ranges::read_between;
    use crate::readers::VecReader;

    fn at(record: u64) -> String {
        encode(&record).unwrap()
    }

    fn begun() -> Watermark {
        Watermark::new(at(0), &CommittedRanges::default())
    }

    fn place(ahead: u64, done: Vec<Range<u64>>, at: u64) -> Place<u64> {
        Place { at, ahead, done }
    }

    fn stored(watermark: &Watermark) -> Place<u64> {
        decode_place(&watermark.text().unwrap()).unwrap()
    }

    #[test]
    fn chunks_in_the_order_of_the_input_leave_a_position_and_no_ranges() {
        let mut watermark = begun();
        watermark.commit(0..5, Some(&at(5)));
        watermark.commit(5..9, Some(&at(9)));
        assert_eq!(watermark.text().unwrap(), at(9));
        assert_eq!(watermark.record(), 9);
    }

    #[test]
    fn records_done_after_a_gap_are_a_range_until_the_gap_is_done() {
        let mut watermark = begun();
        watermark.commit(5..9, Some(&at(9)));
        watermark.commit(9..12, Some(&at(12)));
        assert_eq!((stored(&watermark), watermark.record()), (place(0, vec![5..12], 0), 0));
        watermark.commit(0..5, Some(&at(5)));
        assert_eq!((stored(&watermark), watermark.record()), (place(0, vec![], 12), 12));
    }

    #[test]
    fn the_stored_text_is_known_before_the_commit() {
        let mut watermark = begun();
        watermark.commit(5..9, Some(&at(9)));
        let with = watermark.text_with(0..5, Some(&at(5))).unwrap();
        assert_eq!(stored(&watermark), place(0, vec![5..9], 0));
        watermark.commit(0..5, Some(&at(5)));
        assert_eq!(watermark.text().unwrap(), with);
    }

    #[test]
    fn a_part_of_a_chunk_counts_although_the_position_after_it_is_unknown() {
        let mut watermark = begun();
        watermark.commit(0..2, None);
        assert_eq!((stored(&watermark), watermark.record()), (place(2, vec![], 0), 0));
        watermark.commit(5..7, None);
        assert_eq!(stored(&watermark), place(2, vec![5..7], 0));
        watermark.commit(2..5, Some(&at(5)));
        assert_eq!((stored(&watermark), watermark.record()), (place(2, vec![], 5), 5));
        // The whole of the chunk that began with 5..7.
        watermark.commit(5..9, Some(&at(9)));
        assert_eq!(stored(&watermark), place(0, vec![], 9));
    }

    #[test]
    fn a_chunk_without_records_moves_the_position_after_the_previous_chunk() {
        for order in [[0, 1], [1, 0]] {
            let mut watermark = begun();
            for chunk in order {
                match chunk {
                    0 => watermark.commit(0..5, Some(r#"{"v":1,"at":"line 6"}"#)),
                    _ => watermark.commit(5..5, Some(r#"{"v":1,"at":"line 9, the end"}"#)),
                }
            }
            assert!(watermark.text().unwrap().contains("line 9"), "{order:?}: {watermark:?}");
        }
    }

    #[test]
    fn inherited_ranges_are_merged_with_new_ones() {
        let committed_ranges = CommittedRanges::ahead_of(2, vec![5..7, 9..10]);
        let mut watermark = Watermark::new(at(2), &committed_ranges);
        assert_eq!(stored(&watermark), place(0, vec![3..5, 7..8], 2));
        // Counted from where the step resumed: record 2 of the input is its record 0.
        watermark.commit(0..3, Some(&at(5)));
        assert_eq!(stored(&watermark), place(2, vec![4..5], 5));
        watermark.commit(5..7, Some(&at(9)));
        assert_eq!(stored(&watermark), place(1, vec![], 9));
    }

    /// Returns the chunks into which a reader divides those of the first `records` records that are outside the ranges.
    /// The sizes of the chunks repeat `sizes`.
    fn chunks(
        mut committed_ranges: CommittedRanges,
        records: u64,
        from: u64,
        sizes: &[u64],
    ) -> Vec<Range<u64>> {
        let mut reader = VecReader::new((0..records).collect::<Vec<u64>>());
        reader.resume(from).unwrap();
        let mut chunks = Vec::new();
        for size in sizes.iter().cycle() {
            committed_ranges.pass(&mut reader).unwrap();
            let begin = committed_ranges.record();
            let read = (0..committed_ranges.room().min(*size))
                .take_while(|_| reader.read().unwrap().is_some())
                .count();
            if read == 0 {
                break;
            }
            committed_ranges.count(read as u64);
            chunks.push(begin..committed_ranges.record());
        }
        chunks
    }

    proptest! {
        #[test]
        fn every_record_is_done_once_wherever_an_execution_dies(
            records in 0_u64..60,
            sizes in vec(1_u64..7, 1..5),
            lives in vec((vec(any::<prop::sample::Index>(), 60), any::<prop::sample::Index>()), 1..4),
            last_chunk in 1_u64..9,
        ) {
            let mut times = vec![0; usize::try_from(records).unwrap()];
            let mut text = at(0);
            for (order, dies_after) in lives {
                let Place { at: from, ahead, done } = decode_place::<u64>(&text).unwrap();
                let from = from + ahead;
                let committed_ranges = CommittedRanges::ahead_of(ahead, done);
                let mut watermark = Watermark::new(at(from), &committed_ranges);
                let mut in_flight = chunks(committed_ranges, records, from, &sizes);
                let commits = dies_after.index(in_flight.len() + 1);
                for which in &order[..commits] {
                    let chunk = in_flight.swap_remove(which.index(in_flight.len()));
                    let after = at(from + chunk.end);
                    text = watermark.text_with(chunk.clone(), Some(&after)).unwrap();
                    for record in chunk.clone() {
                        times[usize::try_from(from + record).unwrap()] += 1;
                    }
                    watermark.commit(chunk, Some(&after));
                    prop_assert_eq!(&watermark.text().unwrap(), &text);
                }
            }
            let Place { at: from, ahead, done } = decode_place::<u64>(&text).unwrap();
            let mut reader = VecReader::new((0..records).collect::<Vec<u64>>());
            reader.resume(from + ahead).unwrap();
            for record in read_between(CommittedRanges::ahead_of(ahead, done), reader, last_chunk) {
                times[usize::try_from(record).unwrap()] += 1;
            }
            prop_assert!(times.iter().all(|&times| times == 1), "{:?}", times);
        }
    }
}
