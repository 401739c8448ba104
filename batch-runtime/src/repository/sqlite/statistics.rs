//! Adds up all executions.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params_from_iter};

use super::connections::Shared;
use super::error::InnerError;
use super::rows;
use crate::definition::{Durability, InstanceId};
use crate::repository::{JobStatistics, Profile, Statistics, Times};

/// Milliseconds since 1970 of a time column, which holds a string or the number that the JDBC driver writes.
pub(super) fn millis(column: &str) -> String {
    format!(
        "CASE typeof({column}) WHEN 'integer' THEN {column} ELSE CAST(ROUND(unixepoch({column}, 'subsec') * 1000) AS INTEGER) END"
    )
}

/// The columns that [`times`] reads, of the ended rows of a table or alias.
fn time_columns(table: &str) -> String {
    let end = millis(&format!("{table}.END_TIME"));
    let start = millis(&format!("COALESCE({table}.START_TIME, {table}.CREATE_TIME)"));
    let took = format!("MAX(0, {end} - {start})");
    format!("COUNT(*), SUM({took}), MAX({took})")
}

fn times(row: &Row<'_>, first: usize) -> rusqlite::Result<Times> {
    Ok(Times {
        count: rows::count(row, first)?,
        sum: Duration::from_millis(rows::count(row, first + 1)?),
        longest: Duration::from_millis(rows::count(row, first + 2)?),
    })
}

pub(super) fn all(shared: &Arc<Shared>) -> Result<Statistics, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    // All sums come from one snapshot.
    let transaction = connection.unchecked_transaction()?;
    let launches = "SELECT COUNT(*) FROM BATCH_JOB_EXECUTION";
    let launches = transaction.query_row(launches, [], |row| rows::count(row, 0))?;
    let mut all = Statistics { launches, ..add_up(&transaction, None)? };
    add_purged(&transaction, &mut all)?;
    Ok(all)
}

/// Instances as the list that a statement takes.
pub(super) fn list(instances: &[InstanceId]) -> String {
    let ids: Vec<i64> = instances.iter().map(|id| id.0).collect();
    serde_json::Value::from(ids).to_string()
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(row.get::<_, Option<String>>(column)?.unwrap_or_default())
}

/// Adds the totals of purged executions.
fn add_purged(connection: &Connection, all: &mut Statistics) -> Result<(), InnerError> {
    if !rows::has_table(connection, "BATCH_TOTAL")? {
        return Ok(());
    }
    let mut totals = connection.prepare_cached(
        "SELECT JOB_NAME, STEP_NAME, EXIT_CODE, ENDED_COUNT, ELAPSED_MICROS, LONGEST_MICROS, LAST_COMPLETED FROM BATCH_TOTAL",
    )?;
    let mut rows = totals.query([])?;
    while let Some(row) = rows.next()? {
        let (job, step, exit_code) = (text(row, 0)?, text(row, 1)?, text(row, 2)?);
        let times = Times {
            count: rows::count(row, 3)?,
            sum: Duration::from_micros(rows::count(row, 4)?),
            longest: Duration::from_micros(rows::count(row, 5)?),
        };
        if step.is_empty() {
            all.launches += times.count;
            all.add_job(JobStatistics { job, exit_code, times, last_completed: rows::time(row, 6)? });
        } else {
            all.add_step(job, &step, exit_code, times);
        }
    }
    let mut work = connection.prepare_cached(&format!(
        "SELECT JOB_NAME, STEP_NAME, READ_NANOS, PROCESS_NANOS, WRITE_NANOS, COMMIT_NANOS, {} FROM BATCH_TOTAL_WORK",
        rows::COUNTERS
    ))?;
    let mut rows = work.query([])?;
    while let Some(row) = rows.next()? {
        all.add_work(text(row, 0)?, &text(row, 1)?, rows::counters(row, 6)?, profile(row)?);
    }
    all.sort();
    Ok(())
}

/// The times per activity; none if no step execution has any.
fn profile(row: &Row<'_>) -> rusqlite::Result<Option<Profile>> {
    if row.get::<_, Option<i64>>(2)?.is_none() {
        return Ok(None);
    }
    Ok(Some(Profile {
        read: rows::count(row, 2)?,
        process: rows::count(row, 3)?,
        write: rows::count(row, 4)?,
        commit: rows::count(row, 5)?,
        ..Profile::default()
    }))
}

/// Adds up the executions of these instances, or of all, without the number of launches.
pub(super) fn add_up(
    connection: &Connection,
    instances: Option<&[InstanceId]>,
) -> Result<Statistics, InnerError> {
    let instances = instances.map(list);
    let values = || params_from_iter(&instances);
    let of = match &instances {
        Some(_) => "AND e.JOB_INSTANCE_ID IN (SELECT value FROM json_each(?1))",
        None => "",
    };
    let mut all = Statistics::default();

    let (columns, end) = (time_columns("e"), millis("e.END_TIME"));
    let mut jobs = connection.prepare_cached(&format!(
        "SELECT i.JOB_NAME, e.EXIT_CODE, MAX(CASE e.STATUS WHEN 'COMPLETED' THEN {end} END), {columns}
         FROM BATCH_JOB_EXECUTION e JOIN BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
         WHERE e.END_TIME IS NOT NULL {of} GROUP BY 1, 2 ORDER BY 1, 2"
    ))?;
    let mut rows = jobs.query(values())?;
    while let Some(row) = rows.next()? {
        let last: Option<i64> = row.get(2)?;
        all.jobs.push(JobStatistics {
            job: text(row, 0)?,
            exit_code: text(row, 1)?,
            times: times(row, 3)?,
            last_completed: last.and_then(|millis| Timestamp::from_millisecond(millis).ok()),
        });
    }

    let columns = time_columns("s");
    let mut steps = connection.prepare_cached(&format!(
        "SELECT i.JOB_NAME, s.STEP_NAME, s.EXIT_CODE, {columns}
         FROM BATCH_STEP_EXECUTION s
         JOIN BATCH_JOB_EXECUTION e ON e.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID
         JOIN BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
         WHERE s.END_TIME IS NOT NULL AND instr(s.STEP_NAME, ':partition') = 0 {of}
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    ))?;
    let mut rows = steps.query(values())?;
    while let Some(row) = rows.next()? {
        all.add_step(text(row, 0)?, &text(row, 1)?, text(row, 2)?, times(row, 3)?);
    }

    // The row of a step with partitions is left out, because it repeats the sum over its partitions.
    let counters = rows::sums("s.");
    let mut work = connection.prepare_cached(&format!(
        "SELECT i.JOB_NAME, s.STEP_NAME, SUM(p.READ_NANOS), SUM(p.PROCESS_NANOS), SUM(p.WRITE_NANOS), SUM(p.COMMIT_NANOS), {counters}
         FROM BATCH_STEP_EXECUTION s
         JOIN BATCH_JOB_EXECUTION e ON e.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID
         JOIN BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
         LEFT JOIN BATCH_STEP_PROFILE p ON p.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
         WHERE NOT EXISTS (SELECT 1 FROM BATCH_PARTITION b WHERE b.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID AND b.STEP_NAME = s.STEP_NAME) {of}
         GROUP BY 1, 2 ORDER BY 1, 2"
    ))?;
    let mut rows = work.query(values())?;
    while let Some(row) = rows.next()? {
        all.add_work(text(row, 0)?, &text(row, 1)?, rows::counters(row, 6)?, profile(row)?);
    }
    Ok(all)
}
