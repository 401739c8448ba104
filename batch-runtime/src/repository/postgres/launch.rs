//! Launches an execution in one transaction, and ends it.

use std::sync::Arc;

use super::error::InnerError;
use super::process::{Hold, Run};
use super::rows::{self, durability_text, get, int, now};
use super::shared::{Shared, Tx, Value, guard};
use super::takeover::{self, Running};
use super::{journal, purge, unfinished};
use crate::definition::{ExecutionId, InstanceId, Parameters};
use crate::repository::launch::{self, EndedExecutions, LastExecution};
use crate::repository::{
    BatchStatus, ContextMap, END_LOST, ExecutionFinish, JournalEntry, LaunchRequest, Launched, Outlook,
    Owner, Ownership, Recovery, RepositoryError, SoFar, encode_context, job_key, owner,
};

/// The rows that a launch has written.
struct Written {
    ownership: Ownership,
    restarted_from: Option<ExecutionId>,
    recovered: Option<Owner>,
    owner_may_live: bool,
    journal: Vec<JournalEntry>,
    context: ContextMap,
}

pub(super) fn launch(shared: &Arc<Shared>, request: &LaunchRequest<'_>) -> Result<Launched, InnerError> {
    let owner = owner::this_process();
    let written = shared.transact(
        request.durability,
        None,
        |tx| write(shared, tx, request, &owner),
        |tx| written(shared, tx, request, &owner),
    )?;
    guard(&shared.durabilities).insert(written.ownership.execution, request.durability);
    let lock = Box::new(Hold { shared: Arc::downgrade(shared), execution: written.ownership.execution });
    shared.process.keep()?;
    let Written { ownership, restarted_from, recovered, owner_may_live, journal, context } = written;
    Ok(Launched { ownership, restarted_from, recovered, owner_may_live, journal, context, lock })
}

fn write(
    shared: &Shared,
    tx: &Tx<'_>,
    request: &LaunchRequest<'_>,
    owner: &Owner,
) -> Result<Written, InnerError> {
    if request.exclusive {
        tx.query("SELECT pg_advisory_xact_lock(hashtextextended('batch ' || $1, 0))", &[&request.job])?;
    }
    let key = job_key(request.parameters);
    let (instance, is_new) = lock_instance(tx, request.job, &key)?;
    // Looked up after the row is locked, because a purge may just have deleted the instance.
    if is_new && let Some(complete) = purge::find(tx, request.job, &key)? {
        return Err(launch::purged(request.job, complete).into());
    }
    let mut recovered = None;
    if !is_new {
        recovered = recover_instance(shared, tx, request, instance)?;
    }
    if request.exclusive {
        for running in takeover::running_of_job(shared, tx, request.job)? {
            if let Some(running) = takeover::locked(shared, tx, &running)? {
                recover_one(shared, tx, request, running)?;
            }
        }
    }
    let last = if is_new {
        None
    } else {
        launch::check_restart(request, instance, ended_executions(tx, instance)?)?
    };
    let mut journal = if is_new { Vec::new() } else { journal::of(tx, instance)? };
    let mut context = ContextMap::new();
    let mut taken_back = Vec::new();
    let mut owner_may_live = request.recovery == Recovery::Force;
    if let Some(last) = &last {
        let was = graph_of(tx, last.id)?;
        let unfinished = unfinished::of(tx, instance)?;
        let so_far = SoFar { journal: &journal, unfinished: &unfinished, graph: &was };
        let renamed = launch::renamed(request, last.id, &so_far)?;
        for renamed in &renamed {
            unfinished::rename(tx, instance, renamed)?;
        }
        if !renamed.is_empty() {
            journal = journal::of(tx, instance)?;
        }
        if request.again.is_some() {
            let unfinished = unfinished::of(tx, instance)?;
            taken_back = launch::taken_back(request, last.id, &journal, &unfinished)?;
        }
        context = rows::job_context(tx, last.id)?;
        owner_may_live |= takeover::a_lost_owner_may_live(shared, tx, instance)?;
    }
    shared.process.register(tx)?;
    let epoch = next_epoch(tx, instance)?;
    let execution = ExecutionId(rows::next_id(tx, "SELECT nextval('@BATCH_JOB_EXECUTION_SEQ')")?);
    tx.send(
        concat!(
            "INSERT INTO @BATCH_JOB_EXECUTION (JOB_EXECUTION_ID, VERSION, JOB_INSTANCE_ID, CREATE_TIME, START_TIME,
                                               STATUS, EXIT_CODE, EXIT_MESSAGE, LAST_UPDATED)
             SELECT $1, 0, $2, now, now, 'STARTED', 'EXECUTING', '', now FROM (SELECT ",
            now!(),
            " AS now) AS clock"
        ),
        &[&execution.0, &instance.0],
    )?;
    let ownership = Ownership { instance, execution, epoch };
    insert_owner(
        shared,
        tx,
        request,
        ownership,
        owner,
        launch::inherited_recoveries(request, last.as_ref()),
    )?;
    for entry in taken_back {
        journal::append(tx, ownership, &entry)?;
        journal.push(entry);
    }
    insert_parameters(tx, execution, request.parameters)?;
    rows::put_job_context(tx, execution, &encode_context(&context))?;
    tx.send(
        "INSERT INTO @BATCH_JOB_GRAPH (JOB_EXECUTION_ID, GRAPH) VALUES ($1, $2)",
        &[&execution.0, &request.graph],
    )?;
    let restarted_from = last.map(|last| last.id);
    Ok(Written { ownership, restarted_from, recovered, owner_may_live, journal, context })
}

