//! Adds up all executions.

use std::sync::Arc;
use std::time::Duration;

use super::error::Trouble;
use super::rows::{self, get, sums};
use super::shared::Shared;
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

/// The columns that [`times`] reads, of the ended rows of an alias.
macro_rules! times {
    ($table:literal) => {
        concat!("COUNT(*), SUM(", took!($table), ")::bigint, MAX(", took!($table), ")")
    };
}

fn times(row: &Row, first: usize) -> Result<Times, Trouble> {
    Ok(Times {
        count: rows::count(row, first)?,
        sum: Duration::from_micros(rows::count(row, first + 1)?),
        longest: Duration::from_micros(rows::count(row, first + 2)?),
    })
}

pub(super) fn all(shared: &Arc<Shared>) -> Result<Statistics, Trouble> {
    shared.read(|tx| {
        let text = |row: &Row, column| Ok::<_, Trouble>(get::<Option<String>>(row, column)?.unwrap_or_default());
        let launches = tx.query_one("SELECT COUNT(*) FROM @BATCH_JOB_EXECUTION", &[])?;
        let mut all = Statistics { launches: rows::count(&launches, 0)?, ..Statistics::default() };

        let jobs = tx.query(
            concat!(
                "SELECT i.JOB_NAME, e.EXIT_CODE, MAX(CASE e.STATUS WHEN 'COMPLETED' THEN e.END_TIME END), ",
                times!("e"),
                " FROM @BATCH_JOB_EXECUTION e JOIN @BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
                 WHERE e.END_TIME IS NOT NULL GROUP BY 1, 2 ORDER BY i.JOB_NAME COLLATE \"C\", e.EXIT_CODE COLLATE \"C\""
            ),
            &[],
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
                 GROUP BY 1, 2, 3
                 ORDER BY i.JOB_NAME COLLATE \"C\", s.STEP_NAME COLLATE \"C\", s.EXIT_CODE COLLATE \"C\""
            ),
            &[],
        )?;
        for row in &steps {
            all.add_step(text(row, 0)?, &text(row, 1)?, text(row, 2)?, times(row, 3)?);
        }

        // The row of a step with partitions repeats what those of its partitions say.
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
                 GROUP BY 1, 2 ORDER BY i.JOB_NAME COLLATE \"C\", s.STEP_NAME COLLATE \"C\""
            ),
            &[],
        )?;
        for row in &work {
            let profile = match get::<Option<i64>>(row, 2)? {
                None => None,
                Some(_) => Some(Profile {
                    read: rows::count(row, 2)?,
                    process: rows::count(row, 3)?,
                    write: rows::count(row, 4)?,
                    commit: rows::count(row, 5)?,
                    ..Profile::default()
                }),
            };
            all.add_work(text(row, 0)?, &text(row, 1)?, rows::counters_of(row, 6)?, profile);
        }
        Ok(all)
    })
}
