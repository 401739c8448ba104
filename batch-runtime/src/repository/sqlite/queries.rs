//! Reads steps, instances, job names and run IDs from the repository, and whether a stop was requested.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::connections::Shared;
use super::error::InnerError;
use super::rows::{self, COUNTERS, int};
use crate::definition::{Durability, ExecutionId, InstanceId, StepExecutionId, StopSignal};
use crate::repository::{
    ExitStatus, InstanceFilter, JobInstance, Ownership, Profile, RepositoryError, StepExecution, columns,
    partitions_of,
};

pub(super) fn stop_requested(shared: &Arc<Shared>, owner: Ownership) -> Result<bool, InnerError> {
    let connection = shared.lend(shared.durability_of(owner.execution))?;
    is_stopping(&connection, owner)
}

pub(super) fn is_stopping(connection: &Connection, owner: Ownership) -> Result<bool, InnerError> {
    connection
        .prepare_cached(
            "SELECT e.STATUS = 'STOPPING' FROM BATCH_JOB_EXECUTION e
             JOIN BATCH_JOB_OWNER o ON o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
             WHERE e.JOB_EXECUTION_ID = ?1 AND o.EPOCH = ?2",
        )?
        .query_row(params![owner.execution.0, int(owner.epoch)], |row| row.get(0))
        .optional()?
        .ok_or_else(|| RepositoryError::Fenced { execution: owner.execution }.into())
}

/// Returns whether a wait for a lock should continue. Called only during such a wait.
pub(super) fn should_continue(
    shared: &Arc<Shared>,
    owner: Ownership,
    stop: &StopSignal,
) -> Result<bool, InnerError> {
    if stop.is_raised() {
        return Ok(false);
    }
    match stop_requested(shared, owner) {
        Ok(true) => {
            stop.raise();
            Ok(false)
        }
        Err(fenced @ InnerError::Known(RepositoryError::Fenced { .. })) => Err(fenced),
        // The repository itself may be the locked database.
        Ok(false) | Err(_) => Ok(true),
    }
}

pub(super) fn exit_of(row: &Row<'_>, first: usize) -> rusqlite::Result<ExitStatus> {
    Ok(ExitStatus {
        code: row.get::<_, Option<String>>(first)?.unwrap_or_default(),
        description: row.get::<_, Option<String>>(first + 1)?.unwrap_or_default(),
    })
}

pub(super) fn instances(
    shared: &Arc<Shared>,
    filter: &InstanceFilter,
) -> Result<Vec<JobInstance>, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let limit = filter.limit.map_or(-1, i64::from);
    let instances = connection
        .prepare_cached(
            "SELECT JOB_INSTANCE_ID, JOB_NAME, JOB_KEY FROM BATCH_JOB_INSTANCE
             WHERE ?1 IS NULL OR JOB_NAME = ?1 ORDER BY JOB_INSTANCE_ID DESC LIMIT ?2 OFFSET ?3",
        )?
        .query_map(params![filter.job, limit, int(filter.offset)], |row| {
            Ok(JobInstance { id: InstanceId(row.get(0)?), job: row.get(1)?, key: row.get(2)? })
        })?
        .collect::<Result<_, _>>()?;
    Ok(instances)
}

pub(super) fn count_instances(shared: &Arc<Shared>, job: Option<&str>) -> Result<u64, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let count = connection
        .prepare_cached("SELECT COUNT(*) FROM BATCH_JOB_INSTANCE WHERE ?1 IS NULL OR JOB_NAME = ?1")?
        .query_row([job], |row| rows::count(row, 0))?;
    Ok(count)
}

pub(super) fn job_names(shared: &Arc<Shared>) -> Result<Vec<String>, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let names = connection
        .prepare_cached(
            // Goes from each name to the next one in the index: there are few names, but many instances.
            "WITH RECURSIVE names (name) AS (
                 SELECT MIN(JOB_NAME) FROM BATCH_JOB_INSTANCE
                 UNION ALL
                 SELECT (SELECT MIN(JOB_NAME) FROM BATCH_JOB_INSTANCE WHERE JOB_NAME > name) FROM names
                 WHERE name IS NOT NULL)
             SELECT name FROM names WHERE name IS NOT NULL",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(names)
}

