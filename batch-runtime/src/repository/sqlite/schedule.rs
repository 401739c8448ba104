//! Schedules and their times.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::connections::Shared;
use super::error::InnerError;
use super::rows::{self, stamp};
use crate::definition::{Durability, ExecutionId};
use crate::repository::schedule::DEPLOYMENT;
use crate::repository::{FireFilter, FireOutcome, FireRow, FireRun, NewFire, ScheduleRow};

fn required(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    rows::time(row, column).map(Option::unwrap_or_default)
}

const SCHEDULES: &str = "SELECT JOB_NAME, EXPRESSION, ZONE, SINCE, PLANNED, PAUSED FROM BATCH_SCHEDULE";

fn schedule(row: &Row<'_>) -> rusqlite::Result<ScheduleRow> {
    Ok(ScheduleRow {
        job: row.get(0)?,
        expression: row.get(1)?,
        zone: row.get(2)?,
        since: required(row, 3)?,
        planned: required(row, 4)?,
        paused: rows::time(row, 5)?,
    })
}

fn read(connection: &Connection, job: &str) -> rusqlite::Result<Option<ScheduleRow>> {
    let mut statement = connection.prepare_cached(&format!("{SCHEDULES} WHERE JOB_NAME = ?1"))?;
    statement.query_row([job], schedule).optional()
}

pub(super) fn all(shared: &Arc<Shared>) -> Result<Vec<ScheduleRow>, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    if !rows::has_table(&connection, "BATCH_SCHEDULE")? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(&format!("{SCHEDULES} ORDER BY JOB_NAME"))?;
    Ok(statement.query_map([], schedule)?.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn of(shared: &Arc<Shared>, job: &str) -> Result<Option<ScheduleRow>, InnerError> {
    Ok(read(&*shared.lend(Durability::Machine)?, job)?)
}

pub(super) fn record(
    shared: &Arc<Shared>,
    job: &str,
    expression: &str,
    zone: &str,
    now: Timestamp,
) -> Result<ScheduleRow, InnerError> {
    let is_known = |row: &ScheduleRow| row.expression == expression && row.zone == zone;
    let connection = shared.lend(Durability::Machine)?;
    if let Some(row) = read(&connection, job)?.filter(is_known) {
        return Ok(row);
    }
    let transaction = connection.begin()?;
    transaction
        .prepare_cached(
            "INSERT INTO BATCH_SCHEDULE (JOB_NAME, EXPRESSION, ZONE, SINCE, PLANNED) VALUES (?1, ?2, ?3, ?4, ?4)
             ON CONFLICT (JOB_NAME) DO UPDATE SET EXPRESSION = ?2, ZONE = ?3, SINCE = ?4,
                 PLANNED = CASE WHEN SINCE > ?5 THEN PLANNED ELSE MAX(PLANNED, ?4) END
             WHERE EXPRESSION <> ?2 OR ZONE <> ?3",
        )?
        .execute(params![job, expression, zone, stamp(now), stamp(now - DEPLOYMENT)])?;
    let row = read(&transaction, job)?;
    transaction.commit()?;
    row.ok_or_else(|| InnerError::Corrupt(format!("the schedule of job {job} is missing")))
}

pub(super) fn plan(
    shared: &Arc<Shared>,
    job: &str,
    fires: &[NewFire],
    until: Timestamp,
) -> Result<(), InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let transaction = connection.begin()?;
    {
        let mut insert = transaction.prepare_cached(
            "INSERT OR IGNORE INTO BATCH_SCHEDULE_FIRE (JOB_NAME, SCHEDULED, FIRE_TIME, JOB_KEY, OUTCOME)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for fire in fires {
            insert.execute(params![
                job,
                fire.scheduled,
                stamp(fire.time),
                fire.key,
                fire.outcome.as_str()
            ])?;
        }
    }
    transaction
        .prepare_cached("UPDATE BATCH_SCHEDULE SET PLANNED = MAX(PLANNED, ?2) WHERE JOB_NAME = ?1")?
        .execute(params![job, stamp(until)])?;
    Ok(transaction.commit()?)
}

pub(super) fn settle(
    shared: &Arc<Shared>,
    job: &str,
    scheduled: &str,
    outcome: FireOutcome,
    key: &str,
) -> Result<(), InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let transaction = connection.begin()?;
    transaction
        .prepare_cached(
            "UPDATE BATCH_SCHEDULE_FIRE SET OUTCOME = ?3, JOB_KEY = ?4
             WHERE JOB_NAME = ?1 AND SCHEDULED = ?2 AND (OUTCOME = 'DUE' OR ?3 = 'DONE')",
        )?
        .execute(params![job, scheduled, outcome.as_str(), key])?;
    Ok(transaction.commit()?)
}

/// Marks the scheduled time of an execution as HELD, if it is still DUE.
pub(super) fn hold(connection: &Connection, execution: ExecutionId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE BATCH_SCHEDULE_FIRE SET OUTCOME = 'HELD'
             WHERE OUTCOME = 'DUE' AND (JOB_NAME, JOB_KEY) IN
                 (SELECT i.JOB_NAME, i.JOB_KEY FROM BATCH_JOB_EXECUTION e
                  JOIN BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID WHERE e.JOB_EXECUTION_ID = ?1)",
        )?
        .execute([execution.0])?;
    Ok(())
}

