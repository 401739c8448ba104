//! Schedules and their times.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::error::InnerError;
use super::rows::{self, get};
use super::shared::{Shared, Tx};
use crate::definition::{Durability, ExecutionId};
use crate::postgres::Row;
use crate::repository::schedule::DEPLOYMENT;
use crate::repository::{FireFilter, FireOutcome, FireRow, FireRun, NewFire, ScheduleRow};

/// A time as the columns hold it.
fn stamp(time: Timestamp) -> DateTime {
    Offset::UTC.to_datetime(time)
}

fn required(row: &Row, column: usize) -> Result<Timestamp, InnerError> {
    rows::time(row, column).map(Option::unwrap_or_default)
}

/// The query for schedules, which ends with `$end`.
macro_rules! schedules {
    ($end:literal) => {
        concat!("SELECT JOB_NAME, EXPRESSION, ZONE, SINCE, PLANNED, PAUSED FROM @BATCH_SCHEDULE ", $end)
    };
}

fn schedule(row: &Row) -> Result<ScheduleRow, InnerError> {
    Ok(ScheduleRow {
        job: get(row, 0)?,
        expression: get(row, 1)?,
        zone: get(row, 2)?,
        since: required(row, 3)?,
        planned: required(row, 4)?,
        paused: rows::time(row, 5)?,
    })
}

fn read(tx: &Tx<'_>, job: &str) -> Result<Option<ScheduleRow>, InnerError> {
    let row = tx.query_opt(schedules!("WHERE JOB_NAME = $1"), &[&job])?;
    row.as_ref().map(schedule).transpose()
}

pub(super) fn all(shared: &Arc<Shared>) -> Result<Vec<ScheduleRow>, InnerError> {
    let rows = shared.read(|tx| tx.query(schedules!("ORDER BY JOB_NAME"), &[]))?;
    rows.iter().map(schedule).collect()
}

pub(super) fn of(shared: &Arc<Shared>, job: &str) -> Result<Option<ScheduleRow>, InnerError> {
    shared.read(|tx| read(tx, job))
}

