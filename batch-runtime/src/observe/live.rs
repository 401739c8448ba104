//! Publishes the counters of a running step to another thread, once per chunk and without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

#[cfg(feature = "cli")]
use jiff::Timestamp;

use super::StepProgress;
#[cfg(feature = "cli")]
use super::words;
use crate::definition::Progress;
#[cfg(feature = "cli")]
use crate::repository::RunningStep;
use crate::repository::{Counters, Reached};

/// The progress of a running step. The step writes it once per chunk, and the thread that draws it reads it.
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
    /// The progress before this execution; [`UNKNOWN`] until it is known.
    first: AtomicU64,
    /// The live state of the whole step, if this one belongs to a partition.
    step: Option<Arc<StepLive>>,
}

/// The weight of one partition in the progress of a step.
const SHARE: u64 = Reached::PARTITION;
/// Marks an unknown position. No input has this position.
const UNKNOWN: u64 = u64::MAX;

/// The completed part of one partition, as a part of [`SHARE`]; 0 if the size of the partition is not known.
fn share(done: u64, total: u64) -> u64 {
    let share = (u128::from(done.min(total)) * u128::from(SHARE)).checked_div(total.into());
    u64::try_from(share.unwrap_or_default()).unwrap_or_default()
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
            first: AtomicU64::new(if before == Counters::default() { 0 } else { UNKNOWN }),
            step: None,
        }
    }

    /// Makes the state of a partition. Its progress is added to that of its step.
    pub(crate) fn of_partition(name: String, before: Counters, step: &Arc<Self>) -> Self {
        Self { step: Some(Arc::clone(step)), ..Self::new(name, before) }
    }

    /// Makes the state of a step that runs in another process, as it was at the time `seen`.
    #[cfg(feature = "cli")]
    pub(crate) fn of_other(step: &RunningStep, seen: Timestamp) -> Self {
        let before = Counters { read: step.read_before, ..Counters::default() };
        let live = Self::new(step.name.clone(), before);
        let age = words::between(step.started, seen);
        let live = Self { began: live.began.checked_sub(age).unwrap_or(live.began), ..live };
        live.follow(step);
        live
    }

    /// Shows what the other process has recorded.
    #[cfg(feature = "cli")]
    pub(crate) fn follow(&self, step: &RunningStep) {
        let reached = step.reached.map(|(reached, _)| reached);
        if let Some(Reached { before, .. }) = reached {
            self.first.store(before, Ordering::Relaxed);
        }
        self.show(&step.counters, reached.map(|Reached { done, total, .. }| Progress { done, total }));
    }

    /// Sets the number of partitions and how many of them are complete.
    pub(crate) fn begin_partitions(&self, partitions: u64, complete: u64) {
        self.total.store(partitions * SHARE, Ordering::Relaxed);
        self.done.store(complete * SHARE, Ordering::Relaxed);
        self.first.store(complete * SHARE, Ordering::Relaxed);
    }

    /// Sets the position in the input before the first chunk, because a restart begins in the middle.
    pub(crate) fn begin_at(&self, progress: Option<Progress>) {
        let Some(Progress { done, total }) = progress.filter(|_| self.first() == UNKNOWN) else { return };
        self.first.store(done, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        if let Some(step) = &self.step {
            step.done.fetch_add(share(done, total), Ordering::Relaxed);
            step.first.fetch_add(share(done, total), Ordering::Relaxed);
        }
    }

    /// Shows the progress of partitions that run elsewhere.
    pub(crate) fn show_partitions(&self, counters: &Counters, completed: u64) {
        let total = self.total.load(Ordering::Relaxed);
        self.show(counters, Some(Progress { done: completed * SHARE, total }));
    }

    pub(crate) fn show(&self, counters: &Counters, progress: Option<Progress>) {
        // Some readers know only now where they began.
        self.begin_at(progress);
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
        if let Some(Progress { done, total }) = progress {
            let shown = share(self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
            step.done.fetch_add(share(done, total).saturating_sub(shown), Ordering::Relaxed);
        }
    }

    /// The name of the step in the job.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The time at which the step began.
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

    /// The part of the input that has been read, if the size of the input is known.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        let total = self.total.load(Ordering::Relaxed);
        (total > 0).then(|| Progress { done: self.done.load(Ordering::Relaxed), total })
    }

    fn first(&self) -> u64 {
        self.first.load(Ordering::Relaxed)
    }

    /// Converts a progress to the form that is stored, so that other processes can show it.
    pub(crate) fn reached(&self, progress: Option<Progress>) -> Option<Reached> {
        let Progress { done, total } = progress?;
        let before = self.first();
        Some(Reached { before: if before == UNKNOWN { done } else { before }, done, total })
    }

    /// The progress of the step at that time.
    ///
    /// ```
    /// use std::time::Instant;
    /// use batch_runtime::observe::StepLive;
    ///
    /// fn print(step: &StepLive) {
    ///     println!("{}", step.at(Instant::now()).line(step.name()));
    /// }
    /// ```
    #[must_use]
    pub fn at(&self, now: Instant) -> StepProgress {
        let elapsed = now.saturating_duration_since(self.began);
        StepProgress {
            read: self.read(),
            before: self.before.read,
            written: self.written(),
            skipped: self.skipped(),
            elapsed,
            reached: self.reached(self.progress()).map(|reached| (reached, elapsed)),
        }
    }
}
