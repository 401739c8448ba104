//! Reads one item ahead where a chunk could end, so that a function can say whether the next item still belongs to
//! the chunk.
//!
//! Items read ahead are not counted, and no checkpoint covers them. The stored position is the last one at which
//! nothing was read ahead, with the number of records returned since; a restart reads those again and drops them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::definition::{BoxError, Failure, Grouping, Progress, Reader, Scope, Sizes, StepOptions};
use crate::exact_json;

/// A reader that ends its chunks where a function says so.
pub struct Grouped<R: Reader, G> {
    inner: R,
    grouping: G,
    /// The minimum size of a chunk.
    min: usize,
    /// The maximum size of a chunk.
    max: usize,
    /// The number of items in the current chunk.
    count: usize,
    /// The results read ahead.
    ahead: VecDeque<ReadAhead<R::Item>>,
    /// True if the chunk ends after the last item returned.
    ends: bool,
    /// An encoded position at which nothing was read ahead, and the number of records returned since then. `None` if
    /// nothing has been read ahead in the current chunk.
    base: Option<(String, u64)>,
    /// The place of the last record returned, if anything was read ahead after it.
    place: Option<String>,
    /// Whether the inner reader steps over the last error returned.
    steps_over: bool,
    record: Option<String>,
}

enum ReadAhead<Item> {
    Item(Item),
    Failed { error: BoxError, steps_over: bool, record: Option<String>, place: Option<String> },
    End,
}

/// The position of a [`Grouped`] reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupedPosition<P> {
    at: P,
    /// The number of records read after `at`.
    #[serde(default, skip_serializing_if = "is_zero")]
    records: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde requires this signature")]
fn is_zero(records: &u64) -> bool {
    *records == 0
}

const READ_BACK: &str = "opening the reader has checked that its positions can be decoded";

impl<R: Reader, G: Grouping<R::Item>> Grouped<R, G> {
    /// Wraps the reader of a step with these options. The chunk size may be a parameter in the scope.
    ///
    /// # Errors
    /// If that parameter is missing or invalid.
    pub fn new(inner: R, grouping: G, options: &StepOptions, scope: &Scope<'_>) -> Result<Self, Failure> {
        let chunk = Sizes::of(options, scope)?.chunk;
        Ok(Self::of_chunks(inner, grouping, options, chunk))
    }

    fn of_chunks(inner: R, grouping: G, options: &StepOptions, chunk: usize) -> Self {
        // If a time limit ends chunks, any item may be the last of its chunk.
        let min = if options.chunk_time.is_some() { 1 } else { chunk };
        Self {
            inner,
            grouping,
            min,
            max: options.groups.unwrap_or(usize::MAX).max(chunk),
            count: 0,
            ahead: VecDeque::new(),
            ends: false,
            base: None,
            place: None,
            steps_over: true,
            record: None,
        }
    }

    fn failed(&mut self, error: R::Error) -> ReadAhead<R::Item> {
        let steps_over = self.inner.steps_over(&error);
        let record = if steps_over { self.inner.record(&error) } else { None };
        ReadAhead::Failed { steps_over, record, place: self.inner.location(), error: error.into() }
    }

