//! Converts values of the model to columns and back.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::error::InnerError;
use super::shared::Tx;
use crate::definition::{ExecutionId, StepExecutionId};
use crate::postgres::Row;
use crate::postgres::types::FromSql;
pub(super) use crate::repository::columns::{ContextColumns, cut, durability, durability_text, int, merged};
use crate::repository::{BatchStatus, ContextMap, Counters, Owner, columns};

/// The time on the server at the beginning of the statement, as the columns of Spring Batch hold it: the same for all
/// columns that a statement sets.
macro_rules! now {
    () => {
        "timezone('utc', statement_timestamp())"
    };
}
/// The list in `STATUS IN` for running executions: the exact condition of the partial index.
macro_rules! running {
    () => {
        "('STARTING', 'STARTED', 'STOPPING')"
    };
}
/// The columns of the counters, in the order of [`counters_of`].
macro_rules! counters {
    () => {
        "COMMIT_COUNT, READ_COUNT, FILTER_COUNT, WRITE_COUNT, READ_SKIP_COUNT, WRITE_SKIP_COUNT, PROCESS_SKIP_COUNT, ROLLBACK_COUNT"
    };
}
/// The sums of the counters of a table named `s`.
macro_rules! sums {
    () => {
        "COALESCE(SUM(s.COMMIT_COUNT), 0)::bigint, COALESCE(SUM(s.READ_COUNT), 0)::bigint,
         COALESCE(SUM(s.FILTER_COUNT), 0)::bigint, COALESCE(SUM(s.WRITE_COUNT), 0)::bigint,
         COALESCE(SUM(s.READ_SKIP_COUNT), 0)::bigint, COALESCE(SUM(s.WRITE_SKIP_COUNT), 0)::bigint,
         COALESCE(SUM(s.PROCESS_SKIP_COUNT), 0)::bigint, COALESCE(SUM(s.ROLLBACK_COUNT), 0)::bigint"
    };
}
/// Assigns the parameters $1 to $8 to the columns of the counters.
macro_rules! set_counters {
    () => {
        "COMMIT_COUNT = $1, READ_COUNT = $2, FILTER_COUNT = $3, WRITE_COUNT = $4, READ_SKIP_COUNT = $5,
         WRITE_SKIP_COUNT = $6, PROCESS_SKIP_COUNT = $7, ROLLBACK_COUNT = $8"
    };
}
/// The columns of an owner, in the order of [`owner`], in a table named `o`.
macro_rules! owner_columns {
    () => {
        "o.OWNER, o.HOST, o.PID, o.START_TICKS, o.BOOT_ID"
    };
}
pub(super) use {counters, now, owner_columns, running, set_counters, sums};

/// A column of a row.
pub(super) fn get<'r, T: FromSql<'r>>(row: &'r Row, column: usize) -> Result<T, InnerError> {
    row.try_get(column).map_err(|error| InnerError::Corrupt(format!("a column cannot be read: {error}")))
}

/// A time column, in UTC.
pub(super) fn time(row: &Row, column: usize) -> Result<Option<Timestamp>, InnerError> {
    let Some(time) = get::<Option<DateTime>>(row, column)? else { return Ok(None) };
    let zoned = time.to_zoned(TimeZone::UTC);
    Ok(Some(
        zoned.map_err(|error| InnerError::Corrupt(format!("a time cannot be read: {error}")))?.timestamp(),
    ))
}

/// A context from its two columns.
pub(super) fn context(row: &Row, first: usize) -> Result<ContextMap, InnerError> {
    columns::context(get(row, first)?, get(row, first + 1)?).map_err(InnerError::Corrupt)
}

/// As [`context`], but empty if a join has found no row.
pub(super) fn context_if_any(row: &Row, first: usize) -> Result<ContextMap, InnerError> {
    match get::<Option<&str>>(row, first)? {
        Some(_) => context(row, first),
        None => Ok(ContextMap::new()),
    }
}

/// A count from a column.
pub(super) fn count(row: &Row, column: usize) -> Result<u64, InnerError> {
    Ok(u64::try_from(get::<Option<i64>>(row, column)?.unwrap_or(0)).unwrap_or(0))
}

