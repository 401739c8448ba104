//! Stores operations on executions.

use std::sync::Arc;

use super::error::InnerError;
use super::rows::{self, get, now};
use super::shared::Shared;
use crate::definition::{Durability, ExecutionId};
use crate::repository::{Operation, OperationKind};

pub(super) fn add(
    shared: &Arc<Shared>,
    execution: ExecutionId,
    what: OperationKind,
    via: &str,
) -> Result<(), InnerError> {
    shared.transact(
        Durability::Machine,
        None,
        |tx| {
            tx.send(
                concat!(
                    "INSERT INTO @BATCH_OPERATION (JOB_EXECUTION_ID, DONE, WHAT, VIA) VALUES ($1, ",
                    now!(),
                    ", $2, $3)"
                ),
                &[&execution.0, &what.as_str(), &via],
            )
        },
        // If the answer was lost, the row may exist twice, which is harmless.
        |_| Ok(None),
    )
}

pub(super) fn of(shared: &Arc<Shared>, execution: ExecutionId) -> Result<Vec<Operation>, InnerError> {
    shared.read(|tx| {
        let is_there = tx.query_one("SELECT EXISTS (SELECT FROM @BATCH_SCHEMA WHERE VERSION >= 4)", &[])?;
        if !get::<bool>(&is_there, 0)? {
            // The tables are those of an older version, and this user may only read.
            return Ok(Vec::new());
        }
        let rows = tx.query(
            "SELECT DONE, WHAT, VIA FROM @BATCH_OPERATION WHERE JOB_EXECUTION_ID = $1 ORDER BY OPERATION_ID",
            &[&execution.0],
        )?;
        let mut operations = Vec::new();
        for row in &rows {
            let done = rows::time(row, 0)?.unwrap_or_default();
            if let Some(what) = OperationKind::named(&get::<String>(row, 1)?) {
                operations.push(Operation { execution, done, what, via: get(row, 2)? });
            }
        }
        Ok(operations)
    })
}
