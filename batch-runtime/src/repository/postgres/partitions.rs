//! Creates a step execution for each part of a step's input in one transaction, and reads them back on a
//! restart.

use std::sync::Arc;

use super::error::InnerError;
use super::rows::{self, ContextColumns, counters, get, now, sums};
use super::shared::{Shared, Tx};
use super::steps::{check_owner, context_of};
use crate::definition::{ExecutionId, StepExecutionId};
use crate::postgres::Row;
use crate::repository::work_queue::WORKER_LOST;
use crate::repository::{
    BatchStatus, ContextMap, END_LOST, ExitStatus, NewPartition, OWNER_LOST, Ownership, PartitionExecution,
    StepStart, encode_context, partition_step_name,
};

/// The columns of a partition `part` and its last step execution `s`.
macro_rules! partition_columns {
    () => {
        concat!(
            "part.PARTITION, part.NAME, part.PART, s.STEP_EXECUTION_ID, s.STATUS, s.EXIT_CODE, s.EXIT_MESSAGE,
             s.JOB_EXECUTION_ID, ",
            crate::repository::postgres::rows::counters!()
        )
    };
}
pub(super) use partition_columns;

pub(super) fn of(
    shared: &Arc<Shared>,
    owner: Ownership,
    step: &str,
) -> Result<Vec<PartitionExecution>, InnerError> {
    shared.transact(shared.durability_of(owner.execution), None, |tx| read(tx, owner, step), |_| Ok(None))
}

fn read(tx: &Tx<'_>, owner: Ownership, step: &str) -> Result<Vec<PartitionExecution>, InnerError> {
    let rows = tx.query(
        concat!(
            "SELECT ",
            partition_columns!(),
            " FROM @BATCH_PARTITION part JOIN @BATCH_STEP_EXECUTION s ON s.STEP_EXECUTION_ID = part.STEP_EXECUTION_ID
             WHERE part.JOB_INSTANCE_ID = $1 AND part.STEP_NAME = $2 ORDER BY part.PARTITION"
        ),
        &[&owner.instance.0, &step],
    )?;
    rows.iter().map(|row| partition(row, 0, step)).collect()
}

/// A partition from the columns of [`partition_columns`], which begin at `first`.
pub(super) fn partition(row: &Row, first: usize, step: &str) -> Result<PartitionExecution, InnerError> {
    let number = u32::try_from(get::<i64>(row, first)?).unwrap_or(u32::MAX);
    Ok(PartitionExecution {
        number,
        step: partition_step_name(step, number),
        name: get(row, first + 1)?,
        part: get(row, first + 2)?,
        id: StepExecutionId(get(row, first + 3)?),
        status: rows::status(row, first + 4)?,
        exit: ExitStatus {
            code: get::<Option<String>>(row, first + 5)?.unwrap_or_default(),
            description: get::<Option<String>>(row, first + 6)?.unwrap_or_default(),
        },
        execution: ExecutionId(get(row, first + 7)?),
        counters: rows::counters_of(row, first + 8)?,
    })
}

pub(super) fn begin(
    shared: &Arc<Shared>,
    owner: Ownership,
    step: &StepStart<'_>,
    new: Option<&[NewPartition]>,
) -> Result<Vec<PartitionExecution>, InnerError> {
    shared.transact(
        shared.durability_of(owner.execution),
        Some(step.stop),
        |tx| {
            check_owner(tx, owner)?;
            let present = read(tx, owner, step.name)?;
            match new {
                // They exist already if the answer to the commit that created them was lost.
                Some(new) if present.is_empty() => create(tx, owner, step.name, new)?,
                Some(_) => {}
                None => renew(tx, owner, step.name, present)?,
            }
            read(tx, owner, step.name)
        },
        |_| Ok(None),
    )
}

