//! Reads two readers one after the other; a step uses it for a tuple of readers, such as `(monday, tuesday)`.

use serde::{Deserialize, Serialize};

use crate::definition::{BoxError, Progress, Reader, Splittable, StopSignal};

/// Reads one reader to its end, then another; nest it for more: `Chain::new(a, Chain::new(b, c))`.
///
/// The position names the reader being read and that reader's own position, so a restart does not touch a
/// reader that was read to its end. After an error, the reader that returned it decides whether reading
/// continues.
///
/// ```
/// use batch_runtime::Reader;
/// use batch_runtime::readers::{Chain, ChainPosition, VecReader};
///
/// let week = || Chain::new(VecReader::new(["mo 1", "mo 2"]), VecReader::new(["tu 1", "tu 2"]));
/// let mut reader = week();
/// for _ in 0..3 {
///     reader.read()?;
/// }
/// assert_eq!(reader.position(), ChainPosition::Second(1));
///
/// let mut restarted = week();
/// restarted.resume(reader.position())?;
/// assert_eq!(restarted.read()?, Some("tu 2"));
/// # Ok::<(), batch_runtime::BoxError>(())
/// ```
#[derive(Debug)]
pub struct Chain<A, B> {
    first: A,
    second: B,
    on: On,
    /// True if the part that is being read covers nothing of the first reader.
    without_first: bool,
    /// True if the part that is being read covers nothing of the second reader.
    without_second: bool,
    /// Whether the reader steps over its last error, noted before the error was boxed.
    steps_over: bool,
    /// The record that the error concerns.
    record: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    First,
    /// The first reader is at its end, but has not yet been notified that its end is committed.
    SecondUnnotified,
    Second,
}

/// A part of a [`Chain`]: a part of the first reader, a part of the second, or all of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainPart<P, Q> {
    first: Option<P>,
    second: Option<Q>,
}

/// The reader being read, and its position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainPosition<P, Q> {
    /// The first reader, at this position.
    First(P),
    /// The second reader; the first is at its end.
    Second(Q),
}

impl<A, B> Chain<A, B> {
    /// Reads `first`, then `second`.
    pub const fn new(first: A, second: B) -> Self {
        Self {
            first,
            second,
            on: On::First,
            without_first: false,
            without_second: false,
            steps_over: true,
            record: None,
        }
    }
}

#[diagnostic::do_not_recommend]
impl<A: Reader, B: Reader<Item = A::Item>> Reader for Chain<A, B> {
    type Item = A::Item;
    type Position = ChainPosition<A::Position, B::Position>;
    type Error = BoxError;

    fn kind() -> String {
        format!("({}, {})", A::kind(), B::kind())
    }

    #[inline]
    fn read(&mut self) -> Result<Option<A::Item>, BoxError> {
        if self.on == On::First {
            let read = self.first.read().map_err(|error| {
                self.steps_over = self.first.steps_over(&error);
                self.record = if self.steps_over { self.first.record(&error) } else { None };
                error.into()
            });
            if let Some(item) = read? {
                return Ok(Some(item));
            }
            if self.without_second {
                return Ok(None);
            }
            self.on = On::SecondUnnotified;
        }
        self.second.read().map_err(|error| {
            self.steps_over = self.second.steps_over(&error);
            self.record = if self.steps_over { self.second.record(&error) } else { None };
            error.into()
        })
    }

    const RECYCLES: bool = A::RECYCLES || B::RECYCLES;

    #[inline]
    fn recycle(&mut self, item: A::Item) {
        if self.on == On::First { self.first.recycle(item) } else { self.second.recycle(item) }
    }

    fn steps_over(&self, _error: &BoxError) -> bool {
        self.steps_over
    }

    fn record(&self, _error: &BoxError) -> Option<String> {
        self.record.clone()
    }

    fn position(&self) -> Self::Position {
        match self.on {
            On::First => ChainPosition::First(self.first.position()),
            On::SecondUnnotified | On::Second => ChainPosition::Second(self.second.position()),
        }
    }

    fn resume(&mut self, position: Self::Position) -> Result<(), BoxError> {
        match position {
            ChainPosition::First(position) => self.first.resume(position).map_err(Into::into),
            ChainPosition::Second(position) => {
                self.on = On::Second;
                self.second.resume(position).map_err(Into::into)
            }
        }
    }

