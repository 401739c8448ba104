//! Reads executions and steps from the repository.

use std::sync::Arc;

use super::error::Trouble;
use super::launch::fenced;
use super::rows::{self, get, int, owner_columns, running};
use super::shared::{Shared, Tx};
use crate::definition::{ExecutionId, InstanceId, ParameterValue, StepExecutionId};
use crate::postgres::Row;
use crate::repository::{
    ExecutionFilter, ExitStatus, InstanceFilter, JobExecution, JobInstance, Ownership, Profile,
    RepositoryError, StepExecution, StoredParameter,
};

pub(super) fn stop_requested(shared: &Arc<Shared>, owner: Ownership) -> Result<bool, Trouble> {
    let lent = shared.lend()?;
    let row = shared.tx(&lent).query_opt(
        "SELECT e.STATUS = 'STOPPING' FROM @BATCH_JOB_EXECUTION e
         JOIN @BATCH_JOB_OWNER o ON o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
         WHERE e.JOB_EXECUTION_ID = $1 AND o.EPOCH = $2",
        &[&owner.execution.0, &int(owner.epoch)],
    )?;
    get(&row.ok_or_else(|| fenced(owner))?, 0)
}

pub(super) fn now(shared: &Arc<Shared>) -> Result<jiff::Timestamp, Trouble> {
    let lent = shared.lend()?;
    let row = shared.tx(&lent).query_one(concat!("SELECT ", rows::now!()), &[])?;
    Ok(rows::time(&row, 0)?.unwrap_or_default())
}

macro_rules! executions {
    ($rest:expr) => {
        concat!(
            "SELECT e.JOB_EXECUTION_ID, e.STATUS, e.EXIT_CODE, e.EXIT_MESSAGE, e.CREATE_TIME, e.START_TIME, e.END_TIME,
                    e.LAST_UPDATED, i.JOB_INSTANCE_ID, i.JOB_NAME, i.JOB_KEY, o.EPOCH, o.DURABILITY, ",
            owner_columns!(),
            " FROM @BATCH_JOB_EXECUTION e
             JOIN @BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
             LEFT JOIN @BATCH_JOB_OWNER o ON o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID ",
            $rest
        )
    };
}

/// An execution without its parameters.
fn execution_of(row: &Row) -> Result<JobExecution, Trouble> {
    let created = rows::time(row, 4)?.unwrap_or_default();
    let durability: Option<&str> = get(row, 12)?;
    Ok(JobExecution {
        id: ExecutionId(get(row, 0)?),
        status: rows::status(row, 1)?,
        exit: exit_of(row, 2)?,
        created,
        started: rows::time(row, 5)?,
        ended: rows::time(row, 6)?,
        updated: rows::time(row, 7)?.unwrap_or(created),
        instance: JobInstance { id: InstanceId(get(row, 8)?), job: get(row, 9)?, key: get(row, 10)? },
        epoch: rows::count(row, 11)?,
        durability: rows::durability(durability),
        owner: rows::owner(row, 13)?,
        parameters: Vec::new(),
    })
}

fn exit_of(row: &Row, first: usize) -> Result<ExitStatus, Trouble> {
    Ok(ExitStatus {
        code: get::<Option<String>>(row, first)?.unwrap_or_default(),
        description: get::<Option<String>>(row, first + 1)?.unwrap_or_default(),
    })
}

/// Adds their parameters to executions.
fn add_parameters(tx: &Tx<'_>, executions: &mut [JobExecution]) -> Result<(), Trouble> {
    let ids: Vec<i64> = executions.iter().map(|execution| execution.id.0).collect();
    let rows = tx.query(
        "SELECT JOB_EXECUTION_ID, PARAMETER_NAME, PARAMETER_TYPE, PARAMETER_VALUE, IDENTIFYING = 'Y'
         FROM @BATCH_JOB_EXECUTION_PARAMS WHERE JOB_EXECUTION_ID = ANY($1) ORDER BY PARAMETER_NAME COLLATE \"C\"",
        &[&ids],
    )?;
    for row in &rows {
        let id = ExecutionId(get(row, 0)?);
        let name: String = get(row, 1)?;
        let text: Option<&str> = get(row, 3)?;
        let value = ParameterValue::from_stored(get(row, 2)?, text.unwrap_or_default())
            .map_err(|why| Trouble::Corrupt(format!("parameter `{name}` of execution {id}: {why}")))?;
        let identifying = get(row, 4)?;
        if let Some(execution) = executions.iter_mut().find(|execution| execution.id == id) {
            execution.parameters.push(StoredParameter { name, value, identifying });
        }
    }
    Ok(())
}

pub(super) fn execution(shared: &Arc<Shared>, id: ExecutionId) -> Result<JobExecution, Trouble> {
    shared.read(|tx| {
        let row = tx.query_opt(executions!("WHERE e.JOB_EXECUTION_ID = $1"), &[&id.0])?;
        let mut execution = [execution_of(&row.ok_or(RepositoryError::NoSuchExecution(id))?)?];
        add_parameters(tx, &mut execution)?;
        let [execution] = execution;
        Ok(execution)
    })
}

