//! Reads from the repository: steps, instances, job names, run IDs, the time of its server, and whether a stop was
//! requested.

use std::sync::Arc;

use super::error::InnerError;
use super::launch::fenced;
use super::rows::{self, get, int};
use super::shared::Shared;
use crate::definition::{ExecutionId, InstanceId, StepExecutionId};
use crate::postgres::Row;
use crate::repository::{
    ExitStatus, InstanceFilter, JobInstance, Ownership, Profile, StepExecution, columns, partitions_of,
};

pub(super) fn stop_requested(shared: &Arc<Shared>, owner: Ownership) -> Result<bool, InnerError> {
    let lent = shared.lend()?;
    let row = shared.tx(&lent).query_opt(
        "SELECT e.STATUS = 'STOPPING' FROM @BATCH_JOB_EXECUTION e
         JOIN @BATCH_JOB_OWNER o ON o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
         WHERE e.JOB_EXECUTION_ID = $1 AND o.EPOCH = $2",
        &[&owner.execution.0, &int(owner.epoch)],
    )?;
    get(&row.ok_or_else(|| fenced(owner))?, 0)
}

pub(super) fn now(shared: &Arc<Shared>) -> Result<jiff::Timestamp, InnerError> {
    let lent = shared.lend()?;
    let row = shared.tx(&lent).query_one(concat!("SELECT ", rows::now!()), &[])?;
    Ok(rows::time(&row, 0)?.unwrap_or_default())
}

pub(super) fn exit_of(row: &Row, first: usize) -> Result<ExitStatus, InnerError> {
    Ok(ExitStatus {
        code: get::<Option<String>>(row, first)?.unwrap_or_default(),
        description: get::<Option<String>>(row, first + 1)?.unwrap_or_default(),
    })
}

pub(super) fn instances(
    shared: &Arc<Shared>,
    filter: &InstanceFilter,
) -> Result<Vec<JobInstance>, InnerError> {
    shared.read(|tx| {
        let rows = tx.query(
            "SELECT JOB_INSTANCE_ID, JOB_NAME, JOB_KEY FROM @BATCH_JOB_INSTANCE
             WHERE $1::text IS NULL OR JOB_NAME = $1 ORDER BY JOB_INSTANCE_ID DESC LIMIT $2 OFFSET $3",
            &[&filter.job, &filter.limit.map(i64::from), &int(filter.offset)],
        )?;
        rows.iter()
            .map(|row| Ok(JobInstance { id: InstanceId(get(row, 0)?), job: get(row, 1)?, key: get(row, 2)? }))
            .collect()
    })
}

pub(super) fn count_instances(shared: &Arc<Shared>, job: Option<&str>) -> Result<u64, InnerError> {
    shared.read(|tx| {
        let row = tx.query_one(
            "SELECT COUNT(*) FROM @BATCH_JOB_INSTANCE WHERE $1::text IS NULL OR JOB_NAME = $1",
            &[&job],
        )?;
        rows::count(&row, 0)
    })
}

pub(super) fn job_names(shared: &Arc<Shared>) -> Result<Vec<String>, InnerError> {
    shared.read(|tx| {
        let rows = tx.query(
            // Goes from each name to the next one in the index: there are few names, but many instances.
            "WITH RECURSIVE names (name) AS (
                 (SELECT JOB_NAME FROM @BATCH_JOB_INSTANCE ORDER BY JOB_NAME LIMIT 1)
                 UNION ALL
                 SELECT (SELECT JOB_NAME FROM @BATCH_JOB_INSTANCE WHERE JOB_NAME > name ORDER BY JOB_NAME LIMIT 1)
                 FROM names WHERE name IS NOT NULL)
             SELECT name FROM names WHERE name IS NOT NULL ORDER BY name COLLATE \"C\"",
            &[],
        )?;
        rows.iter().map(|row| get(row, 0)).collect()
    })
}

