//! The skipped items of chunks in the table of the repository.

use std::sync::Arc;

use super::error::InnerError;
use super::rows::{self, get, int};
use super::shared::{Shared, Tx};
use super::steps::check_owner;
use crate::definition::{ExecutionId, StepExecutionId};
use crate::postgres::Row;
use crate::repository::{Ownership, RepositoryError, SkippedFilter, SkippedItem, SkippedOf, SkippedRow};

/// An item with its sequence, from the columns that begin at `first`: `SEQUENCE`, `PHASE`, `SOURCE_POSITION`,
/// `LOCATION`, `ERROR`, `ITEM`.
pub(super) fn item(row: &Row, first: usize) -> Result<(u64, SkippedItem), InnerError> {
    let item = SkippedItem {
        phase: get::<&str>(row, first + 1)?.parse().map_err(InnerError::Corrupt)?,
        position: get(row, first + 2)?,
        location: get(row, first + 3)?,
        error: get(row, first + 4)?,
        item: get(row, first + 5)?,
    };
    Ok((rows::count(row, first)?, item))
}

/// Inserts an item, unless it already exists.
pub(super) fn insert(
    tx: &Tx<'_>,
    step: StepExecutionId,
    sequence: u64,
    item: &SkippedItem,
) -> Result<(), InnerError> {
    let clean = |text: &String| text.replace('\0', "\u{fffd}");
    tx.send(
        "INSERT INTO @BATCH_SKIPPED_ITEM (STEP_EXECUTION_ID, SEQUENCE, PHASE, SOURCE_POSITION, LOCATION, ERROR, ITEM)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (STEP_EXECUTION_ID, SEQUENCE) DO NOTHING",
        &[
            &step.0,
            &int(sequence),
            &item.phase.as_str(),
            &item.position,
            &item.location.as_ref().map(clean),
            &rows::text(&item.error),
            &item.item.as_ref().map(clean),
        ],
    )
}

/// The number of items that all partitions of a step have skipped in the instance.
pub(super) fn of_partitions(tx: &Tx<'_>, owner: Ownership, step: &str) -> Result<u64, InnerError> {
    let row = tx.query_one(
        "SELECT SUM(s.READ_SKIP_COUNT + s.WRITE_SKIP_COUNT + s.PROCESS_SKIP_COUNT)::bigint
         FROM @BATCH_JOB_EXECUTION e JOIN @BATCH_STEP_EXECUTION s ON s.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
         WHERE e.JOB_INSTANCE_ID = $1 AND starts_with(s.STEP_NAME, $2 || ':partition')",
        &[&owner.instance.0, &step],
    )?;
    rows::count(&row, 0)
}

/// Keeps others from committing skips of the step until the end of the transaction.
pub(super) fn lock(tx: &Tx<'_>, repository: &str, owner: Ownership, step: &str) -> Result<(), InnerError> {
    tx.query(
        "SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(' ', 'batch skips', $1::text, $2::bigint, $3::text), 0))",
        &[&repository, &owner.instance.0, &step],
    )?;
    Ok(())
}

/// The number of the last skipped item of a step execution, or 0; `None` if there is no such step execution.
pub(super) fn last(shared: &Arc<Shared>, step: StepExecutionId) -> Result<Option<u64>, InnerError> {
    shared.transact(
        crate::definition::Durability::Process,
        None,
        |tx| {
            let row = tx.query_opt(
                "SELECT (SELECT MAX(SEQUENCE) FROM @BATCH_SKIPPED_ITEM WHERE STEP_EXECUTION_ID = $1)
                 FROM @BATCH_STEP_EXECUTION WHERE STEP_EXECUTION_ID = $1",
                &[&step.0],
            )?;
            row.map(|row| rows::count(&row, 0)).transpose()
        },
        |_| Ok(None),
    )
}

/// Inserts items with their numbers, except those that exist.
pub(super) fn add(
    shared: &Arc<Shared>,
    owner: Ownership,
    step: StepExecutionId,
    items: &[(u64, SkippedItem)],
) -> Result<(), InnerError> {
    shared.transact(
        shared.durability_of(owner.execution),
        None,
        |tx| {
            check_owner(tx, owner)?;
            items.iter().try_for_each(|(sequence, item)| insert(tx, step, *sequence, item))
        },
        |_| Ok(None),
    )
}

/// A page of the items of the executions that the condition selects. The condition refers to the execution $1.
macro_rules! items_of {
    ($executions:literal) => {
        concat!(
            "SELECT s.JOB_EXECUTION_ID, s.STEP_EXECUTION_ID, s.STEP_NAME,
                    i.SEQUENCE, i.PHASE, i.SOURCE_POSITION, i.LOCATION, i.ERROR, i.ITEM
             FROM @BATCH_STEP_EXECUTION s
             JOIN @BATCH_SKIPPED_ITEM i ON i.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
             WHERE s.JOB_EXECUTION_ID ",
            $executions,
            " AND (i.STEP_EXECUTION_ID, i.SEQUENCE) > ($2, $3)
             ORDER BY i.STEP_EXECUTION_ID, i.SEQUENCE LIMIT $4"
        )
    };
}

pub(super) fn page(shared: &Arc<Shared>, filter: &SkippedFilter) -> Result<Vec<SkippedRow>, InnerError> {
    let execution = filter.of.execution();
    let query = match filter.of {
        SkippedOf::Execution(_) => items_of!("= $1"),
        SkippedOf::InstanceOf(_) => items_of!(
            "IN (SELECT e.JOB_EXECUTION_ID FROM @BATCH_JOB_EXECUTION e WHERE e.JOB_INSTANCE_ID =
                   (SELECT o.JOB_INSTANCE_ID FROM @BATCH_JOB_EXECUTION o WHERE o.JOB_EXECUTION_ID = $1))"
        ),
    };
    let (step, sequence) = filter.after.map_or((0, 0), |key| (key.step_execution.0, int(key.sequence)));
    let limit = filter.limit.map(i64::from);
    shared.read(|tx| {
        let known =
            tx.query_opt("SELECT FROM @BATCH_JOB_EXECUTION WHERE JOB_EXECUTION_ID = $1", &[&execution.0])?;
        known.ok_or(RepositoryError::NoSuchExecution(execution))?;
        let rows = tx.query(query, &[&execution.0, &step, &sequence, &limit])?;
        rows.iter()
            .map(|row| {
                let (sequence, item) = item(row, 3)?;
                Ok(SkippedRow {
                    execution: ExecutionId(get(row, 0)?),
                    step_execution: StepExecutionId(get(row, 1)?),
                    step: get(row, 2)?,
                    sequence,
                    item,
                })
            })
            .collect()
    })
}
