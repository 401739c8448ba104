//! Begins and ends steps: their rows, and the state they inherit.

use std::sync::Arc;

use super::error::InnerError;
use super::launch::fenced;
use super::process::Run;
use super::rows::{self, counters, get, int, now, set_counters, sums};
use super::shared::{Shared, Tx};
use super::{advice, journal, partitions};
use crate::definition::{Durability, ExecutionId, StepExecutionId};
use crate::postgres::Row;
use crate::repository::work_queue::WORKER_LOST;
use crate::repository::{
    BatchStatus, Checkpoint, ContextMap, Counters, END_LOST, OWNER_LOST, Ownership, Profile, RepositoryError,
    StepFinish, StepRow, StepStart, encode_context,
};

/// Refuses an owner that was taken over, and locks its row: a takeover waits for everything that follows in the same
/// transaction.
pub(super) fn check_owner(tx: &Tx<'_>, owner: Ownership) -> Result<(), InnerError> {
    let row = tx.query_opt(
        "SELECT EPOCH FROM @BATCH_JOB_OWNER WHERE JOB_EXECUTION_ID = $1 FOR UPDATE",
        &[&owner.execution.0],
    )?;
    match row.map(|row| rows::count(&row, 0)).transpose()? {
        Some(epoch) if epoch == owner.epoch => Ok(()),
        _ => Err(fenced(owner)),
    }
}

/// Sends the check of [`check_owner`] without waiting. If the owner was taken over, the transaction fails, with an
/// error that [`fenced_if_no_row`] converts.
fn send_owner_check(tx: &Tx<'_>, owner: Ownership) -> Result<(), InnerError> {
    tx.send(
        "SELECT 1 / count(*) FROM (
             SELECT FROM @BATCH_JOB_OWNER WHERE JOB_EXECUTION_ID = $1 AND EPOCH = $2 FOR UPDATE) AS ours",
        &[&owner.execution.0, &int(owner.epoch)],
    )
}

fn fenced_if_no_row(owner: Ownership) -> impl Fn(InnerError) -> InnerError {
    move |error| if error.is_no_row() { fenced(owner) } else { error }
}