/// Counters from the columns that begin at `first`.
pub(super) fn counters_of(row: &Row, first: usize) -> Result<Counters, InnerError> {
    Ok(Counters {
        commit: count(row, first)?,
        read: count(row, first + 1)?,
        filter: count(row, first + 2)?,
        write: count(row, first + 3)?,
        read_skip: count(row, first + 4)?,
        write_skip: count(row, first + 5)?,
        process_skip: count(row, first + 6)?,
        rollback: count(row, first + 7)?,
    })
}

/// Counters as parameters.
pub(super) fn parameters(counters: &Counters) -> [i64; 8] {
    [
        int(counters.commit),
        int(counters.read),
        int(counters.filter),
        int(counters.write),
        int(counters.read_skip),
        int(counters.write_skip),
        int(counters.process_skip),
        int(counters.rollback),
    ]
}

/// A status column.
pub(super) fn status(row: &Row, column: usize) -> Result<BatchStatus, InnerError> {
    get::<&str>(row, column)?.parse().map_err(InnerError::Corrupt)
}

/// An owner from the columns that begin at `first`; `None` if the execution has none.
pub(super) fn owner(row: &Row, first: usize) -> Result<Option<Owner>, InnerError> {
    let Some(uuid) = get(row, first)? else { return Ok(None) };
    Ok(Some(Owner {
        uuid,
        host: get(row, first + 1)?,
        pid: u32::try_from(get::<i64>(row, first + 2)?).unwrap_or_default(),
        start_ticks: count(row, first + 3)?,
        boot_id: get(row, first + 4)?,
    }))
}

/// A text without the character that the server cannot store, cut to the length of an exit column.
pub(super) fn text(text: &str) -> String {
    cut(text).replace('\0', "\u{fffd}")
}

/// The context of a job execution.
pub(super) fn job_context(tx: &Tx<'_>, execution: ExecutionId) -> Result<ContextMap, InnerError> {
    let row = tx.query_opt(
        "SELECT SHORT_CONTEXT, SERIALIZED_CONTEXT FROM @BATCH_JOB_EXECUTION_CONTEXT WHERE JOB_EXECUTION_ID = $1",
        &[&execution.0],
    )?;
    row.map_or_else(|| Ok(ContextMap::new()), |row| context(&row, 0))
}

/// Changes values of the context of a job execution and keeps the others. The caller has locked the owner's row.
pub(super) fn change_job_context(
    tx: &Tx<'_>,
    execution: ExecutionId,
    changes: &str,
) -> Result<(), InnerError> {
    let all = merged(job_context(tx, execution)?, changes).map_err(InnerError::Corrupt)?;
    put_job_context(tx, execution, &all)
}

pub(super) fn put_job_context(tx: &Tx<'_>, execution: ExecutionId, text: &str) -> Result<(), InnerError> {
    let columns = ContextColumns::of(text);
    tx.send(
        "INSERT INTO @BATCH_JOB_EXECUTION_CONTEXT (JOB_EXECUTION_ID, SHORT_CONTEXT, SERIALIZED_CONTEXT)
         VALUES ($1, $2, $3)
         ON CONFLICT (JOB_EXECUTION_ID) DO UPDATE SET SHORT_CONTEXT = $2, SERIALIZED_CONTEXT = $3",
        &[&execution.0, &&*columns.short, &columns.serialized],
    )
}

pub(super) fn put_step_context(tx: &Tx<'_>, step: StepExecutionId, text: &str) -> Result<(), InnerError> {
    let columns = ContextColumns::of(text);
    tx.send(
        "INSERT INTO @BATCH_STEP_EXECUTION_CONTEXT (STEP_EXECUTION_ID, SHORT_CONTEXT, SERIALIZED_CONTEXT)
         VALUES ($1, $2, $3)
         ON CONFLICT (STEP_EXECUTION_ID) DO UPDATE SET SHORT_CONTEXT = $2, SERIALIZED_CONTEXT = $3",
        &[&step.0, &&*columns.short, &columns.serialized],
    )
}

/// The next number of a sequence.
pub(super) fn next_id(tx: &Tx<'_>, query: &'static str) -> Result<i64, InnerError> {
    get(&tx.query_one(query, &[])?, 0)
}
