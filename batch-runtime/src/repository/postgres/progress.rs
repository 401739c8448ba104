//! The progress of running step executions, which is written with their chunks and read by other processes.

use std::sync::Arc;

use super::error::InnerError;
use super::rows::{self, get, int, now};
use super::shared::{Shared, Tx};
use super::work_queue;
use crate::definition::{ExecutionId, StepExecutionId};
use crate::postgres::Row;
use crate::repository::{Reached, RunningPartitions, RunningStep};

/// Stores how far a step execution has come. The transaction commits only if the owner is still the current one.
pub(super) fn put(tx: &Tx<'_>, step: StepExecutionId, reached: &Reached) -> Result<(), InnerError> {
    tx.send(
        concat!(
            "INSERT INTO @BATCH_STEP_PROGRESS (STEP_EXECUTION_ID, DONE_BEFORE, DONE, TOTAL, SEEN)
             VALUES ($1, $2, $3, $4, ",
            now!(),
            ") ON CONFLICT (STEP_EXECUTION_ID) DO UPDATE SET DONE_BEFORE = $2, DONE = $3, TOTAL = $4, SEEN = ",
            now!()
        ),
        &[&step.0, &int(reached.before), &int(reached.done), &int(reached.total)],
    )
}

/// The running step executions, with their progress from the given table.
macro_rules! running {
    ($progress:literal) => {
        concat!(
            "SELECT s.JOB_EXECUTION_ID, s.STEP_EXECUTION_ID, s.STEP_NAME, s.START_TIME, s.LAST_UPDATED,
                    g.DONE_BEFORE, g.DONE, g.TOTAL, g.SEEN,
                    (SELECT SUM(b.READ_COUNT)::bigint FROM @BATCH_STEP_EXECUTION b
                     JOIN @BATCH_JOB_EXECUTION o ON o.JOB_EXECUTION_ID = b.JOB_EXECUTION_ID
                     WHERE b.STEP_NAME = s.STEP_NAME AND o.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
                       AND o.JOB_EXECUTION_ID < e.JOB_EXECUTION_ID),
                    s.COMMIT_COUNT, s.READ_COUNT, s.FILTER_COUNT, s.WRITE_COUNT, s.READ_SKIP_COUNT,
                    s.WRITE_SKIP_COUNT, s.PROCESS_SKIP_COUNT, s.ROLLBACK_COUNT
             FROM @BATCH_JOB_EXECUTION e
             JOIN @BATCH_STEP_EXECUTION s ON s.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
             LEFT JOIN ",
            $progress,
            " g ON g.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
             WHERE e.JOB_EXECUTION_ID = ANY($1) AND s.STATUS = 'STARTED' AND s.START_TIME IS NOT NULL
             ORDER BY s.STEP_EXECUTION_ID"
        )
    };
}

pub(super) fn steps(
    shared: &Arc<Shared>,
    executions: &[ExecutionId],
) -> Result<Vec<RunningStep>, InnerError> {
    let ids: Vec<i64> = executions.iter().map(|execution| execution.0).collect();
    shared.read(|tx| {
        let known = tx.query_one("SELECT to_regclass('@BATCH_STEP_PROGRESS') IS NOT NULL", &[])?;
        if !get(&known, 0)? {
            // A schema of an older version that this user may not change.
            let none = running!(
                "(SELECT NULL::bigint AS STEP_EXECUTION_ID, NULL::bigint AS DONE_BEFORE, NULL::bigint AS DONE,
                         NULL::bigint AS TOTAL, NULL::timestamp AS SEEN)"
            );
            return tx.query(none, &[&ids])?.iter().map(step).collect();
        }
        let rows = tx.query(running!("@BATCH_STEP_PROGRESS"), &[&ids])?;
        let mut running: Vec<RunningStep> = rows.iter().map(step).collect::<Result<_, _>>()?;
        // Each partition has the same share in its step. The work of earlier executions counts as done before this
        // execution.
        let sums = tx.query(
            "SELECT e.JOB_EXECUTION_ID, p.STEP_NAME, COUNT(*), COUNT(*) FILTER (WHERE s.STATUS = 'COMPLETED'),
                    SUM(CASE WHEN s.JOB_EXECUTION_ID <> e.JOB_EXECUTION_ID AND s.STATUS = 'COMPLETED' THEN $2
                             ELSE COALESCE(g.DONE_BEFORE * $2 / NULLIF(g.TOTAL, 0), 0) END)::bigint,
                    SUM(CASE WHEN s.STATUS = 'COMPLETED' THEN $2
                             ELSE COALESCE(LEAST(g.DONE, g.TOTAL) * $2 / NULLIF(g.TOTAL, 0), 0) END)::bigint,
                    MAX(s.LAST_UPDATED)
             FROM @BATCH_JOB_EXECUTION e
             JOIN @BATCH_PARTITION p ON p.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
             JOIN @BATCH_STEP_EXECUTION s ON s.STEP_EXECUTION_ID = p.STEP_EXECUTION_ID
             LEFT JOIN @BATCH_STEP_PROGRESS g ON g.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
             WHERE e.JOB_EXECUTION_ID = ANY($1) GROUP BY 1, 2",
            &[&ids, &int(Reached::PARTITION)],
        )?;
        for row in &sums {
            let (execution, name): (i64, &str) = (get(row, 0)?, get(row, 1)?);
            let is_its = |step: &&mut RunningStep| step.execution.0 == execution && step.name == name;
            let Some(step) = running.iter_mut().find(is_its) else { continue };
            let partitions =
                RunningPartitions { total: rows::count(row, 2)?, complete: rows::count(row, 3)? };
            let counters = work_queue::counters(tx, step.execution, name)?;
            let last = rows::time(row, 6)?;
            step.sum_up(counters, partitions, rows::count(row, 4)?, rows::count(row, 5)?, last);
        }
        Ok(running)
    })
}

fn step(row: &Row) -> Result<RunningStep, InnerError> {
    let started = rows::time(row, 3)?.unwrap_or_default();
    let seen = rows::time(row, 8)?;
    let reached =
        Reached { before: rows::count(row, 5)?, done: rows::count(row, 6)?, total: rows::count(row, 7)? };
    Ok(RunningStep {
        execution: ExecutionId(get(row, 0)?),
        id: StepExecutionId(get(row, 1)?),
        name: get(row, 2)?,
        started,
        updated: rows::time(row, 4)?.unwrap_or(started),
        reached: seen.map(|seen| (reached, seen)),
        read_before: rows::count(row, 9)?,
        counters: rows::counters_of(row, 10)?,
        partitions: None,
    })
}
