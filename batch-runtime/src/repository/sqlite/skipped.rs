//! The skipped items of chunks in the table of the repository.

use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::connections::Shared;
use super::error::InnerError;
use super::rows::{self, int};
use super::steps::check_owner;
use crate::definition::{Durability, ExecutionId, StepExecutionId};
use crate::repository::{Ownership, RepositoryError, SkippedFilter, SkippedItem, SkippedOf, SkippedRow};

/// The columns of an item, in the order of [`item`].
pub(super) const COLUMNS: &str = "SEQUENCE, PHASE, SOURCE_POSITION, LOCATION, ERROR, ITEM";

/// An item with its sequence, from the columns that begin at `first`.
pub(super) fn item(row: &Row<'_>, first: usize) -> rusqlite::Result<(u64, SkippedItem)> {
    let bad = |why: String| rusqlite::Error::FromSqlConversionFailure(first + 1, Type::Text, why.into());
    let item = SkippedItem {
        phase: row.get_ref(first + 1)?.as_str()?.parse().map_err(bad)?,
        position: row.get(first + 2)?,
        location: row.get(first + 3)?,
        error: row.get(first + 4)?,
        item: row.get(first + 5)?,
    };
    Ok((rows::count(row, first)?, item))
}

/// Inserts an item, unless it already exists.
pub(super) fn insert(
    connection: &Connection,
    step: StepExecutionId,
    sequence: u64,
    item: &SkippedItem,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO BATCH_SKIPPED_ITEM (STEP_EXECUTION_ID, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (STEP_EXECUTION_ID, SEQUENCE) DO NOTHING"
        ))?
        .execute(params![
            step.0,
            int(sequence),
            item.phase.as_str(),
            item.position,
            item.location,
            rows::cut(&item.error),
            item.item,
        ])
        .map(|_| ())
}

/// The number of the last skipped item of a step execution, or 0; `None` if there is no such step execution.
pub(super) fn last(shared: &Arc<Shared>, step: StepExecutionId) -> Result<Option<u64>, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let last = connection
        .prepare_cached(
            "SELECT (SELECT MAX(SEQUENCE) FROM BATCH_SKIPPED_ITEM WHERE STEP_EXECUTION_ID = ?1)
             FROM BATCH_STEP_EXECUTION WHERE STEP_EXECUTION_ID = ?1",
        )?
        .query_row([step.0], |row| rows::count(row, 0))
        .optional()?;
    Ok(last)
}

/// Inserts items with their numbers, except those that exist.
pub(super) fn add(
    shared: &Arc<Shared>,
    owner: Ownership,
    step: StepExecutionId,
    items: &[(u64, SkippedItem)],
) -> Result<(), InnerError> {
    let connection = shared.lend_to(owner.execution)?;
    let transaction = connection.begin()?;
    check_owner(&transaction, owner)?;
    for (sequence, item) in items {
        insert(&transaction, step, *sequence, item)?;
    }
    Ok(transaction.commit()?)
}

pub(super) fn page(shared: &Arc<Shared>, filter: &SkippedFilter) -> Result<Vec<SkippedRow>, InnerError> {
    let execution = filter.of.execution();
    let connection = shared.lend(Durability::Machine)?;
    let transaction = connection.unchecked_transaction()?;
    let (known, kept): (bool, bool) = transaction
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM BATCH_JOB_EXECUTION WHERE JOB_EXECUTION_ID = ?1),
                    EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'BATCH_SKIPPED_ITEM')",
        )?
        .query_row([execution.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if !known {
        return Err(RepositoryError::NoSuchExecution(execution).into());
    }
    // A file of an older version that cannot be written.
    if !kept {
        return Ok(Vec::new());
    }
    let executions = match filter.of {
        SkippedOf::Execution(_) => "(?1)",
        SkippedOf::InstanceOf(_) => {
            "(SELECT e.JOB_EXECUTION_ID FROM BATCH_JOB_EXECUTION e WHERE e.JOB_INSTANCE_ID =
                (SELECT o.JOB_INSTANCE_ID FROM BATCH_JOB_EXECUTION o WHERE o.JOB_EXECUTION_ID = ?1))"
        }
    };
    let mut select = transaction.prepare_cached(&format!(
        "SELECT s.JOB_EXECUTION_ID, s.STEP_EXECUTION_ID, s.STEP_NAME, {} FROM BATCH_STEP_EXECUTION s
         JOIN BATCH_SKIPPED_ITEM i ON i.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
         WHERE s.JOB_EXECUTION_ID IN {executions}
           AND s.STEP_EXECUTION_ID >= ?2 AND (s.STEP_EXECUTION_ID > ?2 OR i.SEQUENCE > ?3)
         ORDER BY s.STEP_EXECUTION_ID, i.SEQUENCE LIMIT ?4",
        COLUMNS.split(", ").map(|column| format!("i.{column}")).collect::<Vec<_>>().join(", ")
    ))?;
    let (step, sequence) = filter.after.map_or((0, 0), |key| (key.step_execution.0, key.sequence));
    let limit = filter.limit.map_or(-1, i64::from);
    let rows = select.query_map(params![execution.0, step, int(sequence), limit], |row| {
        let (sequence, item) = item(row, 3)?;
        Ok(SkippedRow {
            execution: ExecutionId(row.get(0)?),
            step_execution: StepExecutionId(row.get(1)?),
            step: row.get(2)?,
            sequence,
            item,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