/// Returns what [`launch`] would do, by the same checks, without a write or a lock.
pub(super) fn outlook(shared: &Arc<Shared>, request: &LaunchRequest<'_>) -> Result<Outlook, InnerError> {
    let key = job_key(request.parameters);
    shared.read(|tx| {
        let row = tx.query_opt(
            "SELECT JOB_INSTANCE_ID FROM @BATCH_JOB_INSTANCE WHERE JOB_NAME = $1 AND JOB_KEY = $2",
            &[&request.job, &key],
        )?;
        let found = row.map(|row| get(&row, 0).map(InstanceId)).transpose()?;
        if found.is_none()
            && let Some(complete) = purge::find(tx, request.job, &key)?
        {
            return Err(launch::purged(request.job, complete).into());
        }
        let mut dead = None;
        if let Some(instance) = found
            && let Some(running) = takeover::running_of_instance(shared, tx, instance)?
        {
            dead = Some(would_recover(request, &running)?);
        }
        if request.exclusive {
            for running in takeover::running_of_job(shared, tx, request.job)? {
                would_recover(request, &running)?;
            }
        }
        let Some(instance) = found else { return Ok(launch::outlook(dead, None)) };
        let mut ended = ended_executions(tx, instance)?;
        if let Some(dead) = dead {
            ended = ended.lost(dead, takeover::recoveries_after(tx, dead)?);
        }
        let last = launch::check_restart(request, instance, ended)?;
        if let Some(last) = &last {
            let (journal, unfinished) = (journal::of(tx, instance)?, unfinished::of(tx, instance)?);
            let was = graph_of(tx, last.id)?;
            let so_far = SoFar { journal: &journal, unfinished: &unfinished, graph: &was };
            launch::renamed(request, last.id, &so_far)?;
        }
        Ok(launch::outlook(dead, last.as_ref()))
    })
}

/// Returns the running execution if the launch would take over from it.
fn would_recover(request: &LaunchRequest<'_>, running: &Running) -> Result<ExecutionId, InnerError> {
    let dead = match request.recovery {
        Recovery::Strict => false,
        Recovery::Detect => takeover::seems_dead(running),
        Recovery::Force => true,
    };
    if dead { Ok(running.id) } else { Err(takeover::already_running(running).into()) }
}

/// The launch of this owner, if it was committed although its answer was lost.
fn written(
    shared: &Shared,
    tx: &Tx<'_>,
    request: &LaunchRequest<'_>,
    owner: &Owner,
) -> Result<Option<Written>, InnerError> {
    let row = tx.query_opt(
        "SELECT JOB_EXECUTION_ID, JOB_INSTANCE_ID, EPOCH FROM @BATCH_JOB_OWNER WHERE OWNER = $1",
        &[&owner.uuid],
    )?;
    let Some(row) = row else { return Ok(None) };
    let (execution, instance) = (ExecutionId(get(&row, 0)?), InstanceId(get(&row, 1)?));
    let ownership = Ownership { instance, execution, epoch: rows::count(&row, 2)? };
    let last = tx.query_opt(
        "SELECT MAX(JOB_EXECUTION_ID) FROM @BATCH_JOB_EXECUTION WHERE JOB_INSTANCE_ID = $1 AND JOB_EXECUTION_ID < $2",
        &[&instance.0, &execution.0],
    )?;
    let last = last.map(|row| get::<Option<i64>>(&row, 0)).transpose()?.flatten();
    let may_live = takeover::a_lost_owner_may_live(shared, tx, instance)?;
    Ok(Some(Written {
        ownership,
        restarted_from: last.map(ExecutionId),
        recovered: None,
        owner_may_live: request.recovery == Recovery::Force || may_live,
        journal: journal::of(tx, instance)?,
        context: rows::job_context(tx, execution)?,
    }))
}

