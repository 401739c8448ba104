//! Deletes the record of instances that are complete for good. Their identities and totals stay.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::connections::Shared;
use super::error::InnerError;
use super::rows::{self, int, stamp};
use super::statistics::{self, millis};
use crate::definition::{Durability, ExecutionId, InstanceId};
use crate::repository::purge::{PurgeFilter, PurgePage, Purgeable};
use crate::repository::{BatchStatus, JobInstance, Statistics, Times, statistics::TOTAL_EXIT_CODE};

/// The query of complete instances among those that `instances` selects.
fn complete(instances: &str) -> String {
    let ended = millis("COALESCE(e.END_TIME, e.LAST_UPDATED, e.CREATE_TIME)");
    format!(
        "SELECT g.JOB_INSTANCE_ID, g.JOB_NAME, g.JOB_KEY, g.LAST, c.STATUS, g.ENDED, g.EXECUTIONS
         FROM (SELECT i.JOB_INSTANCE_ID, i.JOB_NAME, i.JOB_KEY, MAX({ended}) AS ENDED, COUNT(*) AS EXECUTIONS,
                      MAX(CASE WHEN e.STATUS IN ('COMPLETED', 'ABANDONED') THEN e.JOB_EXECUTION_ID END) AS LAST
               FROM BATCH_JOB_INSTANCE i JOIN BATCH_JOB_EXECUTION e ON e.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID
               WHERE i.JOB_INSTANCE_ID IN ({instances})
               GROUP BY i.JOB_INSTANCE_ID
               HAVING SUM(e.STATUS IS NULL OR e.STATUS IN ('STARTING', 'STARTED', 'STOPPING', 'UNKNOWN')) = 0) g
         JOIN BATCH_JOB_EXECUTION c ON c.JOB_EXECUTION_ID = g.LAST
         ORDER BY g.JOB_INSTANCE_ID"
    )
}

fn complete_one(row: &Row<'_>) -> rusqlite::Result<(Purgeable, ExecutionId)> {
    let instance = JobInstance { id: InstanceId(row.get(0)?), job: row.get(1)?, key: row.get(2)? };
    let ended = Timestamp::from_millisecond(row.get::<_, Option<i64>>(5)?.unwrap_or(0)).unwrap_or_default();
    let purgeable =
        Purgeable { instance, status: rows::status(row, 4)?, ended, executions: rows::count(row, 6)? };
    Ok((purgeable, ExecutionId(row.get(3)?)))
}

pub(super) fn page(shared: &Arc<Shared>, filter: &PurgeFilter) -> Result<PurgePage, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    // `NOT INDEXED` reads in the order of the IDs: with the index by name, each page would sort all instances of a job.
    let looked_at = connection
        .prepare_cached(
            "SELECT JOB_INSTANCE_ID FROM BATCH_JOB_INSTANCE NOT INDEXED
             WHERE JOB_NAME = ?1 AND JOB_INSTANCE_ID > ?2 AND JOB_INSTANCE_ID < ?3 ORDER BY JOB_INSTANCE_ID LIMIT ?4",
        )?
        .query_map(
            params![
                filter.job,
                filter.after.map_or(i64::MIN, |id| id.0),
                filter.before.map_or(i64::MAX, |id| id.0),
                filter.limit,
            ],
            |row| row.get(0).map(InstanceId),
        )?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let is_full = looked_at.len() as u64 >= u64::from(filter.limit);
    let instances = complete_of(&connection, &looked_at)?
        .into_iter()
        .map(|(instance, _)| instance)
        .filter(|instance| filter.selects(instance))
        .collect();
    Ok(PurgePage { instances, next: looked_at.last().copied().filter(|_| is_full) })
}

fn complete_of(
    connection: &Connection,
    instances: &[InstanceId],
) -> rusqlite::Result<Vec<(Purgeable, ExecutionId)>> {
    connection
        .prepare_cached(&complete("SELECT value FROM json_each(?1)"))?
        .query_map([statistics::list(instances)], complete_one)?
        .collect()
}

