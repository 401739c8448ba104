//! Receives: the stored partitions of a step. Gives: them run, here on threads, or wherever another handler has them run.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::work::PartitionWork;
use crate::repository::{BatchStatus, PartitionExecution, RepositoryError};

/// Has the partitions of a step run: on threads of this process ([`Threads`]), in other processes, on other machines.
///
/// The partitions that it is handed are in the repository before it is called, each with a step execution of its own as
/// STARTING, and the step takes what came of them from there and from nowhere else. Whoever runs them promises:
/// - **From what is stored.** A partition is run from its row alone: the part of the input and the context it inherits are
///   there. Nothing is computed anew that the row holds.
/// - **As the owner.** All that a runner writes carries the step's [`Ownership`](crate::repository::Ownership); where it is
///   refused as fenced the runner stops at once, and reports nothing.
/// - **Once.** At most one runner works on a partition at a time.
///   [`begin_partition`](crate::repository::Repository::begin_partition) lets only the first of them begin; a runner that may
///   only be slow or cut off is fenced, not replaced beside itself.
/// - **To an end that is recorded.** COMPLETED, FAILED or STOPPED with the partition's counters, by the runner itself. A runner
///   that dies leaves a row as STARTED: that partition has failed.
/// - **No more than asked.** At most [`at_once`](PartitionWork::at_once) run at the same time. After one that did not
///   complete no further one begins; those that run are awaited.
/// - **A stop reaches everyone.** Runners stop at the next chunk boundary once the job was asked to; what was not begun
///   stays so, and is ended by the step.
/// - **Nothing goes on behind it.** When `handle` returns no runner works for this execution any more.
pub trait PartitionHandler: Send + Sync + fmt::Debug {
    /// Runs the partitions, all of which are to be run, and returns when none runs any more. That some failed is no error: the
    /// repository says so.
    ///
    /// # Errors
    /// When the repository is lost.
    fn handle(
        &self,
        work: &PartitionWork<'_>,
        partitions: &[PartitionExecution],
    ) -> Result<(), RepositoryError>;
}

/// Runs partitions on threads of this process.
#[derive(Debug, Default, Clone, Copy)]
pub struct Threads;

impl PartitionHandler for Threads {
    fn handle(
        &self,
        work: &PartitionWork<'_>,
        partitions: &[PartitionExecution],
    ) -> Result<(), RepositoryError> {
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
            // The caller's thread takes partitions like the others.
            for _ in 1..work.at_once().min(partitions.len()) {
                let spawned = thread::Builder::new().name("partition".to_owned()).spawn_scoped(scope, run);
                if let Err(error) = spawned {
                    tracing::warn!(%error, "the system has no thread for partitions, which wait for another one");
                    break;
                }
            }
            run();
        });
        lost.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}
