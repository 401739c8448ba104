//! Takes over running executions, because their owners are dead or by force, and requests stops.

use std::sync::Arc;

use super::error::InnerError;
use super::launch::next_epoch;
use super::lock_waits;
use super::partitions;
use super::process::{Liveness, declare_lost, end_connections, process_columns};
use super::rows::{self, durability_text, get, int, now, owner_columns, running};
use super::schedule;
use super::shared::{Shared, Tx, guard};
use crate::definition::{Durability, ExecutionId, InstanceId};
use crate::postgres::Row;
use crate::repository::{
    BatchStatus, JobExecution, OWNER_LOST, Owner, OwnerState, RepositoryError, launch, owner,
};

/// A running execution, as read from its row.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) id: ExecutionId,
    pub(super) instance: InstanceId,
    pub(super) job: String,
    pub(super) owner: Option<Owner>,
    /// Its process, in `BATCH_PROCESS`.
    process: Option<String>,
    liveness: Liveness,
}

/// The query of running executions, with a condition.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT e.JOB_EXECUTION_ID, e.JOB_INSTANCE_ID, i.JOB_NAME, ",
            owner_columns!(),
            ", ",
            process_columns!(),
            " FROM @BATCH_JOB_EXECUTION e
              JOIN @BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
              LEFT JOIN @BATCH_JOB_OWNER o ON o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
              LEFT JOIN @BATCH_PROCESS p ON p.PROCESS = o.PROCESS
              WHERE e.STATUS IN ",
            running!(),
            $condition,
            " ORDER BY e.JOB_EXECUTION_ID"
        )
    };
}

fn running_of(shared: &Shared, row: &Row) -> Result<Running, InnerError> {
    Ok(Running {
        id: ExecutionId(get(row, 0)?),
        instance: InstanceId(get(row, 1)?),
        job: get(row, 2)?,
        owner: rows::owner(row, 3)?,
        process: get(row, 9)?,
        liveness: shared.process.liveness(row, 8)?,
    })
}

fn all(shared: &Shared, rows: &[Row]) -> Result<Vec<Running>, InnerError> {
    rows.iter().map(|row| running_of(shared, row)).collect()
}

pub(super) fn running_of_instance(
    shared: &Shared,
    tx: &Tx<'_>,
    instance: InstanceId,
) -> Result<Option<Running>, InnerError> {
    let rows = tx.query(select!(" AND e.JOB_INSTANCE_ID = $1"), &[&instance.0])?;
    rows.first().map(|row| running_of(shared, row)).transpose()
}

pub(super) fn running_of_job(shared: &Shared, tx: &Tx<'_>, job: &str) -> Result<Vec<Running>, InnerError> {
    all(shared, &tx.query(select!(" AND i.JOB_NAME = $1"), &[&job])?)
}

fn running_of_process(shared: &Shared, tx: &Tx<'_>, process: &str) -> Result<Vec<Running>, InnerError> {
    all(shared, &tx.query(select!(" AND o.PROCESS = $1"), &[&process])?)
}

fn running_execution(
    shared: &Shared,
    tx: &Tx<'_>,
    execution: ExecutionId,
) -> Result<Option<Running>, InnerError> {
    let row = tx.query_opt(select!(" AND e.JOB_EXECUTION_ID = $1"), &[&execution.0])?;
    row.map(|row| running_of(shared, &row)).transpose()
}

