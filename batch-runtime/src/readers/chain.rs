//! Receives: `(monday, tuesday)` in the reader's place. Gives: one reader of both, one after the other.

use serde::{Deserialize, Serialize};

use crate::definition::{BoxError, Progress, Reader};

/// Reads one reader to its end, then another; more are nested: `Chain::new(a, Chain::new(b, c))`.
///
/// The position says which of the two is being read and where that one stands, so a restart does not
/// touch a reader that was read to its end. Behind which errors reading goes on, the reader says that gave
/// them.
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
    /// What the reader said of the error that it gave last, before that was boxed.
    steps_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    First,
    /// The first is at its end, which it was not yet told to be committed.
    SecondUntold,
    Second,
}

/// The reader being read, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainPosition<P, Q> {
    /// The first, at that position of its own.
    First(P),
    /// The second; the first is at its end.
    Second(Q),
}

impl<A, B> Chain<A, B> {
    /// Reads `first`, then `second`.
    pub const fn new(first: A, second: B) -> Self {
        Self { first, second, on: On::First, steps_over: true }
    }
}

impl<A: Reader, B: Reader<Item = A::Item>> Reader for Chain<A, B> {
    type Item = A::Item;
    type Position = ChainPosition<A::Position, B::Position>;
    type Error = BoxError;

    #[inline]
    fn read(&mut self) -> Result<Option<A::Item>, BoxError> {
        if self.on == On::First {
            let read = self.first.read().map_err(|error| {
                self.steps_over = self.first.steps_over(&error);
                error.into()
            });
            if let Some(item) = read? {
                return Ok(Some(item));
            }
            self.on = On::SecondUntold;
        }
        self.second.read().map_err(|error| {
            self.steps_over = self.second.steps_over(&error);
            error.into()
        })
    }

    fn steps_over(&self, _error: &BoxError) -> bool {
        self.steps_over
    }

    fn position(&self) -> Self::Position {
        match self.on {
            On::First => ChainPosition::First(self.first.position()),
            On::SecondUntold | On::Second => ChainPosition::Second(self.second.position()),
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

    fn committed(&mut self, position: &Self::Position) -> Result<(), BoxError> {
        match position {
            ChainPosition::First(position) => self.first.committed(position).map_err(Into::into),
            ChainPosition::Second(position) => {
                if self.on == On::SecondUntold {
                    let end = self.first.position();
                    self.first.committed(&end).map_err(Into::into)?;
                    self.on = On::Second;
                }
                self.second.committed(position).map_err(Into::into)
            }
        }
    }

    fn progress(&self) -> Option<Progress> {
        let (first, second) = (self.first.progress()?, self.second.progress()?);
        // A first that a restart passed by was not moved and would say that nothing of it is done.
        let done = if self.on == On::First { first.done } else { first.total };
        Some(Progress { done: done + second.done, total: first.total + second.total })
    }

    fn location(&self) -> Option<String> {
        if self.on == On::First { self.first.location() } else { self.second.location() }
    }
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
    fn a_restart_after_any_item_goes_on_behind_it() {
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

    /// Reads from a queue and remembers up to where it acknowledged.
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

    /// Fails with every read; by what is said, the next would go on behind it.
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
    fn behind_an_error_reading_goes_on_where_the_reader_says_so_that_gave_it() {
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
    fn a_reader_that_ended_within_a_chunk_is_told_of_the_commit_of_its_end() {
        let mut reader = Chain::new(Queue(0, Vec::new()), VecReader::new([7]));
        assert_eq!(rest(&mut reader), [1, 2, 7]);
        let position = reader.position();
        reader.committed(&position).unwrap();
        reader.committed(&position).unwrap();
        assert_eq!(reader.first.1, [2], "once, with its end");
    }
}
