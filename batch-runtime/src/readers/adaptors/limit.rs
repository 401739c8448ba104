//! Limits a reader to a number of items.

use serde::{Deserialize, Serialize};

use crate::definition::{Progress, Reader, StopSignal};

/// Reads only the first items of a reader; [`limit`](super::ReaderExt::limit) creates it.
///
/// The count covers all executions: the limit applies to the whole input, not to the items that a restart
/// reads. Errors are not counted.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::readers::VecReader;
///
/// let first_two = || VecReader::new(["a", "b", "c"]).limit(2);
/// let mut reader = first_two();
/// reader.read()?;
///
/// let mut restarted = first_two();
/// restarted.resume(reader.position())?;
/// assert_eq!(restarted.read()?, Some("b"));
/// assert_eq!(restarted.read()?, None);
/// # Ok::<(), batch_runtime::readers::EndedEarly>(())
/// ```
#[derive(Debug)]
pub struct Limit<R> {
    inner: R,
    items: u64,
    read: u64,
}

/// The position of a [`Limit`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitPosition<P> {
    /// The number of items read so far.
    read: u64,
    /// The position of the inner reader.
    inner: P,
}

impl<R> Limit<R> {
    pub(super) fn new(inner: R, items: u64) -> Self {
        Self { inner, items, read: 0 }
    }
}

impl<R: Reader> Reader for Limit<R> {
    type Item = R::Item;
    type Position = LimitPosition<R::Position>;
    type Error = R::Error;

    fn kind() -> String {
        format!("Limit<{}>", R::kind())
    }

    #[inline]
    fn read(&mut self) -> Result<Option<R::Item>, R::Error> {
        if self.read >= self.items {
            return Ok(None);
        }
        let item = self.inner.read()?;
        self.read += u64::from(item.is_some());
        Ok(item)
    }

    const RECYCLES: bool = R::RECYCLES;

    #[inline]
    fn recycle(&mut self, item: R::Item) {
        self.inner.recycle(item);
    }

    fn position(&self) -> Self::Position {
        LimitPosition { read: self.read, inner: self.inner.position() }
    }

    fn resume(&mut self, position: Self::Position) -> Result<(), R::Error> {
        self.read = position.read;
        self.inner.resume(position.inner)
    }

    fn stops_with(&mut self, stop: &StopSignal) {
        self.inner.stops_with(stop);
    }

    fn committed(&mut self, position: &Self::Position) -> Result<(), R::Error> {
        self.inner.committed(&position.inner)
    }

    fn steps_over(&self, error: &R::Error) -> bool {
        self.inner.steps_over(error)
    }

    /// The progress of the limit or of the inner reader, whichever is nearer to its end.
    fn progress(&self) -> Option<Progress> {
        let limit = Progress { done: self.read.min(self.items), total: self.items };
        let part = |one: Progress, other: Progress| u128::from(one.done) * u128::from(other.total);
        match self.inner.progress() {
            Some(inner) if part(inner, limit) > part(limit, inner) => Some(inner),
            _ => Some(limit),
        }
    }

    fn may_end_chunk(&self) -> bool {
        self.inner.may_end_chunk()
    }

    fn record(&self, error: &R::Error) -> Option<String> {
        self.inner.record(error)
    }

    fn location(&self) -> Option<String> {
        self.inner.location()
    }
}

#[cfg(test)]
mod tests {
    use crate::definition::{Progress, Reader};
    use crate::readers::tests::{Faulty, restarts_everywhere};
    use crate::readers::{ReaderExt, VecReader};

    #[test]
    fn a_limit_holds_over_every_restart() {
        for limit in 0..6 {
            let expected: Vec<u32> = (0..4).take(limit).collect();
            restarts_everywhere(
                || VecReader::new([0, 1, 2, 3]).limit(u64::try_from(limit).unwrap()),
                &expected,
            );
        }
    }

    #[test]
    fn errors_are_not_counted_and_steps_over_comes_from_the_inner_reader() {
        restarts_everywhere(|| Faulty::new("1x2x34").limit(3), &[1, 2, 3]);
        let mut reader = Faulty::new("1!2").limit(3);
        reader.read().unwrap();
        let error = reader.read().unwrap_err();
        assert!(!reader.steps_over(&error));
    }

    #[test]
    fn progress_follows_whichever_ends_first() {
        let mut few = VecReader::new([1, 2, 3, 4]).limit(2);
        few.read().unwrap();
        assert_eq!(few.progress(), Some(Progress { done: 1, total: 2 }));
        let mut many = VecReader::new([1, 2, 3, 4]).limit(100);
        many.read().unwrap();
        assert_eq!(many.progress(), Some(Progress { done: 1, total: 4 }));
    }
}
