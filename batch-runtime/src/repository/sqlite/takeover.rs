//! Takes over running executions, because their owners are dead or by force, and requests stops.

use std::io;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::connections::{Shared, guard};
use super::error::{InnerError, unusable};
use super::launch::next_epoch;
use super::lock::Lock;
use super::partitions;
use super::rows::{self, RUNNING, stamp};
use super::schedule;
use crate::definition::{Durability, ExecutionId, InstanceId};
use crate::repository::{
    BatchStatus, JobExecution, OWNER_LOST, Owner, OwnerState, RepositoryError, launch, owner,
};

/// A running execution, as read from its row.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) id: ExecutionId,
    pub(super) instance: InstanceId,
    pub(super) job: String,
    pub(super) owner: Option<Owner>,
}

fn select(condition: &str) -> String {
    let owner = rows::OWNER;
    format!(
        "SELECT e.JOB_EXECUTION_ID, e.JOB_INSTANCE_ID, i.JOB_NAME, {owner}
         FROM BATCH_JOB_EXECUTION e INDEXED BY BATCH_JOB_EXECUTION_RUNNING
         JOIN BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
         LEFT JOIN BATCH_JOB_OWNER o ON o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
         WHERE e.STATUS IN {RUNNING} {condition} ORDER BY e.JOB_EXECUTION_ID"
    )
}

fn running(row: &Row<'_>) -> rusqlite::Result<Running> {
    Ok(Running {
        id: ExecutionId(row.get(0)?),
        instance: InstanceId(row.get(1)?),
        job: row.get(2)?,
        owner: rows::owner(row, 3)?,
    })
}

pub(super) fn running_of_instance(
    connection: &Connection,
    instance: InstanceId,
) -> rusqlite::Result<Option<Running>> {
    connection
        .prepare_cached(&select("AND e.JOB_INSTANCE_ID = ?1"))?
        .query_row([instance.0], running)
        .optional()
}

pub(super) fn running_of_job(connection: &Connection, job: &str) -> rusqlite::Result<Vec<Running>> {
    connection.prepare_cached(&select("AND i.JOB_NAME = ?1"))?.query_map([job], running)?.collect()
}

pub(super) fn is_running(connection: &Connection, execution: ExecutionId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(&format!(
            "SELECT EXISTS (SELECT 1 FROM BATCH_JOB_EXECUTION WHERE JOB_EXECUTION_ID = ?1 AND STATUS IN {RUNNING})"
        ))?
        .query_row([execution.0], |row| row.get(0))
}

/// Returns whether the lock of the execution proves that its owner is dead. Call it inside a write transaction. If the
/// execution has no owner in this repository, nothing is proved, and the answer is false.
pub(super) fn owner_is_dead(shared: &Shared, running: &Running) -> Result<bool, InnerError> {
    if running.owner.is_none() {
        return Ok(false);
    }
    match shared.locks.acquire(Lock::Execution(running.id)) {
        Ok(lock) => Ok(lock.is_some()),
        Err(error) => Err(untestable(shared, running.id, &error)),
    }
}

/// As [`owner_is_dead`], but outside a write transaction, where a concurrent launch may change the answer. Takes no
/// lock.
pub(super) fn seems_dead(shared: &Shared, running: &Running) -> Result<bool, InnerError> {
    if running.owner.is_none() {
        return Ok(false);
    }
    let held = shared.locks.is_held(Lock::Execution(running.id));
    Ok(held.map_err(|error| untestable(shared, running.id, &error))? == Some(false))
}

/// Returns the state of the owner. It takes no lock, so it does not disturb a concurrent launch.
pub(super) fn owner_state(shared: &Arc<Shared>, execution: &JobExecution) -> Result<OwnerState, InnerError> {
    if execution.owner.is_none() {
        return Ok(OwnerState::Unknown);
    }
    match shared.locks.is_held(Lock::Execution(execution.id)) {
        Ok(Some(true)) => Ok(OwnerState::Alive),
        // A process that has recorded the end of its execution may release the lock between our two reads.
        Ok(Some(false)) if !is_running(&*shared.lend(Durability::Machine)?, execution.id)? => {
            Ok(OwnerState::Unknown)
        }
        Ok(Some(false)) => Ok(OwnerState::Dead),
        Ok(None) => Ok(OwnerState::Unknown),
        Err(error) => Err(untestable(shared, execution.id, &error)),
    }
}

