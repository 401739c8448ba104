//! The manager's side of the queue: offers partitions, and gives those of lost workers to others.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::members::{described, is_alive};
use crate::definition::{ExecutionId, StepExecutionId};
use crate::repository::manage_partitions::{self, Group, Returned};
use crate::repository::sqlite::connections::Shared;
use crate::repository::sqlite::error::InnerError;
use crate::repository::sqlite::lock::Lock;
use crate::repository::sqlite::partitions::Executions;
use crate::repository::sqlite::queries;
use crate::repository::sqlite::rows::{self, RUNNING, int, stamp};
use crate::repository::sqlite::steps::{check_owner, context_of};
use crate::repository::work_queue::{HANDED_BACK, Reconcile, Reconciled, WORKER_LOST, WorkerId};
use crate::repository::{Counters, Ownership, encode_context, partition_step_name};

fn groups(connection: &Connection, owner: Ownership, step: &str) -> rusqlite::Result<Vec<Group>> {
    connection
        .prepare_cached(
            "SELECT s.STATUS, s.EXIT_CODE IN (?4, ?5), p.OFFERED_FOR IS NOT NULL, p.PROCESS_ID, COUNT(*)
             FROM BATCH_PARTITION p JOIN BATCH_STEP_EXECUTION s ON s.STEP_EXECUTION_ID = p.STEP_EXECUTION_ID
             WHERE p.JOB_INSTANCE_ID = ?1 AND p.STEP_NAME = ?2 AND (s.JOB_EXECUTION_ID = ?3 OR s.STATUS = 'COMPLETED')
             GROUP BY 1, 2, 3, 4",
        )?
        .query_map(
            params![owner.instance.0, step, owner.execution.0, WORKER_LOST, HANDED_BACK],
            |row| {
                Ok(Group {
                    status: rows::status(row, 0)?,
                    returned: row.get(1)?,
                    offered: row.get(2)?,
                    worker: row.get::<_, Option<i64>>(3)?.map(WorkerId),
                    partitions: rows::count(row, 4)?,
                })
            },
        )?
        .collect()
}

pub(super) fn reconcile(
    shared: &Arc<Shared>,
    owner: Ownership,
    step: &str,
    reconcile: &Reconcile<'_>,
) -> Result<Reconciled, InnerError> {
    // A crash of the machine ends the manager and all workers, and what is written here is of use only to them.
    let connection = shared.lend_fast()?;
    let seen = groups(&connection, owner, step)?;
    let dead = dead_of(shared, &seen)?;
    if !manage_partitions::is_due(&seen, !dead.is_empty(), reconcile) {
        return summed_up(&connection, owner, step, &seen, Vec::new());
    }
    let transaction = connection.begin()?;
    check_owner(&transaction, owner)?;
    let mut events = Vec::new();
    let now = stamp(shared.now());
    for worker in &dead {
        lose(&transaction, owner, step, *worker, &now)?;
    }
    if reconcile.ends {
        withdraw(&transaction, owner, step)?;
    } else {
        renew(&transaction, owner, step, &now, &mut events)?;
        // Renewed partitions may have failed for good.
        let now = groups(&transaction, owner, step)?;
        if now.iter().any(Group::has_failed) {
            withdraw(&transaction, owner, step)?;
        } else {
            offer(&transaction, owner, step, reconcile, &now)?;
        }
    }
    let seen = groups(&transaction, owner, step)?;
    let reconciled = summed_up(&transaction, owner, step, &seen, events)?;
    transaction.commit()?;
    Ok(Reconciled { lost: dead, ..reconciled })
}

/// The workers that hold partitions and are dead.
fn dead_of(shared: &Shared, seen: &[Group]) -> Result<Vec<WorkerId>, InnerError> {
    let mut dead = Vec::new();
    for worker in manage_partitions::holders(seen) {
        if !is_alive(shared, Lock::Worker(worker))? {
            dead.push(worker);
        }
    }
    Ok(dead)
}

fn summed_up(
    connection: &Connection,
    owner: Ownership,
    step: &str,
    seen: &[Group],
    events: Vec<String>,
) -> Result<Reconciled, InnerError> {
    let counters = counters(connection, owner.execution, step)?;
    let stop_requested = queries::is_stopping(connection, owner)?;
    Ok(manage_partitions::summed_up(seen, counters, stop_requested, events))
}

/// The committed work of the partitions in this execution, including that of lost workers.
pub(in crate::repository::sqlite) fn counters(
    connection: &Connection,
    execution: ExecutionId,
    step: &str,
) -> rusqlite::Result<Counters> {
    connection
        .prepare_cached(&format!(
            "SELECT {} FROM BATCH_STEP_EXECUTION
             WHERE JOB_EXECUTION_ID = ?1 AND +STEP_NAME >= ?2 || ':partition' AND +STEP_NAME < ?2 || ':partitioo'",
            rows::sums("")
        ))?
        .query_row(params![execution.0, step], |row| rows::counters(row, 0))
}

