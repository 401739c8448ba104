//! Keeps the last advice of each step until an execution has followed it.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::connections::Shared;
use super::error::InnerError;
use super::rows::{self, int};
use crate::definition::{Durability, ExecutionId, StepExecutionId};
use crate::repository::{Advice, Lever, Profile};

/// Returns the advice that a step was given and has not followed.
pub(super) fn of(shared: &Arc<Shared>, job: &str, step: &str) -> Result<Option<Advice>, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let mut select = connection.prepare_cached(
        "SELECT LEVER, SETTING, ITEMS, ELAPSED_NANOS, PREDICTED_NANOS, COMPONENT FROM BATCH_STEP_ADVICE
         WHERE JOB_NAME = ?1 AND STEP_NAME = ?2",
    )?;
    let advice = select.query_row(params![job, step], |row| {
        let lever: String = row.get(0)?;
        Ok(Lever::named(&lever).map(|lever| {
            Ok(Advice {
                lever,
                setting: rows::count(row, 1)?,
                items: rows::count(row, 2)?,
                elapsed: rows::count(row, 3)?,
                predicted: rows::count(row, 4)?,
                component: row.get(5)?,
            })
        }))
    });
    advice.optional()?.flatten().transpose()
}

/// Stores the advice for a step that ends, or removes the advice that the step has followed.
pub(super) fn put(
    connection: &Connection,
    execution: ExecutionId,
    step: StepExecutionId,
    profile: &Profile,
) -> rusqlite::Result<()> {
    const JOB: &str = "(SELECT i.JOB_NAME FROM BATCH_JOB_EXECUTION e
         JOIN BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID WHERE e.JOB_EXECUTION_ID = ?1)";
    const STEP: &str = "(SELECT STEP_NAME FROM BATCH_STEP_EXECUTION WHERE STEP_EXECUTION_ID = ?2)";
    if let Some(advice) = &profile.advice {
        connection
            .prepare_cached(&format!(
                "INSERT OR REPLACE INTO BATCH_STEP_ADVICE (JOB_NAME, STEP_NAME, STEP_EXECUTION_ID, LEVER, SETTING, ITEMS,
                                                           ELAPSED_NANOS, PREDICTED_NANOS, COMPONENT)
                 VALUES ({JOB}, {STEP}, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            ))?
            .execute(params![
                execution.0,
                step.0,
                advice.lever.as_str(),
                int(advice.setting),
                int(advice.items),
                int(advice.elapsed),
                int(advice.predicted),
                advice.component,
            ])?;
    } else if profile.followed.is_some() {
        connection
            .prepare_cached(&format!(
                "DELETE FROM BATCH_STEP_ADVICE WHERE JOB_NAME = {JOB} AND STEP_NAME = {STEP}"
            ))?
            .execute(params![execution.0, step.0])?;
    }
    Ok(())
}