    /// Reads past `item` until it is known whether the chunk goes on.
    fn look_ahead(&mut self, item: &R::Item) -> Result<(), BoxError> {
        if self.base.is_none() {
            let at = exact_json::to_string(&self.inner.position()).map_err(|error| {
                self.steps_over = false;
                format!("the reader's position cannot be stored: {error}")
            })?;
            self.base = Some((at, 0));
        }
        self.place = self.inner.location();
        while self.ahead.len() < self.max {
            match self.inner.read() {
                Ok(Some(next)) => {
                    self.ends = !self.grouping.goes_on(item, &next);
                    self.ahead.push_back(ReadAhead::Item(next));
                    return Ok(());
                }
                Ok(None) => {
                    self.ends = true;
                    self.ahead.push_back(ReadAhead::End);
                    return Ok(());
                }
                Err(error) => {
                    let failed = self.failed(error);
                    let goes_on = matches!(failed, ReadAhead::Failed { steps_over: true, .. });
                    self.ahead.push_back(failed);
                    if !goes_on {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns `item` as the result of `read`, and looks past it if the chunk could end here. `was_ahead` tells
    /// whether `item` was read ahead.
    fn hand_out(&mut self, item: R::Item, was_ahead: bool) -> Result<Option<R::Item>, BoxError> {
        if self.count >= self.max && !self.ends {
            self.ahead.push_front(ReadAhead::Item(item));
            self.steps_over = false;
            return Err(format!(
                "a chunk of more than {} items: `chunk_while` does not end it, and it is held in memory as a whole; \
                 raise `chunk_at_most` if such chunks are intended",
                self.max
            )
            .into());
        }
        if self.ends {
            (self.ends, self.count, self.base) = (false, 0, None);
        } else if let Some((_, records)) = &mut self.base {
            *records += 1;
        }
        self.count += 1;
        if self.count == 1 {
            self.grouping.begins(&item);
        } else if !was_ahead {
            self.grouping.takes(&item);
        }
        if self.count >= self.min {
            self.look_ahead(&item)?;
        }
        Ok(Some(item))
    }

    /// Returns whether the inner reader's position covers no item read ahead.
    fn is_level(&self) -> bool {
        matches!(self.ahead.front(), None | Some(ReadAhead::End))
    }
}

impl<R: Reader, G: Grouping<R::Item>> Reader for Grouped<R, G> {
    type Item = R::Item;
    type Position = GroupedPosition<R::Position>;
    type Error = BoxError;

    fn read(&mut self) -> Result<Option<R::Item>, BoxError> {
        self.place = None;
        match self.ahead.pop_front() {
            Some(ReadAhead::Item(item)) => self.hand_out(item, true),
            Some(ReadAhead::Failed { error, steps_over, record, place }) => {
                // The record may belong to the next chunk. It is counted from the same position.
                if let (Some((_, records)), true) = (&mut self.base, steps_over) {
                    *records += 1;
                }
                (self.steps_over, self.record, self.place) = (steps_over, record, place);
                Err(error)
            }
            Some(ReadAhead::End) => Ok(None),
            None => match self.inner.read() {
                Ok(Some(item)) => self.hand_out(item, false),
                Ok(None) => Ok(None),
                Err(error) => {
                    self.steps_over = self.inner.steps_over(&error);
                    self.record = if self.steps_over { self.inner.record(&error) } else { None };
                    Err(error.into())
                }
            },
        }
    }

    fn steps_over(&self, _: &BoxError) -> bool {
        self.steps_over
    }

    fn record(&self, _: &BoxError) -> Option<String> {
        self.record.clone()
    }

    fn may_end_chunk(&self) -> bool {
        self.ends
    }

    fn position(&self) -> Self::Position {
        match &self.base {
            Some((at, records)) if !self.is_level() => {
                GroupedPosition { at: serde_json::from_str(at).expect(READ_BACK), records: *records }
            }
            _ => GroupedPosition { at: self.inner.position(), records: 0 },
        }
    }

    fn resume(&mut self, position: Self::Position) -> Result<(), BoxError> {
        let GroupedPosition { at, records } = position;
        self.inner.resume(at).map_err(Into::into)?;
        for _ in 0..records {
            match self.inner.read() {
                Ok(Some(_)) => {}
                Ok(None) => {
                    return Err("the input is shorter than the part that an earlier execution read".into());
                }
                Err(error) if self.inner.steps_over(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn committed(&mut self, position: &Self::Position) -> Result<(), BoxError> {
        self.inner.committed(&position.at).map_err(Into::into)
    }

    fn progress(&self) -> Option<Progress> {
        self.inner.progress()
    }

    fn location(&self) -> Option<String> {
        let inner = || if self.is_level() { self.inner.location() } else { None };
        self.place.clone().or_else(inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::definition::Pairwise;

    /// Numbers, and records that cannot be read (`None`).
    struct Records {
        records: Vec<Option<u8>>,
        at: u64,
    }

    impl Reader for Records {
        type Item = u8;
        type Position = u64;
        type Error = String;

        fn read(&mut self) -> Result<Option<u8>, String> {
            let record = usize::try_from(self.at).ok().and_then(|at| self.records.get(at));
            self.at += u64::from(record.is_some());
            match record {
                None => Ok(None),
                Some(Some(number)) => Ok(Some(*number)),
                Some(None) => Err(format!("{} is bad", self.at)),
            }
        }

        fn position(&self) -> u64 {
            self.at
        }

        fn resume(&mut self, position: u64) -> Result<(), String> {
            self.at = position;
            Ok(())
        }

        fn location(&self) -> Option<String> {
            Some(format!("record {}", self.at))
        }
    }

    type ByTens = fn(&u8, &u8) -> bool;

    fn grouped(records: &[Option<u8>], chunk: usize) -> Grouped<Records, Pairwise<ByTens>> {
        let by_tens: ByTens = |last, next| last / 10 == next / 10;
        let reader = Records { records: records.to_vec(), at: 0 };
        Grouped::of_chunks(reader, Pairwise(by_tens), &StepOptions::DEFAULT.groups(1_000), chunk)
    }

    /// Reads the next chunk as the engine does. Returns its records, and whether the input is at its end.
    fn chunk(reader: &mut impl Reader<Item = u8>, items: usize) -> (Vec<Option<u8>>, bool) {
        let (mut read, mut records) = (0, Vec::new());
        while read < items || !reader.may_end_chunk() {
            match reader.read() {
                Ok(Some(item)) => {
                    read += 1;
                    records.push(Some(item));
                }
                Ok(None) => return (records, true),
                Err(error) => {
                    assert!(reader.steps_over(&error));
                    records.push(None);
                }
            }
        }
        (records, false)
    }

    /// The expected chunks, computed naively: a chunk ends once it has this many items and the next item is of
    /// another group.
    fn by_hand(records: &[Option<u8>], items: usize) -> Vec<Vec<Option<u8>>> {
        let mut chunks = vec![Vec::new()];
        for (place, record) in records.iter().enumerate() {
            let chunk = chunks.last_mut().unwrap();
            chunk.push(*record);
            let good = chunk.iter().flatten().count();
            let next = records[place + 1..].iter().flatten().next();
            let ends = next.is_none_or(|next| record.is_some_and(|last| last / 10 != next / 10));
            if record.is_some() && good >= items && ends {
                chunks.push(Vec::new());
            }
        }
        chunks
    }

    proptest! {
        #[test]
        fn chunks_are_whole_groups_and_a_restart_resumes_after_each(
            records in vec(prop_oneof![1 => Just(None), 4 => (0_u8..40).prop_map(Some)], 0..40),
            items in 1_usize..6,
        ) {
            let mut records = records;
            // Neighbours often share their tens, so that groups have several items.
            records.sort_by_key(|record| record.map_or(0, |number| number / 20));
            let (mut chunks, mut reader) = (Vec::new(), grouped(&records, items));
            loop {
                let (records_read, ended) = chunk(&mut reader, items);
                chunks.push(records_read);
                if ended {
                    break;
                }
                // A new reader reads each chunk, as after a restart.
                let text = serde_json::to_string(&reader.position()).unwrap();
                reader = grouped(&records, items);
                reader.resume(serde_json::from_str(&text).unwrap()).unwrap();
            }
            prop_assert_eq!(chunks, by_hand(&records, items));
        }
    }

    #[test]
    fn the_place_is_that_of_the_last_record_returned_whatever_was_read_ahead() {
        let mut reader = grouped(&[Some(1), None, Some(2), Some(11)], 1);
        assert_eq!(reader.read().unwrap(), Some(1));
        assert_eq!(reader.location().unwrap(), "record 1");
        assert_eq!(reader.read().unwrap_err().to_string(), "2 is bad");
        assert_eq!(reader.location().unwrap(), "record 2");
        assert_eq!(reader.read().unwrap(), Some(2));
        assert_eq!(reader.location().unwrap(), "record 3");
        assert_eq!(serde_json::to_string(&reader.position()).unwrap(), r#"{"at":1,"records":2}"#);
        assert_eq!(reader.read().unwrap(), Some(11));
        assert_eq!(serde_json::to_string(&reader.position()).unwrap(), r#"{"at":4}"#);
        assert_eq!(reader.read().unwrap(), None);
    }
}
