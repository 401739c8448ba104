//! Watches a modelled step: panics at a violation, and knows the final state.
//!
//! The model checker sees nothing of this: watching is not a step of its own.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

#[derive(Default)]
pub(crate) struct Watch {
    /// The chunks in the order in which they were taken.
    taken: Mutex<Vec<u64>>,
    /// The commits that the reader was notified of.
    notified: Mutex<Vec<u64>>,
    /// The number of committed chunks from the first on; `noted` of their commits are queued for the reader.
    pub(crate) committed: AtomicU64,
    pub(crate) noted: AtomicU64,
    pub(crate) taker_is_gone: AtomicBool,
    /// The number of sets of buffers that exist.
    buffers: AtomicU64,
}

impl Watch {
    /// Takes a chunk; at most `room` chunks may be taken ahead of the first uncommitted one.
    pub(crate) fn take(&self, number: u64, room: u64) {
        let first = self.committed.load(Relaxed);
        assert!(number <= first + room, "chunk {number} is done too far ahead of {first}");
        let mut taken = self.taken.lock().unwrap();
        assert!(!taken.contains(&number), "chunk {number} is taken twice");
        taken.push(number);
    }

    pub(crate) fn tell(&self, number: u64) {
        let mut notified = self.notified.lock().unwrap();
        assert_eq!(number, notified.len() as u64, "the reader is notified of a commit out of order");
        assert!(
            number < self.committed.load(Relaxed),
            "the reader is notified of {number}, which is not committed"
        );
        notified.push(number);
    }

    /// Asserts that the reader was notified of all `noted` commits before it goes on.
    pub(crate) fn has_heard(&self, noted: u64) {
        let notified = self.notified.lock().unwrap().len() as u64;
        assert!(
            noted <= notified,
            "the reader continues, but was notified of {notified} of {noted} commits only"
        );
    }

    /// Returns the number of committed chunks from the first on.
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

/// The buffers that hold a chunk.
pub(crate) struct Buffers {
    pub(crate) channel: usize,
    /// The number of commits queued for the reader when the worker began with the buffers.
    pub(crate) noted: u64,
    watch: Arc<Watch>,
}

impl Buffers {
    pub(crate) fn new(watch: &Arc<Watch>, channel: usize) -> Self {
        watch.buffers.fetch_add(1, Relaxed);
        Self { channel, noted: 0, watch: Arc::clone(watch) }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        self.watch.buffers.fetch_sub(1, Relaxed);
    }
}
