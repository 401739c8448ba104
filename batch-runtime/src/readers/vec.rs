//! Reads items in memory; the position is an index.

use std::fmt;
use std::vec::IntoIter;

use serde::{Deserialize, Serialize};

use super::EndedEarly;
use crate::definition::{BoxError, Progress, Reader, Splittable, evenly};

/// Reads the items of a `Vec`.
///
/// The position is the index of the next item: a restart needs the same items in the same order.
///
/// ```
/// use batch_runtime::{Progress, Reader, readers::VecReader};
///
/// let mut reader = VecReader::new(vec!["a", "b", "c"]);
/// reader.resume(1)?;
/// assert_eq!(reader.read()?, Some("b"));
/// assert_eq!(reader.progress(), Some(Progress { done: 2, total: 3 }));
/// # Ok::<(), batch_runtime::readers::EndedEarly>(())
/// ```
pub struct VecReader<T> {
    items: IntoIter<T>,
    /// The start and end of the items to read: all of them, or a part.
    begin: usize,
    end: usize,
}

/// A part of the items of a [`VecReader`]: from one index up to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VecPart {
    begin: usize,
    end: usize,
}

impl<T> VecReader<T> {
    /// Creates a reader of `items`.
    #[must_use]
    pub fn new(items: impl Into<Vec<T>>) -> Self {
        let items = items.into();
        Self { begin: 0, end: items.len(), items: items.into_iter() }
    }

    fn index(&self) -> usize {
        self.end - self.items.len()
    }
}

impl<T> From<Vec<T>> for VecReader<T> {
    fn from(items: Vec<T>) -> Self {
        Self::new(items)
    }
}

impl<T> Reader for VecReader<T> {
    type Item = T;
    type Position = u64;
    type Error = EndedEarly;

    #[inline]
    fn read(&mut self) -> Result<Option<T>, EndedEarly> {
        Ok(self.items.next())
    }

    #[inline]
    fn read_batch(&mut self, most: usize, into: &mut Vec<T>) -> Result<usize, EndedEarly> {
        let count = most.min(self.items.len());
        into.reserve(count);
        // Moved to a local variable, so that the compiler sees that nothing else changes it.
        let mut items = std::mem::take(&mut self.items);
        into.extend(items.by_ref().take(count));
        self.items = items;
        Ok(count)
    }

    #[inline]
    fn position(&self) -> u64 {
        self.index() as u64
    }

    fn resume(&mut self, position: u64) -> Result<(), EndedEarly> {
        match usize::try_from(position) {
            Ok(index) if index <= self.end => {
                let read = index.saturating_sub(self.index());
                self.items.by_ref().take(read).for_each(drop);
                Ok(())
            }
            _ => Err(EndedEarly { read: self.end as u64, committed: position }),
        }
    }

    fn progress(&self) -> Option<Progress> {
        Some(Progress { done: (self.index() - self.begin) as u64, total: (self.end - self.begin) as u64 })
    }

    fn location(&self) -> Option<String> {
        Some(format!("item {}", self.index()))
    }
}

impl<T> Splittable for VecReader<T> {
    type Part = VecPart;

    fn split(&mut self, parts: usize) -> Result<Vec<VecPart>, BoxError> {
        let begins = evenly(self.end as u64, parts).map(usize::try_from).collect::<Result<Vec<_>, _>>()?;
        let ends = begins.iter().skip(1).chain([&self.end]);
        Ok(begins.iter().zip(ends).map(|(&begin, &end)| VecPart { begin, end }).collect())
    }

    fn narrow(&mut self, part: VecPart) -> Result<(), BoxError> {
        let VecPart { begin, end } = part;
        if begin > end || end > self.end {
            return Err(EndedEarly { read: self.end as u64, committed: end as u64 }.into());
        }
        let mut items: Vec<T> = std::mem::take(&mut self.items).collect();
        items.truncate(end);
        self.items = items.into_iter();
        self.items.by_ref().take(begin).for_each(drop);
        (self.begin, self.end) = (begin, end);
        Ok(())
    }
}

impl<T> fmt::Debug for VecReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VecReader")
            .field("index", &self.index())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readers::tests::splits_everywhere;

    #[test]
    fn a_restart_resumes_after_the_committed_items() {
        let mut first = VecReader::new([1, 2, 3]);
        first.read().unwrap();
        let mut restarted = VecReader::new([1, 2, 3]);
        restarted.resume(first.position()).unwrap();
        assert_eq!(restarted.read(), Ok(Some(2)));
        assert_eq!(restarted.location().unwrap(), "item 2");
        assert_eq!(restarted.read(), Ok(Some(3)));
        assert_eq!(restarted.read(), Ok(None));
        assert_eq!(restarted.position(), 3);
    }

    #[test]
    fn its_parts_are_the_whole_and_restart_everywhere() {
        for items in 0..7 {
            splits_everywhere(|| VecReader::new((0..items).collect::<Vec<u32>>()));
        }
        assert_eq!(VecReader::new([1, 2, 3]).split(2).unwrap().len(), 2);
    }

    #[test]
    fn progress_and_location_of_a_part_are_right() {
        let mut reader = VecReader::new([1, 2, 3, 4]);
        let part = reader.split(2).unwrap().pop().unwrap();
        reader.narrow(part).unwrap();
        assert_eq!(reader.progress(), Some(Progress { done: 0, total: 2 }));
        reader.read().unwrap();
        assert_eq!(reader.progress(), Some(Progress { done: 1, total: 2 }));
        assert_eq!(reader.location().unwrap(), "item 3");
    }

    #[test]
    fn a_part_past_the_end_is_refused() {
        let part = VecReader::new([1, 2, 3]).split(1).unwrap().remove(0);
        let error = VecReader::new([1, 2]).narrow(part).unwrap_err();
        assert!(error.is::<EndedEarly>(), "{error}");
    }

    #[test]
    fn a_position_past_the_end_is_refused() {
        let error = VecReader::new([1, 2]).resume(3).unwrap_err();
        assert_eq!(error, EndedEarly { read: 2, committed: 3 });
    }
}
