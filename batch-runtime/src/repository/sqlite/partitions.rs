//! Creates a step execution for each part of a step's input in one transaction, and reads them back on a
//! restart.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::connections::Shared;
use super::error::InnerError;
use super::queries;
use super::rows::{self, COUNTERS, RUNNING, stamp};
use super::steps::{check_owner, context_of};
use crate::definition::{ExecutionId, StepExecutionId};
use crate::repository::work_queue::WORKER_LOST;
use crate::repository::{
    BatchStatus, ContextMap, END_LOST, ExitStatus, NewPartition, OWNER_LOST, Ownership, PartitionExecution,
    RepositoryError, StepStart, encode_context, partition_step_name,
};

pub(super) fn of(
    shared: &Arc<Shared>,
    owner: Ownership,
    step: &str,
) -> Result<Vec<PartitionExecution>, InnerError> {
    let connection = shared.lend_to(owner.execution)?;
    read(&connection, owner, step)
}

fn read(
    connection: &Connection,
    owner: Ownership,
    step: &str,
) -> Result<Vec<PartitionExecution>, InnerError> {
    let partitions = connection
        .prepare_cached(&format!("{} ORDER BY p.PARTITION", select()))?
        .query_map(params![owner.instance.0, step], |row| partition(row, step))?
        .collect::<Result<_, _>>()?;
    Ok(partitions)
}

/// One partition of a step.
pub(super) fn one(
    connection: &Connection,
    owner: Ownership,
    step: &str,
    number: u32,
) -> rusqlite::Result<PartitionExecution> {
    connection
        .prepare_cached(&format!("{} AND p.PARTITION = ?3", select()))?
        .query_row(params![owner.instance.0, step, number], |row| partition(row, step))
}

fn select() -> String {
    format!(
        "SELECT p.PARTITION, p.NAME, p.PART, s.STEP_EXECUTION_ID, s.STATUS, s.EXIT_CODE, s.EXIT_MESSAGE,
                s.JOB_EXECUTION_ID, {COUNTERS}
         FROM BATCH_PARTITION p JOIN BATCH_STEP_EXECUTION s ON s.STEP_EXECUTION_ID = p.STEP_EXECUTION_ID
         WHERE p.JOB_INSTANCE_ID = ?1 AND p.STEP_NAME = ?2"
    )
}

/// Returns whether an earlier runner of a partition may still be alive.
pub(super) fn is_contested(connection: &Connection, id: StepExecutionId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM BATCH_PARTITION WHERE STEP_EXECUTION_ID = ?1 AND TAKE_OVER)",
        )?
        .query_row([id.0], |row| row.get(0))
}

fn partition(row: &Row<'_>, step: &str) -> rusqlite::Result<PartitionExecution> {
    let number = row.get(0)?;
    Ok(PartitionExecution {
        number,
        step: partition_step_name(step, number),
        name: row.get(1)?,
        part: row.get(2)?,
        id: StepExecutionId(row.get(3)?),
        status: rows::status(row, 4)?,
        exit: ExitStatus {
            code: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
            description: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
        },
        execution: ExecutionId(row.get(7)?),
        counters: rows::counters(row, 8)?,
    })
}

pub(super) fn begin(
    shared: &Arc<Shared>,
    owner: Ownership,
    step: &StepStart<'_>,
    new: Option<&[NewPartition]>,
) -> Result<Vec<PartitionExecution>, InnerError> {
    let connection = shared.lend_to(owner.execution)?;
    let wanted = || queries::should_continue(shared, owner, step.stop);
    let transaction = connection.patiently(|| connection.begin(), wanted)?.ok_or(RepositoryError::Stopped)?;
    check_owner(&transaction, owner)?;
    let now = stamp(shared.now());
    match new {
        Some(new) => create(&transaction, owner, step.name, new, &now)?,
        None => renew(&transaction, owner, step.name, &now)?,
    }
    let partitions = read(&transaction, owner, step.name)?;
    transaction.commit()?;
    Ok(partitions)
}

fn create(
    connection: &Connection,
    owner: Ownership,
    step: &str,
    new: &[NewPartition],
    now: &str,
) -> Result<(), InnerError> {
    let context = encode_context(&ContextMap::new());
    let mut executions = Executions::new(connection, owner, now, new.len())?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO BATCH_PARTITION (JOB_INSTANCE_ID, STEP_NAME, PARTITION, NAME, PART, STEP_EXECUTION_ID)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (number, new) in (0..).zip(new) {
        let id = executions.insert(&partition_step_name(step, number), &context)?;
        insert.execute(params![owner.instance.0, step, number, new.name, new.part, id.0])?;
    }
    Ok(())
}

/// Deletes the partitions of a step that starts over, so that it creates them again.
pub(super) fn forget(connection: &Connection, owner: Ownership, step: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM BATCH_PARTITION WHERE JOB_INSTANCE_ID = ?1 AND STEP_NAME = ?2")?
        .execute(params![owner.instance.0, step])
        .map(|_| ())
}