/// Inserts the step execution. `checkpoint` is the state in the other database, if the step's chunks are committed
/// in one.
pub(super) fn insert(
    shared: &Arc<Shared>,
    owner: Ownership,
    step: &StepStart<'_>,
    checkpoint: Option<&Checkpoint>,
) -> Result<StepRow, InnerError> {
    shared.process.stops(Run::Execution(owner.execution), step.stop);
    let durability = shared.durability_of(owner.execution);
    shared.transact(
        durability,
        Some(step.stop),
        |tx| {
            check_owner(tx, owner)?;
            if let Some(checkpoint) = checkpoint
                && let Some(corrected) = correct(tx, checkpoint)?
            {
                // For a step with partitions, the other database records only that the step began; its counters are the
                // sums over its partitions.
                partitions::sum_up(tx, corrected)?;
            }
            let (before, earlier) = sums(tx, owner, step.name)?;
            if let Some(limit) = step.start_limit
                && earlier >= limit
            {
                return Err(RepositoryError::StartLimit { step: step.name.to_owned(), limit }.into());
            }
            let context = match (last(tx, owner, step.name)?, checkpoint) {
                (None, _) => ContextMap::new(),
                (Some((_, BatchStatus::Completed)), _) => {
                    partitions::forget(tx, owner, step.name)?;
                    ContextMap::new()
                }
                (Some((last, _)), _) if journal::runs_again(tx, owner, step.name, last)? => {
                    partitions::forget(tx, owner, step.name)?;
                    ContextMap::new()
                }
                (Some((last, _)), None) => context_of(tx, last)?,
                (Some(_), Some(checkpoint)) => checkpoint.context().map_err(InnerError::Corrupt)?,
            };
            let id =
                StepExecutionId(rows::next_id(tx, "SELECT nextval('@BATCH_STEP_EXECUTION_SEQ')")?);
            tx.send(
                concat!(
                    "INSERT INTO @BATCH_STEP_EXECUTION (STEP_EXECUTION_ID, VERSION, STEP_NAME, JOB_EXECUTION_ID, CREATE_TIME,
                                                        START_TIME, STATUS, ",
                    counters!(),
                    ", EXIT_CODE, EXIT_MESSAGE, LAST_UPDATED)
                     SELECT $1, 0, $2, $3, now, now, 'STARTED', 0, 0, 0, 0, 0, 0, 0, 0, 'EXECUTING', '', now
                     FROM (SELECT ",
                    now!(),
                    " AS now) AS clock"
                ),
                &[&id.0, &step.name, &owner.execution.0],
            )?;
            rows::put_step_context(tx, id, &encode_context(&context))?;
            if let Some(form) = step.form {
                tx.send(
                    "INSERT INTO @BATCH_STEP_FORM (STEP_EXECUTION_ID, FORM) VALUES ($1, $2)",
                    &[&id.0, &form],
                )?;
            }
            Ok(StepRow { id, version: 0, starts: earlier + 1, context, before, contested: false })
        },
        |tx| begun(tx, owner, step, None),
    )
}

/// The step execution that this execution has begun, if that was committed although the answer was lost. For a
/// partition this can only be the `created` one: a partition whose worker is lost begins again in the same execution.
fn begun(
    tx: &Tx<'_>,
    owner: Ownership,
    step: &StepStart<'_>,
    created: Option<StepExecutionId>,
) -> Result<Option<StepRow>, InnerError> {
    check_owner(tx, owner)?;
    let row = tx.query_opt(
        "SELECT STEP_EXECUTION_ID, VERSION FROM @BATCH_STEP_EXECUTION
         WHERE JOB_EXECUTION_ID = $1 AND STEP_NAME = $2 AND STATUS = 'STARTED'
           AND STEP_EXECUTION_ID = COALESCE($3::bigint, STEP_EXECUTION_ID)",
        &[&owner.execution.0, &step.name, &created.map(|created| created.0)],
    )?;
    let Some(row) = row else { return Ok(None) };
    let id = StepExecutionId(get(&row, 0)?);
    let (before, starts) = sums(tx, owner, step.name)?;
    let (context, contested) = (context_of(tx, id)?, partitions::is_contested(tx, id)?);
    Ok(Some(StepRow { id, version: get(&row, 1)?, starts, context, before, contested }))
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
    let started = shared.transact_at_once(
        Durability::Process,
        Some(step.stop),
        |tx| {
            send_owner_check(tx, owner)?;
            let Some(checkpoint) = checkpoint else { return Ok(()) };
            if let Some(corrected) = correct(tx, checkpoint)? {
                partitions::sum_up(tx, corrected)?;
            }
            let context = checkpoint.context().map_err(InnerError::Corrupt)?;
            rows::put_step_context(tx, id, &encode_context(&context))
        },
        (
            concat!(
                // Apart from the version, the query sees the rows as they were before the update. If the update finds
                // no row, another worker runs the partition, and the whole transaction must fail.
                "WITH started AS (
                     UPDATE @BATCH_STEP_EXECUTION
                     SET VERSION = VERSION + 1, STATUS = 'STARTED', START_TIME = ",
                now!(),
                ", LAST_UPDATED = ",
                now!(),
                "    WHERE STEP_EXECUTION_ID = $1 AND STATUS = 'STARTING' RETURNING VERSION)
                 SELECT ",
                sums!(),
                ", COUNT(s.START_TIME), (SELECT VERSION FROM started),
                   EXISTS (SELECT FROM @BATCH_PARTITION WHERE STEP_EXECUTION_ID = $1 AND TAKE_OVER),
                   c.SHORT_CONTEXT, c.SERIALIZED_CONTEXT, 1 / (SELECT count(*) FROM started)
                 FROM @BATCH_JOB_EXECUTION e
                 JOIN @BATCH_STEP_EXECUTION s ON s.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID AND s.STEP_NAME = $3
                 LEFT JOIN @BATCH_STEP_EXECUTION_CONTEXT c ON c.STEP_EXECUTION_ID = $1
                 WHERE e.JOB_INSTANCE_ID = $2
                 GROUP BY c.SHORT_CONTEXT, c.SERIALIZED_CONTEXT"
            ),
            &[&id.0, &owner.instance.0, &step.name],
        ),
        |rows| {
            let row = rows.first().ok_or_else(|| fenced(owner))?;
            Ok(StepRow {
                id,
                version: get(row, 9)?,
                starts: starts(row)? + 1,
                context: rows::context_if_any(row, 11)?,
                before: rows::counters_of(row, 0)?,
                contested: get(row, 10)?,
            })
        },
        |tx| begun(tx, owner, step, Some(id)),
    );
    started.map_err(fenced_if_no_row(owner))
}

/// Corrects the record of the previous step execution from the other database, which knows what was really
/// committed if the owner died or failed before it could copy that.
///
/// Returns the execution whose step was corrected.
fn correct(tx: &Tx<'_>, checkpoint: &Checkpoint) -> Result<Option<ExecutionId>, InnerError> {
    let Some(step) = checkpoint.step else { return Ok(None) };
    let [c1, c2, c3, c4, c5, c6, c7, c8] = rows::parameters(&checkpoint.counters);
    let row = tx.query_opt(
        concat!(
            "UPDATE @BATCH_STEP_EXECUTION SET VERSION = VERSION + 1, ",
            set_counters!(),
            " WHERE STEP_EXECUTION_ID = $9 AND EXIT_CODE IN ($10, $11, $12) RETURNING JOB_EXECUTION_ID"
        ),
        &[&c1, &c2, &c3, &c4, &c5, &c6, &c7, &c8, &step.0, &OWNER_LOST, &END_LOST, &WORKER_LOST],
    )?;
    let Some(row) = row else { return Ok(None) };
    rows::put_step_context(tx, step, &checkpoint.text)?;
    Ok(Some(ExecutionId(get(&row, 0)?)))
}

/// The counters of the step in the instance so far, and the number of its starts.
fn sums(tx: &Tx<'_>, owner: Ownership, name: &str) -> Result<(Counters, u32), InnerError> {
    let row = tx.query_one(
        concat!(
            "SELECT ",
            sums!(),
            ", COUNT(s.START_TIME) FROM @BATCH_JOB_EXECUTION e
             JOIN @BATCH_STEP_EXECUTION s ON s.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID AND s.STEP_NAME = $2
             WHERE e.JOB_INSTANCE_ID = $1"
        ),
        &[&owner.instance.0, &name],
    )?;
    Ok((rows::counters_of(&row, 0)?, starts(&row)?))
}

/// The number of starts, in the column after the counters.
fn starts(row: &Row) -> Result<u32, InnerError> {
    Ok(u32::try_from(rows::count(row, 8)?).unwrap_or(u32::MAX))
}

fn last(
    tx: &Tx<'_>,
    owner: Ownership,
    name: &str,
) -> Result<Option<(StepExecutionId, BatchStatus)>, InnerError> {
    let row = tx.query_opt(
        "SELECT s.STEP_EXECUTION_ID, s.STATUS FROM @BATCH_JOB_EXECUTION e
         JOIN @BATCH_STEP_EXECUTION s ON s.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID AND s.STEP_NAME = $2
         WHERE e.JOB_INSTANCE_ID = $1 ORDER BY s.STEP_EXECUTION_ID DESC LIMIT 1",
        &[&owner.instance.0, &name],
    )?;
    row.map(|row| Ok((StepExecutionId(get(&row, 0)?), rows::status(&row, 1)?))).transpose()
}

pub(super) fn context_of(tx: &Tx<'_>, step: StepExecutionId) -> Result<ContextMap, InnerError> {
    let row = tx.query_opt(
        "SELECT SHORT_CONTEXT, SERIALIZED_CONTEXT FROM @BATCH_STEP_EXECUTION_CONTEXT WHERE STEP_EXECUTION_ID = $1",
        &[&step.0],
    )?;
    row.map_or_else(|| Ok(ContextMap::new()), |row| rows::context(&row, 0))
}

pub(super) fn finish(
    shared: &Arc<Shared>,
    owner: Ownership,
    step: StepExecutionId,
    finish: &StepFinish,
    context: Option<&str>,
) -> Result<(), InnerError> {
    let changed = finish.context.as_ref().map(encode_context);
    let [c1, c2, c3, c4, c5, c6, c7, c8] = rows::parameters(&finish.counters);
    let finished = shared.transact_at_once(
        shared.durability_of(owner.execution),
        None,
        |tx| {
            send_owner_check(tx, owner)?;
            if let Some(context) = context.or(changed.as_deref()) {
                rows::put_step_context(tx, step, context)?;
            }
            if let Some(context) = &finish.job_context {
                rows::change_job_context(tx, owner.execution, &encode_context(context))?;
            }
            if let Some(profile) = &finish.profile {
                insert_profile(tx, step, profile)?;
                advice::put(tx, owner.execution, step, profile)?;
            }
            finish.journal.iter().try_for_each(|entry| journal::append(tx, owner, entry))
        },
        (
            concat!(
                "WITH ended AS (
                     UPDATE @BATCH_STEP_EXECUTION SET VERSION = VERSION + 1, ",
                set_counters!(),
                ", STATUS = $9, EXIT_CODE = $10, EXIT_MESSAGE = $11, END_TIME = ",
                now!(),
                ", LAST_UPDATED = ",
                now!(),
                "    WHERE STEP_EXECUTION_ID = $12 AND JOB_EXECUTION_ID = $13 AND END_TIME IS NULL RETURNING 1)
                 SELECT 1 / count(*) FROM ended"
            ),
            &[
                &c1,
                &c2,
                &c3,
                &c4,
                &c5,
                &c6,
                &c7,
                &c8,
                &finish.status.as_str(),
                &rows::text(&finish.exit.code),
                &rows::text(&finish.exit.description),
                &step.0,
                &owner.execution.0,
            ],
        ),
        |_| Ok(()),
        |tx| {
            check_owner(tx, owner)?;
            // Any other end was recorded by a manager that declared the worker lost.
            let row = tx.query_opt(
                "SELECT FROM @BATCH_STEP_EXECUTION
                 WHERE STEP_EXECUTION_ID = $1 AND END_TIME IS NOT NULL AND STATUS = $2 AND EXIT_CODE = $3",
                &[&step.0, &finish.status.as_str(), &rows::text(&finish.exit.code)],
            )?;
            Ok(row.map(|_| ()))
        },
    );
    // The execution was taken over, or the worker of the partition was declared lost.
    finished.map_err(fenced_if_no_row(owner))
}

fn insert_profile(tx: &Tx<'_>, step: StepExecutionId, profile: &Profile) -> Result<(), InnerError> {
    tx.send(
        "INSERT INTO @BATCH_STEP_PROFILE (STEP_EXECUTION_ID, READ_NANOS, PROCESS_NANOS, WRITE_NANOS, COMMIT_NANOS, DETAILS)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (STEP_EXECUTION_ID) DO UPDATE
             SET READ_NANOS = $2, PROCESS_NANOS = $3, WRITE_NANOS = $4, COMMIT_NANOS = $5, DETAILS = $6",
        &[
            &step.0,
            &int(profile.read),
            &int(profile.process),
            &int(profile.write),
            &int(profile.commit),
            &profile.details(),
        ],
    )
}