fn create(tx: &Tx<'_>, owner: Ownership, step: &str, new: &[NewPartition]) -> Result<(), InnerError> {
    let context = encode_context(&ContextMap::new());
    let numbers: Vec<i64> = (0..).take(new.len()).collect();
    let named: Vec<(String, &str)> =
        (0..).take(new.len()).map(|number| (partition_step_name(step, number), &*context)).collect();
    let ids = insert_executions(tx, owner, &named)?;
    let given: Vec<Option<&str>> = new.iter().map(|new| new.name.as_deref()).collect();
    let parts: Vec<&str> = new.iter().map(|new| &*new.part).collect();
    tx.send(
        "INSERT INTO @BATCH_PARTITION (JOB_INSTANCE_ID, STEP_NAME, PARTITION, NAME, PART, STEP_EXECUTION_ID)
         SELECT $1, $2, number, name, part, id FROM unnest($3::bigint[], $4::text[], $5::text[], $6::bigint[])
             AS new (number, name, part, id)",
        &[&owner.instance.0, &step, &numbers, &given, &parts, &ids],
    )
}

/// Returns whether an earlier runner of a partition may still be alive.
pub(super) fn is_contested(tx: &Tx<'_>, id: StepExecutionId) -> Result<bool, InnerError> {
    let row = tx.query_one(
        "SELECT EXISTS (SELECT FROM @BATCH_PARTITION WHERE STEP_EXECUTION_ID = $1 AND TAKE_OVER)",
        &[&id.0],
    )?;
    get(&row, 0)
}

/// Deletes the partitions of a step that starts over, so that it creates them again.
pub(super) fn forget(tx: &Tx<'_>, owner: Ownership, step: &str) -> Result<(), InnerError> {
    tx.send(
        "DELETE FROM @BATCH_PARTITION WHERE JOB_INSTANCE_ID = $1 AND STEP_NAME = $2",
        &[&owner.instance.0, &step],
    )
}

/// Creates a step execution in this execution for each incomplete partition, with the last context of the partition.
fn renew(
    tx: &Tx<'_>,
    owner: Ownership,
    step: &str,
    mut left: Vec<PartitionExecution>,
) -> Result<(), InnerError> {
    // They exist already in this execution if the answer to the commit that renewed them was lost.
    left.retain(|partition| {
        partition.status != BatchStatus::Completed && partition.execution != owner.execution
    });
    let contexts: Vec<String> = left
        .iter()
        .map(|partition| Ok(encode_context(&context_of(tx, partition.id)?)))
        .collect::<Result<_, InnerError>>()?;
    let named: Vec<(String, &str)> =
        left.iter().zip(&contexts).map(|(partition, context)| (partition.step.clone(), &**context)).collect();
    let ids = insert_executions(tx, owner, &named)?;
    let numbers: Vec<i64> = left.iter().map(|partition| i64::from(partition.number)).collect();
    tx.send(
        // A worker that held a partition may still be alive, so the partition's files have to be taken over.
        "UPDATE @BATCH_PARTITION p
         SET STEP_EXECUTION_ID = new.id, OFFERED_FOR = NULL, LOSSES = 0, TAKE_OVER = TAKE_OVER OR WORKER_ID IS NOT NULL,
             WORKER_ID = NULL
         FROM unnest($3::bigint[], $4::bigint[]) AS new (number, id)
         WHERE p.JOB_INSTANCE_ID = $1 AND p.STEP_NAME = $2 AND p.PARTITION = new.number",
        &[&owner.instance.0, &step, &numbers, &ids],
    )
}

