//! Starts a reader at a given position.

use super::forward::forward_reader;
use crate::definition::Reader;

/// Starts at a position; [`skip_to`](super::ReaderExt::skip_to) creates it.
///
/// A checkpoint of an earlier execution takes precedence: a restart resumes after the last commit. A position
/// is a value returned by [`position`](Reader::position); like every position, it may have been stored as
/// JSON.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::readers::VecReader;
///
/// let mut reader = VecReader::new(["a", "b", "c"]).skip_to(1);
/// assert_eq!(reader.read()?, Some("b"));
///
/// let mut restarted = VecReader::new(["a", "b", "c"]).skip_to(1);
/// restarted.resume(reader.position())?;
/// assert_eq!(restarted.read()?, Some("c"));
/// # Ok::<(), batch_runtime::readers::EndedEarly>(())
/// ```
#[derive(Debug)]
pub struct SkipTo<R: Reader> {
    inner: R,
    /// The starting position; `None` once the reader has reached it.
    start: Option<R::Position>,
}

impl<R: Reader> SkipTo<R> {
    pub(super) fn new(inner: R, start: R::Position) -> Self {
        Self { inner, start: Some(start) }
    }
}

impl<R: Reader<Position: Clone>> SkipTo<R> {
    /// Moves to the starting position. This happens only when the first item is read, because a reader resumes at
    /// most once, and a checkpoint takes precedence.
    #[inline]
    fn begin(&mut self) -> Result<(), R::Error> {
        if let Some(start) = &self.start {
            self.inner.resume(start.clone())?;
            self.start = None;
        }
        Ok(())
    }
}

impl<R: Reader<Position: Clone>> Reader for SkipTo<R> {
    type Item = R::Item;
    type Position = R::Position;
    type Error = R::Error;

    forward_reader!(self => self.inner);

    #[inline]
    fn read(&mut self) -> Result<Option<R::Item>, R::Error> {
        self.begin()?;
        self.inner.read()
    }

    fn read_batch(&mut self, most: usize, into: &mut Vec<R::Item>) -> Result<usize, R::Error> {
        self.begin()?;
        self.inner.read_batch(most, into)
    }

    fn position(&self) -> R::Position {
        self.start.clone().unwrap_or_else(|| self.inner.position())
    }

    fn resume(&mut self, position: R::Position) -> Result<(), R::Error> {
        self.start = None;
        self.inner.resume(position)
    }

    /// Also false if the move to the starting position fails, for example because the input is too short.
    fn steps_over(&self, error: &R::Error) -> bool {
        self.start.is_none() && self.inner.steps_over(error)
    }

    fn may_end_chunk(&self) -> bool {
        self.inner.may_end_chunk()
    }

    fn location(&self) -> Option<String> {
        self.inner.location()
    }
}

#[cfg(test)]
mod tests {
    use crate::definition::Reader;
    use crate::readers::tests::restarts_everywhere;
    use crate::readers::{ReaderExt, VecReader};

    #[test]
    fn it_begins_at_the_position_and_restarts_after_the_items_read() {
        restarts_everywhere(|| VecReader::new([0, 1, 2, 3]).skip_to(2), &[2, 3]);
    }

    #[test]
    fn before_the_first_item_the_position_is_its_start() {
        assert_eq!(VecReader::new([0, 1, 2, 3]).skip_to(2).position(), 2);
    }

    #[test]
    fn a_position_that_the_input_lacks_ends_the_reading() {
        let mut reader = VecReader::new([0, 1]).skip_to(3);
        let error = reader.read().unwrap_err();
        assert!(!reader.steps_over(&error));
        assert_eq!(reader.position(), 3);
    }
}
