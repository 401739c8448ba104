//! Records what happens in a modelled step, and panics at what must not happen.
//!
//! It uses the primitives of `std`, which the model checker does not see, so that it adds no scheduling
//! points.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

#[derive(Default)]
pub(crate) struct Watch {
    /// The chunks in the order in which they were taken.
    taken: Mutex<Vec<u64>>,
    /// The commits that the reader was notified of.
    notified: Mutex<Vec<u64>>,
    /// The number of first chunks that are committed.
    pub(crate) committed: AtomicU64,
    /// The number of commits that are published for the reader.
    pub(crate) published: AtomicU64,
    pub(crate) step_thread_left: AtomicBool,
    /// The number of buffer sets that exist.
    buffers: AtomicU64,
}

impl Watch {
    /// Records that a chunk is taken, which must be at most `room` after the first that is not committed.
    pub(crate) fn take(&self, number: u64, room: u64) {
        let first = self.committed.load(Relaxed);
        assert!(number <= first + room, "chunk {number} is too far ahead of {first}");
        let mut taken = self.taken.lock().unwrap();
        assert!(!taken.contains(&number), "chunk {number} is taken twice");
        taken.push(number);
    }

    /// Records that the reader is notified of a commit.
    pub(crate) fn notify(&self, number: u64) {
        let mut notified = self.notified.lock().unwrap();
        assert_eq!(number, notified.len() as u64, "the reader is notified of another commit than the next");
        assert!(
            number < self.committed.load(Relaxed),
            "the reader is notified of {number}, which is not committed"
        );
        notified.push(number);
    }

    /// Asserts that the reader was notified of `published` commits before it reads on.
    pub(crate) fn assert_notified(&self, published: u64) {
        let notified = self.notified.lock().unwrap().len() as u64;
        assert!(
            published <= notified,
            "the reader goes on after {notified} notifications of {published} commits"
        );
    }

    /// Returns how many of the first chunks are committed.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Relaxed)
    }

    pub(crate) fn taken(&self) -> Vec<u64> {
        self.taken.lock().unwrap().clone()
    }

    pub(crate) fn notified(&self) -> Vec<u64> {
        self.notified.lock().unwrap().clone()
    }

    pub(crate) fn buffers(&self) -> u64 {
        self.buffers.load(Relaxed)
    }
}

/// The buffers of a chunk.
pub(crate) struct Buffers {
    pub(crate) lane: usize,
    /// The number of commits published for the reader when the worker began the chunk.
    pub(crate) published: u64,
    watch: Arc<Watch>,
}

impl Buffers {
    pub(crate) fn new(watch: &Arc<Watch>, lane: usize) -> Self {
        watch.buffers.fetch_add(1, Relaxed);
        Self { lane, published: 0, watch: Arc::clone(watch) }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        self.watch.buffers.fetch_sub(1, Relaxed);
    }
}