/// Inserts step executions that have not begun yet, with their names and contexts. Returns their IDs.
pub(super) fn insert_executions(
    tx: &Tx<'_>,
    owner: Ownership,
    named: &[(String, &str)],
) -> Result<Vec<i64>, InnerError> {
    let count = i64::try_from(named.len()).unwrap_or(i64::MAX);
    let ids: Vec<i64> = tx
        .query("SELECT nextval('@BATCH_STEP_EXECUTION_SEQ') FROM generate_series(1, $1::bigint)", &[&count])?
        .iter()
        .map(|row| get(row, 0))
        .collect::<Result<_, _>>()?;
    let steps: Vec<&str> = named.iter().map(|(name, _)| &**name).collect();
    let columns: Vec<ContextColumns<'_>> =
        named.iter().map(|(_, context)| ContextColumns::of(context)).collect();
    let short: Vec<&str> = columns.iter().map(|columns| &*columns.short).collect();
    let serialized: Vec<Option<&str>> = columns.iter().map(|columns| columns.serialized).collect();
    tx.send(
        concat!(
            "INSERT INTO @BATCH_STEP_EXECUTION (STEP_EXECUTION_ID, VERSION, STEP_NAME, JOB_EXECUTION_ID, CREATE_TIME,
                                                STATUS, ",
            counters!(),
            ", EXIT_CODE, EXIT_MESSAGE, LAST_UPDATED)
             SELECT id, 0, name, $1, now, 'STARTING', 0, 0, 0, 0, 0, 0, 0, 0, 'EXECUTING', '', now
             FROM unnest($2::bigint[], $3::text[]) AS new (id, name), (SELECT ",
            now!(),
            " AS now) AS clock"
        ),
        &[&owner.execution.0, &ids, &steps],
    )?;
    tx.send(
        "INSERT INTO @BATCH_STEP_EXECUTION_CONTEXT (STEP_EXECUTION_ID, SHORT_CONTEXT, SERIALIZED_CONTEXT)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])",
        &[&ids, &short, &serialized],
    )?;
    Ok(ids)
}

pub(super) fn context(
    shared: &Arc<Shared>,
    owner: Ownership,
    partition: StepExecutionId,
) -> Result<ContextMap, InnerError> {
    shared.transact(shared.durability_of(owner.execution), None, |tx| context_of(tx, partition), |_| Ok(None))
}

/// Ends the partitions of a step that were not begun.
pub(super) fn end(shared: &Arc<Shared>, owner: Ownership, step: &str) -> Result<(), InnerError> {
    shared.transact(
        shared.durability_of(owner.execution),
        None,
        |tx| {
            check_owner(tx, owner)?;
            tx.send(
                concat!(
                    "UPDATE @BATCH_STEP_EXECUTION
                     SET VERSION = VERSION + 1, STATUS = 'STOPPED', EXIT_CODE = 'STOPPED', EXIT_MESSAGE = 'not started',
                         END_TIME = ",
                    now!(),
                    ", LAST_UPDATED = ",
                    now!(),
                    " WHERE JOB_EXECUTION_ID = $1 AND STATUS = 'STARTING' AND STEP_EXECUTION_ID IN (
                         SELECT STEP_EXECUTION_ID FROM @BATCH_PARTITION WHERE JOB_INSTANCE_ID = $2 AND STEP_NAME = $3)"
                ),
                &[&owner.execution.0, &owner.instance.0, &step],
            )?;
            withdraw(tx, owner.execution)
        },
        |_| Ok(None),
    )
}

/// Withdraws the offers of partitions that have ended: workers need not look at them again.
pub(super) fn withdraw(tx: &Tx<'_>, execution: ExecutionId) -> Result<(), InnerError> {
    tx.send(
        "UPDATE @BATCH_PARTITION p SET OFFERED_FOR = NULL FROM @BATCH_STEP_EXECUTION s
         WHERE p.OFFERED_FOR IS NOT NULL AND s.STEP_EXECUTION_ID = p.STEP_EXECUTION_ID
           AND s.JOB_EXECUTION_ID = $1 AND s.STATUS IN ('STOPPED', 'FAILED')",
        &[&execution.0],
    )
}

/// Sums up the committed counters of partitions for steps whose end was not recorded.
pub(super) fn sum_up(tx: &Tx<'_>, execution: ExecutionId) -> Result<(), InnerError> {
    tx.send(
        concat!(
            "UPDATE @BATCH_STEP_EXECUTION AS step SET (",
            counters!(),
            ") = (SELECT ",
            sums!(),
            " FROM @BATCH_STEP_EXECUTION s
                  WHERE s.JOB_EXECUTION_ID = $1 AND starts_with(s.STEP_NAME, step.STEP_NAME || ':partition'))
             WHERE JOB_EXECUTION_ID = $1 AND (STATUS IN ",
            rows::running!(),
            " OR EXIT_CODE IN ($2, $3, $4)) AND EXISTS (
                 SELECT FROM @BATCH_JOB_EXECUTION e
                 JOIN @BATCH_PARTITION p ON p.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
                 WHERE e.JOB_EXECUTION_ID = $1 AND p.STEP_NAME = step.STEP_NAME)"
        ),
        &[&execution.0, &OWNER_LOST, &END_LOST, &WORKER_LOST],
    )
}
