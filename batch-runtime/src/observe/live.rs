//! Receives: the counters of a running step, once a chunk. Gives: them to another thread, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::definition::Progress;
use crate::repository::Counters;

/// How far a running step is: written by the step once a chunk, read by whoever draws it.
#[derive(Debug)]
pub struct StepLive {
    name: String,
    began: Instant,
    before: Counters,
    read: AtomicU64,
    filter: AtomicU64,
    write: AtomicU64,
    skip: AtomicU64,
    commit: AtomicU64,
    done: AtomicU64,
    total: AtomicU64,
}

impl StepLive {
    pub(crate) fn new(name: String, before: Counters) -> Self {
        Self {
            name,
            began: Instant::now(),
            before,
            read: AtomicU64::new(0),
            filter: AtomicU64::new(0),
            write: AtomicU64::new(0),
            skip: AtomicU64::new(0),
            commit: AtomicU64::new(0),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
        }
    }

    pub(crate) fn show(&self, counters: &Counters, progress: Option<Progress>) {
        self.read.store(counters.read, Ordering::Relaxed);
        self.filter.store(counters.filter, Ordering::Relaxed);
        self.write.store(counters.write, Ordering::Relaxed);
        self.skip.store(counters.skips(), Ordering::Relaxed);
        self.commit.store(counters.commit, Ordering::Relaxed);
        if let Some(Progress { done, total }) = progress {
            self.done.store(done, Ordering::Relaxed);
            self.total.store(total, Ordering::Relaxed);
        }
    }

    /// The step's name in the job.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it began.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.began
    }

    /// What earlier executions of the step in the instance did.
    #[must_use]
    pub fn before(&self) -> &Counters {
        &self.before
    }

    /// Items read in this execution.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Items filtered.
    #[must_use]
    pub fn filtered(&self) -> u64 {
        self.filter.load(Ordering::Relaxed)
    }

    /// Items written and committed.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.write.load(Ordering::Relaxed)
    }

    /// Items skipped.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skip.load(Ordering::Relaxed)
    }

    /// Chunks committed.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commit.load(Ordering::Relaxed)
    }

    /// How much of the input is behind, where its size is known.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        let total = self.total.load(Ordering::Relaxed);
        (total > 0).then(|| Progress { done: self.done.load(Ordering::Relaxed), total })
    }
}
