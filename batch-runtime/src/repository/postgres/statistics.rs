//! Adds up all executions.

use std::sync::Arc;
use std::time::Duration;

use super::error::InnerError;
use super::rows::{self, counters, get, sums};
use super::shared::{Shared, Tx};
use crate::postgres::Row;
use crate::repository::{JobStatistics, Profile, Statistics, Times};

/// How long a row took, in microseconds.
macro_rules! took {
    ($table:literal) => {
        concat!(
            "GREATEST(0, (EXTRACT(EPOCH FROM ",
            $table,
            ".END_TIME - COALESCE(",
            $table,
            ".START_TIME, ",
            $table,
            ".CREATE_TIME)) * 1000000)::bigint)"
        )
    };
}

/// The columns that [`times`] reads, of the ended rows of a table, given by its alias.
macro_rules! times {
    ($table:literal) => {
        concat!("COUNT(*), SUM(", took!($table), ")::bigint, MAX(", took!($table), ")")
    };
}

fn times(row: &Row, first: usize) -> Result<Times, InnerError> {
    Ok(Times {
        count: rows::count(row, first)?,
        sum: Duration::from_micros(rows::count(row, first + 1)?),
        longest: Duration::from_micros(rows::count(row, first + 2)?),
    })
}

fn text(row: &Row, column: usize) -> Result<String, InnerError> {
    Ok(get::<Option<String>>(row, column)?.unwrap_or_default())
}

/// The times per activity; none if no step execution has any.
fn profile(row: &Row) -> Result<Option<Profile>, InnerError> {
    if get::<Option<i64>>(row, 2)?.is_none() {
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

pub(super) fn all(shared: &Arc<Shared>) -> Result<Statistics, InnerError> {
    shared.read(|tx| {
        let launches = tx.query_one("SELECT COUNT(*) FROM @BATCH_JOB_EXECUTION", &[])?;
        let mut all = Statistics { launches: rows::count(&launches, 0)?, ..add_up(tx, None)? };
        add_purged(tx, &mut all)?;
        Ok(all)
    })
}

/// Adds the totals of purged executions.
fn add_purged(tx: &Tx<'_>, all: &mut Statistics) -> Result<(), InnerError> {
    // The table does not exist if an old schema cannot be updated.
    let is_kept = tx.query_one("SELECT to_regclass('@BATCH_TOTAL') IS NOT NULL", &[])?;
    if !get::<bool>(&is_kept, 0)? {
        return Ok(());
    }
    let totals = tx.query(
        "SELECT JOB_NAME, STEP_NAME, EXIT_CODE, ENDED_COUNT, ELAPSED_MICROS, LONGEST_MICROS, LAST_COMPLETED
         FROM @BATCH_TOTAL",
        &[],
    )?;
    for row in &totals {
        let (job, step, exit_code) = (text(row, 0)?, text(row, 1)?, text(row, 2)?);
        let times = times(row, 3)?;
        if step.is_empty() {
            all.launches += times.count;
            all.add_job(JobStatistics { job, exit_code, times, last_completed: rows::time(row, 6)? });
        } else {
            all.add_step(job, &step, exit_code, times);
        }
    }
    let work = tx.query(
        concat!(
            "SELECT JOB_NAME, STEP_NAME, READ_NANOS, PROCESS_NANOS, WRITE_NANOS, COMMIT_NANOS, ",
            counters!(),
            " FROM @BATCH_TOTAL_WORK"
        ),
        &[],
    )?;
    for row in &work {
        all.add_work(text(row, 0)?, &text(row, 1)?, rows::counters_of(row, 6)?, profile(row)?);
    }
    all.sort();
    Ok(())
}

/// Adds up the executions of these instances, or of all, without the number of launches.
pub(super) fn add_up(tx: &Tx<'_>, instances: Option<&[i64]>) -> Result<Statistics, InnerError> {
    let mut all = Statistics::default();
    let jobs = tx.query(
        concat!(
            "SELECT i.JOB_NAME, e.EXIT_CODE, MAX(CASE e.STATUS WHEN 'COMPLETED' THEN e.END_TIME END), ",
            times!("e"),
            " FROM @BATCH_JOB_EXECUTION e JOIN @BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
             WHERE e.END_TIME IS NOT NULL AND ($1::bigint[] IS NULL OR e.JOB_INSTANCE_ID = ANY($1)) GROUP BY 1, 2 ORDER BY i.JOB_NAME COLLATE \"C\", e.EXIT_CODE COLLATE \"C\""
        ),
        &[&instances],
    )?;
    for row in &jobs {
        all.jobs.push(JobStatistics {
            job: text(row, 0)?,
            exit_code: text(row, 1)?,
            times: times(row, 3)?,
            last_completed: rows::time(row, 2)?,
        });
    }

    let steps = tx.query(
        concat!(
            "SELECT i.JOB_NAME, s.STEP_NAME, s.EXIT_CODE, ",
            times!("s"),
            " FROM @BATCH_STEP_EXECUTION s
             JOIN @BATCH_JOB_EXECUTION e ON e.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID
             JOIN @BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
             WHERE s.END_TIME IS NOT NULL AND position(':partition' IN s.STEP_NAME) = 0
               AND ($1::bigint[] IS NULL OR e.JOB_INSTANCE_ID = ANY($1))
             GROUP BY 1, 2, 3
             ORDER BY i.JOB_NAME COLLATE \"C\", s.STEP_NAME COLLATE \"C\", s.EXIT_CODE COLLATE \"C\""
        ),
        &[&instances],
    )?;
    for row in &steps {
        all.add_step(text(row, 0)?, &text(row, 1)?, text(row, 2)?, times(row, 3)?);
    }

    // The row of a step with partitions is left out, because it repeats the sum over its partitions.
    let work = tx.query(
        concat!(
            "SELECT i.JOB_NAME, s.STEP_NAME, SUM(p.READ_NANOS)::bigint, SUM(p.PROCESS_NANOS)::bigint,
                    SUM(p.WRITE_NANOS)::bigint, SUM(p.COMMIT_NANOS)::bigint, ",
            sums!(),
            " FROM @BATCH_STEP_EXECUTION s
             JOIN @BATCH_JOB_EXECUTION e ON e.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID
             JOIN @BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
             LEFT JOIN @BATCH_STEP_PROFILE p ON p.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
             WHERE NOT EXISTS (
                 SELECT 1 FROM @BATCH_PARTITION b
                 WHERE b.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID AND b.STEP_NAME = s.STEP_NAME)
               AND ($1::bigint[] IS NULL OR e.JOB_INSTANCE_ID = ANY($1))
             GROUP BY 1, 2 ORDER BY i.JOB_NAME COLLATE \"C\", s.STEP_NAME COLLATE \"C\""
        ),
        &[&instances],
    )?;
    for row in &work {
        all.add_work(text(row, 0)?, &text(row, 1)?, rows::counters_of(row, 6)?, profile(row)?);
    }
    Ok(all)
}