/// Finds or creates the instance, and locks its row until the end of the transaction. Returns whether it is new.
fn lock_instance(tx: &Tx<'_>, job: &str, key: &str) -> Result<(InstanceId, bool), InnerError> {
    let find = || -> Result<Option<InstanceId>, InnerError> {
        let row = tx.query_opt(
            "SELECT JOB_INSTANCE_ID FROM @BATCH_JOB_INSTANCE WHERE JOB_NAME = $1 AND JOB_KEY = $2 FOR UPDATE",
            &[&job, &key],
        )?;
        row.map(|row| Ok(InstanceId(get(&row, 0)?))).transpose()
    };
    loop {
        if let Some(instance) = find()? {
            return Ok((instance, false));
        }
        let inserted = tx.query_opt(
            "INSERT INTO @BATCH_JOB_INSTANCE (JOB_INSTANCE_ID, VERSION, JOB_NAME, JOB_KEY)
             VALUES (nextval('@BATCH_JOB_INSTANCE_SEQ'), 0, $1, $2)
             ON CONFLICT (JOB_NAME, JOB_KEY) DO NOTHING RETURNING JOB_INSTANCE_ID",
            &[&job, &key],
        )?;
        if let Some(row) = inserted {
            return Ok((InstanceId(get(&row, 0)?), true));
        }
        // Another launch has inserted it meanwhile.
    }
}

/// Takes over the running execution of the instance, or refuses the launch because of it.
fn recover_instance(
    shared: &Shared,
    tx: &Tx<'_>,
    request: &LaunchRequest<'_>,
    instance: InstanceId,
) -> Result<Option<Owner>, InnerError> {
    match takeover::running_of_instance(shared, tx, instance)? {
        Some(running) => recover_one(shared, tx, request, running),
        None => Ok(None),
    }
}

fn recover_one(
    shared: &Shared,
    tx: &Tx<'_>,
    request: &LaunchRequest<'_>,
    running: Running,
) -> Result<Option<Owner>, InnerError> {
    let taken = match request.recovery {
        Recovery::Strict => false,
        Recovery::Detect => !takeover::take_over_if_dead(shared, tx, &running)?.is_empty(),
        Recovery::Force => {
            takeover::take_over(shared, tx, &running)?;
            true
        }
    };
    if !taken {
        return Err(takeover::already_running(&running).into());
    }
    Ok(running.owner)
}

fn ended_executions(tx: &Tx<'_>, instance: InstanceId) -> Result<EndedExecutions, InnerError> {
    let unknown = tx.query_opt(
        "SELECT JOB_EXECUTION_ID FROM @BATCH_JOB_EXECUTION
         WHERE JOB_INSTANCE_ID = $1 AND STATUS = 'UNKNOWN' ORDER BY JOB_EXECUTION_ID DESC LIMIT 1",
        &[&instance.0],
    )?;
    let complete = tx.query_opt(
        "SELECT JOB_EXECUTION_ID, STATUS FROM @BATCH_JOB_EXECUTION
         WHERE JOB_INSTANCE_ID = $1 AND STATUS IN ('COMPLETED', 'ABANDONED') ORDER BY JOB_EXECUTION_ID DESC LIMIT 1",
        &[&instance.0],
    )?;
    let last = tx.query_opt(
        "SELECT e.JOB_EXECUTION_ID, e.STATUS, e.EXIT_CODE, COALESCE(o.RECOVERIES, 0)
         FROM @BATCH_JOB_EXECUTION e LEFT JOIN @BATCH_JOB_OWNER o ON o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
         WHERE e.JOB_INSTANCE_ID = $1 ORDER BY e.JOB_EXECUTION_ID DESC LIMIT 1",
        &[&instance.0],
    )?;
    let last = last.map(|row| -> Result<_, InnerError> {
        Ok(LastExecution {
            id: ExecutionId(get(&row, 0)?),
            status: rows::status(&row, 1)?,
            exit_code: get(&row, 2)?,
            recoveries: u32::try_from(rows::count(&row, 3)?).unwrap_or(u32::MAX),
        })
    });
    let complete = complete
        .map(|row| -> Result<_, InnerError> { Ok((ExecutionId(get(&row, 0)?), rows::status(&row, 1)?)) });
    let unknown = unknown.map(|row| get(&row, 0).map(ExecutionId));
    Ok(EndedExecutions {
        unknown: unknown.transpose()?,
        complete: complete.transpose()?,
        last: last.transpose()?,
    })
}

