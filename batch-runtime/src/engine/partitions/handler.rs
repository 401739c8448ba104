//! Decides where the partitions of a step run: on threads of this process, or wherever another handler runs them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::definition::{Environment, Failure, JobInfo, StopSignal};
use crate::observe::{Observer, StepLive, spans};
use crate::repository::{
    BatchStatus, ContextMap, Counters, Ownership, PartitionExecution, Repository, RepositoryError,
};

/// Runs the partitions of a step: on threads of this process ([`Threads`]), in other processes, or on other machines.
///
/// The partitions are in the repository before the handler is called, each with a step execution in the status
/// STARTING. The step reads their results from the repository and from nowhere else. A handler and its runners promise:
/// - **A partition is run from its row.** The row holds the part of the input and the inherited context. A runner does
///   not compute again what the row holds.
/// - **A runner writes as the owner.** Every write carries the step's [`Ownership`]. A runner
///   that is refused as fenced stops at once and reports nothing.
/// - **A partition has one runner.** At most one runner works on a partition at a time.
///   [`begin_partition`](crate::repository::Repository::begin_partition) lets only the first one begin. A runner that
///   may merely be slow or disconnected is fenced before another one takes its place.
/// - **A runner records the end.** It sets COMPLETED, FAILED or STOPPED with the partition's counters. A runner that
///   dies leaves its row as STARTED, and that partition has failed.
/// - **The number of runners is bounded.** At most [`at_once`](PartitionWork::at_once) run at the same time. Once a
///   partition has ended without completing, no further partition begins, and the handler waits for those running.
/// - **A stop reaches all runners.** Once the job is asked to stop, runners stop at the next chunk boundary. They leave
///   partitions that have not begun to the step, which ends them.
/// - **No runner outlives the call.** When `handle` returns, no runner works for this execution any more.
pub trait PartitionHandler: Send + Sync + fmt::Debug {
    /// Runs all of these partitions, and returns when none is running any more. A failed partition is not an error: its
    /// result is in the repository.
    ///
    /// # Errors
    /// When the repository is lost, or nothing can run the partitions.
    fn handle(
        &self,
        work: &PartitionWork<'_>,
        partitions: &[PartitionExecution],
    ) -> Result<(), PartitionsError>;
}

/// Why partitions could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PartitionsError {
    /// The repository is lost.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// Nothing can run the partitions, so the step fails.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Everything that the partitions of a step need to run. Several threads may use it at the same time.
pub struct PartitionWork<'w> {
    pub(super) step: &'w str,
    pub(super) job: &'static JobInfo,
    pub(super) repository: &'w dyn Repository,
    pub(super) environment: &'w Environment,
    pub(super) ownership: Ownership,
    /// The step's `threads`.
    pub(super) at_once: Option<usize>,
    /// Stops the partitions of the step.
    pub(super) stop: &'w StopSignal,
    pub(super) live: &'w StepLive,
    pub(super) owner_may_live: bool,
    pub(super) observer: Option<&'w dyn Observer>,
    pub(super) runner: &'w dyn RunPartition,
}

/// Runs a partition to its end on the caller's thread and records how it ended.
pub(super) trait RunPartition: Send + Sync {
    fn run(&self, partition: &PartitionExecution) -> Result<BatchStatus, RepositoryError>;
}

impl fmt::Debug for PartitionWork<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionWork").field("step", &self.step).finish_non_exhaustive()
    }
}

