//! The queue of partitions for workers in other processes.
//!
//! A worker is alive while it holds its byte in the lock file. The system releases the byte when the process dies, so a
//! worker that lost its byte is dead for certain.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::connections::{Shared, guard};
use super::error::{Trouble, unusable};
use super::lock::Lock;
use super::partitions::{self, Executions};
use super::queries;
use super::rows::{self, RUNNING, int, stamp};
use super::steps::{check_owner, context_of};
use crate::definition::{Durability, ExecutionId, InstanceId, StepExecutionId};
use crate::repository::tending::{self, Group, Returned};
use crate::repository::work_queue::{
    Claim, Claimed, Fate, HANDED_BACK, Joined, NewWorker, Tend, Tended, WORKER_LOST, WorkerId, WorkerRow,
};
use crate::repository::{
    ContextMap, Counters, ExecutionLock, HeldLock, Owner, OwnerState, Ownership, RepositoryError,
    encode_context, owner, partition_step_name,
};

pub(super) fn join(shared: &Arc<Shared>, worker: &NewWorker<'_>) -> Result<Joined, Trouble> {
    let connection = shared.lend_fast()?;
    let transaction = connection.begin()?;
    end_dead(shared, &transaction)?;
    let Owner { host, pid, .. } = owner::this_process();
    let id = transaction
        .prepare_cached(
            "INSERT INTO BATCH_PROCESS (HOST, PID, QUEUES, SLOTS, STARTED) VALUES (?1, ?2, ?3, ?4, ?5)
             RETURNING PROCESS_ID",
        )?
        .query_row(params![host, pid, texts(worker.queues), worker.slots, stamp(shared.now())], |row| {
            row.get(0).map(WorkerId)
        })?;
    // Taken before the commit, because others look at it from then on.
    let held = shared.locks.acquire(Lock::Worker(id)).map_err(|error| {
        unusable(shared.locks.path(), format!("the lock of worker {id} cannot be taken: {error}"))
    })?;
    let held = held.ok_or_else(|| {
        unusable(
            shared.locks.path(),
            format!("a process that uses an earlier repository at this path holds the lock of worker {id}: end that process"),
        )
    })?;
    transaction.commit()?;
    let membership = Membership { shared: Arc::clone(shared), id, _held: held };
    Ok(Joined { id, lock: Box::new(membership) })
}

/// Records the ends of workers that died while they held nothing.
fn end_dead(shared: &Shared, connection: &Connection) -> Result<(), Trouble> {
    let known: Vec<WorkerId> = connection
        .prepare_cached("SELECT PROCESS_ID FROM BATCH_PROCESS WHERE ENDED IS NULL")?
        .query_map([], |row| row.get(0).map(WorkerId))?
        .collect::<Result<_, _>>()?;
    for worker in known {
        if !is_alive(shared, Lock::Worker(worker))? {
            connection
                .prepare_cached("UPDATE BATCH_PROCESS SET ENDED = ?1 WHERE PROCESS_ID = ?2")?
                .execute(params![stamp(shared.now()), worker.0])?;
        }
    }
    Ok(())
}

/// The queues as a JSON array.
fn texts(queues: &[String]) -> String {
    serde_json::Value::from(queues).to_string()
}

/// A worker that has joined.
#[derive(Debug)]
struct Membership {
    shared: Arc<Shared>,
    id: WorkerId,
    _held: ExecutionLock,
}

impl HeldLock for Membership {}

impl Drop for Membership {
    fn drop(&mut self) {
        let ended = self.shared.lend(Durability::Process).and_then(|connection| {
            let _turn = connection.turn();
            connection
                .execute(
                    // Those who note the death of a worker leave `DRAINS` as it is.
                    "UPDATE BATCH_PROCESS SET ENDED = ?1, DRAINS = 1 WHERE PROCESS_ID = ?2",
                    params![stamp(self.shared.now()), self.id.0],
                )
                .map(drop)
        });
        if let Err(error) = ended {
            tracing::debug!(worker = self.id.0, %error, "the end of a worker could not be recorded");
        }
    }
}

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
                    many: rows::count(row, 4)?,
                })
            },
        )?
        .collect()
}