pub(super) fn steps(shared: &Arc<Shared>, execution: ExecutionId) -> Result<Vec<StepExecution>, InnerError> {
    shared.read(|tx| {
        // If the table was created by an older version, it has no column DETAILS. The inner query then takes DETAILS
        // from `older`, which is NULL.
        let rows = tx.query(
            "SELECT s.STEP_EXECUTION_ID, s.STEP_NAME, s.STATUS, s.EXIT_CODE, s.EXIT_MESSAGE, s.CREATE_TIME, s.START_TIME,
                    s.END_TIME, s.LAST_UPDATED, c.SHORT_CONTEXT, c.SERIALIZED_CONTEXT,
                    p.READ_NANOS, p.PROCESS_NANOS, p.WRITE_NANOS, p.COMMIT_NANOS,
                    (SELECT DETAILS FROM @BATCH_STEP_PROFILE d WHERE d.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID),
                    s.COMMIT_COUNT, s.READ_COUNT, s.FILTER_COUNT, s.WRITE_COUNT, s.READ_SKIP_COUNT,
                    s.WRITE_SKIP_COUNT, s.PROCESS_SKIP_COUNT, s.ROLLBACK_COUNT
             FROM @BATCH_STEP_EXECUTION s
             LEFT JOIN @BATCH_STEP_EXECUTION_CONTEXT c ON c.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
             LEFT JOIN @BATCH_STEP_PROFILE p ON p.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
             CROSS JOIN (SELECT NULL::text AS DETAILS) older
             WHERE s.JOB_EXECUTION_ID = $1 ORDER BY s.STEP_EXECUTION_ID",
            &[&execution.0],
        )?;
        rows.iter().map(|row| step_of(row, execution)).collect()
    })
}

fn step_of(row: &Row, execution: ExecutionId) -> Result<StepExecution, InnerError> {
    let created = rows::time(row, 5)?.unwrap_or_default();
    let profile = match get::<Option<i64>>(row, 11)? {
        None => None,
        Some(_) => Some(profile_of(row, 11)?),
    };
    Ok(StepExecution {
        id: StepExecutionId(get(row, 0)?),
        name: get(row, 1)?,
        execution,
        status: rows::status(row, 2)?,
        exit: exit_of(row, 3)?,
        created,
        started: rows::time(row, 6)?,
        ended: rows::time(row, 7)?,
        updated: rows::time(row, 8)?.unwrap_or(created),
        context: columns::shown_context(get(row, 9)?, get(row, 10)?),
        profile,
        counters: rows::counters_of(row, 16)?,
    })
}

/// The profile whose columns begin at `first`.
fn profile_of(row: &Row, first: usize) -> Result<Profile, InnerError> {
    let [read, process, write, commit] = [0, 1, 2, 3].map(|at| rows::count(row, first + at));
    let details: Option<String> = get(row, first + 4)?;
    Ok(Profile { read: read?, process: process?, write: write?, commit: commit?, ..Profile::default() }
        .with_details(details.as_deref()))
}

pub(super) fn partition_profiles(
    shared: &Arc<Shared>,
    execution: ExecutionId,
    step: &str,
) -> Result<Vec<Profile>, InnerError> {
    shared.read(|tx| {
        let rows = tx.query(
            "SELECT p.READ_NANOS, p.PROCESS_NANOS, p.WRITE_NANOS, p.COMMIT_NANOS, p.DETAILS
             FROM @BATCH_STEP_EXECUTION s JOIN @BATCH_STEP_PROFILE p ON p.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
             WHERE s.JOB_EXECUTION_ID = $1 AND starts_with(s.STEP_NAME, $2)",
            &[&execution.0, &partitions_of(step)],
        )?;
        rows.iter().map(|row| profile_of(row, 0)).collect()
    })
}

pub(super) fn last_run_id(shared: &Arc<Shared>, job: &str) -> Result<Option<i64>, InnerError> {
    shared.read(|tx| {
        let row = tx.query_one(
            "SELECT MAX(ID) FROM (
             SELECT RUN_ID AS ID FROM @BATCH_PURGED WHERE JOB_NAME = $1 UNION ALL
             SELECT p.PARAMETER_VALUE::bigint
             FROM @BATCH_JOB_INSTANCE i
             JOIN @BATCH_JOB_EXECUTION e ON e.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID
             JOIN @BATCH_JOB_EXECUTION_PARAMS p ON p.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
             WHERE i.JOB_NAME = $1 AND p.PARAMETER_NAME = 'run.id' AND p.PARAMETER_TYPE = 'java.lang.Long'
               AND p.IDENTIFYING = 'Y') known",
            &[&job],
        )?;
        get(&row, 0)
    })
}