impl PartitionWork<'_> {
    /// The step's name in its job.
    #[must_use]
    pub fn step(&self) -> &str {
        self.step
    }

    /// The ownership that every write for the partitions must carry.
    #[must_use]
    pub fn ownership(&self) -> Ownership {
        self.ownership
    }

    /// The job that the step belongs to, which may be a nested job.
    #[must_use]
    pub fn job(&self) -> &'static JobInfo {
        self.job
    }

    /// The repository, which holds the partitions.
    #[must_use]
    pub fn repository(&self) -> &dyn Repository {
        self.repository
    }

    /// The number of partitions that may run at the same time, if the step has `threads`.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        self.at_once
    }

    /// The secret parameters of the job, as strings by name, for a runner that has to pass them on. The repository does
    /// not store them.
    #[must_use]
    pub fn secrets(&self) -> BTreeMap<String, String> {
        secrets(&self.environment.job.parameters)
    }

    /// Shows the progress of partitions that run elsewhere: the committed work of this execution, and the number of
    /// complete partitions.
    pub fn show(&self, counters: &Counters, completed: u64) {
        self.live.show_partitions(counters, completed);
    }

    /// Tells the observer of the run what happened, in one line.
    pub fn tell(&self, what: &str) {
        if let Some(observer) = self.observer {
            observer.noted(self.live.name(), what);
        }
    }

    /// Adopts the values that partitions elsewhere have committed to the job's context. `before` is the context as it
    /// was when they began, and `now` as they left it.
    pub fn take_over_context(&self, before: &ContextMap, now: ContextMap) {
        let mut changed = now;
        changed.retain(|key, value| before.get(key) != Some(value));
        self.environment.job.values.take_over(changed);
    }

    /// The number of partitions that may run at the same time: the step's `threads`, or else the number of cores.
    #[must_use]
    pub fn at_once(&self) -> usize {
        self.at_once.unwrap_or_else(cores).max(1)
    }

    /// Returns whether a previous owner of the instance may still be alive, so that the partitions have to continue
    /// with copies of that owner's files.
    #[must_use]
    pub fn owner_may_live(&self) -> bool {
        self.owner_may_live
    }

    /// Returns whether the job was asked to stop. From then on no further partition begins.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_raised()
    }

    /// Asks the job to stop.
    pub fn request_stop(&self) {
        self.stop.raise();
    }

    /// Stops the partitions of the step and nothing else: the repository is lost, so they could not commit anything.
    fn give_up(&self) {
        self.stop.give_up();
    }

    /// Runs a partition to its end on this thread and records how it ended.
    ///
    /// # Errors
    /// When the repository is lost. A partition that failed is not an error.
    pub fn run(&self, partition: &PartitionExecution) -> Result<BatchStatus, RepositoryError> {
        self.runner.run(partition)
    }
}

/// The number of threads that this machine can run in parallel.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Runs partitions on threads of this process.
#[derive(Debug, Default, Clone, Copy)]
pub struct Threads;

impl PartitionHandler for Threads {
    fn handle(
        &self,
        work: &PartitionWork<'_>,
        partitions: &[PartitionExecution],
    ) -> Result<(), PartitionsError> {
        let (next, ends) = (AtomicUsize::new(0), AtomicBool::new(false));
        let lost = Mutex::new(None);
        let run = || {
            while !ends.load(Ordering::Relaxed) && !work.is_stopping() {
                let Some(partition) = partitions.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                match work.run(partition) {
                    Ok(BatchStatus::Completed) => {}
                    Ok(_) => ends.store(true, Ordering::Relaxed),
                    Err(error) => {
                        work.give_up();
                        lost.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                }
            }
        };
        thread::scope(|scope| {
            // The caller's thread runs partitions like the others.
            for _ in 1..work.at_once().min(partitions.len()) {
                let spawned = thread::Builder::new()
                    .name("partition".to_owned())
                    .spawn_scoped(scope, spans::carried(run));
                if let Err(error) = spawned {
                    tracing::warn!(%error, "could not start a thread for partitions; fewer partitions run at once");
                    break;
                }
            }
            run();
        });
        lost.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), |error| Err(error.into()))
    }
}

/// The secret parameters, as strings by name.
pub(crate) fn secrets(all: &crate::definition::Parameters) -> BTreeMap<String, String> {
    let secrets = all.iter().filter(|(_, parameter)| parameter.secret);
    secrets.map(|(name, parameter)| (name.to_owned(), parameter.value.to_string())).collect()
}
