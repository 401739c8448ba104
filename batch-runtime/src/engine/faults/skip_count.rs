//! Receives: the skips of a step, from all of its partitions. Gives: how many there are, so that a limit holds for all of them
//! together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much a step has skipped: what is committed, and what is not yet. Clones are one count.
#[derive(Debug, Clone, Default)]
pub(crate) struct SkipCount(Arc<AtomicU64>);

impl SkipCount {
    pub(crate) fn new(before: u64) -> Self {
        Self(Arc::new(AtomicU64::new(before)))
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more, if there are still `so_far`: between the look at the limit and this another partition may have
    /// counted one.
    pub(crate) fn add(&self, so_far: u64) -> bool {
        self.0.compare_exchange(so_far, so_far + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// So many were given up with their chunk.
    pub(crate) fn take_back(&self, many: usize) {
        self.0.fetch_sub(many as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_counts_beyond_what_it_has_seen() {
        let count = SkipCount::new(3);
        let other = count.clone();
        assert!(other.add(3));
        assert!(!count.add(3));
        count.take_back(1);
        assert_eq!(other.get(), 3);
    }
}
