//! Reads executions and steps from the repository.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::connections::Shared;
use super::error::Trouble;
use super::rows::{self, COUNTERS, RUNNING, int};
use crate::definition::{Durability, ExecutionId, InstanceId, ParameterValue, StepExecutionId, StopSignal};
use crate::repository::{
    ExecutionFilter, ExitStatus, InstanceFilter, JobExecution, JobInstance, Ownership, Profile,
    RepositoryError, StepExecution, StoredParameter,
};

pub(super) fn stop_requested(shared: &Arc<Shared>, owner: Ownership) -> Result<bool, Trouble> {
    let connection = shared.lend(shared.durability_of(owner.execution))?;
    is_stopping(&connection, owner)
}

pub(super) fn is_stopping(connection: &Connection, owner: Ownership) -> Result<bool, Trouble> {
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
pub(super) fn is_wanted(shared: &Arc<Shared>, owner: Ownership, stop: &StopSignal) -> Result<bool, Trouble> {
    if stop.is_raised() {
        return Ok(false);
    }
    match stop_requested(shared, owner) {
        Ok(true) => {
            stop.raise();
            Ok(false)
        }
        Err(fenced @ Trouble::Known(RepositoryError::Fenced { .. })) => Err(fenced),
        // The repository itself may be the locked database.
        Ok(false) | Err(_) => Ok(true),
    }
}

fn select(rest: &str) -> String {
    let owner = rows::OWNER;
    format!(
        "SELECT e.JOB_EXECUTION_ID, e.STATUS, e.EXIT_CODE, e.EXIT_MESSAGE, e.CREATE_TIME, e.START_TIME, e.END_TIME,
                e.LAST_UPDATED, i.JOB_INSTANCE_ID, i.JOB_NAME, i.JOB_KEY, o.EPOCH, o.DURABILITY, {owner}
         FROM BATCH_JOB_EXECUTION e
         JOIN BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
         LEFT JOIN BATCH_JOB_OWNER o ON o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID {rest}"
    )
}

/// An execution without its parameters.
fn execution_of(row: &Row<'_>) -> rusqlite::Result<JobExecution> {
    let created = rows::time(row, 4)?.unwrap_or_default();
    let durability: Option<String> = row.get(12)?;
    Ok(JobExecution {
        id: ExecutionId(row.get(0)?),
        status: rows::status(row, 1)?,
        exit: exit_of(row, 2)?,
        created,
        started: rows::time(row, 5)?,
        ended: rows::time(row, 6)?,
        updated: rows::time(row, 7)?.unwrap_or(created),
        instance: JobInstance { id: InstanceId(row.get(8)?), job: row.get(9)?, key: row.get(10)? },
        epoch: rows::count(row, 11)?,
        durability: rows::durability(durability.as_deref()),
        owner: rows::owner(row, 13)?,
        parameters: Vec::new(),
    })
}

fn exit_of(row: &Row<'_>, first: usize) -> rusqlite::Result<ExitStatus> {
    Ok(ExitStatus {
        code: row.get::<_, Option<String>>(first)?.unwrap_or_default(),
        description: row.get::<_, Option<String>>(first + 1)?.unwrap_or_default(),
    })
}

fn add_parameters(connection: &Connection, execution: &mut JobExecution) -> Result<(), Trouble> {
    let mut select = connection.prepare_cached(
        "SELECT PARAMETER_NAME, PARAMETER_TYPE, PARAMETER_VALUE, IDENTIFYING FROM BATCH_JOB_EXECUTION_PARAMS
         WHERE JOB_EXECUTION_ID = ?1 ORDER BY PARAMETER_NAME",
    )?;
    let mut rows = select.query([execution.id.0])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let class = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        let text: Option<String> = row.get(2)?;
        let value = ParameterValue::from_stored(class, &text.unwrap_or_default()).map_err(|why| {
            Trouble::Corrupt(format!("parameter `{name}` of execution {}: {why}", execution.id))
        })?;
        let identifying = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)? == "Y";
        execution.parameters.push(StoredParameter { name, value, identifying });
    }
    Ok(())
}

pub(super) fn execution(shared: &Arc<Shared>, id: ExecutionId) -> Result<JobExecution, Trouble> {
    let connection = shared.lend(Durability::Machine)?;
    let mut execution = connection
        .prepare_cached(&select("WHERE e.JOB_EXECUTION_ID = ?1"))?
        .query_row([id.0], execution_of)
        .optional()?
        .ok_or(RepositoryError::NoSuchExecution(id))?;
    add_parameters(&connection, &mut execution)?;
    Ok(execution)
}

/// The `FROM` and `WHERE` clauses of a filter, with executions as `x` and instances as `n`.
fn narrowed(filter: &ExecutionFilter) -> String {
    let mut conditions = vec!["?1 IS ?1 AND ?2 IS ?2".to_owned()];
    let mut index = "";
    if filter.job.is_some() {
        conditions.push("n.JOB_NAME = ?1".to_owned());
    }
    if filter.instance.is_some() {
        conditions.push("x.JOB_INSTANCE_ID = ?2".to_owned());
    }
    if filter.running {
        conditions.push(format!("x.STATUS IN {RUNNING}"));
        index = "INDEXED BY BATCH_JOB_EXECUTION_RUNNING";
    }
    format!(
        "FROM BATCH_JOB_EXECUTION x {index}
         JOIN BATCH_JOB_INSTANCE n ON n.JOB_INSTANCE_ID = x.JOB_INSTANCE_ID
         WHERE {}",
        conditions.join(" AND ")
    )
}

