//! The progress of running step executions, which is written with their chunks and read by other processes.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::connections::Shared;
use super::error::InnerError;
use super::rows::{self, COUNTERS, int};
use super::work_queue;
use crate::definition::{Durability, ExecutionId, StepExecutionId};
use crate::repository::{Reached, RunningPartitions, RunningStep};

/// Stores how far a step execution has come. The caller has checked the owner in the same transaction.
pub(super) fn put(
    connection: &Connection,
    step: StepExecutionId,
    reached: &Reached,
    now: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO BATCH_STEP_PROGRESS (STEP_EXECUTION_ID, DONE_BEFORE, DONE, TOTAL, SEEN)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (STEP_EXECUTION_ID) DO UPDATE SET DONE_BEFORE = ?2, DONE = ?3, TOTAL = ?4, SEEN = ?5",
        )?
        .execute(params![step.0, int(reached.before), int(reached.done), int(reached.total), now])
        .map(|_| ())
}

pub(super) fn steps(
    shared: &Arc<Shared>,
    executions: &[ExecutionId],
) -> Result<Vec<RunningStep>, InnerError> {
    let ids: Vec<i64> = executions.iter().map(|execution| execution.0).collect();
    let ids = serde_json::Value::from(ids).to_string();
    let connection = shared.lend(Durability::Machine)?;
    let transaction = connection.unchecked_transaction()?;
    let known: bool = transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'BATCH_STEP_PROGRESS')")?
        .query_row([], |row| row.get(0))?;
    let progress = if known {
        "BATCH_STEP_PROGRESS"
    } else {
        // A file of an older version that cannot be written.
        "(SELECT NULL AS STEP_EXECUTION_ID, NULL AS DONE_BEFORE, NULL AS DONE, NULL AS TOTAL, NULL AS SEEN)"
    };
    let counters = COUNTERS.split(", ").map(|column| format!("s.{}", column.trim()));
    let counters = counters.collect::<Vec<_>>().join(", ");
    let mut select = transaction.prepare_cached(&format!(
        "SELECT s.JOB_EXECUTION_ID, s.STEP_EXECUTION_ID, s.STEP_NAME, s.START_TIME, s.LAST_UPDATED,
                g.DONE_BEFORE, g.DONE, g.TOTAL, g.SEEN,
                (SELECT SUM(b.READ_COUNT) FROM BATCH_STEP_EXECUTION b
                 JOIN BATCH_JOB_EXECUTION o ON o.JOB_EXECUTION_ID = b.JOB_EXECUTION_ID
                 WHERE b.STEP_NAME = s.STEP_NAME AND o.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
                   AND o.JOB_EXECUTION_ID < e.JOB_EXECUTION_ID),
                {counters}
         FROM BATCH_JOB_EXECUTION e
         JOIN BATCH_STEP_EXECUTION s ON s.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
         LEFT JOIN {progress} g ON g.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
         WHERE e.JOB_EXECUTION_ID IN (SELECT value FROM json_each(?1))
           AND s.STATUS = 'STARTED' AND s.START_TIME IS NOT NULL
         ORDER BY s.STEP_EXECUTION_ID"
    ))?;
    let mut running: Vec<RunningStep> = select.query_map([&ids], step)?.collect::<Result<_, _>>()?;
    if !known {
        return Ok(running);
    }
    // Each partition has the same share in its step. The work of earlier executions counts as done before this
    // execution.
    let mut select = transaction.prepare_cached(
        "SELECT e.JOB_EXECUTION_ID, p.STEP_NAME, COUNT(*), SUM(s.STATUS = 'COMPLETED'),
                SUM(CASE WHEN s.JOB_EXECUTION_ID <> e.JOB_EXECUTION_ID AND s.STATUS = 'COMPLETED' THEN ?2
                         ELSE COALESCE(g.DONE_BEFORE * ?2 / NULLIF(g.TOTAL, 0), 0) END),
                SUM(CASE WHEN s.STATUS = 'COMPLETED' THEN ?2
                         ELSE COALESCE(MIN(g.DONE, g.TOTAL) * ?2 / NULLIF(g.TOTAL, 0), 0) END),
                MAX(s.LAST_UPDATED)
         FROM BATCH_JOB_EXECUTION e
         JOIN BATCH_PARTITION p ON p.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
         JOIN BATCH_STEP_EXECUTION s ON s.STEP_EXECUTION_ID = p.STEP_EXECUTION_ID
         LEFT JOIN BATCH_STEP_PROGRESS g ON g.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
         WHERE e.JOB_EXECUTION_ID IN (SELECT value FROM json_each(?1)) GROUP BY 1, 2",
    )?;
    let mut sums = select.query(params![ids, int(Reached::PARTITION)])?;
    while let Some(row) = sums.next()? {
        let (execution, name): (i64, String) = (row.get(0)?, row.get(1)?);
        let is_its = |step: &&mut RunningStep| step.execution.0 == execution && step.name == name;
        let Some(step) = running.iter_mut().find(is_its) else { continue };
        let partitions = RunningPartitions { total: rows::count(row, 2)?, complete: rows::count(row, 3)? };
        let counters = work_queue::counters(&transaction, step.execution, &name)?;
        let last = rows::time(row, 6)?;
        step.sum_up(counters, partitions, rows::count(row, 4)?, rows::count(row, 5)?, last);
    }
    Ok(running)
}

fn step(row: &Row<'_>) -> rusqlite::Result<RunningStep> {
    let started = rows::time(row, 3)?.unwrap_or_default();
    let seen = rows::time(row, 8)?;
    let reached =
        Reached { before: rows::count(row, 5)?, done: rows::count(row, 6)?, total: rows::count(row, 7)? };
    Ok(RunningStep {
        execution: ExecutionId(row.get(0)?),
        id: StepExecutionId(row.get(1)?),
        name: row.get(2)?,
        started,
        updated: rows::time(row, 4)?.unwrap_or(started),
        reached: seen.map(|seen| (reached, seen)),
        read_before: rows::count(row, 9)?,
        counters: rows::counters(row, 10)?,
        partitions: None,
    })
}