/// Returns whether an owner that the instance was taken over from may still be alive, because nobody has seen that it
/// is dead.
pub(super) fn a_lost_owner_may_live(
    shared: &Shared,
    tx: &Tx<'_>,
    instance: InstanceId,
) -> Result<bool, InnerError> {
    let lost = tx.query(
        concat!(
            "SELECT ",
            process_columns!(),
            " FROM @BATCH_JOB_EXECUTION e
              JOIN @BATCH_JOB_OWNER o ON o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
              LEFT JOIN @BATCH_PROCESS p ON p.PROCESS = o.PROCESS
              WHERE e.JOB_INSTANCE_ID = $1 AND e.EXIT_CODE = $2"
        ),
        &[&instance.0, &OWNER_LOST],
    )?;
    for row in &lost {
        if shared.process.liveness(row, 0)? != Liveness::Dead {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn owner_state(shared: &Arc<Shared>, execution: &JobExecution) -> Result<OwnerState, InnerError> {
    let running = shared.read(|tx| running_execution(shared, tx, execution.id))?;
    Ok(match running.map(|running| running.liveness) {
        Some(Liveness::Alive(_)) => OwnerState::Alive,
        Some(Liveness::Dead | Liveness::LeaseOver) => OwnerState::Dead,
        Some(Liveness::Unknown) | None => OwnerState::Unknown,
    })
}

/// Returns whether a launch would take over from the owner.
pub(super) fn seems_dead(running: &Running) -> bool {
    matches!(running.liveness, Liveness::Dead | Liveness::LeaseOver)
}

/// The recoveries of an execution after a takeover. A death after progress is not a crash loop. Later executions of the
/// same process are its nested jobs, whose progress counts too.
macro_rules! recoveries {
    () => {
        "CASE WHEN EXISTS (
             SELECT 1 FROM @BATCH_JOB_OWNER o JOIN @BATCH_STEP_EXECUTION s USING (JOB_EXECUTION_ID)
             WHERE o.JOB_EXECUTION_ID >= $1 AND (s.COMMIT_COUNT > 0 OR s.STATUS = 'COMPLETED')
               AND (o.PID, o.START_TICKS, o.BOOT_ID) = (owner.PID, owner.START_TICKS, owner.BOOT_ID)
         ) THEN 0 ELSE RECOVERIES + 1 END"
    };
}

/// The recoveries that the execution would have if it were taken over.
pub(super) fn recoveries_after(tx: &Tx<'_>, execution: ExecutionId) -> Result<u32, InnerError> {
    let row = tx.query_opt(
        concat!("SELECT ", recoveries!(), " FROM @BATCH_JOB_OWNER owner WHERE JOB_EXECUTION_ID = $1"),
        &[&execution.0],
    )?;
    let found = row.map(|row| rows::count(&row, 0)).transpose()?;
    Ok(found.map_or(1, |recoveries| u32::try_from(recoveries).unwrap_or(u32::MAX)))
}

pub(super) fn already_running(running: &Running) -> RepositoryError {
    let mut owner = owner::in_words(running.owner.as_ref());
    if let Liveness::Alive(seconds) = running.liveness {
        owner = format!("{owner}, whose lease runs for {seconds} more seconds unless it is renewed");
    }
    match launch::already_running(&running.job, running.id, None) {
        RepositoryError::AlreadyRunning { job, execution, .. } => {
            RepositoryError::AlreadyRunning { job, execution, owner }
        }
        error => error,
    }
}

/// Takes over the execution, and all others of its process, if the owner is dead or its lease ran out. Returns those that
/// were taken over: none if the owner is alive, or nothing is known about it. The caller has locked the instance.
pub(super) fn take_over_if_dead(
    shared: &Shared,
    tx: &Tx<'_>,
    running: &Running,
) -> Result<Vec<ExecutionId>, InnerError> {
    match running.liveness {
        Liveness::Alive(_) | Liveness::Unknown => return Ok(Vec::new()),
        Liveness::Dead | Liveness::LeaseOver => {}
    }
    let Some(process) = &running.process else {
        take_over(shared, tx, running)?;
        return Ok(vec![running.id]);
    };
    if !declare_lost(shared, tx, process, running.liveness == Liveness::Dead)? {
        return Ok(Vec::new());
    }
    take_over(shared, tx, running)?;
    let mut taken = vec![running.id];
    for other in running_of_process(shared, tx, process)? {
        if other.instance != running.instance && try_lock_instance(tx, other.instance)? {
            take_over(shared, tx, &other)?;
            taken.push(other.id);
        }
    }
    Ok(taken)
}

/// Locks the row of an instance until the end of the transaction. This comes before any lock on rows of its executions.
fn lock_instance(tx: &Tx<'_>, instance: InstanceId) -> Result<(), InnerError> {
    tx.query("SELECT FROM @BATCH_JOB_INSTANCE WHERE JOB_INSTANCE_ID = $1 FOR UPDATE", &[&instance.0])?;
    Ok(())
}

/// Locks the instance of an execution, and returns the execution if it is still running.
pub(super) fn locked(shared: &Shared, tx: &Tx<'_>, running: &Running) -> Result<Option<Running>, InnerError> {
    lock_instance(tx, running.instance)?;
    running_execution(shared, tx, running.id)
}

/// Locks the row of a second instance, unless another process has locked it: waiting could deadlock, and the other process
/// takes the execution over by itself.
fn try_lock_instance(tx: &Tx<'_>, instance: InstanceId) -> Result<bool, InnerError> {
    let row = tx.query_opt(
        "SELECT FROM @BATCH_JOB_INSTANCE WHERE JOB_INSTANCE_ID = $1 FOR UPDATE SKIP LOCKED",
        &[&instance.0],
    )?;
    Ok(row.is_some())
}

/// The processes whose workers hold partitions of the execution, and which no longer renew their leases: they may be
/// paused in transactions.
fn lost_workers(tx: &Tx<'_>, execution: ExecutionId) -> Result<Vec<String>, InnerError> {
    let rows = tx.query(
        concat!(
            "SELECT DISTINCT p.PROCESS FROM @BATCH_STEP_EXECUTION s
             JOIN @BATCH_PARTITION part ON part.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID
             JOIN @BATCH_WORKER w ON w.WORKER_ID = part.WORKER_ID
             JOIN @BATCH_PROCESS p ON p.PROCESS = w.PROCESS
             WHERE s.JOB_EXECUTION_ID = $1 AND s.STATUS IN ",
            running!(),
            " AND (p.LOST IS NOT NULL
                  OR greatest(p.RENEWED, pg_postmaster_start_time()) + p.LEASE < clock_timestamp())"
        ),
        &[&execution.0],
    )?;
    rows.iter().map(|row| get(row, 0)).collect()
}

/// Ends the execution and its running steps as FAILED, and fences its owner. The caller has locked the instance.
pub(super) fn take_over(shared: &Shared, tx: &Tx<'_>, running: &Running) -> Result<(), InnerError> {
    for process in running.process.iter().chain(&lost_workers(tx, running.id)?) {
        end_connections(shared, tx, process)?;
    }
    // Others lock these rows only for a short time.
    tx.session.send_batch(lock_waits::IMPATIENT)?;
    let epoch = int(next_epoch(tx, running.instance)?);
    let raised = tx.execute(
        concat!(
            "UPDATE @BATCH_JOB_OWNER owner
             SET EPOCH = $2, PROCESS = CASE WHEN $3 THEN NULL ELSE PROCESS END, RECOVERIES = ",
            recoveries!(),
            " WHERE JOB_EXECUTION_ID = $1"
        ),
        // A process that is not known to be dead stays named: it may still hold what the steps write.
        &[&running.id.0, &epoch, &(running.liveness == Liveness::Dead)],
    )?;
    if raised == 0 {
        tx.execute(
            "INSERT INTO @BATCH_JOB_OWNER (JOB_EXECUTION_ID, JOB_INSTANCE_ID, EPOCH, RECOVERIES, DURABILITY,
                                           OWNER, HOST, PID, START_TICKS, BOOT_ID)
             VALUES ($1, $2, $3, 1, $4, '', 'unknown', 0, 0, '')",
            &[&running.id.0, &running.instance.0, &epoch, &durability_text(Durability::Machine)],
        )?;
    }
    let lost = format!("{} was lost", owner::in_words(running.owner.as_ref()));
    fail_running_steps(tx, running.id, OWNER_LOST, &lost)?;
    tx.execute(
        concat!(
            "UPDATE @BATCH_JOB_EXECUTION
             SET VERSION = VERSION + 1, STATUS = 'FAILED', EXIT_CODE = $1, EXIT_MESSAGE = $2, END_TIME = ",
            now!(),
            ", LAST_UPDATED = ",
            now!(),
            " WHERE JOB_EXECUTION_ID = $3"
        ),
        &[&OWNER_LOST, &lost, &running.id.0],
    )?;
    tx.session.send_batch(lock_waits::PATIENT)?;
    guard(&shared.durabilities).remove(&running.id);
    Ok(())
}