/// The number of times that a purge waits for the lock, which the jobs of a busy file may hold most of the time.
const WAITS: usize = 12;

/// Deletes the instances, if they are still complete, in one transaction.
pub(super) fn purge(shared: &Arc<Shared>, instances: &[InstanceId]) -> Result<Vec<InstanceId>, InnerError> {
    for _ in 1..WAITS {
        match purge_once(shared, instances) {
            Err(error) if error.is_busy() => {}
            purged => return purged,
        }
    }
    purge_once(shared, instances)
}

fn purge_once(shared: &Arc<Shared>, instances: &[InstanceId]) -> Result<Vec<InstanceId>, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let transaction = connection.begin()?;
    super::schema::migrate(&transaction, &shared.path)?;
    let complete = complete_of(&transaction, instances)?;
    let ids: Vec<InstanceId> = complete.iter().map(|(purgeable, _)| purgeable.instance.id).collect();
    let totals = statistics::add_up(&transaction, Some(&ids))?;
    add_totals(&transaction, &totals)?;
    for (purgeable, execution) in &complete {
        keep_identity(&transaction, purgeable, *execution)?;
    }
    delete(&transaction, &statistics::list(&ids))?;
    transaction.commit()?;
    Ok(ids)
}

fn keep_identity(
    connection: &Connection,
    purged: &Purgeable,
    execution: ExecutionId,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO BATCH_PURGED (JOB_NAME, JOB_KEY, JOB_INSTANCE_ID, JOB_EXECUTION_ID, STATUS, END_TIME, RUN_ID)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, MAX(CAST(p.PARAMETER_VALUE AS INTEGER))
             FROM BATCH_JOB_EXECUTION_PARAMS p
             WHERE p.JOB_EXECUTION_ID = ?4 AND p.PARAMETER_NAME = 'run.id' AND p.PARAMETER_TYPE = 'java.lang.Long'
               AND p.IDENTIFYING = 'Y'",
        )?
        .execute(params![
            purged.instance.job,
            purged.instance.key,
            purged.instance.id.0,
            execution.0,
            purged.status.as_str(),
            stamp(purged.ended),
        ])
        .map(|_| ())
}

