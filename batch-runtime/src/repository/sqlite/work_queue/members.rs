//! The workers themselves: how they join, drain and end, and the list of them.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use crate::definition::Durability;
use crate::repository::sqlite::connections::Shared;
use crate::repository::sqlite::error::{InnerError, unusable};
use crate::repository::sqlite::lock::Lock;
use crate::repository::sqlite::rows::{self, stamp};
use crate::repository::work_queue::{Fate, Joined, NewWorker, WorkerId, WorkerRow};
use crate::repository::{ExecutionLock, HeldLock, Owner, OwnerState, owner};

pub(super) fn join(shared: &Arc<Shared>, worker: &NewWorker<'_>) -> Result<Joined, InnerError> {
    let connection = shared.lend_fast()?;
    let transaction = connection.begin()?;
    end_dead(shared, &transaction)?;
    let Owner { host, pid, .. } = owner::this_process();
    let id = transaction
        .prepare_cached(
            "INSERT INTO BATCH_PROCESS (HOST, PID, QUEUES, SLOTS, STARTED) VALUES (?1, ?2, ?3, ?4, ?5)
             RETURNING PROCESS_ID",
        )?
        .query_row(
            params![host, pid, json_array(worker.queues), worker.slots, stamp(shared.now())],
            |row| row.get(0).map(WorkerId),
        )?;
    // The lock is taken before the commit, because other processes look at it as soon as the worker is committed.
    let held = shared.locks.acquire(Lock::Worker(id)).map_err(|error| {
        unusable(shared.locks.path(), format!("the lock of worker {id} cannot be taken: {error}"))
    })?;
    let held = held.ok_or_else(|| {
        unusable(
            shared.locks.path(),
            format!("a process still holds the lock of worker {id}, from a repository file that has since been replaced at this path: end that process"),
        )
    })?;
    transaction.commit()?;
    let membership = Membership { shared: Arc::clone(shared), id, _held: held };
    Ok(Joined { id, lock: Box::new(membership) })
}

/// Records the ends of workers that died while they held nothing.
fn end_dead(shared: &Shared, connection: &Connection) -> Result<(), InnerError> {
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
fn json_array(queues: &[String]) -> String {
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
                    // A process that records the death of another worker leaves `DRAINS` as it is.
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

pub(super) fn is_alive(shared: &Shared, lock: Lock) -> Result<bool, InnerError> {
    let untestable =
        |error| unusable(shared.locks.path(), format!("the lock of {lock} cannot be tested: {error}"));
    match shared.locks.is_held(lock).map_err(untestable)? {
        Some(held) => Ok(held),
        // A lock in a file of its own can only be tested by taking it.
        None => Ok(shared.locks.acquire(lock).map_err(untestable)?.is_none()),
    }
}

/// Returns whether a worker is to take nothing more. A worker that was declared lost is not to take anything either.
pub(super) fn is_draining(connection: &Connection, worker: WorkerId) -> rusqlite::Result<bool> {
    let drains = connection
        .prepare_cached("SELECT DRAINS FROM BATCH_PROCESS WHERE PROCESS_ID = ?1 AND ENDED IS NULL")?
        .query_row([worker.0], |row| row.get::<_, bool>(0))
        .optional()?;
    Ok(drains != Some(false))
}

pub(super) fn drains(shared: &Arc<Shared>, worker: WorkerId) -> Result<bool, InnerError> {
    Ok(is_draining(&*shared.lend_fast()?, worker)?)
}

pub(super) fn fate(shared: &Arc<Shared>, worker: WorkerId) -> Result<Fate, InnerError> {
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
    // The worker may have ended properly since the first query.
    Ok(match end()? {
        None | Some((true, true)) => Fate::Ended,
        Some(_) => Fate::Lost(described(&connection, worker)?),
    })
}

pub(super) fn workers(shared: &Arc<Shared>) -> Result<Vec<WorkerRow>, InnerError> {
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

pub(super) fn drain(shared: &Arc<Shared>, worker: WorkerId) -> Result<bool, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let _turn = connection.turn();
    let told = connection
        .prepare_cached("UPDATE BATCH_PROCESS SET DRAINS = 1 WHERE PROCESS_ID = ?1 AND ENDED IS NULL")?
        .execute([worker.0])?;
    Ok(told > 0)
}

/// The worker, for messages.
pub(super) fn described(connection: &Connection, worker: WorkerId) -> rusqlite::Result<String> {
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
