//! The journal of an instance: the places that its control flow has passed, with their outcomes.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::connections::Shared;
use super::error::InnerError;
use super::rows;
use super::steps::check_owner;
use crate::definition::{Durability, ExecutionId, InstanceId, StepExecutionId};
use crate::repository::{ContextMap, ExitStatus, JournalEntry, Ownership, RUN_AGAIN, encode_context};

pub(super) fn record(
    shared: &Arc<Shared>,
    owner: Ownership,
    entries: &[JournalEntry],
    changed: Option<&ContextMap>,
) -> Result<(), InnerError> {
    let connection = shared.lend_to(owner.execution)?;
    let transaction = connection.begin()?;
    check_owner(&transaction, owner)?;
    for entry in entries {
        append(&transaction, owner, entry)?;
    }
    if let Some(changed) = changed {
        rows::change_job_context(&transaction, owner.execution, &encode_context(changed))?;
    }
    Ok(transaction.commit()?)
}

/// Appends an entry. The caller has checked the owner in the same transaction.
pub(super) fn append(
    connection: &Connection,
    owner: Ownership,
    entry: &JournalEntry,
) -> rusqlite::Result<()> {
    let exit = entry.exit.as_ref();
    let output = entry.output.as_ref();
    connection
        .prepare_cached(
            "INSERT INTO BATCH_JOURNAL (JOB_INSTANCE_ID, SEQUENCE, PATH, OUTCOME, EXIT_CODE, EXIT_MESSAGE,
                                        OUTPUT_ID, OUTPUT, JOB_EXECUTION_ID)
             SELECT ?1, COALESCE(MAX(SEQUENCE), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
             FROM BATCH_JOURNAL WHERE JOB_INSTANCE_ID = ?1",
        )?
        .execute(params![
            owner.instance.0,
            entry.path,
            entry.outcome,
            exit.map(|exit| &exit.code),
            exit.map(|exit| &exit.description),
            output.map(|(id, _)| id),
            output.map(|(_, json)| json),
            owner.execution.0,
        ])
        .map(|_| ())
}

/// The journal of an instance, oldest first.
pub(super) fn of(connection: &Connection, instance: InstanceId) -> rusqlite::Result<Vec<JournalEntry>> {
    connection
        .prepare_cached(
            "SELECT PATH, OUTCOME, EXIT_CODE, EXIT_MESSAGE, OUTPUT_ID, OUTPUT FROM BATCH_JOURNAL
             WHERE JOB_INSTANCE_ID = ?1 ORDER BY SEQUENCE",
        )?
        .query_map([instance.0], |row| {
            let code: Option<String> = row.get(2)?;
            let description: Option<String> = row.get(3)?;
            let id: Option<String> = row.get(4)?;
            let json: Option<String> = row.get(5)?;
            Ok(JournalEntry {
                path: row.get(0)?,
                outcome: row.get(1)?,
                exit: code.map(|code| ExitStatus { code, description: description.unwrap_or_default() }),
                output: id.zip(json),
            })
        })?
        .collect()
}

/// The journal of the instance of an execution, oldest first.
pub(super) fn of_execution(
    shared: &Arc<Shared>,
    execution: ExecutionId,
) -> Result<Vec<JournalEntry>, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let instance: Option<i64> = connection
        .prepare_cached("SELECT JOB_INSTANCE_ID FROM BATCH_JOB_EXECUTION WHERE JOB_EXECUTION_ID = ?1")?
        .query_row([execution.0], |row| row.get(0))
        .optional()?;
    Ok(instance.map(|instance| of(&connection, InstanceId(instance))).transpose()?.unwrap_or_default())
}

/// Returns whether a restart after that execution of the step was asked to run the step from its beginning.
pub(super) fn runs_again(
    connection: &Connection,
    owner: Ownership,
    step: &str,
    last: StepExecutionId,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (
                 SELECT 1 FROM BATCH_JOURNAL
                 WHERE JOB_INSTANCE_ID = ?1 AND PATH = ?2 AND OUTCOME = ?3 AND JOB_EXECUTION_ID > (
                     SELECT JOB_EXECUTION_ID FROM BATCH_STEP_EXECUTION WHERE STEP_EXECUTION_ID = ?4))",
        )?
        .query_row(params![owner.instance.0, step, RUN_AGAIN, last.0], |row| row.get(0))
}