pub(super) fn fires(shared: &Arc<Shared>, filter: &FireFilter) -> Result<Vec<FireRow>, InnerError> {
    let outcomes: Vec<&str> = filter.outcomes.iter().map(|outcome| outcome.as_str()).collect();
    let connection = shared.lend(Durability::Machine)?;
    let mut select = connection.prepare_cached(
        "SELECT f.SCHEDULED, f.FIRE_TIME, f.JOB_KEY, f.OUTCOME, e.JOB_EXECUTION_ID, e.STATUS, e.START_TIME, e.END_TIME,
                (SELECT COUNT(*) FROM BATCH_JOB_EXECUTION x WHERE x.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID
                 AND +x.STATUS = 'FAILED' AND x.EXIT_CODE <> 'OWNER_LOST')
         FROM BATCH_SCHEDULE_FIRE f
         LEFT JOIN BATCH_JOB_INSTANCE i ON i.JOB_NAME = f.JOB_NAME AND i.JOB_KEY = f.JOB_KEY
         LEFT JOIN BATCH_JOB_EXECUTION e ON e.JOB_EXECUTION_ID =
             (SELECT MAX(l.JOB_EXECUTION_ID) FROM BATCH_JOB_EXECUTION l WHERE l.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID)
         WHERE f.JOB_NAME = ?1 AND (?2 = '[]' OR f.OUTCOME IN (SELECT value FROM json_each(?2)))
         ORDER BY f.FIRE_TIME DESC, f.SCHEDULED DESC LIMIT ?3",
    )?;
    let limit = filter.limit.map_or(-1, i64::from);
    let outcomes = serde_json::Value::from(outcomes).to_string();
    let mut rows = select.query(params![filter.job, outcomes, limit])?;
    let mut fires = Vec::new();
    while let Some(row) = rows.next()? {
        fires.push(fire(row)?);
    }
    Ok(fires)
}

/// The execution whose columns begin at `first`, if there is one.
fn run(row: &Row<'_>, first: usize) -> Result<Option<FireRun>, InnerError> {
    let Some(execution) = row.get::<_, Option<i64>>(first)? else { return Ok(None) };
    Ok(Some(FireRun {
        execution: ExecutionId(execution),
        status: rows::status(row, first + 1)?,
        started: rows::time(row, first + 2)?,
        ended: rows::time(row, first + 3)?,
        failures: u32::try_from(rows::count(row, first + 4)?).unwrap_or(u32::MAX),
    }))
}

// `+` keeps the planner from using the index of statuses: an instance has few executions, but many executions have
// failed.
pub(super) fn last_run(shared: &Arc<Shared>, job: &str, key: &str) -> Result<Option<FireRun>, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let mut select = connection.prepare_cached(
        "SELECT e.JOB_EXECUTION_ID, e.STATUS, e.START_TIME, e.END_TIME,
                (SELECT COUNT(*) FROM BATCH_JOB_EXECUTION x WHERE x.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID
                 AND +x.STATUS = 'FAILED' AND x.EXIT_CODE <> 'OWNER_LOST')
         FROM BATCH_JOB_INSTANCE i JOIN BATCH_JOB_EXECUTION e ON e.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID
         WHERE i.JOB_NAME = ?1 AND i.JOB_KEY = ?2 ORDER BY e.JOB_EXECUTION_ID DESC LIMIT 1",
    )?;
    let mut rows = select.query(params![job, key])?;
    match rows.next()? {
        Some(row) => run(row, 0),
        None => Ok(None),
    }
}

fn fire(row: &Row<'_>) -> Result<FireRow, InnerError> {
    Ok(FireRow {
        scheduled: row.get(0)?,
        time: required(row, 1)?,
        key: row.get(2)?,
        outcome: row.get::<_, String>(3)?.parse().map_err(InnerError::Corrupt)?,
        run: run(row, 4)?,
    })
}

pub(super) fn count(shared: &Arc<Shared>, job: &str, outcome: FireOutcome) -> Result<u64, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let count = connection
        .prepare_cached("SELECT COUNT(*) FROM BATCH_SCHEDULE_FIRE WHERE JOB_NAME = ?1 AND OUTCOME = ?2")?
        .query_row(params![job, outcome.as_str()], |row| rows::count(row, 0))?;
    Ok(count)
}

pub(super) fn pause(
    shared: &Arc<Shared>,
    job: &str,
    pause: bool,
    now: Timestamp,
) -> Result<bool, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let transaction = connection.begin()?;
    let statement = if pause {
        "UPDATE BATCH_SCHEDULE SET PAUSED = ?2 WHERE JOB_NAME = ?1 AND PAUSED IS NULL"
    } else {
        "UPDATE BATCH_SCHEDULE SET PAUSED = NULL, PLANNED = MAX(PLANNED, ?2)
         WHERE JOB_NAME = ?1 AND PAUSED IS NOT NULL"
    };
    let changed = transaction.prepare_cached(statement)?.execute(params![job, stamp(now)])?;
    transaction.commit()?;
    Ok(changed > 0)
}
