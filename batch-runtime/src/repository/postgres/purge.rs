//! Deletes the record of instances that are complete for good. Their identities and totals stay.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::error::InnerError;
use super::rows::{self, counters, get, int};
use super::shared::{Shared, Tx, Value};
use super::statistics;
use crate::definition::{Durability, ExecutionId, InstanceId};
use crate::postgres::Row;
use crate::repository::purge::{PurgeFilter, PurgePage, Purgeable};
use crate::repository::{BatchStatus, JobInstance, Statistics, Times, statistics::TOTAL_EXIT_CODE};

/// The complete instances among the given ones.
const COMPLETE: &str =
    "SELECT g.JOB_INSTANCE_ID, g.JOB_NAME, g.JOB_KEY, g.LAST, c.STATUS, g.ENDED, g.EXECUTIONS
     FROM (SELECT i.JOB_INSTANCE_ID, i.JOB_NAME, i.JOB_KEY,
                  MAX(COALESCE(e.END_TIME, e.LAST_UPDATED, e.CREATE_TIME)) AS ENDED, COUNT(*) AS EXECUTIONS,
                  MAX(e.JOB_EXECUTION_ID) FILTER (WHERE e.STATUS IN ('COMPLETED', 'ABANDONED')) AS LAST
           FROM @BATCH_JOB_INSTANCE i JOIN @BATCH_JOB_EXECUTION e ON e.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID
           WHERE i.JOB_INSTANCE_ID = ANY($1)
           GROUP BY i.JOB_INSTANCE_ID, i.JOB_NAME, i.JOB_KEY
           HAVING COUNT(*) FILTER (
               WHERE e.STATUS IS NULL OR e.STATUS IN ('STARTING', 'STARTED', 'STOPPING', 'UNKNOWN')) = 0) g
     JOIN @BATCH_JOB_EXECUTION c ON c.JOB_EXECUTION_ID = g.LAST
     ORDER BY g.JOB_INSTANCE_ID";

/// Deletes the instances and everything that refers to them, referring rows first.
const DELETIONS: [&str; 15] = [
    "DELETE FROM @BATCH_PARTITION WHERE JOB_INSTANCE_ID = ANY($1)",
    "DELETE FROM @BATCH_JOURNAL WHERE JOB_INSTANCE_ID = ANY($1)",
    "DELETE FROM @BATCH_STEP_PROGRESS WHERE STEP_EXECUTION_ID IN (
         SELECT s.STEP_EXECUTION_ID FROM @BATCH_STEP_EXECUTION s
         JOIN @BATCH_JOB_EXECUTION e ON e.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID WHERE e.JOB_INSTANCE_ID = ANY($1))",
    "DELETE FROM @BATCH_STEP_FORM WHERE STEP_EXECUTION_ID IN (
         SELECT s.STEP_EXECUTION_ID FROM @BATCH_STEP_EXECUTION s
         JOIN @BATCH_JOB_EXECUTION e ON e.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID WHERE e.JOB_INSTANCE_ID = ANY($1))",
    "DELETE FROM @BATCH_STEP_PROFILE WHERE STEP_EXECUTION_ID IN (
         SELECT s.STEP_EXECUTION_ID FROM @BATCH_STEP_EXECUTION s
         JOIN @BATCH_JOB_EXECUTION e ON e.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID WHERE e.JOB_INSTANCE_ID = ANY($1))",
    "DELETE FROM @BATCH_SKIPPED_ITEM WHERE STEP_EXECUTION_ID IN (
         SELECT s.STEP_EXECUTION_ID FROM @BATCH_STEP_EXECUTION s
         JOIN @BATCH_JOB_EXECUTION e ON e.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID WHERE e.JOB_INSTANCE_ID = ANY($1))",
    "DELETE FROM @BATCH_STEP_EXECUTION_CONTEXT WHERE STEP_EXECUTION_ID IN (
         SELECT s.STEP_EXECUTION_ID FROM @BATCH_STEP_EXECUTION s
         JOIN @BATCH_JOB_EXECUTION e ON e.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID WHERE e.JOB_INSTANCE_ID = ANY($1))",
    "DELETE FROM @BATCH_STEP_EXECUTION WHERE JOB_EXECUTION_ID IN (
         SELECT JOB_EXECUTION_ID FROM @BATCH_JOB_EXECUTION WHERE JOB_INSTANCE_ID = ANY($1))",
    "DELETE FROM @BATCH_OPERATION WHERE JOB_EXECUTION_ID IN (
         SELECT JOB_EXECUTION_ID FROM @BATCH_JOB_EXECUTION WHERE JOB_INSTANCE_ID = ANY($1))",
    "DELETE FROM @BATCH_JOB_GRAPH WHERE JOB_EXECUTION_ID IN (
         SELECT JOB_EXECUTION_ID FROM @BATCH_JOB_EXECUTION WHERE JOB_INSTANCE_ID = ANY($1))",
    "DELETE FROM @BATCH_JOB_OWNER WHERE JOB_EXECUTION_ID IN (
         SELECT JOB_EXECUTION_ID FROM @BATCH_JOB_EXECUTION WHERE JOB_INSTANCE_ID = ANY($1))",
    "DELETE FROM @BATCH_JOB_EXECUTION_PARAMS WHERE JOB_EXECUTION_ID IN (
         SELECT JOB_EXECUTION_ID FROM @BATCH_JOB_EXECUTION WHERE JOB_INSTANCE_ID = ANY($1))",
    "DELETE FROM @BATCH_JOB_EXECUTION_CONTEXT WHERE JOB_EXECUTION_ID IN (
         SELECT JOB_EXECUTION_ID FROM @BATCH_JOB_EXECUTION WHERE JOB_INSTANCE_ID = ANY($1))",
    "DELETE FROM @BATCH_JOB_EXECUTION WHERE JOB_INSTANCE_ID = ANY($1)",
    "DELETE FROM @BATCH_JOB_INSTANCE WHERE JOB_INSTANCE_ID = ANY($1)",
];

