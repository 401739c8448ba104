//! The journal of an instance: the places that its control flow has passed.

use std::sync::Arc;

use super::error::InnerError;
use super::rows::{self, get};
use super::shared::{Shared, Tx};
use super::steps::check_owner;
use crate::definition::{ExecutionId, InstanceId, StepExecutionId};
use crate::repository::{ContextMap, ExitStatus, JournalEntry, Ownership, RUN_AGAIN, encode_context};

pub(super) fn record(
    shared: &Arc<Shared>,
    owner: Ownership,
    entries: &[JournalEntry],
    changed: Option<&ContextMap>,
) -> Result<(), InnerError> {
    // The end of the journal before this write: if the answer to the commit is lost, entries after it may be the
    // written ones.
    let before = std::cell::Cell::new(0);
    let end = |tx: &Tx<'_>| -> Result<i64, InnerError> {
        let row = tx.query_one(
            "SELECT COALESCE(MAX(SEQUENCE), 0) FROM @BATCH_JOURNAL WHERE JOB_INSTANCE_ID = $1",
            &[&owner.instance.0],
        )?;
        get(&row, 0)
    };
    shared.transact(
        shared.durability_of(owner.execution),
        None,
        |tx| {
            check_owner(tx, owner)?;
            before.set(end(tx)?);
            entries.iter().try_for_each(|entry| append(tx, owner, entry))?;
            changed.map_or(Ok(()), |changed| {
                rows::change_job_context(tx, owner.execution, &encode_context(changed))
            })
        },
        |tx| {
            check_owner(tx, owner)?;
            // Other branches may have appended in the meantime, so this looks for the entries, not for the end.
            let first = entries.first().map(|entry| (&entry.path, &entry.outcome));
            let Some((path, outcome)) = first else { return Ok(Some(())) };
            let row = tx.query_one(
                "SELECT EXISTS (SELECT FROM @BATCH_JOURNAL
                                WHERE JOB_INSTANCE_ID = $1 AND SEQUENCE > $2 AND PATH = $3 AND OUTCOME = $4
                                  AND JOB_EXECUTION_ID = $5)",
                &[&owner.instance.0, &before.get(), path, outcome, &owner.execution.0],
            )?;
            Ok(get::<bool>(&row, 0)?.then_some(()))
        },
    )
}

/// Appends an entry. The caller has locked the owner's row in the same transaction, so no other entry gets the same number.
pub(super) fn append(tx: &Tx<'_>, owner: Ownership, entry: &JournalEntry) -> Result<(), InnerError> {
    let exit = entry.exit.as_ref();
    let output = entry.output.as_ref();
    let clean = |text: &String| text.replace('\0', "\u{fffd}");
    tx.send(
        "INSERT INTO @BATCH_JOURNAL (JOB_INSTANCE_ID, SEQUENCE, PATH, OUTCOME, EXIT_CODE, EXIT_MESSAGE,
                                     OUTPUT_ID, OUTPUT, JOB_EXECUTION_ID)
         SELECT $1, COALESCE(MAX(SEQUENCE), 0) + 1, $2, $3, $4, $5, $6, $7, $8
         FROM @BATCH_JOURNAL WHERE JOB_INSTANCE_ID = $1",
        &[
            &owner.instance.0,
            &entry.path,
            &entry.outcome,
            &exit.map(|exit| clean(&exit.code)),
            &exit.map(|exit| clean(&exit.description)),
            &output.map(|(id, _)| id),
            &output.map(|(_, json)| json),
            &owner.execution.0,
        ],
    )
}

/// The journal of an instance, oldest first.
pub(super) fn of(tx: &Tx<'_>, instance: InstanceId) -> Result<Vec<JournalEntry>, InnerError> {
    let rows = tx.query(
        "SELECT PATH, OUTCOME, EXIT_CODE, EXIT_MESSAGE, OUTPUT_ID, OUTPUT FROM @BATCH_JOURNAL
         WHERE JOB_INSTANCE_ID = $1 ORDER BY SEQUENCE",
        &[&instance.0],
    )?;
    rows.iter()
        .map(|row| {
            let code: Option<String> = get(row, 2)?;
            let description: Option<String> = get(row, 3)?;
            let id: Option<String> = get(row, 4)?;
            let json: Option<String> = get(row, 5)?;
            Ok(JournalEntry {
                path: get(row, 0)?,
                outcome: get(row, 1)?,
                exit: code.map(|code| ExitStatus { code, description: description.unwrap_or_default() }),
                output: id.zip(json),
            })
        })
        .collect()
}

/// The journal of the instance of an execution, oldest first.
pub(super) fn of_execution(
    shared: &Arc<Shared>,
    execution: ExecutionId,
) -> Result<Vec<JournalEntry>, InnerError> {
    shared.read(|tx| {
        let instance = tx.query_opt(
            "SELECT JOB_INSTANCE_ID FROM @BATCH_JOB_EXECUTION WHERE JOB_EXECUTION_ID = $1",
            &[&execution.0],
        )?;
        match instance {
            Some(row) => of(tx, InstanceId(get(&row, 0)?)),
            None => Ok(Vec::new()),
        }
    })
}

/// Returns whether a restart after that execution of the step was asked to run the step from its beginning.
pub(super) fn runs_again(
    tx: &Tx<'_>,
    owner: Ownership,
    step: &str,
    last: StepExecutionId,
) -> Result<bool, InnerError> {
    let row = tx.query_one(
        "SELECT EXISTS (
             SELECT FROM @BATCH_JOURNAL
             WHERE JOB_INSTANCE_ID = $1 AND PATH = $2 AND OUTCOME = $3 AND JOB_EXECUTION_ID > (
                 SELECT JOB_EXECUTION_ID FROM @BATCH_STEP_EXECUTION WHERE STEP_EXECUTION_ID = $4))",
        &[&owner.instance.0, &step, &RUN_AGAIN, &last.0],
    )?;
    get(&row, 0)
}
