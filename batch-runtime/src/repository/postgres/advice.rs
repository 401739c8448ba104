//! Keeps the last advice of each step until an execution has followed it.

use std::sync::Arc;

use super::error::InnerError;
use super::rows::{self, get, int};
use super::shared::{Shared, Tx};
use crate::definition::{ExecutionId, StepExecutionId};
use crate::repository::{Advice, Lever, Profile};

/// Returns the advice that a step was given and has not followed.
pub(super) fn of(shared: &Arc<Shared>, job: &str, step: &str) -> Result<Option<Advice>, InnerError> {
    shared.read(|tx| {
        let row = tx.query_opt(
            "SELECT LEVER, SETTING, ITEMS, ELAPSED_NANOS, PREDICTED_NANOS, COMPONENT FROM @BATCH_STEP_ADVICE
             WHERE JOB_NAME = $1 AND STEP_NAME = $2",
            &[&job, &step],
        )?;
        let Some(row) = row else { return Ok(None) };
        let Some(lever) = Lever::named(&get::<String>(&row, 0)?) else { return Ok(None) };
        Ok(Some(Advice {
            lever,
            setting: rows::count(&row, 1)?,
            items: rows::count(&row, 2)?,
            elapsed: rows::count(&row, 3)?,
            predicted: rows::count(&row, 4)?,
            component: get(&row, 5)?,
        }))
    })
}

/// Stores the advice for a step that ends, or removes the advice that the step has followed.
pub(super) fn put(
    tx: &Tx<'_>,
    execution: ExecutionId,
    step: StepExecutionId,
    profile: &Profile,
) -> Result<(), InnerError> {
    if let Some(advice) = &profile.advice {
        return tx.send(
            "INSERT INTO @BATCH_STEP_ADVICE (JOB_NAME, STEP_NAME, STEP_EXECUTION_ID, LEVER, SETTING, ITEMS, ELAPSED_NANOS,
                                            PREDICTED_NANOS, COMPONENT)
             SELECT i.JOB_NAME, s.STEP_NAME, $2, $3, $4, $5, $6, $7, $8
             FROM @BATCH_JOB_EXECUTION e
             JOIN @BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
             JOIN @BATCH_STEP_EXECUTION s ON s.STEP_EXECUTION_ID = $2
             WHERE e.JOB_EXECUTION_ID = $1
             ON CONFLICT (JOB_NAME, STEP_NAME) DO UPDATE
                 SET STEP_EXECUTION_ID = $2, LEVER = $3, SETTING = $4, ITEMS = $5, ELAPSED_NANOS = $6, PREDICTED_NANOS = $7,
                     COMPONENT = $8",
            &[
                &execution.0,
                &step.0,
                &advice.lever.as_str(),
                &int(advice.setting),
                &int(advice.items),
                &int(advice.elapsed),
                &int(advice.predicted),
                &advice.component,
            ],
        );
    }
    if profile.followed.is_none() {
        return Ok(());
    }
    tx.send(
        "DELETE FROM @BATCH_STEP_ADVICE a
         USING @BATCH_JOB_EXECUTION e, @BATCH_JOB_INSTANCE i, @BATCH_STEP_EXECUTION s
         WHERE e.JOB_EXECUTION_ID = $1 AND i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID AND s.STEP_EXECUTION_ID = $2
           AND a.JOB_NAME = i.JOB_NAME AND a.STEP_NAME = s.STEP_NAME",
        &[&execution.0, &step.0],
    )
}