/// The epoch of the next launch or takeover in the instance, whose row is locked.
pub(super) fn next_epoch(tx: &Tx<'_>, instance: InstanceId) -> Result<u64, InnerError> {
    let row = tx.query_one(
        "SELECT COALESCE(MAX(EPOCH), 0) + 1 FROM @BATCH_JOB_OWNER WHERE JOB_INSTANCE_ID = $1",
        &[&instance.0],
    )?;
    rows::count(&row, 0)
}

fn insert_owner(
    shared: &Shared,
    tx: &Tx<'_>,
    request: &LaunchRequest<'_>,
    ownership: Ownership,
    owner: &Owner,
    recoveries: u32,
) -> Result<(), InnerError> {
    tx.send(
        "INSERT INTO @BATCH_JOB_OWNER (JOB_EXECUTION_ID, JOB_INSTANCE_ID, EPOCH, RECOVERIES, DURABILITY,
                                       OWNER, HOST, PID, START_TICKS, BOOT_ID, PROCESS)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &[
            &ownership.execution.0,
            &ownership.instance.0,
            &int(ownership.epoch),
            &i64::from(recoveries),
            &durability_text(request.durability),
            &owner.uuid,
            &owner.host,
            &i64::from(owner.pid),
            &int(owner.start_ticks),
            &owner.boot_id,
            &shared.process.name,
        ],
    )
}

fn insert_parameters(tx: &Tx<'_>, execution: ExecutionId, parameters: &Parameters) -> Result<(), InnerError> {
    for (name, parameter) in parameters.iter().filter(|(_, parameter)| !parameter.secret) {
        let class = parameter.value.java_class();
        let (value, identifying) =
            (parameter.value.stored_text(), if parameter.identifying { "Y" } else { "N" });
        let values: [Value<'_>; 5] = [&execution.0, &name, &class, &value, &identifying];
        tx.send(
            "INSERT INTO @BATCH_JOB_EXECUTION_PARAMS (JOB_EXECUTION_ID, PARAMETER_NAME, PARAMETER_TYPE, PARAMETER_VALUE,
                                                      IDENTIFYING)
             VALUES ($1, $2, $3, $4, $5)",
            &values,
        )?;
    }
    Ok(())
}

fn graph_of(tx: &Tx<'_>, execution: ExecutionId) -> Result<String, InnerError> {
    let row =
        tx.query_opt("SELECT GRAPH FROM @BATCH_JOB_GRAPH WHERE JOB_EXECUTION_ID = $1", &[&execution.0])?;
    row.map_or_else(|| Ok(String::new()), |row| get(&row, 0))
}

pub(super) fn finish(
    shared: &Arc<Shared>,
    owner: Ownership,
    finish: &ExecutionFinish,
) -> Result<(), InnerError> {
    shared.transact(
        shared.durability_of(owner.execution),
        None,
        |tx| {
            super::steps::check_owner(tx, owner)?;
            let why = rows::text(&finish.exit.description);
            tx.send(
                concat!(
                    "UPDATE @BATCH_JOB_EXECUTION
                     SET VERSION = VERSION + 1, STATUS = $1, EXIT_CODE = $2, EXIT_MESSAGE = $3, END_TIME = ",
                    now!(),
                    ", LAST_UPDATED = ",
                    now!(),
                    " WHERE JOB_EXECUTION_ID = $4"
                ),
                &[&finish.status.as_str(), &rows::text(&finish.exit.code), &why, &owner.execution.0],
            )?;
            if let Some(context) = &finish.context {
                rows::change_job_context(tx, owner.execution, &encode_context(context))?;
            }
            // A step may still count as running, because the database refused to record its end but accepts this write.
            takeover::fail_running_steps(tx, owner.execution, END_LOST, &why)
        },
        |_| Ok(None),
    )?;
    if !BatchStatus::is_running(finish.status) {
        guard(&shared.durabilities).remove(&owner.execution);
        shared.process.ended(Run::Execution(owner.execution));
    }
    Ok(())
}

/// The refusal of a write by an owner whose execution was taken over.
pub(super) fn fenced(owner: Ownership) -> InnerError {
    RepositoryError::Fenced { execution: owner.execution }.into()
}
