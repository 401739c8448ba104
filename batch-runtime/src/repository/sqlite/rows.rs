//! Converts values of the model to columns and back.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::InnerError;
use crate::definition::{ExecutionId, StepExecutionId};
pub(super) use crate::repository::columns::{
    COUNTERS, ContextColumns, RUNNING, cut, durability, durability_text, int,
};
use crate::repository::{BatchStatus, ContextMap, Counters, Owner, columns};

/// A time as `2024-01-31 08:30:00.123` in UTC, the format of `SQLite`'s own functions and the JDBC driver.
pub(super) fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// A time column.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let bad =
        |kind, error: jiff::Error| rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error));
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        // The JDBC driver writes milliseconds since 1970 by default.
        ValueRef::Integer(millis) => {
            Timestamp::from_millisecond(millis).map(Some).map_err(|error| bad(Type::Integer, error))
        }
        value => {
            let text = value.as_str()?;
            text.parse::<DateTime>()
                .and_then(|time| time.to_zoned(TimeZone::UTC))
                .map(|time| Some(time.timestamp()))
                .map_err(|error| bad(Type::Text, error))
        }
    }
}

/// A context from its two columns.
pub(super) fn context(short: Option<String>, serialized: Option<String>) -> Result<ContextMap, InnerError> {
    columns::context(short, serialized).map_err(InnerError::Corrupt)
}

/// The context of a job execution.
pub(super) fn job_context(connection: &Connection, execution: ExecutionId) -> Result<ContextMap, InnerError> {
    let columns = connection
        .prepare_cached(
            "SELECT SHORT_CONTEXT, SERIALIZED_CONTEXT FROM BATCH_JOB_EXECUTION_CONTEXT WHERE JOB_EXECUTION_ID = ?1",
        )?
        .query_row([execution.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (short, serialized) = columns.unwrap_or_default();
    context(short, serialized)
}

/// Changes values of the context of a job execution and keeps the others.
pub(super) fn change_job_context(
    connection: &Connection,
    execution: ExecutionId,
    changes: &str,
) -> Result<(), InnerError> {
    let all = columns::merged(job_context(connection, execution)?, changes).map_err(InnerError::Corrupt)?;
    Ok(put_job_context(connection, execution, &all)?)
}

pub(super) fn put_job_context(
    connection: &Connection,
    execution: ExecutionId,
    text: &str,
) -> rusqlite::Result<()> {
    let columns = ContextColumns::of(text);
    connection
        .prepare_cached(
            "INSERT INTO BATCH_JOB_EXECUTION_CONTEXT (JOB_EXECUTION_ID, SHORT_CONTEXT, SERIALIZED_CONTEXT)
             VALUES (?1, ?2, ?3)
             ON CONFLICT (JOB_EXECUTION_ID) DO UPDATE SET SHORT_CONTEXT = ?2, SERIALIZED_CONTEXT = ?3",
        )?
        .execute(params![execution.0, columns.short, columns.serialized])
        .map(|_| ())
}

pub(super) fn put_step_context(
    connection: &Connection,
    step: StepExecutionId,
    text: &str,
) -> rusqlite::Result<()> {
    let columns = ContextColumns::of(text);
    connection
        .prepare_cached(
            "INSERT INTO BATCH_STEP_EXECUTION_CONTEXT (STEP_EXECUTION_ID, SHORT_CONTEXT, SERIALIZED_CONTEXT)
             VALUES (?1, ?2, ?3)
             ON CONFLICT (STEP_EXECUTION_ID) DO UPDATE SET SHORT_CONTEXT = ?2, SERIALIZED_CONTEXT = ?3",
        )?
        .execute(params![step.0, columns.short, columns.serialized])
        .map(|_| ())
}

/// A count from a column.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, Option<i64>>(column)?.unwrap_or(0)).unwrap_or(0))
}

/// Counters from the columns that begin at `first`.
pub(super) fn counters(row: &Row<'_>, first: usize) -> rusqlite::Result<Counters> {
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

/// The sums of [`COUNTERS`] of a table. `table` is its name or alias and a dot, or empty.
pub(super) fn sums(table: &str) -> String {
    COUNTERS
        .split(", ")
        .map(|column| format!("COALESCE(SUM({table}{}), 0)", column.trim()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A status column.
pub(super) fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<BatchStatus> {
    row.get_ref(column)?
        .as_str()?
        .parse()
        .map_err(|why: String| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into()))
}

/// The columns of an owner, in the order of [`owner`], in a table named `o`.
pub(super) const OWNER: &str = "o.OWNER, o.HOST, o.PID, o.START_TICKS, o.BOOT_ID";

/// An owner from the columns that begin at `first`; `None` if the execution has none.
pub(super) fn owner(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Owner>> {
    let Some(uuid) = row.get(first)? else { return Ok(None) };
    Ok(Some(Owner {
        uuid,
        host: row.get(first + 1)?,
        pid: row.get(first + 2)?,
        start_ticks: count(row, first + 3)?,
        boot_id: row.get(first + 4)?,
    }))
}

/// The next number of a sequence, taken as Spring Batch does.
pub(super) fn next_id(connection: &Connection, table: &str) -> rusqlite::Result<i64> {
    connection.prepare_cached(&format!("INSERT INTO {table} VALUES (NULL)"))?.execute([])?;
    let id = connection.last_insert_rowid();
    connection.prepare_cached(&format!("DELETE FROM {table} WHERE ID < ?1"))?.execute([id])?;
    Ok(id)
}

/// The first of the next `many` numbers of a sequence.
pub(super) fn next_ids(connection: &Connection, table: &str, many: usize) -> rusqlite::Result<i64> {
    let first = next_id(connection, table)?;
    let more = i64::try_from(many).unwrap_or(i64::MAX).saturating_sub(1).max(0);
    connection.execute(&format!("UPDATE {table} SET ID = ID + ?1"), [more])?;
    Ok(first)
}

/// Whether the file has a table. An old file that cannot be updated lacks the newer ones.
pub(super) fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
    connection.query_row(sql, [name], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        let time: Timestamp = "2024-01-31T09:30:00.1239+01:00".parse().unwrap();
        assert_eq!(stamp(time), "2024-01-31 08:30:00.123");
        assert_eq!(stamp(Timestamp::UNIX_EPOCH), "1970-01-01 00:00:00.000");
    }

    #[test]
    fn times_of_every_form_are_read() {
        let connection = Connection::open_in_memory().unwrap();
        let read = |sql: &str| connection.query_row(sql, [], |row| time(row, 0));
        let expected: Timestamp = "2024-01-31T08:30:00.123Z".parse().unwrap();
        assert_eq!(read("SELECT '2024-01-31 08:30:00.123'").unwrap(), Some(expected));
        assert_eq!(read("SELECT 1706689800123").unwrap(), Some(expected));
        assert_eq!(read("SELECT NULL").unwrap(), None);
        assert!(read("SELECT 'yesterday'").is_err());
    }
}
