//! The queue of partitions for workers in other processes.
//!
//! A worker is alive while it holds its byte in the lock file. The system releases the byte when the process dies, so a
//! worker that lost its byte is dead for certain.

mod claim;
mod manage_partitions;
mod members;

pub(super) use manage_partitions::counters;

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::SqliteRepository;
use super::connections::Shared;
use super::error::InnerError;
use super::rows;
use crate::definition::{ExecutionId, StepExecutionId};
use crate::repository::work_queue::{
    Claim, Claimed, Fate, Joined, NewWorker, Reconcile, Reconciled, WorkQueue, WorkerId, WorkerRow,
};
use crate::repository::{ContextMap, Counters, Ownership, RepositoryError};

impl WorkQueue for SqliteRepository {
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
        self.named(skipped_of(&self.shared, owner, step))
    }

    fn counters(&self, owner: Ownership, step: &str) -> Result<Counters, RepositoryError> {
        self.named(counters_of(&self.shared, owner, step))
    }

    fn job_context(&self, owner: Ownership) -> Result<ContextMap, RepositoryError> {
        self.named(job_context(&self.shared, owner))
    }
}

/// The number of items that all partitions of a step have skipped in the instance.
pub(super) fn skipped(connection: &Connection, owner: Ownership, step: &str) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "SELECT SUM(s.READ_SKIP_COUNT + s.WRITE_SKIP_COUNT + s.PROCESS_SKIP_COUNT)
             FROM BATCH_JOB_EXECUTION e JOIN BATCH_STEP_EXECUTION s ON s.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
             WHERE e.JOB_INSTANCE_ID = ?1 AND +s.STEP_NAME >= ?2 || ':partition' AND +s.STEP_NAME < ?2 || ':partitioo'",
        )?
        .query_row(params![owner.instance.0, step], |row| rows::count(row, 0))
}

fn job_context(shared: &Arc<Shared>, owner: Ownership) -> Result<ContextMap, InnerError> {
    rows::job_context(&*shared.lend_to(owner.execution)?, owner.execution)
}

fn counters_of(shared: &Arc<Shared>, owner: Ownership, step: &str) -> Result<Counters, InnerError> {
    Ok(counters(&*shared.lend_to(owner.execution)?, owner.execution, step)?)
}

fn skipped_of(shared: &Arc<Shared>, owner: Ownership, step: &str) -> Result<u64, InnerError> {
    Ok(skipped(&*shared.lend_to(owner.execution)?, owner, step)?)
}
