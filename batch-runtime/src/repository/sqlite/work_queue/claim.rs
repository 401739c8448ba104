//! The worker's side of the queue: takes partitions, and gives back those that it cannot run or end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::members::{is_alive, is_draining};
use crate::definition::{ExecutionId, InstanceId, StepExecutionId};
use crate::repository::sqlite::connections::{Shared, guard};
use crate::repository::sqlite::error::InnerError;
use crate::repository::sqlite::lock::Lock;
use crate::repository::sqlite::partitions;
use crate::repository::sqlite::rows::{self, RUNNING, stamp};
use crate::repository::sqlite::steps::check_owner;
use crate::repository::work_queue::{Claim, Claimed, WORKER_LOST, WorkerId};
use crate::repository::{Ownership, RepositoryError};

/// An offered partition.
struct Offered {
    step: String,
    number: u32,
    ownership: Ownership,
    job: String,
    durability: Option<String>,
}

pub(super) fn claim(
    shared: &Arc<Shared>,
    worker: WorkerId,
    queues: &[String],
    declined: &BTreeSet<ExecutionId>,
) -> Result<Claimed, InnerError> {
    let connection = shared.lend_fast()?;
    if is_draining(&connection, worker)? {
        return Ok(Claimed::Drain);
    }
    let mut out = declined.clone();
    for queue in queues {
        while let Some(offered) = first_offered(&connection, queue, &out)? {
            if !is_alive(shared, Lock::Execution(offered.ownership.execution))? {
                out.insert(offered.ownership.execution);
                continue;
            }
            let transaction = connection.begin()?;
            let Offered { step, number, ownership, job, durability } = offered;
            let taken = transaction
                .prepare_cached(
                    "UPDATE BATCH_PARTITION SET OFFERED_FOR = NULL, PROCESS_ID = ?1
                     WHERE JOB_INSTANCE_ID = ?2 AND STEP_NAME = ?3 AND PARTITION = ?4 AND OFFERED_FOR = ?5",
                )?
                .execute(params![worker.0, ownership.instance.0, step, number, queue])?;
            // Another worker was faster.
            if taken == 0 {
                continue;
            }
            match check_owner(&transaction, ownership) {
                // The execution was taken over.
                Err(InnerError::Known(RepositoryError::Fenced { .. })) => continue,
                checked => checked?,
            }
            let partition = partitions::one(&transaction, ownership, &step, number)?;
            let job_context = rows::job_context(&transaction, ownership.execution)?;
            let step_age = step_age(shared, &transaction, ownership, &step)?;
            transaction.commit()?;
            let durability = rows::durability(durability.as_deref());
            guard(&shared.durabilities).insert(ownership.execution, durability);
            let queue = queue.clone();
            let claim = Claim { partition, queue, step, job, ownership, durability, job_context, step_age };
            return Ok(Claimed::Partition(Box::new(claim)));
        }
    }
    Ok(Claimed::Nothing)
}

/// How long ago a step began in this execution.
fn step_age(
    shared: &Shared,
    connection: &Connection,
    owner: Ownership,
    step: &str,
) -> rusqlite::Result<Duration> {
    let began = connection
        .prepare_cached(
            "SELECT START_TIME FROM BATCH_STEP_EXECUTION WHERE JOB_EXECUTION_ID = ?1 AND STEP_NAME = ?2
             ORDER BY STEP_EXECUTION_ID DESC LIMIT 1",
        )?
        .query_row(params![owner.execution.0, step], |row| rows::time(row, 0))
        .optional()?
        .flatten();
    Ok(began
        .map_or(Duration::ZERO, |began| shared.now().duration_since(began).try_into().unwrap_or_default()))
}

/// The first partition that is offered in a queue by a running execution, except for those in `out`.
fn first_offered(
    connection: &Connection,
    queue: &str,
    out: &BTreeSet<ExecutionId>,
) -> rusqlite::Result<Option<Offered>> {
    let mut select = connection.prepare_cached(
        "SELECT p.STEP_NAME, p.PARTITION, e.JOB_INSTANCE_ID, e.JOB_EXECUTION_ID, o.EPOCH, i.JOB_NAME, o.DURABILITY
         FROM BATCH_PARTITION p INDEXED BY BATCH_PARTITION_OFFERED
         JOIN BATCH_STEP_EXECUTION s ON s.STEP_EXECUTION_ID = p.STEP_EXECUTION_ID
         JOIN BATCH_JOB_EXECUTION e ON e.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID
         JOIN BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
         JOIN BATCH_JOB_OWNER o ON o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
         WHERE p.OFFERED_FOR = ?1 AND s.STATUS = 'STARTING' AND e.STATUS = 'STARTED'
         ORDER BY p.STEP_EXECUTION_ID",
    )?;
    let mut offers = select.query([queue])?;
    while let Some(row) = offers.next()? {
        let offered = offered(row)?;
        if !out.contains(&offered.ownership.execution) {
            return Ok(Some(offered));
        }
    }
    Ok(None)
}

fn offered(row: &Row<'_>) -> rusqlite::Result<Offered> {
    Ok(Offered {
        step: row.get(0)?,
        number: row.get(1)?,
        ownership: Ownership {
            instance: InstanceId(row.get(2)?),
            execution: ExecutionId(row.get(3)?),
            epoch: rows::count(row, 4)?,
        },
        job: row.get(5)?,
        durability: row.get(6)?,
    })
}

pub(super) fn decline(
    shared: &Arc<Shared>,
    worker: WorkerId,
    claim: &Claim,
    why: Option<&str>,
) -> Result<(), InnerError> {
    let connection = shared.lend_fast()?;
    let transaction = connection.begin()?;
    transaction
        .prepare_cached(
            "UPDATE BATCH_PARTITION SET PROCESS_ID = NULL, OFFERED_FOR = ?1
             WHERE JOB_INSTANCE_ID = ?2 AND STEP_NAME = ?3 AND PARTITION = ?4 AND STEP_EXECUTION_ID = ?5
               AND PROCESS_ID = ?6",
        )?
        .execute(params![
            why.map(|_| &claim.queue),
            claim.ownership.instance.0,
            claim.step,
            claim.partition.number,
            claim.partition.id.0,
            worker.0,
        ])?;
    if let Some(why) = why {
        transaction
            .prepare_cached("UPDATE BATCH_PROCESS SET DECLINED = ?1 WHERE PROCESS_ID = ?2")?
            .execute(params![why, worker.0])?;
    }
    Ok(transaction.commit()?)
}

pub(super) fn give_up(
    shared: &Arc<Shared>,
    worker: WorkerId,
    partition: StepExecutionId,
    why: &str,
) -> Result<(), InnerError> {
    let connection = shared.lend_fast()?;
    let transaction = connection.begin()?;
    transaction
        .prepare_cached(&format!(
            "UPDATE BATCH_STEP_EXECUTION
             SET VERSION = VERSION + 1, STATUS = 'FAILED', EXIT_CODE = ?1, EXIT_MESSAGE = ?2, END_TIME = ?3,
                 LAST_UPDATED = ?3
             WHERE STEP_EXECUTION_ID = ?4 AND STATUS IN {RUNNING} AND EXISTS (
                 SELECT 1 FROM BATCH_PARTITION WHERE STEP_EXECUTION_ID = ?4 AND PROCESS_ID = ?5)"
        ))?
        .execute(params![WORKER_LOST, rows::cut(why), stamp(shared.now()), partition.0, worker.0])?;
    Ok(transaction.commit()?)
}