/// Ends the unfinished steps of an execution that ends. This waits for a chunk that is being committed. After that,
/// the owner can commit nothing more.
pub(super) fn fail_running_steps(
    tx: &Tx<'_>,
    execution: ExecutionId,
    exit_code: &str,
    why: &str,
) -> Result<(), InnerError> {
    // Lock the rows before their sums are read, because a chunk may be committed in between.
    tx.query(
        concat!(
            "SELECT FROM @BATCH_STEP_EXECUTION WHERE JOB_EXECUTION_ID = $1 AND STATUS IN ",
            running!(),
            " ORDER BY STEP_EXECUTION_ID FOR UPDATE"
        ),
        &[&execution.0],
    )?;
    partitions::sum_up(tx, execution)?;
    tx.execute(
        concat!(
            "UPDATE @BATCH_STEP_EXECUTION
             SET VERSION = VERSION + 1, STATUS = 'FAILED', EXIT_CODE = $1, EXIT_MESSAGE = $2, END_TIME = ",
            now!(),
            ", LAST_UPDATED = ",
            now!(),
            " WHERE JOB_EXECUTION_ID = $3 AND STATUS IN ",
            running!()
        ),
        &[&exit_code, &why, &execution.0],
    )?;
    partitions::withdraw(tx, execution)
}