pub(super) fn steps(shared: &Arc<Shared>, execution: ExecutionId) -> Result<Vec<StepExecution>, InnerError> {
    let counters = COUNTERS.split(", ").map(|column| format!("s.{}", column.trim()));
    let counters = counters.collect::<Vec<_>>().join(", ");
    let connection = shared.lend(Durability::Machine)?;
    // If the table was created by an older version, it has no column DETAILS. The inner query then takes DETAILS from
    // `older`, which is NULL.
    let mut select = connection.prepare_cached(&format!(
        "SELECT s.STEP_EXECUTION_ID, s.STEP_NAME, s.STATUS, s.EXIT_CODE, s.EXIT_MESSAGE, s.CREATE_TIME, s.START_TIME,
                s.END_TIME, s.LAST_UPDATED, c.SHORT_CONTEXT, c.SERIALIZED_CONTEXT,
                p.READ_NANOS, p.PROCESS_NANOS, p.WRITE_NANOS, p.COMMIT_NANOS,
                (SELECT DETAILS FROM BATCH_STEP_PROFILE d WHERE d.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID), {counters}
         FROM BATCH_STEP_EXECUTION s
         LEFT JOIN BATCH_STEP_EXECUTION_CONTEXT c ON c.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
         LEFT JOIN BATCH_STEP_PROFILE p ON p.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
         CROSS JOIN (SELECT NULL AS DETAILS) older
         WHERE s.JOB_EXECUTION_ID = ?1 ORDER BY s.STEP_EXECUTION_ID"
    ))?;
    let mut rows = select.query([execution.0])?;
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        steps.push(step_of(row, execution)?);
    }
    Ok(steps)
}

fn step_of(row: &Row<'_>, execution: ExecutionId) -> Result<StepExecution, InnerError> {
    let created = rows::time(row, 5)?.unwrap_or_default();
    let profile = match row.get::<_, Option<i64>>(11)? {
        None => None,
        Some(_) => Some(profile_of(row, 11)?),
    };
    Ok(StepExecution {
        id: StepExecutionId(row.get(0)?),
        name: row.get(1)?,
        execution,
        status: rows::status(row, 2)?,
        exit: exit_of(row, 3)?,
        created,
        started: rows::time(row, 6)?,
        ended: rows::time(row, 7)?,
        updated: rows::time(row, 8)?.unwrap_or(created),
        context: columns::shown_context(row.get(9)?, row.get(10)?),
        profile,
        counters: rows::counters(row, 16)?,
    })
}

/// The profile whose columns begin at `first`.
fn profile_of(row: &Row<'_>, first: usize) -> Result<Profile, InnerError> {
    let [read, process, write, commit] = [0, 1, 2, 3].map(|at| rows::count(row, first + at));
    let details: Option<String> = row.get(first + 4)?;
    Ok(Profile { read: read?, process: process?, write: write?, commit: commit?, ..Profile::default() }
        .with_details(details.as_deref()))
}

pub(super) fn partition_profiles(
    shared: &Arc<Shared>,
    execution: ExecutionId,
    step: &str,
) -> Result<Vec<Profile>, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let mut select = connection.prepare_cached(
        "SELECT p.READ_NANOS, p.PROCESS_NANOS, p.WRITE_NANOS, p.COMMIT_NANOS, p.DETAILS
         FROM BATCH_STEP_EXECUTION s JOIN BATCH_STEP_PROFILE p ON p.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
         WHERE s.JOB_EXECUTION_ID = ?1 AND substr(s.STEP_NAME, 1, length(?2)) = ?2",
    )?;
    let mut rows = select.query(params![execution.0, partitions_of(step)])?;
    let mut profiles = Vec::new();
    while let Some(row) = rows.next()? {
        profiles.push(profile_of(row, 0)?);
    }
    Ok(profiles)
}

pub(super) fn last_run_id(shared: &Arc<Shared>, job: &str) -> Result<Option<i64>, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let last = connection
        .prepare_cached(
            "SELECT MAX(ID) FROM (
             SELECT RUN_ID AS ID FROM BATCH_PURGED WHERE JOB_NAME = ?1 UNION ALL
             SELECT CAST(p.PARAMETER_VALUE AS INTEGER)
             FROM BATCH_JOB_INSTANCE i
             JOIN BATCH_JOB_EXECUTION e ON e.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID
             JOIN BATCH_JOB_EXECUTION_PARAMS p ON p.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
             WHERE i.JOB_NAME = ?1 AND p.PARAMETER_NAME = 'run.id' AND p.PARAMETER_TYPE = 'java.lang.Long'
               AND p.IDENTIFYING = 'Y')",
        )?
        .query_row([job], |row| row.get(0))?;
    Ok(last)
}