/// The `FROM` and `WHERE` clauses of a filter, with executions as `x`: parameters $1 to $3.
macro_rules! narrowed {
    () => {
        concat!(
            " FROM @BATCH_JOB_EXECUTION x JOIN @BATCH_JOB_INSTANCE n ON n.JOB_INSTANCE_ID = x.JOB_INSTANCE_ID
              WHERE ($1::text IS NULL OR n.JOB_NAME = $1) AND ($2::bigint IS NULL OR x.JOB_INSTANCE_ID = $2)
                AND (NOT $3 OR x.STATUS IN ",
            running!(),
            ")"
        )
    };
}

pub(super) fn count_executions(shared: &Arc<Shared>, filter: &ExecutionFilter) -> Result<u64, Trouble> {
    shared.read(|tx| {
        let row = tx.query_one(
            concat!("SELECT COUNT(*)", narrowed!()),
            &[&filter.job, &filter.instance.map(|id| id.0), &filter.running],
        )?;
        rows::count(&row, 0)
    })
}

pub(super) fn executions(
    shared: &Arc<Shared>,
    filter: &ExecutionFilter,
) -> Result<Vec<JobExecution>, Trouble> {
    shared.read(|tx| {
        let limit = filter.limit.map(i64::from);
        let rows = tx.query(
            executions!(concat!(
                "WHERE e.JOB_EXECUTION_ID IN (SELECT x.JOB_EXECUTION_ID",
                narrowed!(),
                " ORDER BY x.JOB_EXECUTION_ID DESC LIMIT $4 OFFSET $5) ORDER BY e.JOB_EXECUTION_ID DESC"
            )),
            &[&filter.job, &filter.instance.map(|id| id.0), &filter.running, &limit, &int(filter.offset)],
        )?;
        let mut executions: Vec<JobExecution> = rows.iter().map(execution_of).collect::<Result<_, _>>()?;
        add_parameters(tx, &mut executions)?;
        Ok(executions)
    })
}

pub(super) fn instances(shared: &Arc<Shared>, filter: &InstanceFilter) -> Result<Vec<JobInstance>, Trouble> {
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

pub(super) fn count_instances(shared: &Arc<Shared>, job: Option<&str>) -> Result<u64, Trouble> {
    shared.read(|tx| {
        let row = tx.query_one(
            "SELECT COUNT(*) FROM @BATCH_JOB_INSTANCE WHERE $1::text IS NULL OR JOB_NAME = $1",
            &[&job],
        )?;
        rows::count(&row, 0)
    })
}

pub(super) fn job_names(shared: &Arc<Shared>) -> Result<Vec<String>, Trouble> {
    shared.read(|tx| {
        let rows = tx.query(
            "SELECT JOB_NAME FROM @BATCH_JOB_INSTANCE GROUP BY JOB_NAME ORDER BY JOB_NAME COLLATE \"C\"",
            &[],
        )?;
        rows.iter().map(|row| get(row, 0)).collect()
    })
}

pub(super) fn steps(shared: &Arc<Shared>, execution: ExecutionId) -> Result<Vec<StepExecution>, Trouble> {
    shared.read(|tx| {
        let rows = tx.query(
            "SELECT s.STEP_EXECUTION_ID, s.STEP_NAME, s.STATUS, s.EXIT_CODE, s.EXIT_MESSAGE, s.CREATE_TIME, s.START_TIME,
                    s.END_TIME, s.LAST_UPDATED, c.SHORT_CONTEXT, c.SERIALIZED_CONTEXT,
                    p.READ_NANOS, p.PROCESS_NANOS, p.WRITE_NANOS, p.COMMIT_NANOS,
                    s.COMMIT_COUNT, s.READ_COUNT, s.FILTER_COUNT, s.WRITE_COUNT, s.READ_SKIP_COUNT,
                    s.WRITE_SKIP_COUNT, s.PROCESS_SKIP_COUNT, s.ROLLBACK_COUNT
             FROM @BATCH_STEP_EXECUTION s
             LEFT JOIN @BATCH_STEP_EXECUTION_CONTEXT c ON c.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
             LEFT JOIN @BATCH_STEP_PROFILE p ON p.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
             WHERE s.JOB_EXECUTION_ID = $1 ORDER BY s.STEP_EXECUTION_ID",
            &[&execution.0],
        )?;
        rows.iter().map(|row| step_of(row, execution)).collect()
    })
}

fn step_of(row: &Row, execution: ExecutionId) -> Result<StepExecution, Trouble> {
    let created = rows::time(row, 5)?.unwrap_or_default();
    let profile = match get::<Option<i64>>(row, 11)? {
        None => None,
        Some(_) => Some(Profile {
            read: rows::count(row, 11)?,
            process: rows::count(row, 12)?,
            write: rows::count(row, 13)?,
            commit: rows::count(row, 14)?,
        }),
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
        context: rows::context(row, 9)?,
        profile,
        counters: rows::counters_of(row, 15)?,
    })
}

pub(super) fn last_run_id(shared: &Arc<Shared>, job: &str) -> Result<Option<i64>, Trouble> {
    shared.read(|tx| {
        let row = tx.query_one(
            "SELECT MAX(p.PARAMETER_VALUE::bigint)
             FROM @BATCH_JOB_INSTANCE i
             JOIN @BATCH_JOB_EXECUTION e ON e.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID
             JOIN @BATCH_JOB_EXECUTION_PARAMS p ON p.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
             WHERE i.JOB_NAME = $1 AND p.PARAMETER_NAME = 'run.id' AND p.PARAMETER_TYPE = 'java.lang.Long'
               AND p.IDENTIFYING = 'Y'",
            &[&job],
        )?;
        get(&row, 0)
    })
}
