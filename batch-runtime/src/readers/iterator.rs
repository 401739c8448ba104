//! Reads the iterator that a `#[reader]` function returns; on a restart it skips as many items as were committed.

use std::fmt;

use crate::definition::{Failure, Progress, Reader};

/// The input is shorter than the part of it that an earlier execution read and committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the input ended after {read} items, but {committed} were committed in an earlier execution; \
     supply the input that the execution started with, or start a new instance (`--next`)"
)]
#[non_exhaustive]
pub struct EndedEarly {
    /// The number of items read now, errors included.
    pub read: u64,
    /// The number of items that were read and committed before.
    pub committed: u64,
}

/// Calls `next` as often as an earlier execution did, and drops the items: that execution has dealt with them.
fn replay<T>(items: &mut impl Iterator<Item = T>, committed: u64) -> Result<(), EndedEarly> {
    for read in 0..committed {
        if items.next().is_none() {
            return Err(EndedEarly { read, committed });
        }
    }
    Ok(())
}

fn exact_progress<T>(items: &impl Iterator<Item = T>, done: u64) -> Option<Progress> {
    let (least, most) = items.size_hint();
    (most == Some(least)).then(|| Progress { done, total: done + least as u64 })
}

/// Reads the items of an iterator.
///
/// The position is the number of `next()` calls that returned something. A restart calls `next()` as often
/// and drops the results, so **the order of the items must not change between two executions**: sort
/// items that come from a hash map or a folder. If iterating over an input again is expensive, write a
/// [`Reader`] that can seek.
///
/// ```
/// use batch_runtime::{Reader, readers::IteratorReader};
///
/// let mut reader = IteratorReader::new(["a", "b", "c"].into_iter());
/// reader.resume(2)?;
/// assert_eq!(reader.read()?, Some("c"));
/// assert_eq!(reader.position(), 3);
/// # Ok::<(), batch_runtime::readers::EndedEarly>(())
/// ```
pub struct IteratorReader<I> {
    items: I,
    calls: u64,
}

impl<I: Iterator> IteratorReader<I> {
    /// Creates a reader of `items`.
    pub fn new(items: impl IntoIterator<IntoIter = I>) -> Self {
        Self { items: items.into_iter(), calls: 0 }
    }
}

/// On drop, adds the number of items that were taken, even if the iterator panicked.
struct Taken<'a, T> {
    into: &'a mut Vec<T>,
    before: usize,
    calls: &'a mut u64,
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        *self.calls += (self.into.len() - self.before) as u64;
    }
}

#[diagnostic::do_not_recommend]
impl<I: Iterator> Reader for IteratorReader<I> {
    type Item = I::Item;
    type Position = u64;
    type Error = EndedEarly;

    #[inline]
    fn read(&mut self) -> Result<Option<I::Item>, EndedEarly> {
        let item = self.items.next();
        self.calls += u64::from(item.is_some());
        Ok(item)
    }

    #[inline]
    fn read_batch(&mut self, most: usize, into: &mut Vec<I::Item>) -> Result<usize, EndedEarly> {
        let before = into.len();
        let taken = Taken { before, into, calls: &mut self.calls };
        taken.into.extend(self.items.by_ref().take(most));
        Ok(taken.into.len() - before)
    }

    #[inline]
    fn position(&self) -> u64 {
        self.calls
    }

    fn resume(&mut self, position: u64) -> Result<(), EndedEarly> {
        replay(&mut self.items, position)?;
        self.calls = position;
        Ok(())
    }

    fn progress(&self) -> Option<Progress> {
        exact_progress(&self.items, self.calls)
    }

    fn location(&self) -> Option<String> {
        Some(format!("item {}", self.calls))
    }
}

impl<I> fmt::Debug for IteratorReader<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IteratorReader").field("calls", &self.calls).finish_non_exhaustive()
    }
}

/// Reads an iterator whose items may be errors.
///
/// The position also counts the errors. While a restart iterates over the items read before, it ignores
/// errors: an earlier execution dealt with them. As for [`IteratorReader`], **the order of the items must not
/// change between two executions**.
///
/// ```
/// use batch_runtime::{Failure, Reader, readers::FallibleIteratorReader};
///
/// let lines = ["1", "two", "3"].into_iter().map(str::parse::<u32>);
/// let mut reader = FallibleIteratorReader::new(lines, Failure::new);
/// assert_eq!(reader.read()?, Some(1));
/// assert!(reader.read().is_err());
/// assert_eq!(reader.read()?, Some(3), "reading continues after an error");
/// assert_eq!(reader.position(), 3);
/// # Ok::<(), Failure>(())
/// ```
pub struct FallibleIteratorReader<I, E> {
    items: I,
    calls: u64,
    convert: fn(E) -> Failure,
}

