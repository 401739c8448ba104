//! Publishes the counters of a running step to another thread, once per chunk and without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::definition::Progress;
use crate::repository::Counters;

/// The progress of a running step: written by the step once per chunk, read by the thread that draws it.
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
    /// The step's own, if this one belongs to a partition.
    step: Option<Arc<StepLive>>,
}

/// The size of one partition in the total, in any unit.
const SHARE: u64 = 1_000;

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
            step: None,
        }
    }

    /// For a partition, whose progress is added to that of its step.
    pub(crate) fn of_partition(name: String, before: Counters, step: &Arc<Self>) -> Self {
        Self { step: Some(Arc::clone(step)), ..Self::new(name, before) }
    }

    /// Sets the number of partitions and how many of them are complete.
    pub(crate) fn begin_partitions(&self, partitions: u64, complete: u64) {
        self.total.store(partitions * SHARE, Ordering::Relaxed);
        self.done.store(complete * SHARE, Ordering::Relaxed);
    }

    /// Shows what partitions that run elsewhere have done.
    pub(crate) fn show_partitions(&self, counters: &Counters, completed: u64) {
        let total = self.total.load(Ordering::Relaxed);
        self.show(counters, Some(Progress { done: completed * SHARE, total }));
    }

    pub(crate) fn show(&self, counters: &Counters, progress: Option<Progress>) {
        if let Some(step) = &self.step {
            self.add_to(step, counters, progress);
        }
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

    /// Adds the changes since the last call.
    fn add_to(&self, step: &Self, counters: &Counters, progress: Option<Progress>) {
        let add = |to: &AtomicU64, shown: &AtomicU64, now: u64| {
            to.fetch_add(now.saturating_sub(shown.load(Ordering::Relaxed)), Ordering::Relaxed);
        };
        add(&step.read, &self.read, counters.read);
        add(&step.filter, &self.filter, counters.filter);
        add(&step.write, &self.write, counters.write);
        add(&step.skip, &self.skip, counters.skips());
        add(&step.commit, &self.commit, counters.commit);
        let share = |done: u64, total: u64| (u128::from(done) * u128::from(SHARE)).checked_div(total.into());
        if let Some(Progress { done, total }) = progress {
            let shown = share(self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
            let more = share(done, total).unwrap_or_default().saturating_sub(shown.unwrap_or_default());
            step.done.fetch_add(u64::try_from(more).unwrap_or_default(), Ordering::Relaxed);
        }
    }

    /// The name of the step in the job.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The time at which it began.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The counters of earlier executions of the step in the instance.
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

    /// The part of the input that is read, if its size is known.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        let total = self.total.load(Ordering::Relaxed);
        (total > 0).then(|| Progress { done: self.done.load(Ordering::Relaxed), total })
    }
}