/// Creates a step execution in this execution for each incomplete partition, with the last context of the partition.
fn renew(connection: &Connection, owner: Ownership, step: &str, now: &str) -> Result<(), InnerError> {
    let mut left = read(connection, owner, step)?;
    left.retain(|partition| partition.status != BatchStatus::Completed);
    let mut executions = Executions::new(connection, owner, now, left.len())?;
    let mut update = connection.prepare_cached(
        // A worker that held the partition may still be alive, so the partition's files have to be taken over.
        "UPDATE BATCH_PARTITION
         SET STEP_EXECUTION_ID = ?1, OFFERED_FOR = NULL, LOSSES = 0, TAKE_OVER = TAKE_OVER OR PROCESS_ID IS NOT NULL,
             PROCESS_ID = NULL
         WHERE JOB_INSTANCE_ID = ?2 AND STEP_NAME = ?3 AND PARTITION = ?4",
    )?;
    for partition in left {
        let context = encode_context(&context_of(connection, partition.id)?);
        let id = executions.insert(&partition.step, &context)?;
        update.execute(params![id.0, owner.instance.0, step, partition.number])?;
    }
    Ok(())
}

/// Inserts step executions that have not begun yet.
pub(super) struct Executions<'c> {
    connection: &'c Connection,
    execution: ExecutionId,
    now: &'c str,
    next: i64,
}

impl<'c> Executions<'c> {
    pub(super) fn new(
        connection: &'c Connection,
        owner: Ownership,
        now: &'c str,
        many: usize,
    ) -> Result<Self, InnerError> {
        let next = rows::next_ids(connection, "BATCH_STEP_EXECUTION_SEQ", many)?;
        Ok(Self { connection, execution: owner.execution, now, next })
    }

    pub(super) fn insert(&mut self, name: &str, context: &str) -> rusqlite::Result<StepExecutionId> {
        let id = StepExecutionId(self.next);
        self.next += 1;
        self.connection
            .prepare_cached(&format!(
                "INSERT INTO BATCH_STEP_EXECUTION (STEP_EXECUTION_ID, VERSION, STEP_NAME, JOB_EXECUTION_ID, CREATE_TIME,
                                                   STATUS, {COUNTERS}, EXIT_CODE, EXIT_MESSAGE, LAST_UPDATED)
                 VALUES (?1, 0, ?2, ?3, ?4, 'STARTING', 0, 0, 0, 0, 0, 0, 0, 0, 'EXECUTING', '', ?4)"
            ))?
            .execute(params![id.0, name, self.execution.0, self.now])?;
        rows::put_step_context(self.connection, id, context)?;
        Ok(id)
    }
}

pub(super) fn context(
    shared: &Arc<Shared>,
    owner: Ownership,
    partition: StepExecutionId,
) -> Result<ContextMap, InnerError> {
    context_of(&*shared.lend_to(owner.execution)?, partition)
}

/// Ends the partitions of a step that were not begun.
pub(super) fn end(shared: &Arc<Shared>, owner: Ownership, step: &str) -> Result<(), InnerError> {
    let connection = shared.lend_to(owner.execution)?;
    let transaction = connection.begin()?;
    check_owner(&transaction, owner)?;
    transaction
        .prepare_cached(
            "UPDATE BATCH_STEP_EXECUTION
             SET VERSION = VERSION + 1, STATUS = 'STOPPED', EXIT_CODE = 'STOPPED', EXIT_MESSAGE = 'not started',
                 END_TIME = ?1, LAST_UPDATED = ?1
             WHERE JOB_EXECUTION_ID = ?2 AND STATUS = 'STARTING' AND STEP_EXECUTION_ID IN (
                 SELECT STEP_EXECUTION_ID FROM BATCH_PARTITION WHERE JOB_INSTANCE_ID = ?3 AND STEP_NAME = ?4)",
        )?
        .execute(params![stamp(shared.now()), owner.execution.0, owner.instance.0, step])?;
    withdraw(&transaction, owner.execution)?;
    Ok(transaction.commit()?)
}

/// Withdraws the offers of partitions that have ended: workers need not look at them again.
pub(super) fn withdraw(connection: &Connection, execution: ExecutionId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE BATCH_PARTITION SET OFFERED_FOR = NULL
             WHERE OFFERED_FOR IS NOT NULL AND STEP_EXECUTION_ID IN (
                 SELECT STEP_EXECUTION_ID FROM BATCH_STEP_EXECUTION
                 WHERE JOB_EXECUTION_ID = ?1 AND STATUS IN ('STOPPED', 'FAILED'))",
        )?
        .execute([execution.0])
        .map(drop)
}

/// Sums up the committed counters of partitions for steps whose end was not recorded.
pub(super) fn sum_up(connection: &Connection, execution: ExecutionId) -> rusqlite::Result<()> {
    let sums = rows::sums("");
    connection
        .prepare_cached(&format!(
            "UPDATE BATCH_STEP_EXECUTION AS step
             SET ({COUNTERS}) = (
                 SELECT {sums} FROM BATCH_STEP_EXECUTION
                 WHERE JOB_EXECUTION_ID = ?1 AND +STEP_NAME >= step.STEP_NAME || ':partition'
                   AND +STEP_NAME < step.STEP_NAME || ':partitioo')
             WHERE JOB_EXECUTION_ID = ?1 AND (STATUS IN {RUNNING} OR EXIT_CODE IN (?2, ?3, ?4)) AND EXISTS (
                 SELECT 1 FROM BATCH_JOB_EXECUTION
                 JOIN BATCH_PARTITION USING (JOB_INSTANCE_ID)
                 WHERE JOB_EXECUTION_ID = ?1 AND BATCH_PARTITION.STEP_NAME = step.STEP_NAME)",
        ))?
        .execute(params![execution.0, OWNER_LOST, END_LOST, WORKER_LOST])
        .map(|_| ())
}