impl<T, E, I: Iterator<Item = Result<T, E>>> FallibleIteratorReader<I, E> {
    /// Creates a reader of `items`; `convert` turns their errors into failures.
    pub fn new(items: impl IntoIterator<IntoIter = I>, convert: fn(E) -> Failure) -> Self {
        Self { items: items.into_iter(), calls: 0, convert }
    }
}

#[diagnostic::do_not_recommend]
impl<T, E, I: Iterator<Item = Result<T, E>>> Reader for FallibleIteratorReader<I, E> {
    type Item = T;
    type Position = u64;
    type Error = Failure;

    #[inline]
    fn read(&mut self) -> Result<Option<T>, Failure> {
        let Some(item) = self.items.next() else { return Ok(None) };
        self.calls += 1;
        match item {
            Ok(item) => Ok(Some(item)),
            Err(error) => Err((self.convert)(error)),
        }
    }

    #[inline]
    fn position(&self) -> u64 {
        self.calls
    }

    fn resume(&mut self, position: u64) -> Result<(), Failure> {
        replay(&mut self.items, position).map_err(Failure::new)?;
        self.calls = position;
        Ok(())
    }

    fn progress(&self) -> Option<Progress> {
        exact_progress(&self.items, self.calls)
    }

    fn location(&self) -> Option<String> {
        Some(format!("item {}", self.calls))
    }
}

impl<I, E> fmt::Debug for FallibleIteratorReader<I, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallibleIteratorReader").field("calls", &self.calls).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::readers::tests::batches_are_reads;

    fn rest<R: Reader>(reader: &mut R) -> Vec<R::Item>
    where
        R::Error: fmt::Debug,
    {
        std::iter::from_fn(|| reader.read().unwrap()).collect()
    }

    #[test]
    fn a_restart_resumes_after_the_committed_items() {
        let mut first = IteratorReader::new(0..10);
        first.read().unwrap();
        first.read().unwrap();
        let mut restarted = IteratorReader::new(0..10);
        restarted.resume(first.position()).unwrap();
        assert_eq!(rest(&mut restarted), (2..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_batch_equals_as_many_single_reads() {
        batches_are_reads(|| IteratorReader::new(0..10));
        batches_are_reads(|| IteratorReader::new((0..10).filter(|number| number % 3 > 0)));
        batches_are_reads(|| IteratorReader::new(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
    }

    #[test]
    fn items_that_a_batch_took_before_the_iterator_panicked_are_counted() {
        let three_is_too_many = |number: &u32| assert_ne!(*number, 3);
        let mut reader = IteratorReader::new((0..5).inspect(three_is_too_many));
        let mut items = vec![100];
        assert!(catch_unwind(AssertUnwindSafe(|| reader.read_batch(10, &mut items))).is_err());
        assert_eq!((items.as_slice(), reader.position()), ([100, 0, 1, 2].as_slice(), 3));
    }

    #[test]
    fn the_end_of_the_input_is_a_position_that_can_be_resumed() {
        let mut first = IteratorReader::new(0..3);
        rest(&mut first);
        let mut restarted = IteratorReader::new(0..3);
        restarted.resume(first.position()).unwrap();
        assert_eq!(restarted.read(), Ok(None));
    }

    #[test]
    fn an_input_that_ends_before_the_position_is_refused_with_both_counts() {
        let error = IteratorReader::new(0..7).resume(12).unwrap_err();
        assert_eq!(error, EndedEarly { read: 7, committed: 12 });
        assert!(
            error.to_string().starts_with("the input ended after 7 items, but 12 were committed"),
            "{error}"
        );
    }

    #[test]
    fn errors_count_and_are_ignored_during_replay() {
        let input = || vec![Ok(1), Err("bad"), Ok(3)];
        let mut first = FallibleIteratorReader::new(input(), Failure::new);
        first.read().unwrap();
        assert_eq!(first.read().unwrap_err().to_string(), "bad");
        assert_eq!(first.location().unwrap(), "item 2");

        let mut restarted = FallibleIteratorReader::new(input(), Failure::new);
        restarted.resume(first.position()).unwrap();
        assert_eq!(rest(&mut restarted), [3]);
    }

    #[test]
    fn a_fallible_input_that_ends_early_is_refused() {
        let mut reader = FallibleIteratorReader::new(vec![Ok(1), Err("bad")], Failure::new);
        let failure = reader.resume(3).unwrap_err();
        assert!(failure.cause().is::<EndedEarly>(), "{failure}");
    }

    #[test]
    fn progress_is_reported_if_the_iterator_knows_its_length() {
        let mut reader = IteratorReader::new(0..4);
        reader.read().unwrap();
        assert_eq!(reader.progress(), Some(Progress { done: 1, total: 4 }));
        assert_eq!(IteratorReader::new((0..4).filter(|n| n % 2 == 0)).progress(), None);
    }
}
