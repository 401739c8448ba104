//! Receives: items in memory. Gives: a reader that restarts by index.

use std::fmt;
use std::vec::IntoIter;

use super::EndedEarly;
use crate::definition::{Progress, Reader};

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
    total: usize,
}

impl<T> VecReader<T> {
    /// A reader of `items`.
    #[must_use]
    pub fn new(items: impl Into<Vec<T>>) -> Self {
        let items = items.into();
        Self { total: items.len(), items: items.into_iter() }
    }

    fn index(&self) -> usize {
        self.total - self.items.len()
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
    fn position(&self) -> u64 {
        self.index() as u64
    }

    fn resume(&mut self, position: u64) -> Result<(), EndedEarly> {
        match usize::try_from(position) {
            Ok(index) if index <= self.total => {
                self.items.by_ref().take(index).for_each(drop);
                Ok(())
            }
            _ => Err(EndedEarly { read: self.total as u64, committed: position }),
        }
    }

    fn progress(&self) -> Option<Progress> {
        Some(Progress { done: self.position(), total: self.total as u64 })
    }

    fn location(&self) -> Option<String> {
        Some(format!("item {}", self.index()))
    }
}

impl<T> fmt::Debug for VecReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VecReader")
            .field("index", &self.index())
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_goes_on_behind_the_committed_items() {
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
    fn a_position_behind_the_end_is_refused() {
        let error = VecReader::new([1, 2]).resume(3).unwrap_err();
        assert_eq!(error, EndedEarly { read: 2, committed: 3 });
    }
}