/// Deletes the instances and everything that refers to them, referring rows first.
fn delete(connection: &Connection, instances: &str) -> rusqlite::Result<()> {
    const EXECUTIONS: &str = "SELECT JOB_EXECUTION_ID FROM BATCH_JOB_EXECUTION
         WHERE JOB_INSTANCE_ID IN (SELECT value FROM json_each(?1))";
    let of_steps = format!(
        "STEP_EXECUTION_ID IN (SELECT STEP_EXECUTION_ID FROM BATCH_STEP_EXECUTION WHERE JOB_EXECUTION_ID IN ({EXECUTIONS}))"
    );
    let of_executions = format!("JOB_EXECUTION_ID IN ({EXECUTIONS})");
    let of_instances = "JOB_INSTANCE_ID IN (SELECT value FROM json_each(?1))";
    for (tables, whose) in [
        (&["BATCH_PARTITION", "BATCH_JOURNAL"][..], of_instances),
        (
            &[
                "BATCH_STEP_PROGRESS",
                "BATCH_STEP_FORM",
                "BATCH_STEP_PROFILE",
                "BATCH_SKIPPED_ITEM",
                "BATCH_STEP_EXECUTION_CONTEXT",
            ],
            &of_steps,
        ),
        (
            &[
                "BATCH_STEP_EXECUTION",
                "BATCH_OPERATION",
                "BATCH_JOB_GRAPH",
                "BATCH_JOB_OWNER",
                "BATCH_JOB_EXECUTION_PARAMS",
                "BATCH_JOB_EXECUTION_CONTEXT",
            ],
            &of_executions,
        ),
        (&["BATCH_JOB_EXECUTION", "BATCH_JOB_INSTANCE"], of_instances),
    ] {
        for table in tables {
            connection.prepare_cached(&format!("DELETE FROM {table} WHERE {whose}"))?.execute([instances])?;
        }
    }
    Ok(())
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn add_totals(connection: &Connection, totals: &Statistics) -> rusqlite::Result<()> {
    let mut add = connection.prepare_cached(
        "INSERT INTO BATCH_TOTAL (JOB_NAME, STEP_NAME, EXIT_CODE, ENDED_COUNT, ELAPSED_MICROS, LONGEST_MICROS, LAST_COMPLETED)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET
             ENDED_COUNT = ENDED_COUNT + excluded.ENDED_COUNT,
             ELAPSED_MICROS = ELAPSED_MICROS + excluded.ELAPSED_MICROS,
             LONGEST_MICROS = MAX(LONGEST_MICROS, excluded.LONGEST_MICROS),
             LAST_COMPLETED = COALESCE(MAX(LAST_COMPLETED, excluded.LAST_COMPLETED), LAST_COMPLETED, excluded.LAST_COMPLETED)",
    )?;
    let mut row = |job: &str, step: &str, code: &str, times: &Times, last: Option<Timestamp>| {
        let code: String = code.chars().take(TOTAL_EXIT_CODE).collect();
        let (sum, longest) = (micros(times.sum), micros(times.longest));
        add.execute(params![job, step, code, int(times.count), sum, longest, last.map(stamp)]).map(drop)
    };
    for job in &totals.jobs {
        row(&job.job, "", &job.exit_code, &job.times, job.last_completed)?;
    }
    for step in &totals.steps {
        row(&step.job, &step.step, &step.exit_code, &step.times, None)?;
    }
    let sums: Vec<_> = rows::COUNTERS
        .split(", ")
        .map(|column| format!("{column} = {column} + excluded.{column}"))
        .chain(["READ_NANOS", "PROCESS_NANOS", "WRITE_NANOS", "COMMIT_NANOS"].map(|column| {
            format!("{column} = COALESCE({column} + excluded.{column}, {column}, excluded.{column})")
        }))
        .collect();
    let mut add = connection.prepare_cached(&format!(
        "INSERT INTO BATCH_TOTAL_WORK (JOB_NAME, STEP_NAME, {}, READ_NANOS, PROCESS_NANOS, WRITE_NANOS, COMMIT_NANOS)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         ON CONFLICT DO UPDATE SET {}",
        rows::COUNTERS,
        sums.join(", ")
    ))?;
    for work in &totals.work {
        let (counters, profile) = (&work.counters, work.profile.as_ref());
        add.execute(params![
            work.job,
            work.step,
            int(counters.commit),
            int(counters.read),
            int(counters.filter),
            int(counters.write),
            int(counters.read_skip),
            int(counters.write_skip),
            int(counters.process_skip),
            int(counters.rollback),
            profile.map(|profile| int(profile.read)),
            profile.map(|profile| int(profile.process)),
            profile.map(|profile| int(profile.write)),
            profile.map(|profile| int(profile.commit)),
        ])?;
    }
    Ok(())
}

/// The execution that made a purged instance complete, and its status.
pub(super) fn find(
    connection: &Connection,
    job: &str,
    key: &str,
) -> rusqlite::Result<Option<(ExecutionId, BatchStatus)>> {
    connection
        .prepare_cached(
            "SELECT JOB_EXECUTION_ID, STATUS FROM BATCH_PURGED WHERE JOB_NAME = ?1 AND JOB_KEY = ?2",
        )?
        .query_row([job, key], |row| Ok((ExecutionId(row.get(0)?), rows::status(row, 1)?)))
        .optional()
}

/// Gives the space of deleted rows back to the file system.
pub(super) fn vacuum(shared: &Arc<Shared>) -> Result<(), InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let _turn = connection.turn();
    connection.execute_batch("VACUUM")?;
    // Without this, the file keeps its size until the next checkpoint.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}
