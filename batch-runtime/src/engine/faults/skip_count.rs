//! Counts the skips of a step across all its partitions, so that a limit applies to all of them together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of skips of a step, committed or not. All clones share one counter.
#[derive(Debug, Clone, Default)]
pub(crate) struct SkipCount {
    count: Arc<AtomicU64>,
    /// The name of the step, if other processes skip items of it too. Each commit then checks the limit.
    of_all: Option<Arc<str>>,
}

impl SkipCount {
    pub(crate) fn new(before: u64) -> Self {
        Self { count: Arc::new(AtomicU64::new(before)), of_all: None }
    }

    /// The count of a step whose partitions run in several processes.
    pub(crate) fn of_processes(step: &str) -> Self {
        Self { of_all: Some(step.into()), ..Self::new(0) }
    }

    /// The name of the step, if other processes skip items of it too.
    pub(crate) fn of_all(&self) -> Option<&Arc<str>> {
        self.of_all.as_ref()
    }

    pub(crate) fn get(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Adds one if the count is still `so_far`, and returns whether it did so. Another partition may have added one
    /// since the limit was checked.
    pub(crate) fn add(&self, so_far: u64) -> bool {
        self.count.compare_exchange(so_far, so_far + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Raises the count to `committed`, which includes the skips that other processes have committed meanwhile.
    pub(crate) fn raise_to(&self, committed: u64) {
        self.count.fetch_max(committed, Ordering::Relaxed);
    }

    /// Subtracts skips that were discarded with their chunk.
    pub(crate) fn take_back(&self, many: usize) {
        self.count.fetch_sub(many as u64, Ordering::Relaxed);
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
