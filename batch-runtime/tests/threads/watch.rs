//! Receives: what happens in a modelled step. Gives: a panic where it may not, and what has happened in the end.
//!
//! Nothing in here is seen by the model checker: looking is no step of its own.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

#[derive(Default)]
pub(crate) struct Watch {
    /// The chunks in the order in which they were taken.
    taken: Mutex<Vec<u64>>,
    /// The commits of which the reader was told.
    told: Mutex<Vec<u64>>,
    /// So many of the first chunks are committed, and the reader was left word of so many.
    pub(crate) committed: AtomicU64,
    pub(crate) noted: AtomicU64,
    pub(crate) taker_is_gone: AtomicBool,
    /// Sets of buffers that there are.
    buffers: AtomicU64,
}

impl Watch {
    /// There is room for so many behind the first that is not committed.
    pub(crate) fn take(&self, number: u64, room: u64) {
        let first = self.committed.load(Relaxed);
        assert!(number <= first + room, "chunk {number} is done far behind {first}");
        let mut taken = self.taken.lock().unwrap();
        assert!(!taken.contains(&number), "chunk {number} is taken twice");
        taken.push(number);
    }

    pub(crate) fn tell(&self, number: u64) {
        let mut told = self.told.lock().unwrap();
        assert_eq!(number, told.len() as u64, "the reader is told of another commit than the next");
        assert!(
            number < self.committed.load(Relaxed),
            "the reader is told of {number}, which is not committed"
        );
        told.push(number);
    }

    /// The reader was left word of so many commits before this.
    pub(crate) fn has_heard(&self, noted: u64) {
        let told = self.told.lock().unwrap().len() as u64;
        assert!(noted <= told, "the reader goes on, and knows of {told} commits of {noted}");
    }

    /// How many of the first chunks are committed.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Relaxed)
    }

    pub(crate) fn taken(&self) -> Vec<u64> {
        self.taken.lock().unwrap().clone()
    }

    pub(crate) fn told(&self) -> Vec<u64> {
        self.told.lock().unwrap().clone()
    }

    pub(crate) fn buffers(&self) -> u64 {
        self.buffers.load(Relaxed)
    }
}

/// What a chunk is kept in.
pub(crate) struct Buffers {
    pub(crate) channel: usize,
    /// Of so many commits the reader was left word when the worker began with it.
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