/// Ends the partitions that a dead worker held. From then on, the worker cannot commit anything of them.
fn lose(
    connection: &Connection,
    owner: Ownership,
    step: &str,
    worker: WorkerId,
    now: &str,
) -> rusqlite::Result<()> {
    let lost = format!("{} was lost", described(connection, worker)?);
    connection
        .prepare_cached(&format!(
            "UPDATE BATCH_STEP_EXECUTION
             SET VERSION = VERSION + 1, STATUS = 'FAILED', EXIT_CODE = ?1, EXIT_MESSAGE = ?2, END_TIME = ?3,
                 LAST_UPDATED = ?3
             WHERE JOB_EXECUTION_ID = ?4 AND STATUS IN {RUNNING} AND STEP_EXECUTION_ID IN (
                 SELECT STEP_EXECUTION_ID FROM BATCH_PARTITION
                 WHERE JOB_INSTANCE_ID = ?5 AND STEP_NAME = ?6 AND PROCESS_ID = ?7)"
        ))?
        .execute(params![WORKER_LOST, lost, now, owner.execution.0, owner.instance.0, step, worker.0])?;
    connection
        .prepare_cached("UPDATE BATCH_PROCESS SET ENDED = ?1 WHERE PROCESS_ID = ?2 AND ENDED IS NULL")?
        .execute(params![now, worker.0])
        .map(drop)
}

/// Creates a new step execution for each returned partition, with the partition's last context, or fails the partition.
fn renew(
    connection: &Connection,
    owner: Ownership,
    step: &str,
    now: &str,
    events: &mut Vec<String>,
) -> Result<(), InnerError> {
    let returned: Vec<Returned> = connection
        .prepare_cached(
            "SELECT p.PARTITION, s.STEP_EXECUTION_ID, s.EXIT_CODE = ?4, s.EXIT_MESSAGE, s.COMMIT_COUNT, p.LOSSES
             FROM BATCH_PARTITION p JOIN BATCH_STEP_EXECUTION s ON s.STEP_EXECUTION_ID = p.STEP_EXECUTION_ID
             WHERE p.JOB_INSTANCE_ID = ?1 AND p.STEP_NAME = ?2 AND s.JOB_EXECUTION_ID = ?3 AND s.EXIT_CODE IN (?4, ?5)
             ORDER BY p.PARTITION",
        )?
        .query_map(params![owner.instance.0, step, owner.execution.0, WORKER_LOST, HANDED_BACK], |row| {
            let number = row.get(0)?;
            Ok(Returned {
                number,
                name: partition_step_name(step, number),
                id: StepExecutionId(row.get(1)?),
                lost: row.get(2)?,
                why: row.get(3)?,
                commits: rows::count(row, 4)?,
                losses_before: row.get(5)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let mut executions = Executions::new(connection, owner, now, returned.len())?;
    for returned in returned {
        let Returned { number, id, lost, ref name, .. } = returned;
        if let Some(why) = returned.failure() {
            connection
                .prepare_cached(
                    "UPDATE BATCH_STEP_EXECUTION SET VERSION = VERSION + 1, EXIT_CODE = 'FAILED', EXIT_MESSAGE = ?1
                     WHERE STEP_EXECUTION_ID = ?2",
                )?
                .execute(params![rows::cut(&why), id.0])?;
            continue;
        }
        events.push(returned.message());
        let context = encode_context(&context_of(connection, id)?);
        let next = executions.insert(name, &context)?;
        connection
            .prepare_cached(
                "UPDATE BATCH_PARTITION
                 SET STEP_EXECUTION_ID = ?1, OFFERED_FOR = NULL, PROCESS_ID = NULL, LOSSES = ?2,
                     TAKE_OVER = MAX(TAKE_OVER, ?3)
                 WHERE JOB_INSTANCE_ID = ?4 AND STEP_NAME = ?5 AND PARTITION = ?6",
            )?
            .execute(params![next.0, returned.losses(), lost, owner.instance.0, step, number])?;
    }
    Ok(())
}

fn offer(
    connection: &Connection,
    owner: Ownership,
    step: &str,
    reconcile: &Reconcile<'_>,
    groups: &[Group],
) -> rusqlite::Result<()> {
    let room = manage_partitions::room(groups, reconcile).map_or(-1, int);
    connection
        .prepare_cached(
            "UPDATE BATCH_PARTITION SET OFFERED_FOR = ?1, TAKE_OVER = MAX(TAKE_OVER, ?6)
             WHERE JOB_INSTANCE_ID = ?2 AND STEP_NAME = ?3 AND PARTITION IN (
                 SELECT p.PARTITION FROM BATCH_PARTITION p
                 JOIN BATCH_STEP_EXECUTION s ON s.STEP_EXECUTION_ID = p.STEP_EXECUTION_ID
                 WHERE p.JOB_INSTANCE_ID = ?2 AND p.STEP_NAME = ?3 AND s.JOB_EXECUTION_ID = ?4 AND s.STATUS = 'STARTING'
                   AND p.OFFERED_FOR IS NULL AND p.PROCESS_ID IS NULL
                 ORDER BY p.PARTITION LIMIT ?5)",
        )?
        .execute(params![reconcile.queue, owner.instance.0, step, owner.execution.0, room, reconcile.contested])
        .map(drop)
}

fn withdraw(connection: &Connection, owner: Ownership, step: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE BATCH_PARTITION SET OFFERED_FOR = NULL
             WHERE JOB_INSTANCE_ID = ?1 AND STEP_NAME = ?2 AND OFFERED_FOR IS NOT NULL",
        )?
        .execute(params![owner.instance.0, step])
        .map(drop)
}
