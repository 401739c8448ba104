//! The partitions that wait for workers in other processes, and the workers.
//!
//! The rows of the partitions are the queue: a manager offers them, and a worker claims one. No message between the two is
//! needed for that.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    ContextMap, Counters, ExecutionLock, Owner, OwnerState, Ownership, PartitionExecution, RepositoryError,
};
use crate::definition::{Durability, ExecutionId, StepExecutionId, StopSignal};

/// The exit code of a partition whose worker was lost.
pub(crate) const WORKER_LOST: &str = "WORKER_LOST";
/// The exit code of a partition that a worker handed back because the worker was drained.
pub(crate) const HANDED_BACK: &str = "HANDED_BACK";
/// A partition fails once it has lost this many workers in a row without a commit in between. The same number holds for
/// a chunk of a step with `remote`.
pub(crate) const MOST_LOSSES: u32 = 3;

/// The number of a worker in its repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct WorkerId(pub i64);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A worker that joins.
#[derive(Debug, Clone, Copy)]
pub struct NewWorker<'a> {
    /// The names of the queues that it takes partitions from.
    pub queues: &'a [String],
    /// The number of partitions that it runs at the same time.
    pub slots: u32,
    /// Raised if the worker may have been declared lost, so that it stops what it runs.
    pub lost: &'a StopSignal,
}

/// A worker that has joined. Dropping it records that the worker has ended.
#[derive(Debug)]
pub struct Joined {
    /// Its number.
    pub id: WorkerId,
    /// Held while the worker is alive.
    pub lock: ExecutionLock,
}

/// The instructions of a manager for the partitions of its step.
#[derive(Debug, Clone, Copy)]
pub struct Reconcile<'a> {
    /// The queue in which to offer the partitions.
    pub queue: &'a str,
    /// The number of partitions that may be offered or held at the same time.
    pub at_once: Option<usize>,
    /// Whether an earlier owner may still run them, so that their files have to be taken over.
    pub contested: bool,
    /// True to offer nothing more, because the step stops or fails.
    pub ends: bool,
}

/// The partitions of a step, as a manager sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// The number of partitions that no worker has taken yet.
    pub waiting: u64,
    /// The number of partitions that each worker holds.
    pub held: Vec<(WorkerId, u64)>,
    /// The number of complete partitions.
    pub completed: u64,
    /// The number of partitions that ended in another way in this execution.
    pub failed: u64,
    /// The committed work of this execution, including that of lost workers.
    pub counters: Counters,
    /// Whether the execution is asked to stop.
    pub stop_requested: bool,
    /// The workers that were found to be lost.
    pub lost: Vec<WorkerId>,
    /// The events of partitions since the last call, as messages for the user.
    pub events: Vec<String>,
}

impl Reconciled {
    /// The number of partitions that workers hold.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.iter().map(|(_, many)| many).sum()
    }

    /// Returns whether a partition failed or stopped, so that the step cannot complete.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed > 0
    }
}

/// The answer to a worker that looks for work.
#[derive(Debug)]
pub enum Claimed {
    /// It now holds this partition.
    Partition(Box<Claim>),
    /// Nothing is offered that it could run.
    Nothing,
    /// It is to take nothing more, and to hand back what it holds.
    Drain,
}

/// A partition that a worker holds, with what it needs to run it.
#[derive(Debug)]
pub struct Claim {
    /// The partition.
    pub partition: PartitionExecution,
    /// The queue that it was offered in.
    pub queue: String,
    /// The name of its step in the job.
    pub step: String,
    /// The job.
    pub job: String,
    /// The right to write on behalf of its execution.
    pub ownership: Ownership,
    /// The crash that its commits must survive.
    pub durability: Durability,
    /// The context of the job.
    pub job_context: ContextMap,
    /// How long ago its step began, by the repository's clock.
    pub step_age: Duration,
}

