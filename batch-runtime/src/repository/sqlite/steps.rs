//! Begins and ends steps: their rows, and the state they inherit.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::chunks::{OwnSession, Target};
use super::connections::{Lent, Session, Shared};
use super::error::InnerError;
use super::rows::{self, COUNTERS, int, stamp};
use super::{advice, journal, partitions, queries};
use crate::definition::{ExecutionId, Sqlite, StepExecutionId};
use crate::repository::work_queue::WORKER_LOST;
use crate::repository::{
    BatchStatus, Checkpoint, ContextMap, Counters, END_LOST, OWNER_LOST, Ownership, Profile, RepositoryError,
    StepFinish, StepRow, StepStart, encode_context,
};

/// Refuses an owner that was taken over; everything that follows in the same transaction is protected.
pub(super) fn check_owner(connection: &Connection, owner: Ownership) -> Result<(), InnerError> {
    let current: Option<i64> = connection
        .prepare_cached("SELECT EPOCH FROM BATCH_JOB_OWNER WHERE JOB_EXECUTION_ID = ?1")?
        .query_row([owner.execution.0], |row| row.get(0))
        .optional()?;
    if current == Some(int(owner.epoch)) {
        Ok(())
    } else {
        Err(RepositoryError::Fenced { execution: owner.execution }.into())
    }
}

/// Opens a connection to the repository's file, as the user's `#[database]` function sets it up, if there is one.
pub(super) fn open_chunks(
    shared: &Arc<Shared>,
    owner: Ownership,
    row: &StepRow,
    database: Option<&Sqlite>,
    step: &StepStart<'_>,
) -> Result<OwnSession, InnerError> {
    let connection = match database {
        None => shared.lend_to(owner.execution)?,
        Some(database) => {
            let mut session = Session::adopt(database.connect()?, shared.waits.commit)?;
            session.set_synchronous(shared.synchronous(shared.durability_of(owner.execution)))?;
            Lent::own(session, Arc::clone(&shared.queue))
        }
    };
    let target = Target::new(owner, row.id, row.version);
    Ok(OwnSession::new(shared, target, connection, step.stop.clone()))
}

/// Inserts the step execution. `checkpoint` is the state in the other database, if the step's chunks are committed
/// in one.
pub(super) fn insert(
    shared: &Arc<Shared>,
    owner: Ownership,
    step: &StepStart<'_>,
    checkpoint: Option<&Checkpoint>,
) -> Result<StepRow, InnerError> {
    let connection = shared.lend_to(owner.execution)?;
    let wanted = || queries::should_continue(shared, owner, step.stop);
    let transaction = connection.patiently(|| connection.begin(), wanted)?.ok_or(RepositoryError::Stopped)?;
    check_owner(&transaction, owner)?;
    if let Some(checkpoint) = checkpoint
        && let Some(corrected) = correct(&transaction, checkpoint)?
    {
        // For a step with partitions, the other database records only that the step began; its counters are the
        // sums over its partitions.
        partitions::sum_up(&transaction, corrected)?;
    }
    let last = last(&transaction, owner, step.name)?;
    // Most steps begin for the first time, and the query for the sums takes as long as the rest of this transaction.
    let (before, earlier) = match last {
        None => (Counters::default(), 0),
        Some(_) => sums(&transaction, owner, step.name)?,
    };
    if let Some(limit) = step.start_limit
        && earlier >= limit
    {
        return Err(RepositoryError::StartLimit { step: step.name.to_owned(), limit }.into());
    }
    let context = match (last, checkpoint) {
        (None, _) => ContextMap::new(),
        (Some((_, BatchStatus::Completed)), _) => {
            partitions::forget(&transaction, owner, step.name)?;
            ContextMap::new()
        }
        (Some((last, _)), _) if journal::runs_again(&transaction, owner, step.name, last)? => {
            partitions::forget(&transaction, owner, step.name)?;
            ContextMap::new()
        }
        (Some((last, _)), None) => context_of(&transaction, last)?,
        (Some(_), Some(checkpoint)) => checkpoint.context().map_err(InnerError::Corrupt)?,
    };
    let context_text = encode_context(&context);
    let id = StepExecutionId(rows::next_id(&transaction, "BATCH_STEP_EXECUTION_SEQ")?);
    transaction
        .prepare_cached(&format!(
            "INSERT INTO BATCH_STEP_EXECUTION (STEP_EXECUTION_ID, VERSION, STEP_NAME, JOB_EXECUTION_ID, CREATE_TIME,
                                               START_TIME, STATUS, {COUNTERS}, EXIT_CODE, EXIT_MESSAGE, LAST_UPDATED)
             VALUES (?1, 0, ?2, ?3, ?4, ?4, 'STARTED', 0, 0, 0, 0, 0, 0, 0, 0, 'EXECUTING', '', ?4)"
        ))?
        .execute(params![id.0, step.name, owner.execution.0, stamp(shared.now())])?;
    rows::put_step_context(&transaction, id, &context_text)?;
    if let Some(form) = step.form {
        transaction
            .prepare_cached("INSERT INTO BATCH_STEP_FORM (STEP_EXECUTION_ID, FORM) VALUES (?1, ?2)")?
            .execute(params![id.0, form])?;
    }
    transaction.commit()?;
    Ok(StepRow { id, version: 0, starts: earlier + 1, context, before, contested: false })
}

