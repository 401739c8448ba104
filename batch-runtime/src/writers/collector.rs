//! Collects committed items in memory and shares them between clones of the collector.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::definition::{ChunkTransaction, Partitionable, Writer};

/// Collects items in memory: for tests, and for results that the program itself goes on to use.
///
/// Clones share the collected items. An item is visible only once its chunk is committed. The collector lives
/// as long as the process: after a restart in another process, it holds only the items written since.
///
/// ```
/// use batch_runtime::{ChunkTransaction, Writer, writers::Collector};
///
/// let delays = Collector::new();
/// let mut writer = delays.clone();
/// writer.write(&[12, 7], &ChunkTransaction::none())?;
/// assert!(delays.is_empty(), "not committed yet");
/// writer.committed()?;
/// assert_eq!(delays.to_vec(), [12, 7]);
/// # Ok::<(), std::convert::Infallible>(())
/// ```
pub struct Collector<T> {
    shared: Arc<Mutex<Vec<T>>>,
    staged: Vec<T>,
    published: u64,
}

impl<T> Collector<T> {
    /// Creates an empty collector.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::default(), staged: Vec::new(), published: 0 }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of committed items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// True if no item is committed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Takes the committed items out of the collector.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.lock())
    }
}

impl<T: Clone> Collector<T> {
    /// Returns a copy of the committed items.
    #[must_use]
    pub fn to_vec(&self) -> Vec<T> {
        self.lock().clone()
    }
}

impl<T> Default for Collector<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A clone does not receive the uncommitted items of the original.
impl<T> Clone for Collector<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), staged: Vec::new(), published: 0 }
    }
}

impl<T> fmt::Debug for Collector<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("committed", &self.len())
            .field("staged", &self.staged.len())
            .finish_non_exhaustive()
    }
}

impl<T: Clone> Writer for Collector<T> {
    type Item = T;
    /// The number of items written, including the committed ones.
    type Position = u64;
    type Error = std::convert::Infallible;

    const CAN_ROLL_BACK: bool = true;

    fn open(&mut self, from: Option<u64>) -> Result<(), Self::Error> {
        self.staged.clear();
        self.published = from.unwrap_or(0);
        Ok(())
    }

    fn write(&mut self, items: &[T], _tx: &ChunkTransaction<'_>) -> Result<(), Self::Error> {
        self.staged.extend_from_slice(items);
        Ok(())
    }

    fn position(&self) -> u64 {
        self.published + self.staged.len() as u64
    }

    fn committed(&mut self) -> Result<(), Self::Error> {
        self.published += self.staged.len() as u64;
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.append(&mut self.staged);
        Ok(())
    }

    fn rollback(&mut self, to: &u64) -> Result<(), Self::Error> {
        let kept = to.saturating_sub(self.published);
        self.staged.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        Ok(())
    }
}

impl<T: Clone> Partitionable for Collector<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(writer: &mut Collector<u32>, items: &[u32]) {
        writer.write(items, &ChunkTransaction::none()).unwrap();
    }

    #[test]
    fn items_are_visible_once_they_are_committed() {
        let collector = Collector::new();
        let mut writer = collector.clone();
        write(&mut writer, &[1, 2]);
        assert!(collector.is_empty());
        writer.committed().unwrap();
        assert_eq!(collector.take(), [1, 2]);
        assert_eq!(collector.len(), 0);
    }

    #[test]
    fn a_rollback_keeps_the_items_before_the_position() {
        let collector = Collector::new();
        let mut writer = collector.clone();
        write(&mut writer, &[1]);
        writer.committed().unwrap();
        write(&mut writer, &[2]);
        let savepoint = writer.position();
        write(&mut writer, &[3, 4]);
        writer.rollback(&savepoint).unwrap();
        writer.committed().unwrap();
        assert_eq!(collector.to_vec(), [1, 2]);
    }

    #[test]
    fn a_restart_drops_uncommitted_items() {
        let collector = Collector::new();
        let mut writer = collector.clone();
        write(&mut writer, &[1]);
        let committed = writer.position();
        writer.committed().unwrap();
        write(&mut writer, &[2]);
        drop(writer);

        let mut restarted = collector.clone();
        restarted.open(Some(committed)).unwrap();
        write(&mut restarted, &[2]);
        assert_eq!(restarted.position(), 2);
        restarted.committed().unwrap();
        assert_eq!(collector.to_vec(), [1, 2]);
    }
}