pub(super) fn count_executions(shared: &Arc<Shared>, filter: &ExecutionFilter) -> Result<u64, Trouble> {
    let connection = shared.lend(Durability::Machine)?;
    let count = connection
        .prepare_cached(&format!("SELECT COUNT(*) {}", narrowed(filter)))?
        .query_row(params![filter.job, filter.instance.map(|id| id.0)], |row| rows::count(row, 0))?;
    Ok(count)
}

pub(super) fn instances(shared: &Arc<Shared>, filter: &InstanceFilter) -> Result<Vec<JobInstance>, Trouble> {
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

pub(super) fn count_instances(shared: &Arc<Shared>, job: Option<&str>) -> Result<u64, Trouble> {
    let connection = shared.lend(Durability::Machine)?;
    let count = connection
        .prepare_cached("SELECT COUNT(*) FROM BATCH_JOB_INSTANCE WHERE ?1 IS NULL OR JOB_NAME = ?1")?
        .query_row([job], |row| rows::count(row, 0))?;
    Ok(count)
}

pub(super) fn job_names(shared: &Arc<Shared>) -> Result<Vec<String>, Trouble> {
    let connection = shared.lend(Durability::Machine)?;
    let names = connection
        .prepare_cached("SELECT DISTINCT JOB_NAME FROM BATCH_JOB_INSTANCE ORDER BY JOB_NAME")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(names)
}

pub(super) fn executions(
    shared: &Arc<Shared>,
    filter: &ExecutionFilter,
) -> Result<Vec<JobExecution>, Trouble> {
    // The IDs are selected from indexes alone; only the rows of the results are read.
    let rest = format!(
        "WHERE e.JOB_EXECUTION_ID IN (
             SELECT x.JOB_EXECUTION_ID {} ORDER BY x.JOB_EXECUTION_ID DESC LIMIT ?3 OFFSET ?4)
         ORDER BY e.JOB_EXECUTION_ID DESC",
        narrowed(filter)
    );
    let connection = shared.lend(Durability::Machine)?;
    // One snapshot for the executions and their parameters.
    let transaction = connection.unchecked_transaction()?;
    let mut select = transaction.prepare_cached(&select(&rest))?;
    let limit = filter.limit.map_or(-1, i64::from);
    let mut executions: Vec<JobExecution> = select
        .query_map(
            params![filter.job, filter.instance.map(|id| id.0), limit, int(filter.offset)],
            execution_of,
        )?
        .collect::<Result<_, _>>()?;
    for execution in &mut executions {
        add_parameters(&transaction, execution)?;
    }
    Ok(executions)
}

pub(super) fn steps(shared: &Arc<Shared>, execution: ExecutionId) -> Result<Vec<StepExecution>, Trouble> {
    let counters = COUNTERS.split(", ").map(|column| format!("s.{}", column.trim()));
    let counters = counters.collect::<Vec<_>>().join(", ");
    let connection = shared.lend(Durability::Machine)?;
    let mut select = connection.prepare_cached(&format!(
        "SELECT s.STEP_EXECUTION_ID, s.STEP_NAME, s.STATUS, s.EXIT_CODE, s.EXIT_MESSAGE, s.CREATE_TIME, s.START_TIME,
                s.END_TIME, s.LAST_UPDATED, c.SHORT_CONTEXT, c.SERIALIZED_CONTEXT,
                p.READ_NANOS, p.PROCESS_NANOS, p.WRITE_NANOS, p.COMMIT_NANOS, {counters}
         FROM BATCH_STEP_EXECUTION s
         LEFT JOIN BATCH_STEP_EXECUTION_CONTEXT c ON c.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
         LEFT JOIN BATCH_STEP_PROFILE p ON p.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
         WHERE s.JOB_EXECUTION_ID = ?1 ORDER BY s.STEP_EXECUTION_ID"
    ))?;
    let mut rows = select.query([execution.0])?;
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        steps.push(step_of(row, execution)?);
    }
    Ok(steps)
}

fn step_of(row: &Row<'_>, execution: ExecutionId) -> Result<StepExecution, Trouble> {
    let created = rows::time(row, 5)?.unwrap_or_default();
    let profile = match row.get::<_, Option<i64>>(11)? {
        None => None,
        Some(_) => Some(Profile {
            read: rows::count(row, 11)?,
            process: rows::count(row, 12)?,
            write: rows::count(row, 13)?,
            commit: rows::count(row, 14)?,
        }),
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
        context: rows::context(row.get(9)?, row.get(10)?)?,
        profile,
        counters: rows::counters(row, 15)?,
    })
}

pub(super) fn last_run_id(shared: &Arc<Shared>, job: &str) -> Result<Option<i64>, Trouble> {
    let connection = shared.lend(Durability::Machine)?;
    let last = connection
        .prepare_cached(
            "SELECT MAX(CAST(p.PARAMETER_VALUE AS INTEGER))
             FROM BATCH_JOB_INSTANCE i
             JOIN BATCH_JOB_EXECUTION e ON e.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID
             JOIN BATCH_JOB_EXECUTION_PARAMS p ON p.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
             WHERE i.JOB_NAME = ?1 AND p.PARAMETER_NAME = 'run.id' AND p.PARAMETER_TYPE = 'java.lang.Long'
               AND p.IDENTIFYING = 'Y'",
        )?
        .query_row([job], |row| row.get(0))?;
    Ok(last)
}