/// Starts an existing step execution. The start need not reach the disk: if the machine crashes, the step execution
/// was simply not started.
pub(super) fn start(
    shared: &Arc<Shared>,
    owner: Ownership,
    step: &StepStart<'_>,
    id: StepExecutionId,
    checkpoint: Option<&Checkpoint>,
) -> Result<StepRow, InnerError> {
    let connection = shared.lend_fast()?;
    let wanted = || queries::should_continue(shared, owner, step.stop);
    let transaction = connection.patiently(|| connection.begin(), wanted)?.ok_or(RepositoryError::Stopped)?;
    check_owner(&transaction, owner)?;
    if let Some(checkpoint) = checkpoint
        && let Some(corrected) = correct(&transaction, checkpoint)?
    {
        partitions::sum_up(&transaction, corrected)?;
    }
    let (before, earlier) = sums(&transaction, owner, step.name)?;
    let started = transaction
        .prepare_cached(
            "UPDATE BATCH_STEP_EXECUTION
             SET VERSION = VERSION + 1, STATUS = 'STARTED', START_TIME = ?1, LAST_UPDATED = ?1
             WHERE STEP_EXECUTION_ID = ?2 AND STATUS = 'STARTING' RETURNING VERSION",
        )?
        .query_row(params![stamp(shared.now()), id.0], |row| row.get(0))
        .optional()?;
    // Another worker is running it.
    let version = started.ok_or(RepositoryError::Fenced { execution: owner.execution })?;
    let contested = partitions::is_contested(&transaction, id)?;
    let context = match checkpoint {
        None => context_of(&transaction, id)?,
        Some(checkpoint) => checkpoint.context().map_err(InnerError::Corrupt)?,
    };
    let context_text = encode_context(&context);
    if checkpoint.is_some() {
        rows::put_step_context(&transaction, id, &context_text)?;
    }
    transaction.commit()?;
    Ok(StepRow { id, version, starts: earlier + 1, context, before, contested })
}

/// Corrects the record of the previous step execution from the other database, which knows what was really
/// committed if the owner died or failed before it could copy that.
///
/// Returns the execution whose step was corrected.
fn correct(connection: &Connection, checkpoint: &Checkpoint) -> rusqlite::Result<Option<ExecutionId>> {
    let Some(step) = checkpoint.step else { return Ok(None) };
    let counters = &checkpoint.counters;
    let corrected = connection
        .prepare_cached(
            "UPDATE BATCH_STEP_EXECUTION
             SET VERSION = VERSION + 1, COMMIT_COUNT = ?1, READ_COUNT = ?2, FILTER_COUNT = ?3, WRITE_COUNT = ?4,
                 READ_SKIP_COUNT = ?5, WRITE_SKIP_COUNT = ?6, PROCESS_SKIP_COUNT = ?7, ROLLBACK_COUNT = ?8
             WHERE STEP_EXECUTION_ID = ?9 AND EXIT_CODE IN (?10, ?11, ?12) RETURNING JOB_EXECUTION_ID",
        )?
        .query_row(
            params![
            int(counters.commit),
            int(counters.read),
            int(counters.filter),
            int(counters.write),
            int(counters.read_skip),
            int(counters.write_skip),
            int(counters.process_skip),
            int(counters.rollback),
            step.0,
            OWNER_LOST,
            END_LOST,
            WORKER_LOST,
        ], |row| row.get(0).map(ExecutionId))
        .optional()?;
    if corrected.is_some() {
        rows::put_step_context(connection, step, &checkpoint.text)?;
    }
    Ok(corrected)
}

/// The counters of the step in the instance so far, and the number of its starts.
fn sums(connection: &Connection, owner: Ownership, name: &str) -> rusqlite::Result<(Counters, u32)> {
    let sums = rows::sums("s.");
    connection
        .prepare_cached(&format!(
            "SELECT {sums}, COUNT(s.START_TIME) FROM BATCH_JOB_EXECUTION e
             JOIN BATCH_STEP_EXECUTION s ON s.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID AND s.STEP_NAME = ?2
             WHERE e.JOB_INSTANCE_ID = ?1"
        ))?
        .query_row(params![owner.instance.0, name], |row| Ok((rows::counters(row, 0)?, row.get(8)?)))
}