/// Runs a transaction that may run twice: its statements change nothing the second time.
fn write<T>(shared: &Arc<Shared>, work: impl Fn(&Tx<'_>) -> Result<T, InnerError>) -> Result<T, InnerError> {
    shared.transact(Durability::Machine, None, |tx| work(tx), |_| Ok(None))
}

pub(super) fn record(
    shared: &Arc<Shared>,
    job: &str,
    expression: &str,
    zone: &str,
    now: Timestamp,
) -> Result<ScheduleRow, InnerError> {
    let is_known = |row: &ScheduleRow| row.expression == expression && row.zone == zone;
    if let Some(row) = of(shared, job)?.filter(is_known) {
        return Ok(row);
    }
    write(shared, |tx| {
        tx.execute(
            "INSERT INTO @BATCH_SCHEDULE AS s (JOB_NAME, EXPRESSION, ZONE, SINCE, PLANNED) VALUES ($1, $2, $3, $4, $4)
             ON CONFLICT (JOB_NAME) DO UPDATE
                 SET EXPRESSION = $2, ZONE = $3, SINCE = $4,
                     PLANNED = CASE WHEN s.SINCE > $5 THEN s.PLANNED ELSE GREATEST(s.PLANNED, $4) END
             WHERE s.EXPRESSION <> $2 OR s.ZONE <> $3",
            &[&job, &expression, &zone, &stamp(now), &stamp(now - DEPLOYMENT)],
        )?;
        read(tx, job)?.ok_or_else(|| InnerError::Corrupt(format!("the schedule of job {job} is missing")))
    })
}

pub(super) fn plan(
    shared: &Arc<Shared>,
    job: &str,
    fires: &[NewFire],
    until: Timestamp,
) -> Result<(), InnerError> {
    write(shared, |tx| {
        for fire in fires {
            tx.send(
                "INSERT INTO @BATCH_SCHEDULE_FIRE (JOB_NAME, SCHEDULED, FIRE_TIME, JOB_KEY, OUTCOME)
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                &[&job, &fire.scheduled, &stamp(fire.time), &fire.key, &fire.outcome.as_str()],
            )?;
        }
        tx.send(
            "UPDATE @BATCH_SCHEDULE SET PLANNED = GREATEST(PLANNED, $2) WHERE JOB_NAME = $1",
            &[&job, &stamp(until)],
        )
    })
}

pub(super) fn settle(
    shared: &Arc<Shared>,
    job: &str,
    scheduled: &str,
    outcome: FireOutcome,
    key: &str,
) -> Result<(), InnerError> {
    write(shared, |tx| {
        tx.send(
            "UPDATE @BATCH_SCHEDULE_FIRE SET OUTCOME = $3, JOB_KEY = $4
             WHERE JOB_NAME = $1 AND SCHEDULED = $2 AND (OUTCOME = 'DUE' OR $3 = 'DONE')",
            &[&job, &scheduled, &outcome.as_str(), &key],
        )
    })
}

/// Marks the scheduled time of an execution as HELD, if it is still DUE.
pub(super) fn hold(tx: &Tx<'_>, execution: ExecutionId) -> Result<(), InnerError> {
    tx.send(
        "UPDATE @BATCH_SCHEDULE_FIRE f SET OUTCOME = 'HELD'
         FROM @BATCH_JOB_EXECUTION e JOIN @BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
         WHERE e.JOB_EXECUTION_ID = $1 AND f.OUTCOME = 'DUE' AND f.JOB_NAME = i.JOB_NAME AND f.JOB_KEY = i.JOB_KEY",
        &[&execution.0],
    )
}

pub(super) fn fires(shared: &Arc<Shared>, filter: &FireFilter) -> Result<Vec<FireRow>, InnerError> {
    let outcomes: Vec<&str> = filter.outcomes.iter().map(|outcome| outcome.as_str()).collect();
    let limit = filter.limit.map(i64::from);
    shared.read(|tx| {
        let rows = tx.query(
            "SELECT f.SCHEDULED, f.FIRE_TIME, f.JOB_KEY, f.OUTCOME, e.JOB_EXECUTION_ID, e.STATUS, e.START_TIME, e.END_TIME,
                    (SELECT COUNT(*) FROM @BATCH_JOB_EXECUTION x WHERE x.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID
                     AND x.STATUS = 'FAILED' AND x.EXIT_CODE <> 'OWNER_LOST')
             FROM @BATCH_SCHEDULE_FIRE f
             LEFT JOIN @BATCH_JOB_INSTANCE i ON i.JOB_NAME = f.JOB_NAME AND i.JOB_KEY = f.JOB_KEY
             LEFT JOIN @BATCH_JOB_EXECUTION e ON e.JOB_EXECUTION_ID =
                 (SELECT MAX(l.JOB_EXECUTION_ID) FROM @BATCH_JOB_EXECUTION l WHERE l.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID)
             WHERE f.JOB_NAME = $1 AND (cardinality($2::text[]) = 0 OR f.OUTCOME = ANY($2::text[]))
             ORDER BY f.FIRE_TIME DESC, f.SCHEDULED COLLATE \"C\" DESC LIMIT $3",
            &[&filter.job, &outcomes, &limit],
        )?;
        rows.iter().map(fire).collect()
    })
}

/// The execution whose columns begin at `first`, if there is one.
fn run(row: &Row, first: usize) -> Result<Option<FireRun>, InnerError> {
    let Some(execution) = get::<Option<i64>>(row, first)? else { return Ok(None) };
    Ok(Some(FireRun {
        execution: ExecutionId(execution),
        status: rows::status(row, first + 1)?,
        started: rows::time(row, first + 2)?,
        ended: rows::time(row, first + 3)?,
        failures: u32::try_from(rows::count(row, first + 4)?).unwrap_or(u32::MAX),
    }))
}

pub(super) fn last_run(shared: &Arc<Shared>, job: &str, key: &str) -> Result<Option<FireRun>, InnerError> {
    shared.read(|tx| {
        let row = tx.query_opt(
            "SELECT e.JOB_EXECUTION_ID, e.STATUS, e.START_TIME, e.END_TIME,
                    (SELECT COUNT(*) FROM @BATCH_JOB_EXECUTION x WHERE x.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID
                     AND x.STATUS = 'FAILED' AND x.EXIT_CODE <> 'OWNER_LOST')
             FROM @BATCH_JOB_INSTANCE i JOIN @BATCH_JOB_EXECUTION e ON e.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID
             WHERE i.JOB_NAME = $1 AND i.JOB_KEY = $2 ORDER BY e.JOB_EXECUTION_ID DESC LIMIT 1",
            &[&job, &key],
        )?;
        row.map_or(Ok(None), |row| run(&row, 0))
    })
}

fn fire(row: &Row) -> Result<FireRow, InnerError> {
    Ok(FireRow {
        scheduled: get(row, 0)?,
        time: required(row, 1)?,
        key: get(row, 2)?,
        outcome: get::<String>(row, 3)?.parse().map_err(InnerError::Corrupt)?,
        run: run(row, 4)?,
    })
}

pub(super) fn count(shared: &Arc<Shared>, job: &str, outcome: FireOutcome) -> Result<u64, InnerError> {
    shared.read(|tx| {
        let row = tx.query_one(
            "SELECT COUNT(*) FROM @BATCH_SCHEDULE_FIRE WHERE JOB_NAME = $1 AND OUTCOME = $2",
            &[&job, &outcome.as_str()],
        )?;
        rows::count(&row, 0)
    })
}

pub(super) fn pause(
    shared: &Arc<Shared>,
    job: &str,
    pause: bool,
    now: Timestamp,
) -> Result<bool, InnerError> {
    let statement = if pause {
        "UPDATE @BATCH_SCHEDULE SET PAUSED = $2 WHERE JOB_NAME = $1 AND PAUSED IS NULL"
    } else {
        "UPDATE @BATCH_SCHEDULE SET PAUSED = NULL, PLANNED = GREATEST(PLANNED, $2)
         WHERE JOB_NAME = $1 AND PAUSED IS NOT NULL"
    };
    write(shared, |tx| Ok(tx.execute(statement, &[&job, &stamp(now)])? > 0))
}