/// A worker, for lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRow {
    /// Its number.
    pub id: WorkerId,
    /// Its process.
    pub owner: Owner,
    /// The queues that it takes partitions from.
    pub queues: Vec<String>,
    /// The number of partitions that it runs at the same time.
    pub slots: u32,
    /// The partitions that it holds.
    pub holds: Vec<String>,
    /// When it joined.
    pub started: Timestamp,
    /// Whether it was asked to drain.
    pub drains: bool,
    /// The reason why it could not run the last partition that it declined.
    pub declined: Option<String>,
    /// Whether it is alive.
    pub state: OwnerState,
}

/// The state of a worker that has joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is alive, as far as anybody knows.
    Lives,
    /// It has ended properly, for example because it was drained.
    Ended,
    /// It died, or no longer renews its lease. Holds its name and its process, for messages.
    Lost(String),
}

/// The queue of partitions in a repository. Every method is one transaction, as in [`Repository`](super::Repository).
pub trait WorkQueue: Send + Sync + fmt::Debug {
    /// Adds a worker, which counts as joined until the returned value is dropped.
    ///
    /// # Errors
    /// If the repository cannot be written.
    fn join(&self, worker: &NewWorker<'_>) -> Result<Joined, RepositoryError>;

    /// Offers the partitions of a step that nobody runs, as far as `reconcile` allows. Fences the partitions of lost
    /// workers. Creates a new step execution, with the context of the last one, for each of them and for each partition
    /// that was handed back. A partition that has lost three workers in a row without a commit in between fails. Writes
    /// nothing if there is nothing to do.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if the execution has another owner by now.
    fn reconcile(
        &self,
        owner: Ownership,
        step: &str,
        reconcile: &Reconcile<'_>,
    ) -> Result<Reconciled, RepositoryError>;

    /// Takes the first partition that is offered in one of these queues, except those of the executions that the worker
    /// has declined. Nothing is offered of an execution whose owner is dead or that was asked to stop.
    ///
    /// # Errors
    /// If the repository cannot be read or written.
    fn claim(
        &self,
        worker: WorkerId,
        queues: &[String],
        declined: &BTreeSet<ExecutionId>,
    ) -> Result<Claimed, RepositoryError>;

    /// Gives back a claimed partition that has not begun. With a reason, it is offered to other workers at once, and the
    /// reason is kept for messages that explain why no worker runs it.
    ///
    /// # Errors
    /// If the repository cannot be written.
    fn decline(&self, worker: WorkerId, claim: &Claim, why: Option<&str>) -> Result<(), RepositoryError>;

    /// Gives up a claimed partition if the worker could not record its end: it counts as lost. Does nothing if the worker
    /// no longer holds it.
    ///
    /// # Errors
    /// If the repository cannot be written.
    fn give_up(&self, worker: WorkerId, partition: StepExecutionId, why: &str)
    -> Result<(), RepositoryError>;

    /// Returns whether a worker lives, has ended or is lost. An unknown worker counts as ended.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn fate(&self, worker: WorkerId) -> Result<Fate, RepositoryError>;

    /// The workers that have not ended.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn workers(&self) -> Result<Vec<WorkerRow>, RepositoryError>;

    /// Tells a worker to take nothing more, to hand back what it holds after the current chunks, and to end. Returns
    /// whether there is such a worker.
    ///
    /// # Errors
    /// If the repository cannot be written.
    fn drain(&self, worker: WorkerId) -> Result<bool, RepositoryError>;

    /// Returns whether a worker is to take nothing more.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn drains(&self, worker: WorkerId) -> Result<bool, RepositoryError>;

    /// The number of items that all partitions of a step have skipped in the instance.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn skipped(&self, owner: Ownership, step: &str) -> Result<u64, RepositoryError>;

    /// The committed work of the partitions of a step in this execution, including that of lost workers.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn counters(&self, owner: Ownership, step: &str) -> Result<Counters, RepositoryError>;

    /// The context of the job, as its steps and partitions have committed it.
    ///
    /// # Errors
    /// If the repository cannot be read.
    fn job_context(&self, owner: Ownership) -> Result<ContextMap, RepositoryError>;
}