/// Takes over all executions whose owners are dead, each in a transaction of its own, which locks no more than it
/// needs.
pub(super) fn recover(shared: &Arc<Shared>) -> Result<Vec<ExecutionId>, InnerError> {
    let mut taken = Vec::new();
    for running in shared.read(|tx| all(shared, &tx.query(select!(""), &[])?))? {
        if taken.contains(&running.id) || !running.liveness.may_be_lost() {
            continue;
        }
        taken.extend(shared.transact(
            Durability::Machine,
            None,
            |tx| match locked(shared, tx, &running)? {
                Some(running) => take_over_if_dead(shared, tx, &running),
                // It has ended meanwhile, or somebody else has taken it over.
                None => Ok(Vec::new()),
            },
            |tx| {
                let is_running = running_execution(shared, tx, running.id)?.is_some();
                Ok((!is_running).then(|| vec![running.id]))
            },
        )?);
    }
    taken.sort_unstable();
    Ok(taken)
}

fn lock_instance_of(tx: &Tx<'_>, execution: ExecutionId) -> Result<(), InnerError> {
    let row = tx.query_opt(
        "SELECT JOB_INSTANCE_ID FROM @BATCH_JOB_EXECUTION WHERE JOB_EXECUTION_ID = $1",
        &[&execution.0],
    )?;
    let row = row.ok_or(RepositoryError::NoSuchExecution(execution))?;
    lock_instance(tx, InstanceId(get(&row, 0)?))
}

fn status_of(tx: &Tx<'_>, execution: ExecutionId) -> Result<BatchStatus, InnerError> {
    let row = tx.query_opt(
        "SELECT STATUS FROM @BATCH_JOB_EXECUTION WHERE JOB_EXECUTION_ID = $1 FOR UPDATE",
        &[&execution.0],
    )?;
    let row = row.ok_or(RepositoryError::NoSuchExecution(execution))?;
    rows::status(&row, 0)
}

pub(super) fn request_stop(shared: &Arc<Shared>, execution: ExecutionId) -> Result<(), InnerError> {
    shared.transact(
        Durability::Machine,
        None,
        |tx| {
            let status = status_of(tx, execution)?;
            if !status.is_running() {
                return Err(RepositoryError::NotRunning { execution, status }.into());
            }
            tx.send(
                concat!(
                    "UPDATE @BATCH_JOB_EXECUTION SET VERSION = VERSION + 1, STATUS = 'STOPPING', LAST_UPDATED = ",
                    now!(),
                    " WHERE JOB_EXECUTION_ID = $1 AND STATUS IN ('STARTING', 'STARTED')"
                ),
                &[&execution.0],
            )?;
            // A person has stopped it: the schedule does not start it again.
            schedule::hold(tx, execution)
        },
        |_| Ok(None),
    )
}

pub(super) fn abandon(shared: &Arc<Shared>, execution: ExecutionId) -> Result<(), InnerError> {
    shared.transact(
        Durability::Machine,
        None,
        |tx| {
            lock_instance_of(tx, execution)?;
            let status = status_of(tx, execution)?;
            if matches!(status, BatchStatus::Completed | BatchStatus::Abandoned) {
                let row = tx.query_one(
                    "SELECT i.JOB_NAME FROM @BATCH_JOB_EXECUTION e JOIN @BATCH_JOB_INSTANCE i USING (JOB_INSTANCE_ID)
                     WHERE e.JOB_EXECUTION_ID = $1",
                    &[&execution.0],
                )?;
                let job = get(&row, 0)?;
                return Err(RepositoryError::AlreadyComplete { job, execution, status, purged: false }.into());
            }
            if let Some(running) = running_execution(shared, tx, execution)?
                && take_over_if_dead(shared, tx, &running)?.is_empty()
            {
                return Err(already_running(&running).into());
            }
            tx.send(
                concat!(
                    "UPDATE @BATCH_JOB_EXECUTION
                     SET VERSION = VERSION + 1, STATUS = 'ABANDONED', END_TIME = COALESCE(END_TIME, ",
                    now!(),
                    "), LAST_UPDATED = ",
                    now!(),
                    " WHERE JOB_EXECUTION_ID = $1"
                ),
                &[&execution.0],
            )
        },
        |tx| Ok((status_of(tx, execution)? == BatchStatus::Abandoned).then_some(())),
    )
}