fn last(
    connection: &Connection,
    owner: Ownership,
    name: &str,
) -> rusqlite::Result<Option<(StepExecutionId, BatchStatus)>> {
    connection
        .prepare_cached(
            "SELECT s.STEP_EXECUTION_ID, s.STATUS FROM BATCH_JOB_EXECUTION e
             JOIN BATCH_STEP_EXECUTION s ON s.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID AND s.STEP_NAME = ?2
             WHERE e.JOB_INSTANCE_ID = ?1 ORDER BY s.STEP_EXECUTION_ID DESC LIMIT 1",
        )?
        .query_row(params![owner.instance.0, name], |row| {
            Ok((StepExecutionId(row.get(0)?), rows::status(row, 1)?))
        })
        .optional()
}

pub(super) fn context_of(connection: &Connection, step: StepExecutionId) -> Result<ContextMap, InnerError> {
    let columns = connection
        .prepare_cached(
            "SELECT SHORT_CONTEXT, SERIALIZED_CONTEXT FROM BATCH_STEP_EXECUTION_CONTEXT WHERE STEP_EXECUTION_ID = ?1",
        )?
        .query_row([step.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (short, serialized) = columns.unwrap_or_default();
    rows::context(short, serialized)
}

pub(super) fn finish(
    shared: &Arc<Shared>,
    owner: Ownership,
    step: StepExecutionId,
    finish: &StepFinish,
    context: Option<&str>,
) -> Result<(), InnerError> {
    let changed = finish.context.as_ref().map(encode_context);
    let connection = shared.lend_to(owner.execution)?;
    let transaction = connection.begin()?;
    update(&transaction, owner, step, finish, &stamp(shared.now()))?;
    if let Some(context) = context.or(changed.as_deref()) {
        rows::put_step_context(&transaction, step, context)?;
    }
    if let Some(context) = &finish.job_context {
        rows::change_job_context(&transaction, owner.execution, &encode_context(context))?;
    }
    if let Some(profile) = &finish.profile {
        insert_profile(&transaction, step, profile)?;
        advice::put(&transaction, owner.execution, step, profile)?;
    }
    for entry in &finish.journal {
        journal::append(&transaction, owner, entry)?;
    }
    Ok(transaction.commit()?)
}

fn update(
    connection: &Connection,
    owner: Ownership,
    step: StepExecutionId,
    finish: &StepFinish,
    now: &str,
) -> Result<(), InnerError> {
    let counters = &finish.counters;
    let changed = connection
        .prepare_cached(
            "UPDATE BATCH_STEP_EXECUTION
             SET VERSION = VERSION + 1, COMMIT_COUNT = ?1, READ_COUNT = ?2, FILTER_COUNT = ?3, WRITE_COUNT = ?4,
                 READ_SKIP_COUNT = ?5, WRITE_SKIP_COUNT = ?6, PROCESS_SKIP_COUNT = ?7, ROLLBACK_COUNT = ?8,
                 STATUS = ?9, EXIT_CODE = ?10, EXIT_MESSAGE = ?11, END_TIME = ?12, LAST_UPDATED = ?12
             WHERE STEP_EXECUTION_ID = ?13 AND JOB_EXECUTION_ID = ?14 AND END_TIME IS NULL
               AND EXISTS (SELECT 1 FROM BATCH_JOB_OWNER WHERE JOB_EXECUTION_ID = ?14 AND EPOCH = ?15)",
        )?
        .execute(params![
            int(counters.commit),
            int(counters.read),
            int(counters.filter),
            int(counters.write),
            int(counters.read_skip),
            int(counters.write_skip),
            int(counters.process_skip),
            int(counters.rollback),
            finish.status.as_str(),
            rows::cut(&finish.exit.code),
            rows::cut(&finish.exit.description),
            now,
            step.0,
            owner.execution.0,
            int(owner.epoch),
        ])?;
    if changed == 0 {
        return Err(RepositoryError::Fenced { execution: owner.execution }.into());
    }
    Ok(())
}

fn insert_profile(connection: &Connection, step: StepExecutionId, profile: &Profile) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO BATCH_STEP_PROFILE (STEP_EXECUTION_ID, READ_NANOS, PROCESS_NANOS, WRITE_NANOS,
                                                        COMMIT_NANOS, DETAILS)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            step.0,
            int(profile.read),
            int(profile.process),
            int(profile.write),
            int(profile.commit),
            profile.details(),
        ])
        .map(|_| ())
}