    fn stops_with(&mut self, stop: &StopSignal) {
        self.first.stops_with(stop);
        self.second.stops_with(stop);
    }

    fn committed(&mut self, position: &Self::Position) -> Result<(), BoxError> {
        match position {
            ChainPosition::First(position) => self.first.committed(position).map_err(Into::into),
            ChainPosition::Second(position) => {
                if self.on == On::SecondUnnotified {
                    let end = self.first.position();
                    self.first.committed(&end).map_err(Into::into)?;
                    self.on = On::Second;
                }
                self.second.committed(position).map_err(Into::into)
            }
        }
    }

    fn progress(&self) -> Option<Progress> {
        if self.without_second {
            return self.first.progress();
        }
        if self.without_first {
            return self.second.progress();
        }
        let (first, second) = (self.first.progress()?, self.second.progress()?);
        // A restart that skipped the first reader did not move it, so the first reader would report no progress.
        let done = if self.on == On::First { first.done } else { first.total };
        Some(Progress { done: done + second.done, total: first.total + second.total })
    }

    fn location(&self) -> Option<String> {
        if self.on == On::First { self.first.location() } else { self.second.location() }
    }
}

/// Returns the parts of the first reader, then those of the second. If both report their
/// [progress](Reader::progress), the number of parts of each is in proportion to its work.
impl<A: Splittable, B: Splittable<Item = A::Item>> Splittable for Chain<A, B> {
    type Part = ChainPart<A::Part, B::Part>;

    fn split(&mut self, parts: usize) -> Result<Vec<Self::Part>, BoxError> {
        if parts < 2 {
            let (mut first, mut second) = (self.first.split(1)?, self.second.split(1)?);
            if let ([_], [_]) = (&*first, &*second) {
                return Ok(vec![ChainPart { first: first.pop(), second: second.pop() }]);
            }
            return Ok(joined(first, second));
        }
        let weight = |progress: Option<Progress>| progress.map(|progress| u128::from(progress.total));
        let (first, second) =
            weight(self.first.progress()).zip(weight(self.second.progress())).unwrap_or((1, 1));
        let share = (parts as u128 * first).checked_div(first + second).unwrap_or_default();
        let share = usize::try_from(share).unwrap_or(parts).clamp(1, parts - 1);
        Ok(joined(self.first.split(share)?, self.second.split(parts - share)?))
    }

    fn check(&self, part: &Self::Part) -> Result<(), BoxError> {
        part.first.as_ref().map_or(Ok(()), |first| self.first.check(first))?;
        part.second.as_ref().map_or(Ok(()), |second| self.second.check(second))
    }

    fn narrow(&mut self, part: Self::Part) -> Result<(), BoxError> {
        let ChainPart { first, second } = part;
        (self.without_first, self.without_second) = (first.is_none(), second.is_none());
        match first {
            Some(first) => self.first.narrow(first)?,
            // The first reader is not read, so it needs no notification of its end.
            None => self.on = On::Second,
        }
        second.map_or(Ok(()), |second| self.second.narrow(second))
    }

    fn part_name(part: &Self::Part) -> Option<String> {
        match (&part.first, &part.second) {
            (Some(first), None) => A::part_name(first),
            (None, Some(second)) => B::part_name(second),
            _ => None,
        }
    }
}

