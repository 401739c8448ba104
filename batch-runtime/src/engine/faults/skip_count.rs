//! Counts the skips of a step across all its partitions, so that a limit applies to all of them together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of skips of a step, committed or not. All clones share one counter.
#[derive(Debug, Clone, Default)]
pub(crate) struct SkipCount(Arc<AtomicU64>);

impl SkipCount {
    pub(crate) fn new(before: u64) -> Self {
        Self(Arc::new(AtomicU64::new(before)))
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more if the count is still `so_far`: another partition may have counted one since the limit was
    /// checked.
    pub(crate) fn add(&self, so_far: u64) -> bool {
        self.0.compare_exchange(so_far, so_far + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Counts those that other processes have committed meanwhile.
    pub(crate) fn raise_to(&self, committed: u64) {
        self.0.fetch_max(committed, Ordering::Relaxed);
    }

    /// Subtracts skips that were discarded with their chunk.
    pub(crate) fn take_back(&self, many: usize) {
        self.0.fetch_sub(many as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_is_counted_only_if_the_count_is_unchanged() {
        let count = SkipCount::new(3);
        let other = count.clone();
        assert!(other.add(3));
        assert!(!count.add(3));
        count.take_back(1);
        assert_eq!(other.get(), 3);
    }
}
