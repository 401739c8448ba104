//! The queue of partitions for workers in other processes.
//!
//! A worker is alive while its process renews its lease. A worker whose lease ran out is declared lost in the
//! transaction that ends its partitions. So if the worker and the manager both try to write, one of them finds that it
//! is too late.
//!
//! Every function that locks several rows locks them in this order: the worker's process, the owner of the execution,
//! step executions, partitions.

mod claim;
mod manage_partitions;
mod members;

pub(super) use manage_partitions::counters;

use std::collections::BTreeSet;

use super::PostgresRepository;
use crate::definition::{ExecutionId, StepExecutionId};
use crate::repository::work_queue::{
    Claim, Claimed, Fate, Joined, NewWorker, Reconcile, Reconciled, WorkQueue, WorkerId, WorkerRow,
};
use crate::repository::{ContextMap, Counters, Ownership, RepositoryError};

impl WorkQueue for PostgresRepository {
    fn join(&self, worker: &NewWorker<'_>) -> Result<Joined, RepositoryError> {
        self.named(members::join(&self.shared, worker))
    }

    fn reconcile(
        &self,
        owner: Ownership,
        step: &str,
        reconcile: &Reconcile<'_>,
    ) -> Result<Reconciled, RepositoryError> {
        self.named(manage_partitions::reconcile(&self.shared, owner, step, reconcile))
    }

    fn claim(
        &self,
        worker: WorkerId,
        queues: &[String],
        declined: &BTreeSet<ExecutionId>,
    ) -> Result<Claimed, RepositoryError> {
        self.named(claim::claim(&self.shared, worker, queues, declined))
    }

    fn decline(&self, worker: WorkerId, claim: &Claim, why: Option<&str>) -> Result<(), RepositoryError> {
        self.named(claim::decline(&self.shared, worker, claim, why))
    }

    fn give_up(
        &self,
        worker: WorkerId,
        partition: StepExecutionId,
        why: &str,
    ) -> Result<(), RepositoryError> {
        self.named(claim::give_up(&self.shared, worker, partition, why))
    }

    fn fate(&self, worker: WorkerId) -> Result<Fate, RepositoryError> {
        self.named(members::fate(&self.shared, worker))
    }

    fn workers(&self) -> Result<Vec<WorkerRow>, RepositoryError> {
        self.named(members::workers(&self.shared))
    }

    fn drain(&self, worker: WorkerId) -> Result<bool, RepositoryError> {
        self.named(members::drain(&self.shared, worker))
    }

    fn drains(&self, worker: WorkerId) -> Result<bool, RepositoryError> {
        self.named(members::drains(&self.shared, worker))
    }

    fn skipped(&self, owner: Ownership, step: &str) -> Result<u64, RepositoryError> {
        self.named(self.shared.ask(|tx| super::skipped::of_partitions(tx, owner, step)))
    }

    fn counters(&self, owner: Ownership, step: &str) -> Result<Counters, RepositoryError> {
        self.named(self.shared.ask(|tx| counters(tx, owner.execution, step)))
    }

    fn job_context(&self, owner: Ownership) -> Result<ContextMap, RepositoryError> {
        self.named(self.shared.ask(|tx| super::rows::job_context(tx, owner.execution)))
    }
}
