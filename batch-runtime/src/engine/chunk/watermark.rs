//! Receives: chunks that are committed in any order. Gives: what is stored with each of them: a position of the reader before
//! which all is done, and the ranges that are done behind it.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::definition::Failure;
use crate::engine::chunk::checkpoint;
use crate::engine::chunk::committed_ranges::CommittedRanges;

/// What is done of an input, while its records are counted from where the step went on ([`Gaps::record`]).
///
/// Ranges that touch are one, so there are never more than chunks under way, and those inherited.
#[derive(Debug, Clone)]
pub(crate) struct Watermark {
    /// All before it is done.
    mark: Known,
    /// What is done from there on, by its first record.
    done: BTreeMap<u64, Stretch>,
}

/// A position of the reader, encoded, and the number of the record behind it.
#[derive(Debug, Clone)]
struct Known {
    record: u64,
    position: String,
}

#[derive(Debug, Clone)]
struct Stretch {
    end: u64,
    /// The last position in it that is known.
    known: Option<Known>,
}

impl Watermark {
    /// Nothing is done but what is before that position of the reader, and what the gaps say is done ahead of it.
    pub(crate) fn new(position: String, committed_ranges: &CommittedRanges) -> Self {
        let record = committed_ranges.record();
        let inherited = committed_ranges.ahead().into_iter().map(|range| {
            let end = record + range.end;
            (record + range.start, Stretch { end, known: None })
        });
        Self { mark: Known { record, position }, done: inherited.collect() }
    }

    /// These records are committed. `behind` is the position of the reader behind them, encoded; of a part of a chunk it is not known.
    pub(crate) fn commit(&mut self, records: Range<u64>, behind: Option<&str>) {
        let (mut start, mut end) = (records.start.max(self.mark.record), records.end);
        if end < start {
            return;
        }
        let mut known = behind.map(|position| Known { record: end, position: position.to_owned() });
        while let Some((&other_start, _)) =
            self.done.range(..=end).next_back().filter(|(_, other)| other.end >= start)
        {
            let other = self.done.remove(&other_start).expect("was just found");
            known = match (known, other.known) {
                // Behind the same record the one that was taken later: it was asked behind a chunk of no records.
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
        self.done.insert(start, Stretch { end, known });
    }

    /// What is stored now.
    pub(crate) fn text(&self) -> Result<String, Failure> {
        let from = |record: u64| record - self.mark.record;
        let done = self.done.iter().filter(|(start, stretch)| stretch.end > **start);
        let done: Vec<_> = done.map(|(start, stretch)| from(*start)..from(stretch.end)).collect();
        checkpoint::before(&self.mark.position, &done)
    }

    /// What is stored in the transaction that [commits](Self::commit) these records.
    pub(crate) fn text_with(&self, records: Range<u64>, behind: Option<&str>) -> Result<String, Failure> {
        let mut then = self.clone();
        then.commit(records, behind);
        then.text()
    }

    /// The number of the record behind the last known position before which all is done: what [`Reader::committed`] may hear of.
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
    fn what_is_done_behind_a_hole_is_a_range_until_the_hole_is_done() {
        let mut watermark = begun();
        watermark.commit(5..9, Some(&at(9)));
        watermark.commit(9..12, Some(&at(12)));
        assert_eq!((stored(&watermark), watermark.record()), (place(0, vec![5..12], 0), 0));
        watermark.commit(0..5, Some(&at(5)));
        assert_eq!((stored(&watermark), watermark.record()), (place(0, vec![], 12), 12));
    }

    #[test]
    fn what_is_stored_with_a_commit_is_known_before_it() {
        let mut watermark = begun();
        watermark.commit(5..9, Some(&at(9)));
        let with = watermark.text_with(0..5, Some(&at(5))).unwrap();
        assert_eq!(stored(&watermark), place(0, vec![5..9], 0));
        watermark.commit(0..5, Some(&at(5)));
        assert_eq!(watermark.text().unwrap(), with);
    }

    #[test]
    fn a_part_of_a_chunk_counts_although_the_reader_has_no_position_behind_it() {
        let mut watermark = begun();
        watermark.commit(0..2, None);
        assert_eq!((stored(&watermark), watermark.record()), (place(2, vec![], 0), 0));
        watermark.commit(5..7, None);
        assert_eq!(stored(&watermark), place(2, vec![5..7], 0));
        watermark.commit(2..5, Some(&at(5)));
        assert_eq!((stored(&watermark), watermark.record()), (place(2, vec![], 5), 5));
        // The chunk whose first half it was.
        watermark.commit(5..9, Some(&at(9)));
        assert_eq!(stored(&watermark), place(0, vec![], 9));
    }

    #[test]
    fn a_chunk_without_records_moves_the_position_behind_the_one_before() {
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
    fn what_was_inherited_is_merged_with_what_is_done_now() {
        let committed_ranges = CommittedRanges::ahead_of(2, vec![5..7, 9..10]);
        let mut watermark = Watermark::new(at(2), &committed_ranges);
        assert_eq!(stored(&watermark), place(0, vec![3..5, 7..8], 2));
        // Counted from where the step went on: record 2 of the input is its record 0.
        watermark.commit(0..3, Some(&at(5)));
        assert_eq!(stored(&watermark), place(2, vec![4..5], 5));
        watermark.commit(5..7, Some(&at(9)));
        assert_eq!(stored(&watermark), place(1, vec![], 9));
    }

    /// The chunks that a reader makes of an input of that many records, in sizes up to `most`, over what is done.
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
        fn whatever_is_committed_when_it_dies_every_record_is_done_once(
            records in 0_u64..60,
            sizes in vec(1_u64..7, 1..5),
            lives in vec((vec(any::<prop::sample::Index>(), 60), any::<prop::sample::Index>()), 1..4),
            last_chunk in 1_u64..9,
        ) {
            let mut times = vec![0; usize::try_from(records).unwrap()];
            let mut text = at(0);
            for (order, dies_behind) in lives {
                let Place { at: from, ahead, done } = decode_place::<u64>(&text).unwrap();
                let from = from + ahead;
                let committed_ranges = CommittedRanges::ahead_of(ahead, done);
                let mut watermark = Watermark::new(at(from), &committed_ranges);
                let mut under_way = chunks(committed_ranges, records, from, &sizes);
                let commits = dies_behind.index(under_way.len() + 1);
                for which in &order[..commits] {
                    let chunk = under_way.swap_remove(which.index(under_way.len()));
                    let behind = at(from + chunk.end);
                    text = watermark.text_with(chunk.clone(), Some(&behind)).unwrap();
                    for record in chunk.clone() {
                        times[usize::try_from(from + record).unwrap()] += 1;
                    }
                    watermark.commit(chunk, Some(&behind));
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