pub(super) fn tend(
    shared: &Arc<Shared>,
    owner: Ownership,
    step: &str,
    tend: &Tend<'_>,
) -> Result<Tended, Trouble> {
    let connection = shared.lend_to(owner.execution)?;
    let seen = groups(&connection, owner, step)?;
    let dead = dead_of(shared, &seen)?;
    if !tending::is_due(&seen, !dead.is_empty(), tend) {
        return summed_up(&connection, owner, step, &seen, Vec::new());
    }
    let transaction = connection.begin()?;
    check_owner(&transaction, owner)?;
    let mut events = Vec::new();
    let now = stamp(shared.now());
    for worker in &dead {
        lose(&transaction, owner, step, *worker, &now)?;
    }
    if tend.ends {
        withdraw(&transaction, owner, step)?;
    } else {
        renew(&transaction, owner, step, &now, &mut events)?;
        // Renewed partitions may have failed for good.
        let now = groups(&transaction, owner, step)?;
        if now.iter().any(Group::has_failed) {
            withdraw(&transaction, owner, step)?;
        } else {
            offer(&transaction, owner, step, tend, &now)?;
        }
    }
    let seen = groups(&transaction, owner, step)?;
    let tended = summed_up(&transaction, owner, step, &seen, events)?;
    transaction.commit()?;
    Ok(Tended { lost: dead, ..tended })
}

/// The workers that hold partitions and are dead.
fn dead_of(shared: &Shared, seen: &[Group]) -> Result<Vec<WorkerId>, Trouble> {
    let mut dead = Vec::new();
    for worker in tending::holders(seen) {
        if !is_alive(shared, Lock::Worker(worker))? {
            dead.push(worker);
        }
    }
    Ok(dead)
}

fn is_alive(shared: &Shared, lock: Lock) -> Result<bool, Trouble> {
    let untestable =
        |error| unusable(shared.locks.path(), format!("the lock of {lock} cannot be tested: {error}"));
    match shared.locks.is_held(lock).map_err(untestable)? {
        Some(held) => Ok(held),
        // A lock in a file of its own can only be tested by taking it.
        None => Ok(shared.locks.acquire(lock).map_err(untestable)?.is_none()),
    }
}

fn summed_up(
    connection: &Connection,
    owner: Ownership,
    step: &str,
    seen: &[Group],
    events: Vec<String>,
) -> Result<Tended, Trouble> {
    let counters = counters(connection, owner.execution, step)?;
    let stop_requested = queries::is_stopping(connection, owner)?;
    Ok(tending::summed_up(seen, counters, stop_requested, events))
}