/// Returns whether a former owner, from which the instance was taken over by force, still holds its lock. Call it inside a
/// write transaction.
pub(super) fn a_lost_owner_lives(
    shared: &Shared,
    connection: &Connection,
    instance: InstanceId,
) -> Result<bool, InnerError> {
    let mut select = connection.prepare_cached(
        "SELECT JOB_EXECUTION_ID FROM BATCH_JOB_EXECUTION WHERE JOB_INSTANCE_ID = ?1 AND EXIT_CODE = ?2",
    )?;
    let lost = select.query_map(params![instance.0, OWNER_LOST], |row| row.get(0).map(ExecutionId))?;
    for execution in lost {
        let execution = execution?;
        let held = match shared.locks.is_held(Lock::Execution(execution)) {
            Ok(None) => shared.locks.acquire(Lock::Execution(execution)).map(|lock| Some(lock.is_none())),
            held => held,
        };
        if held.map_err(|error| untestable(shared, execution, &error))? == Some(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn untestable(shared: &Shared, execution: ExecutionId, error: &io::Error) -> InnerError {
    let why = format!("the lock of execution {execution} cannot be tested: {error}");
    unusable(shared.locks.path(), why).into()
}

pub(super) fn already_running(running: &Running) -> RepositoryError {
    launch::already_running(&running.job, running.id, running.owner.as_ref())
}

/// The recoveries of an execution after a takeover. An owner that died after it made progress is not in a crash loop.
/// Later executions of the same process are its nested jobs, whose progress counts too.
const RECOVERIES: &str = "CASE WHEN EXISTS (
        SELECT 1 FROM BATCH_JOB_OWNER o JOIN BATCH_STEP_EXECUTION s USING (JOB_EXECUTION_ID)
        WHERE o.JOB_EXECUTION_ID >= ?1 AND (s.COMMIT_COUNT > 0 OR s.STATUS = 'COMPLETED')
          AND (o.PID, o.START_TICKS, o.BOOT_ID) = (BATCH_JOB_OWNER.PID, BATCH_JOB_OWNER.START_TICKS,
                                                   BATCH_JOB_OWNER.BOOT_ID)
    ) THEN 0 ELSE RECOVERIES + 1 END";

/// The recoveries that the execution would have if it were taken over.
pub(super) fn recoveries_after(connection: &Connection, execution: ExecutionId) -> rusqlite::Result<u32> {
    let select = format!("SELECT {RECOVERIES} FROM BATCH_JOB_OWNER WHERE JOB_EXECUTION_ID = ?1");
    let found = connection.prepare_cached(&select)?.query_row([execution.0], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(1))
}

/// Ends the execution and its running steps as FAILED, and fences its owner.
pub(super) fn take_over(shared: &Shared, connection: &Connection, running: &Running) -> rusqlite::Result<()> {
    let epoch = rows::int(next_epoch(connection, running.instance)?);
    let raised = connection
        .prepare_cached(&format!(
            "UPDATE BATCH_JOB_OWNER SET EPOCH = ?2, RECOVERIES = {RECOVERIES} WHERE JOB_EXECUTION_ID = ?1"
        ))?
        .execute(params![running.id.0, epoch])?;
    if raised == 0 {
        connection
            .prepare_cached(
                "INSERT INTO BATCH_JOB_OWNER (JOB_EXECUTION_ID, JOB_INSTANCE_ID, EPOCH, RECOVERIES, DURABILITY,
                                              OWNER, HOST, PID, START_TICKS, BOOT_ID)
                 VALUES (?1, ?2, ?3, 1, ?4, '', 'unknown', 0, 0, '')",
            )?
            .execute(params![
                running.id.0,
                running.instance.0,
                epoch,
                rows::durability_text(Durability::Machine)
            ])?;
    }
    let lost = format!("{} was lost", owner::in_words(running.owner.as_ref()));
    let now = stamp(shared.now());
    fail_running_steps(connection, running.id, OWNER_LOST, &lost, &now)?;
    connection
        .prepare_cached(
            "UPDATE BATCH_JOB_EXECUTION
             SET VERSION = VERSION + 1, STATUS = 'FAILED', EXIT_CODE = ?1, EXIT_MESSAGE = ?2, END_TIME = ?3,
                 LAST_UPDATED = ?3
             WHERE JOB_EXECUTION_ID = ?4",
        )?
        .execute(params![OWNER_LOST, lost, now, running.id.0])?;
    guard(&shared.durabilities).remove(&running.id);
    Ok(())
}

/// Ends the unfinished steps of an execution that ends.
pub(super) fn fail_running_steps(
    connection: &Connection,
    execution: ExecutionId,
    exit_code: &str,
    why: &str,
    now: &str,
) -> rusqlite::Result<()> {
    partitions::sum_up(connection, execution)?;
    connection
        .prepare_cached(&format!(
            "UPDATE BATCH_STEP_EXECUTION
             SET VERSION = VERSION + 1, STATUS = 'FAILED', EXIT_CODE = ?1, EXIT_MESSAGE = ?2, END_TIME = ?3,
                 LAST_UPDATED = ?3
             WHERE JOB_EXECUTION_ID = ?4 AND STATUS IN {RUNNING}"
        ))?
        .execute(params![exit_code, why, now, execution.0])?;
    partitions::withdraw(connection, execution)
}

pub(super) fn recover(shared: &Arc<Shared>) -> Result<Vec<ExecutionId>, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let transaction = connection.begin()?;
    let all: Vec<Running> =
        transaction.prepare_cached(&select(""))?.query_map([], running)?.collect::<Result<_, _>>()?;
    let mut taken = Vec::new();
    for running in &all {
        if owner_is_dead(shared, running)? {
            take_over(shared, &transaction, running)?;
            taken.push(running.id);
        }
    }
    transaction.commit()?;
    Ok(taken)
}