fn complete(tx: &Tx<'_>, instances: &[i64]) -> Result<Vec<(Purgeable, ExecutionId)>, InnerError> {
    tx.query(COMPLETE, &[&instances])?.iter().map(complete_one).collect()
}

fn complete_one(row: &Row) -> Result<(Purgeable, ExecutionId), InnerError> {
    let instance = JobInstance { id: InstanceId(get(row, 0)?), job: get(row, 1)?, key: get(row, 2)? };
    let purgeable = Purgeable {
        instance,
        status: rows::status(row, 4)?,
        ended: rows::time(row, 5)?.unwrap_or_default(),
        executions: rows::count(row, 6)?,
    };
    Ok((purgeable, ExecutionId(get(row, 3)?)))
}

pub(super) fn page(shared: &Arc<Shared>, filter: &PurgeFilter) -> Result<PurgePage, InnerError> {
    shared.read(|tx| {
        let rows = tx.query(
            "SELECT JOB_INSTANCE_ID FROM @BATCH_JOB_INSTANCE
             WHERE JOB_NAME = $1 AND JOB_INSTANCE_ID > $2 AND JOB_INSTANCE_ID < $3 ORDER BY JOB_INSTANCE_ID LIMIT $4",
            &[
                &filter.job,
                &filter.after.map_or(i64::MIN, |id| id.0),
                &filter.before.map_or(i64::MAX, |id| id.0),
                &i64::from(filter.limit),
            ],
        )?;
        let looked_at: Vec<i64> = rows.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
        let is_full = looked_at.len() as u64 >= u64::from(filter.limit);
        let instances = complete(tx, &looked_at)?
            .into_iter()
            .map(|(instance, _)| instance)
            .filter(|instance| filter.selects(instance))
            .collect();
        Ok(PurgePage { instances, next: looked_at.last().copied().filter(|_| is_full).map(InstanceId) })
    })
}