/// The committed work of the partitions in this execution, including that of lost workers.
pub(super) fn counters(
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

/// Ends the partitions that a dead worker held. From then on it cannot commit anything of them.
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

/// The worker, for messages.
fn described(connection: &Connection, worker: WorkerId) -> rusqlite::Result<String> {
    connection.prepare_cached("SELECT PID, HOST FROM BATCH_PROCESS WHERE PROCESS_ID = ?1")?.query_row(
        [worker.0],
        |row| {
            Ok(format!(
                "worker {worker} (process {} on host {})",
                row.get::<_, u32>(0)?,
                row.get::<_, String>(1)?
            ))
        },
    )
}

/// Gives each returned partition a new step execution with its last context, or fails it.
fn renew(
    connection: &Connection,
    owner: Ownership,
    step: &str,
    now: &str,
    events: &mut Vec<String>,
) -> Result<(), Trouble> {
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
        events.push(returned.told());
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
    tend: &Tend<'_>,
    groups: &[Group],
) -> rusqlite::Result<()> {
    let room = tending::room(groups, tend).map_or(-1, int);
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
        .execute(params![tend.queue, owner.instance.0, step, owner.execution.0, room, tend.contested])
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
) -> Result<Claimed, Trouble> {
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
                Err(Trouble::Known(RepositoryError::Fenced { .. })) => continue,
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

/// A worker that was declared lost takes nothing more either.
fn is_draining(connection: &Connection, worker: WorkerId) -> rusqlite::Result<bool> {
    let drains = connection
        .prepare_cached("SELECT DRAINS FROM BATCH_PROCESS WHERE PROCESS_ID = ?1 AND ENDED IS NULL")?
        .query_row([worker.0], |row| row.get::<_, bool>(0))
        .optional()?;
    Ok(drains != Some(false))
}

pub(super) fn drains(shared: &Arc<Shared>, worker: WorkerId) -> Result<bool, Trouble> {
    Ok(is_draining(&*shared.lend_fast()?, worker)?)
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

/// The items that all partitions of a step have skipped in the instance.
pub(super) fn skipped(connection: &Connection, owner: Ownership, step: &str) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "SELECT SUM(s.READ_SKIP_COUNT + s.WRITE_SKIP_COUNT + s.PROCESS_SKIP_COUNT)
             FROM BATCH_JOB_EXECUTION e JOIN BATCH_STEP_EXECUTION s ON s.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
             WHERE e.JOB_INSTANCE_ID = ?1 AND +s.STEP_NAME >= ?2 || ':partition' AND +s.STEP_NAME < ?2 || ':partitioo'",
        )?
        .query_row(params![owner.instance.0, step], |row| rows::count(row, 0))
}

pub(super) fn decline(
    shared: &Arc<Shared>,
    worker: WorkerId,
    claim: &Claim,
    why: Option<&str>,
) -> Result<(), Trouble> {
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
) -> Result<(), Trouble> {
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

pub(super) fn fate(shared: &Arc<Shared>, worker: WorkerId) -> Result<Fate, Trouble> {
    let connection = shared.lend_fast()?;
    let end = || {
        connection
            .prepare_cached("SELECT ENDED IS NOT NULL, DRAINS FROM BATCH_PROCESS WHERE PROCESS_ID = ?1")?
            .query_row([worker.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
    };
    if matches!(end()?, Some((false, _))) && is_alive(shared, Lock::Worker(worker))? {
        return Ok(Fate::Lives);
    }
    // It may have ended in order since the first look.
    Ok(match end()? {
        None | Some((true, true)) => Fate::Ended,
        Some(_) => Fate::Lost(described(&connection, worker)?),
    })
}

pub(super) fn workers(shared: &Arc<Shared>) -> Result<Vec<WorkerRow>, Trouble> {
    let connection = shared.lend(Durability::Machine)?;
    let mut holds = connection.prepare_cached(
        "SELECT s.STEP_NAME FROM BATCH_PARTITION p
         JOIN BATCH_STEP_EXECUTION s ON s.STEP_EXECUTION_ID = p.STEP_EXECUTION_ID
         WHERE p.PROCESS_ID = ?1 AND s.STATUS IN ('STARTING', 'STARTED') ORDER BY s.STEP_EXECUTION_ID",
    )?;
    let mut found: Vec<WorkerRow> = connection
        .prepare_cached(
            "SELECT PROCESS_ID, HOST, PID, QUEUES, SLOTS, STARTED, DRAINS, DECLINED FROM BATCH_PROCESS
             WHERE ENDED IS NULL ORDER BY PROCESS_ID",
        )?
        .query_map([], |row| {
            let queues: String = row.get(3)?;
            Ok(WorkerRow {
                id: WorkerId(row.get(0)?),
                owner: Owner {
                    uuid: String::new(),
                    host: row.get(1)?,
                    pid: row.get(2)?,
                    start_ticks: 0,
                    boot_id: String::new(),
                },
                queues: serde_json::from_str(&queues).unwrap_or_default(),
                slots: row.get(4)?,
                holds: Vec::new(),
                started: rows::time(row, 5)?.unwrap_or_default(),
                drains: row.get(6)?,
                declined: row.get(7)?,
                state: OwnerState::Alive,
            })
        })?
        .collect::<Result<_, _>>()?;
    for worker in &mut found {
        worker.holds = holds.query_map([worker.id.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
        if !is_alive(shared, Lock::Worker(worker.id))? {
            worker.state = OwnerState::Dead;
        }
    }
    Ok(found)
}

pub(super) fn drain(shared: &Arc<Shared>, worker: WorkerId) -> Result<bool, Trouble> {
    let connection = shared.lend(Durability::Machine)?;
    let _turn = connection.turn();
    let told = connection
        .prepare_cached("UPDATE BATCH_PROCESS SET DRAINS = 1 WHERE PROCESS_ID = ?1 AND ENDED IS NULL")?
        .execute([worker.0])?;
    Ok(told > 0)
}

pub(super) fn job_context(shared: &Arc<Shared>, owner: Ownership) -> Result<ContextMap, Trouble> {
    rows::job_context(&*shared.lend_to(owner.execution)?, owner.execution)
}

pub(super) fn counters_of(shared: &Arc<Shared>, owner: Ownership, step: &str) -> Result<Counters, Trouble> {
    Ok(counters(&*shared.lend_to(owner.execution)?, owner.execution, step)?)
}

pub(super) fn skipped_of(shared: &Arc<Shared>, owner: Ownership, step: &str) -> Result<u64, Trouble> {
    Ok(skipped(&*shared.lend_to(owner.execution)?, owner, step)?)
}
