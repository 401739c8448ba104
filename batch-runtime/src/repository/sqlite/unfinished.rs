//! Finds the steps that an instance has begun but not completed, and renames steps for a changed job.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::connections::Shared;
use super::error::InnerError;
use super::rows;
use crate::definition::{Durability, InstanceId, StepExecutionId};
use crate::repository::{ContextMap, Renamed, UnfinishedStep, encode_context};

/// The steps whose last execution in the instance did not complete.
pub(super) fn of(connection: &Connection, instance: InstanceId) -> rusqlite::Result<Vec<UnfinishedStep>> {
    // `SQLite` takes the columns next to the aggregates from the row with the greatest ID.
    connection
        .prepare_cached(
            "SELECT last.STEP_NAME, f.FORM, last.COMMITS, last.WRITTEN,
                    last.COMMITS > 0 OR COALESCE(c.SHORT_CONTEXT, ?2) <> ?2 OR EXISTS (
                        SELECT 1 FROM BATCH_PARTITION p WHERE p.JOB_INSTANCE_ID = ?1 AND p.STEP_NAME = last.STEP_NAME)
             FROM (SELECT s.STEP_NAME, MAX(s.STEP_EXECUTION_ID) AS ID, s.STATUS, SUM(s.COMMIT_COUNT) AS COMMITS,
                          SUM(s.WRITE_COUNT) AS WRITTEN
                   FROM BATCH_JOB_EXECUTION e JOIN BATCH_STEP_EXECUTION s USING (JOB_EXECUTION_ID)
                   WHERE e.JOB_INSTANCE_ID = ?1 AND instr(s.STEP_NAME, ':') = 0
                   GROUP BY s.STEP_NAME) AS last
             LEFT JOIN BATCH_STEP_FORM f ON f.STEP_EXECUTION_ID = last.ID
             LEFT JOIN BATCH_STEP_EXECUTION_CONTEXT c ON c.STEP_EXECUTION_ID = last.ID
             WHERE last.STATUS <> 'COMPLETED' ORDER BY last.ID",
        )?
        .query_map(params![instance.0, encode_context(&ContextMap::new())], |row| {
            Ok(UnfinishedStep {
                step: row.get(0)?,
                form: row.get(1)?,
                commits: rows::count(row, 2)?,
                written: rows::count(row, 3)?,
                has_committed: row.get(4)?,
            })
        })?
        .collect()
}

/// The form of a step execution's step; also `None` if an old file cannot be updated.
pub(super) fn form(shared: &Arc<Shared>, step: StepExecutionId) -> Result<Option<String>, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let is_kept: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'BATCH_STEP_FORM')",
        [],
        |row| row.get(0),
    )?;
    if !is_kept {
        return Ok(None);
    }
    let mut select =
        connection.prepare_cached("SELECT FORM FROM BATCH_STEP_FORM WHERE STEP_EXECUTION_ID = ?1")?;
    Ok(select.query_row([step.0], |row| row.get(0)).optional()?)
}

/// Renames a step in the whole record of the instance: its step executions and those of its partitions, in
/// every iteration, and the journal.
pub(super) fn rename(
    connection: &Connection,
    instance: InstanceId,
    Renamed { from, to }: &Renamed,
) -> rusqlite::Result<()> {
    // A name ends at an iteration, a partition, or the number of a `match`.
    let is_named = |column: &str, from: &str| {
        format!(
            "({column} = {from} OR substr({column}, 1, length({from}) + 1) IN ({from} || '[', {from} || ':', {from} || '#'))"
        )
    };
    let renamed =
        |column: &str, from: &str, to: &str| format!("{to} || substr({column}, length({from}) + 1)");
    for (table, condition) in [
        (
            "BATCH_STEP_EXECUTION",
            "JOB_EXECUTION_ID IN (SELECT JOB_EXECUTION_ID FROM BATCH_JOB_EXECUTION WHERE JOB_INSTANCE_ID = ?1)",
        ),
        ("BATCH_PARTITION", "JOB_INSTANCE_ID = ?1"),
    ] {
        let (named, name) = (is_named("STEP_NAME", "?2"), renamed("STEP_NAME", "?2", "?3"));
        connection.execute(
            &format!("UPDATE {table} SET STEP_NAME = {name} WHERE {condition} AND {named}"),
            params![instance.0, from, to],
        )?;
    }
    for place in ["", "match "] {
        let (named, path) = (is_named("PATH", "?2"), renamed("PATH", "?2", "?3"));
        connection.execute(
            &format!("UPDATE BATCH_JOURNAL SET PATH = {path} WHERE JOB_INSTANCE_ID = ?1 AND {named}"),
            params![instance.0, format!("{place}{from}"), format!("{place}{to}")],
        )?;
    }
    Ok(())
}