fn status_of(connection: &Connection, execution: ExecutionId) -> Result<BatchStatus, InnerError> {
    connection
        .prepare_cached("SELECT STATUS FROM BATCH_JOB_EXECUTION WHERE JOB_EXECUTION_ID = ?1")?
        .query_row([execution.0], |row| rows::status(row, 0))
        .optional()?
        .ok_or_else(|| RepositoryError::NoSuchExecution(execution).into())
}

pub(super) fn request_stop(shared: &Arc<Shared>, execution: ExecutionId) -> Result<(), InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let transaction = connection.begin()?;
    let status = status_of(&transaction, execution)?;
    if !status.is_running() {
        return Err(RepositoryError::NotRunning { execution, status }.into());
    }
    transaction
        .prepare_cached(
            "UPDATE BATCH_JOB_EXECUTION SET VERSION = VERSION + 1, STATUS = 'STOPPING', LAST_UPDATED = ?1
             WHERE JOB_EXECUTION_ID = ?2 AND STATUS IN ('STARTING', 'STARTED')",
        )?
        .execute(params![stamp(shared.now()), execution.0])?;
    // A person has stopped it: the schedule does not start it again.
    schedule::hold(&transaction, execution)?;
    Ok(transaction.commit()?)
}

pub(super) fn abandon(shared: &Arc<Shared>, execution: ExecutionId) -> Result<(), InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let transaction = connection.begin()?;
    let status = status_of(&transaction, execution)?;
    let job = || {
        transaction
            .prepare_cached(
                "SELECT i.JOB_NAME FROM BATCH_JOB_EXECUTION e JOIN BATCH_JOB_INSTANCE i USING (JOB_INSTANCE_ID)
                 WHERE e.JOB_EXECUTION_ID = ?1",
            )?
            .query_row([execution.0], |row| row.get(0))
    };
    if matches!(status, BatchStatus::Completed | BatchStatus::Abandoned) {
        return Err(RepositoryError::AlreadyComplete { job: job()?, execution, status, purged: false }.into());
    }
    if status.is_running() {
        let running = transaction
            .prepare_cached(&select("AND e.JOB_EXECUTION_ID = ?1"))?
            .query_row([execution.0], running)?;
        if !owner_is_dead(shared, &running)? {
            return Err(already_running(&running).into());
        }
        take_over(shared, &transaction, &running)?;
    }
    transaction
        .prepare_cached(
            "UPDATE BATCH_JOB_EXECUTION
             SET VERSION = VERSION + 1, STATUS = 'ABANDONED', END_TIME = COALESCE(END_TIME, ?1), LAST_UPDATED = ?1
             WHERE JOB_EXECUTION_ID = ?2",
        )?
        .execute(params![stamp(shared.now()), execution.0])?;
    Ok(transaction.commit()?)
}