/// Deletes the instances, if they are still complete, in one transaction.
pub(super) fn purge(shared: &Arc<Shared>, instances: &[InstanceId]) -> Result<Vec<InstanceId>, InnerError> {
    let instances: Vec<i64> = instances.iter().map(|id| id.0).collect();
    shared.transact(
        Durability::Machine,
        None,
        |tx| {
            // A launch holds the row of its instance: an instance that is being launched stays.
            let free = tx.query(
                "SELECT JOB_INSTANCE_ID FROM @BATCH_JOB_INSTANCE WHERE JOB_INSTANCE_ID = ANY($1)
                 ORDER BY JOB_INSTANCE_ID FOR UPDATE SKIP LOCKED",
                &[&instances],
            )?;
            let free: Vec<i64> = free.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
            let complete = complete(tx, &free)?;
            let ids: Vec<i64> = complete.iter().map(|(purgeable, _)| purgeable.instance.id.0).collect();
            add_totals(tx, &statistics::add_up(tx, Some(&ids))?)?;
            for (purgeable, execution) in &complete {
                keep_identity(tx, purgeable, *execution)?;
            }
            for deletion in DELETIONS {
                tx.send(deletion, &[&ids])?;
            }
            Ok(ids.into_iter().map(InstanceId).collect())
        },
        |tx| {
            let purged = tx.query(
                "SELECT JOB_INSTANCE_ID FROM @BATCH_PURGED WHERE JOB_INSTANCE_ID = ANY($1)",
                &[&instances],
            )?;
            let purged =
                purged.iter().map(|row| get(row, 0).map(InstanceId)).collect::<Result<Vec<_>, _>>()?;
            Ok(Some(purged).filter(|purged| !purged.is_empty()))
        },
    )
}

fn moment(time: Timestamp) -> DateTime {
    TimeZone::UTC.to_datetime(time)
}