fn joined<P, Q>(first: Vec<P>, second: Vec<Q>) -> Vec<ChainPart<P, Q>> {
    let first = first.into_iter().map(|part| ChainPart { first: Some(part), second: None });
    first.chain(second.into_iter().map(|part| ChainPart { first: None, second: Some(part) })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readers::VecReader;

    fn chain() -> impl Reader<Item = u32, Error = BoxError> {
        Chain::new(VecReader::new([1, 2]), Chain::new(VecReader::new([]), VecReader::new([3, 4])))
    }

    fn rest<R: Reader<Error = BoxError>>(reader: &mut R) -> Vec<R::Item> {
        std::iter::from_fn(|| reader.read().unwrap()).collect()
    }

    fn through_json<R: Reader>(from: &R, to: &mut R) -> Result<(), R::Error> {
        let json = serde_json::to_string(&from.position()).unwrap();
        to.resume(serde_json::from_str(&json).unwrap())
    }

    #[test]
    fn readers_are_read_one_after_the_other_and_empty_ones_passed() {
        assert_eq!(rest(&mut chain()), [1, 2, 3, 4]);
    }

    #[test]
    fn a_restart_resumes_after_any_item() {
        for read in 0..=4 {
            let (mut first, mut restarted) = (chain(), chain());
            for _ in 0..read {
                first.read().unwrap();
            }
            through_json(&first, &mut restarted).unwrap();
            assert_eq!(rest(&mut restarted), [1, 2, 3, 4][read..]);
        }
    }

    #[test]
    fn progress_is_the_sum_also_after_a_restart_in_the_second() {
        let (mut first, mut restarted) = (chain(), chain());
        for _ in 0..3 {
            first.read().unwrap();
        }
        assert_eq!(first.progress(), Some(Progress { done: 3, total: 4 }));
        through_json(&first, &mut restarted).unwrap();
        assert_eq!(restarted.progress(), Some(Progress { done: 3, total: 4 }));
    }

    #[test]
    fn the_location_is_that_of_the_reader_being_read() {
        let mut reader = chain();
        for _ in 0..3 {
            reader.read().unwrap();
        }
        assert_eq!(reader.location().unwrap(), "item 1");
    }

    /// Reads from a queue and remembers the acknowledged positions.
    struct Queue(u32, Vec<u32>);

    impl Reader for Queue {
        type Item = u32;
        type Position = u32;
        type Error = std::convert::Infallible;

        fn read(&mut self) -> Result<Option<u32>, Self::Error> {
            let next = (self.0 < 2).then_some(self.0 + 1);
            self.0 = next.unwrap_or(self.0);
            Ok(next)
        }

        fn position(&self) -> u32 {
            self.0
        }

        fn resume(&mut self, position: u32) -> Result<(), Self::Error> {
            self.0 = position;
            Ok(())
        }

        fn committed(&mut self, position: &u32) -> Result<(), Self::Error> {
            self.1.push(*position);
            Ok(())
        }
    }

    #[test]
    fn its_parts_are_the_whole_and_restart_everywhere() {
        for (first, second) in [(0, 0), (0, 3), (3, 0), (2, 9), (9, 2)] {
            let vec = |items: u32| VecReader::new((0..items).collect::<Vec<u32>>());
            crate::readers::tests::splits_everywhere(|| Chain::new(vec(first), vec(second)));
        }
        assert_eq!(Chain::new(VecReader::new([1]), VecReader::new([2])).split(1).unwrap().len(), 1);
        assert_eq!(
            Chain::new(VecReader::new([1, 2]), VecReader::new([3, 4, 5, 6])).split(3).unwrap().len(),
            3
        );
    }

    /// Fails with every read. The field says whether the next read would continue after the error.
    struct Bad(bool);

    impl Reader for Bad {
        type Item = u32;
        type Position = u32;
        type Error = &'static str;

        fn read(&mut self) -> Result<Option<u32>, Self::Error> {
            Err("bad")
        }

        fn steps_over(&self, _error: &Self::Error) -> bool {
            self.0
        }

        fn position(&self) -> u32 {
            0
        }

        fn resume(&mut self, _position: u32) -> Result<(), Self::Error> {
            Ok(())
        }
    }

    #[test]
    fn the_reader_that_failed_decides_whether_reading_continues() {
        for goes_on in [true, false] {
            let mut first = Chain::new(Bad(goes_on), Bad(!goes_on));
            let error = first.read().unwrap_err();
            assert_eq!(first.steps_over(&error), goes_on);
            let mut second = Chain::new(VecReader::new([]), Chain::new(Bad(goes_on), Bad(!goes_on)));
            let error = second.read().unwrap_err();
            assert_eq!(second.steps_over(&error), goes_on);
        }
    }

    #[test]
    fn a_reader_that_ended_within_a_chunk_is_notified_of_the_commit_of_its_end() {
        let mut reader = Chain::new(Queue(0, Vec::new()), VecReader::new([7]));
        assert_eq!(rest(&mut reader), [1, 2, 7]);
        let position = reader.position();
        reader.committed(&position).unwrap();
        reader.committed(&position).unwrap();
        assert_eq!(reader.first.1, [2], "once, with its end");
    }
}
