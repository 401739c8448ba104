//! Defines where the partitions of a step run: on threads of this process, or wherever another handler runs them.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::work::PartitionWork;
use crate::repository::{BatchStatus, PartitionExecution, RepositoryError};

/// Runs the partitions of a step: on threads of this process ([`Threads`]), in other processes, or on other machines.
///
/// The partitions are in the repository before the handler is called, each with a step execution in the status STARTING.
/// The step reads their results from the repository and from nowhere else. A handler and its runners promise:
/// - **A partition is run from its row.** The row holds the part of the input and the inherited context. A runner does not
///   compute again what the row holds.
/// - **A runner writes as the owner.** Every write carries the step's [`Ownership`](crate::repository::Ownership). A runner
///   that is refused as fenced stops at once and reports nothing.
/// - **A partition has one runner.** At most one runner works on a partition at a time.
///   [`begin_partition`](crate::repository::Repository::begin_partition) lets only the first one begin. A runner that may
///   merely be slow or disconnected is fenced before another one takes its place.
/// - **A runner records the end.** It sets COMPLETED, FAILED or STOPPED with the partition's counters. A runner that dies
///   leaves its row as STARTED, and that partition has failed.
/// - **The number of runners is bounded.** At most [`at_once`](PartitionWork::at_once) run at the same time. After a
///   partition that did not complete, no further one begins, and the running ones are awaited.
/// - **A stop reaches all runners.** Once the job was asked to stop, runners stop at the next chunk boundary. Partitions
///   that have not begun stay that way, and the step ends them.
/// - **No runner outlives the call.** When `handle` returns, no runner works for this execution any more.
pub trait PartitionHandler: Send + Sync + fmt::Debug {
    /// Runs all of these partitions, and returns when none is running any more. A failed partition is not an error: its
    /// result is in the repository.
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
            // The caller's thread runs partitions like the others.
            for _ in 1..work.at_once().min(partitions.len()) {
                let spawned = thread::Builder::new().name("partition".to_owned()).spawn_scoped(scope, run);
                if let Err(error) = spawned {
                    tracing::warn!(%error, "could not start a thread for partitions; they wait for one that is running");
                    break;
                }
            }
            run();
        });
        lost.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}