fn keep_identity(tx: &Tx<'_>, purged: &Purgeable, execution: ExecutionId) -> Result<(), InnerError> {
    tx.send(
        "INSERT INTO @BATCH_PURGED (JOB_NAME, JOB_KEY, JOB_INSTANCE_ID, JOB_EXECUTION_ID, STATUS, END_TIME, RUN_ID)
         SELECT $1, $2, $3, $4, $5, $6, MAX(p.PARAMETER_VALUE::bigint)
         FROM @BATCH_JOB_EXECUTION_PARAMS p
         WHERE p.JOB_EXECUTION_ID = $4 AND p.PARAMETER_NAME = 'run.id' AND p.PARAMETER_TYPE = 'java.lang.Long'
           AND p.IDENTIFYING = 'Y'
         ON CONFLICT (JOB_NAME, JOB_KEY) DO UPDATE SET JOB_INSTANCE_ID = excluded.JOB_INSTANCE_ID,
             JOB_EXECUTION_ID = excluded.JOB_EXECUTION_ID, STATUS = excluded.STATUS, END_TIME = excluded.END_TIME,
             RUN_ID = excluded.RUN_ID",
        &[
            &purged.instance.job,
            &purged.instance.key,
            &purged.instance.id.0,
            &execution.0,
            &purged.status.as_str(),
            &moment(purged.ended),
        ],
    )
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn add_totals(tx: &Tx<'_>, totals: &Statistics) -> Result<(), InnerError> {
    let row = |job: &str, step: &str, code: &str, times: &Times, last: Option<Timestamp>| {
        let code: String = code.chars().take(TOTAL_EXIT_CODE).collect();
        let (count, sum, longest) = (int(times.count), micros(times.sum), micros(times.longest));
        let last = last.map(moment);
        let values: [Value<'_>; 7] = [&job, &step, &code, &count, &sum, &longest, &last];
        tx.send(
            "INSERT INTO @BATCH_TOTAL AS t (JOB_NAME, STEP_NAME, EXIT_CODE, ENDED_COUNT, ELAPSED_MICROS, LONGEST_MICROS,
                                            LAST_COMPLETED)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (JOB_NAME, STEP_NAME, EXIT_CODE) DO UPDATE SET
                 ENDED_COUNT = t.ENDED_COUNT + excluded.ENDED_COUNT,
                 ELAPSED_MICROS = t.ELAPSED_MICROS + excluded.ELAPSED_MICROS,
                 LONGEST_MICROS = GREATEST(t.LONGEST_MICROS, excluded.LONGEST_MICROS),
                 LAST_COMPLETED = GREATEST(t.LAST_COMPLETED, excluded.LAST_COMPLETED)",
            &values,
        )
    };
    for job in &totals.jobs {
        row(&job.job, "", &job.exit_code, &job.times, job.last_completed)?;
    }
    for step in &totals.steps {
        row(&step.job, &step.step, &step.exit_code, &step.times, None)?;
    }
    for work in &totals.work {
        let counted = rows::parameters(&work.counters);
        let nanos = work.profile.as_ref().map(|profile| {
            [int(profile.read), int(profile.process), int(profile.write), int(profile.commit)]
        });
        let nanos: [Option<i64>; 4] = nanos.map_or([None; 4], |nanos| nanos.map(Some));
        let values: Vec<Value<'_>> = [&work.job as Value<'_>, &work.step]
            .into_iter()
            .chain(counted.iter().map(|count| count as Value<'_>))
            .chain(nanos.iter().map(|nanos| nanos as Value<'_>))
            .collect();
        tx.send(
            concat!(
                "INSERT INTO @BATCH_TOTAL_WORK AS t (JOB_NAME, STEP_NAME, ",
                counters!(),
                ", READ_NANOS, PROCESS_NANOS, WRITE_NANOS, COMMIT_NANOS)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
                 ON CONFLICT (JOB_NAME, STEP_NAME) DO UPDATE SET
                     COMMIT_COUNT = t.COMMIT_COUNT + excluded.COMMIT_COUNT,
                     READ_COUNT = t.READ_COUNT + excluded.READ_COUNT,
                     FILTER_COUNT = t.FILTER_COUNT + excluded.FILTER_COUNT,
                     WRITE_COUNT = t.WRITE_COUNT + excluded.WRITE_COUNT,
                     READ_SKIP_COUNT = t.READ_SKIP_COUNT + excluded.READ_SKIP_COUNT,
                     WRITE_SKIP_COUNT = t.WRITE_SKIP_COUNT + excluded.WRITE_SKIP_COUNT,
                     PROCESS_SKIP_COUNT = t.PROCESS_SKIP_COUNT + excluded.PROCESS_SKIP_COUNT,
                     ROLLBACK_COUNT = t.ROLLBACK_COUNT + excluded.ROLLBACK_COUNT,
                     READ_NANOS = COALESCE(t.READ_NANOS + excluded.READ_NANOS, t.READ_NANOS, excluded.READ_NANOS),
                     PROCESS_NANOS = COALESCE(t.PROCESS_NANOS + excluded.PROCESS_NANOS, t.PROCESS_NANOS, excluded.PROCESS_NANOS),
                     WRITE_NANOS = COALESCE(t.WRITE_NANOS + excluded.WRITE_NANOS, t.WRITE_NANOS, excluded.WRITE_NANOS),
                     COMMIT_NANOS = COALESCE(t.COMMIT_NANOS + excluded.COMMIT_NANOS, t.COMMIT_NANOS, excluded.COMMIT_NANOS)"
            ),
            &values,
        )?;
    }
    Ok(())
}

/// The execution that made a purged instance complete, and its status.
pub(super) fn find(
    tx: &Tx<'_>,
    job: &str,
    key: &str,
) -> Result<Option<(ExecutionId, BatchStatus)>, InnerError> {
    let row = tx.query_opt(
        "SELECT JOB_EXECUTION_ID, STATUS FROM @BATCH_PURGED WHERE JOB_NAME = $1 AND JOB_KEY = $2",
        &[&job, &key],
    )?;
    row.map(|row| Ok((ExecutionId(get(&row, 0)?), rows::status(&row, 1)?))).transpose()
}

/// Makes the space of deleted rows available again, table by table. Others can read and write in the
/// meantime.
pub(super) fn vacuum(shared: &Arc<Shared>) -> Result<(), InnerError> {
    shared.ask_once(|tx| {
        for table in [
            "VACUUM (ANALYZE) @BATCH_JOB_INSTANCE",
            "VACUUM (ANALYZE) @BATCH_JOB_EXECUTION",
            "VACUUM (ANALYZE) @BATCH_JOB_EXECUTION_PARAMS",
            "VACUUM (ANALYZE) @BATCH_JOB_EXECUTION_CONTEXT",
            "VACUUM (ANALYZE) @BATCH_STEP_EXECUTION",
            "VACUUM (ANALYZE) @BATCH_STEP_EXECUTION_CONTEXT",
            "VACUUM (ANALYZE) @BATCH_STEP_PROFILE",
            "VACUUM (ANALYZE) @BATCH_STEP_PROGRESS",
            "VACUUM (ANALYZE) @BATCH_STEP_FORM",
            "VACUUM (ANALYZE) @BATCH_SKIPPED_ITEM",
            "VACUUM (ANALYZE) @BATCH_PARTITION",
            "VACUUM (ANALYZE) @BATCH_JOURNAL",
            "VACUUM (ANALYZE) @BATCH_JOB_GRAPH",
            "VACUUM (ANALYZE) @BATCH_JOB_OWNER",
        ] {
            tx.execute(table, &[])?;
        }
        Ok(())
    })
}
