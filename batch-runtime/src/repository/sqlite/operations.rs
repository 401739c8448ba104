//! Stores operations on executions.

use std::sync::Arc;

use rusqlite::params;

use super::connections::Shared;
use super::error::InnerError;
use super::rows::{self, stamp};
use super::schema;
use crate::definition::{Durability, ExecutionId};
use crate::repository::{Operation, OperationKind};

pub(super) fn add(
    shared: &Arc<Shared>,
    execution: ExecutionId,
    what: OperationKind,
    via: &str,
) -> Result<(), InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let transaction = connection.begin()?;
    schema::migrate(&transaction, &shared.path)?;
    transaction
        .prepare_cached(
            "INSERT INTO BATCH_OPERATION (JOB_EXECUTION_ID, DONE, WHAT, VIA) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![execution.0, stamp(shared.now()), what.as_str(), via])?;
    Ok(transaction.commit()?)
}

pub(super) fn of(shared: &Arc<Shared>, execution: ExecutionId) -> Result<Vec<Operation>, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let transaction = connection.unchecked_transaction()?;
    let is_there: bool = transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'BATCH_OPERATION')")?
        .query_row([], |row| row.get(0))?;
    if !is_there {
        // The file is of an older version, and cannot be written.
        return Ok(Vec::new());
    }
    let mut select = transaction.prepare_cached(
        "SELECT DONE, WHAT, VIA FROM BATCH_OPERATION WHERE JOB_EXECUTION_ID = ?1 ORDER BY OPERATION_ID",
    )?;
    let mut rows = select.query([execution.0])?;
    let mut operations = Vec::new();
    while let Some(row) = rows.next()? {
        let (done, what): (_, String) = (rows::time(row, 0)?.unwrap_or_default(), row.get(1)?);
        if let Some(what) = OperationKind::named(&what) {
            operations.push(Operation { execution, done, what, via: row.get(2)? });
        }
    }
    Ok(operations)
}
