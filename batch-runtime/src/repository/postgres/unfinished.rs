//! Finds the steps that an instance has begun but not completed, and renames steps for a changed job.

use std::sync::Arc;

use super::error::InnerError;
use super::rows::{self, get};
use super::shared::{Shared, Tx};
use crate::definition::{InstanceId, StepExecutionId};
use crate::repository::{ContextMap, Renamed, UnfinishedStep, encode_context};

/// The steps whose last execution in the instance did not complete.
pub(super) fn of(tx: &Tx<'_>, instance: InstanceId) -> Result<Vec<UnfinishedStep>, InnerError> {
    let rows = tx.query(
        "SELECT last.STEP_NAME, f.FORM, last.COMMITS, last.WRITTEN,
                last.COMMITS > 0 OR COALESCE(c.SHORT_CONTEXT, $2) <> $2 OR EXISTS (
                    SELECT FROM @BATCH_PARTITION p WHERE p.JOB_INSTANCE_ID = $1 AND p.STEP_NAME = last.STEP_NAME)
         FROM (SELECT DISTINCT ON (s.STEP_NAME) s.STEP_NAME, s.STEP_EXECUTION_ID AS ID, s.STATUS,
                      (SUM(s.COMMIT_COUNT) OVER step)::bigint AS COMMITS,
                      (SUM(s.WRITE_COUNT) OVER step)::bigint AS WRITTEN
               FROM @BATCH_JOB_EXECUTION e JOIN @BATCH_STEP_EXECUTION s USING (JOB_EXECUTION_ID)
               WHERE e.JOB_INSTANCE_ID = $1 AND strpos(s.STEP_NAME, ':') = 0
               WINDOW step AS (PARTITION BY s.STEP_NAME)
               ORDER BY s.STEP_NAME, s.STEP_EXECUTION_ID DESC) AS last
         LEFT JOIN @BATCH_STEP_FORM f ON f.STEP_EXECUTION_ID = last.ID
         LEFT JOIN @BATCH_STEP_EXECUTION_CONTEXT c ON c.STEP_EXECUTION_ID = last.ID
         WHERE last.STATUS <> 'COMPLETED' ORDER BY last.ID",
        &[&instance.0, &encode_context(&ContextMap::new())],
    )?;
    rows.iter()
        .map(|row| {
            Ok(UnfinishedStep {
                step: get(row, 0)?,
                form: get(row, 1)?,
                commits: rows::count(row, 2)?,
                written: rows::count(row, 3)?,
                has_committed: get(row, 4)?,
            })
        })
        .collect()
}

/// The form of a step execution's step.
pub(super) fn form(shared: &Arc<Shared>, step: StepExecutionId) -> Result<Option<String>, InnerError> {
    shared.read(|tx| {
        let row =
            tx.query_opt("SELECT FORM FROM @BATCH_STEP_FORM WHERE STEP_EXECUTION_ID = $1", &[&step.0])?;
        row.map(|row| get(&row, 0)).transpose()
    })
}

/// A condition: the column holds a name, or that name with an iteration, a partition, or the number of a `match`.
macro_rules! is_named {
    ($column:literal) => {
        concat!(
            "(",
            $column,
            " = $2 OR substr(",
            $column,
            ", 1, length($2) + 1) IN ($2 || '[', $2 || ':', $2 || '#'))"
        )
    };
}

/// Renames a step in the whole record of the instance: its step executions and those of its partitions, in
/// every iteration, and the journal.
pub(super) fn rename(
    tx: &Tx<'_>,
    instance: InstanceId,
    Renamed { from, to }: &Renamed,
) -> Result<(), InnerError> {
    tx.execute(
        concat!(
            "UPDATE @BATCH_STEP_EXECUTION SET STEP_NAME = $3::text || substr(STEP_NAME, length($2::text) + 1)
             WHERE JOB_EXECUTION_ID IN (SELECT JOB_EXECUTION_ID FROM @BATCH_JOB_EXECUTION WHERE JOB_INSTANCE_ID = $1) AND ",
            is_named!("STEP_NAME")
        ),
        &[&instance.0, from, to],
    )?;
    tx.execute(
        concat!(
            "UPDATE @BATCH_PARTITION SET STEP_NAME = $3::text || substr(STEP_NAME, length($2::text) + 1)
             WHERE JOB_INSTANCE_ID = $1 AND ",
            is_named!("STEP_NAME")
        ),
        &[&instance.0, from, to],
    )?;
    for place in ["", "match "] {
        tx.execute(
            concat!(
                "UPDATE @BATCH_JOURNAL SET PATH = $3::text || substr(PATH, length($2::text) + 1)
                 WHERE JOB_INSTANCE_ID = $1 AND ",
                is_named!("PATH")
            ),
            &[&instance.0, &format!("{place}{from}"), &format!("{place}{to}")],
        )?;
    }
    Ok(())
}
