//! Begins and ends executions. A launch inserts the execution in one transaction, and takes its lock just before the
//! commit.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::connections::{Shared, guard};
use super::error::{InnerError, unusable};
use super::lock::Lock;
use super::rows::{self, stamp};
use super::takeover::{self, Running};
use super::{journal, purge, schema, unfinished};
use crate::definition::{ExecutionId, InstanceId, Parameters};
use crate::repository::launch::{self, EndedExecutions, LastExecution};
use crate::repository::{
    BatchStatus, ContextMap, END_LOST, ExecutionFinish, LaunchRequest, Launched, Outlook, Owner, Ownership,
    Recovery, RepositoryError, SoFar, encode_context, job_key, owner,
};

pub(super) fn launch(shared: &Arc<Shared>, request: &LaunchRequest<'_>) -> Result<Launched, InnerError> {
    let connection = shared.lend(request.durability)?;
    let transaction = connection.begin()?;
    schema::migrate(&transaction, &shared.path)?;
    let key = job_key(request.parameters);
    let found = find_instance(&transaction, request.job, &key)?;
    if found.is_none()
        && let Some(complete) = purge::find(&transaction, request.job, &key)?
    {
        return Err(launch::purged(request.job, complete).into());
    }

    let mut recovered = None;
    if let Some(instance) = found {
        recovered = recover_instance(shared, &transaction, request, instance)?;
    }
    if request.exclusive {
        recover_others(shared, &transaction, request)?;
    }
    let last = match found {
        Some(instance) => {
            launch::check_restart(request, instance, ended_executions(&transaction, instance)?)?
        }
        None => None,
    };
    let mut journal = match found {
        Some(instance) => journal::of(&transaction, instance)?,
        None => Vec::new(),
    };
    let mut context = ContextMap::new();
    let mut taken_back = Vec::new();
    let mut owner_may_live = request.recovery == Recovery::Force;
    if let (Some(last), Some(instance)) = (&last, found) {
        let was = graph_of(&transaction, last.id)?;
        let unfinished = unfinished::of(&transaction, instance)?;
        let so_far = SoFar { journal: &journal, unfinished: &unfinished, graph: &was };
        let renamed = launch::renamed(request, last.id, &so_far)?;
        for renamed in &renamed {
            unfinished::rename(&transaction, instance, renamed)?;
        }
        if !renamed.is_empty() {
            journal = journal::of(&transaction, instance)?;
        }
        if request.again.is_some() {
            let unfinished = unfinished::of(&transaction, instance)?;
            taken_back = launch::taken_back(request, last.id, &journal, &unfinished)?;
        }
        context = rows::job_context(&transaction, last.id)?;
        owner_may_live |= takeover::a_lost_owner_lives(shared, &transaction, instance)?;
    }

    let instance = match found {
        Some(instance) => instance,
        None => insert_instance(&transaction, request.job, &key)?,
    };
    let recoveries = launch::inherited_recoveries(request, last.as_ref());
    let epoch = next_epoch(&transaction, instance)?;
    let execution = insert_execution(shared, &transaction, instance)?;
    insert_owner(&transaction, request, Ownership { instance, execution, epoch }, recoveries)?;
    for entry in taken_back {
        journal::append(&transaction, Ownership { instance, execution, epoch }, &entry)?;
        journal.push(entry);
    }
    insert_parameters(&transaction, execution, request.parameters)?;
    rows::put_job_context(&transaction, execution, &encode_context(&context))?;
    transaction
        .prepare_cached("INSERT INTO BATCH_JOB_GRAPH (JOB_EXECUTION_ID, GRAPH) VALUES (?1, ?2)")?
        .execute(params![execution.0, request.graph])?;

    shared.locks.sweep(|id| takeover::is_running(&transaction, id).unwrap_or(true));
    // Other processes look at the lock as soon as the execution is committed, so it is taken before the commit. If the
    // commit fails, the lock is released right after the rollback.
    let lock = shared
        .locks
        .acquire(Lock::Execution(execution))
        .map_err(|error| {
            unusable(shared.locks.path(), format!("the lock of the execution cannot be taken: {error}"))
        })?
        .ok_or_else(|| {
            unusable(
                shared.locks.path(),
                format!(
                    "a process still holds the lock of execution {execution}, from a repository file that has since been replaced at this path: end that process"
                ),
            )
        })?;
    transaction.commit()?;
    guard(&shared.durabilities).insert(execution, request.durability);

    Ok(Launched {
        ownership: Ownership { instance, execution, epoch },
        restarted_from: last.map(|last| last.id),
        recovered,
        owner_may_live,
        journal,
        context,
        lock,
    })
}

/// Returns what [`launch`] would do, by the same checks, without a write.
pub(super) fn outlook(shared: &Arc<Shared>, request: &LaunchRequest<'_>) -> Result<Outlook, InnerError> {
    let connection = shared.lend(request.durability)?;
    let transaction = connection.unchecked_transaction()?;
    let key = job_key(request.parameters);
    let found = find_instance(&transaction, request.job, &key)?;
    if found.is_none()
        && let Some(complete) = purge::find(&transaction, request.job, &key)?
    {
        return Err(launch::purged(request.job, complete).into());
    }
    let mut dead = None;
    if let Some(instance) = found
        && let Some(running) = takeover::running_of_instance(&transaction, instance)?
    {
        dead = Some(would_recover(shared, request, &running)?);
    }
    if request.exclusive {
        for running in takeover::running_of_job(&transaction, request.job)? {
            would_recover(shared, request, &running)?;
        }
    }
    let Some(instance) = found else { return Ok(launch::outlook(dead, None)) };
    let mut ended = ended_executions(&transaction, instance)?;
    if let Some(dead) = dead {
        ended = ended.lost(dead, takeover::recoveries_after(&transaction, dead)?);
    }
    let last = launch::check_restart(request, instance, ended)?;
    if let Some(last) = &last {
        let (journal, unfinished) =
            (journal::of(&transaction, instance)?, unfinished::of(&transaction, instance)?);
        let was = graph_of(&transaction, last.id)?;
        launch::renamed(
            request,
            last.id,
            &SoFar { journal: &journal, unfinished: &unfinished, graph: &was },
        )?;
    }
    Ok(launch::outlook(dead, last.as_ref()))
}

/// Returns the running execution if the launch would take over from it.
fn would_recover(
    shared: &Arc<Shared>,
    request: &LaunchRequest<'_>,
    running: &Running,
) -> Result<ExecutionId, InnerError> {
    let dead = match request.recovery {
        Recovery::Strict => false,
        Recovery::Detect => takeover::seems_dead(shared, running)?,
        Recovery::Force => true,
    };
    if dead { Ok(running.id) } else { Err(takeover::already_running(running).into()) }
}

/// Takes over the running execution of the instance, or refuses the launch because of it.
fn recover_instance(
    shared: &Arc<Shared>,
    connection: &Connection,
    request: &LaunchRequest<'_>,
    instance: InstanceId,
) -> Result<Option<Owner>, InnerError> {
    let Some(running) = takeover::running_of_instance(connection, instance)? else { return Ok(None) };
    recover_one(shared, connection, request, running)
}

/// Takes over the running executions of the other instances of an exclusive job, or refuses the launch because of them.
fn recover_others(
    shared: &Arc<Shared>,
    connection: &Connection,
    request: &LaunchRequest<'_>,
) -> Result<(), InnerError> {
    for running in takeover::running_of_job(connection, request.job)? {
        recover_one(shared, connection, request, running)?;
    }
    Ok(())
}

fn recover_one(
    shared: &Arc<Shared>,
    connection: &Connection,
    request: &LaunchRequest<'_>,
    running: Running,
) -> Result<Option<Owner>, InnerError> {
    let dead = match request.recovery {
        Recovery::Strict => false,
        Recovery::Detect => takeover::owner_is_dead(shared, &running)?,
        Recovery::Force => true,
    };
    if !dead {
        return Err(takeover::already_running(&running).into());
    }
    takeover::take_over(shared, connection, &running)?;
    Ok(running.owner)
}

/// The ended executions of the instance.
fn ended_executions(connection: &Connection, instance: InstanceId) -> Result<EndedExecutions, InnerError> {
    let last_with = |status: &str| {
        connection
            .prepare_cached(&format!(
                "SELECT JOB_EXECUTION_ID, STATUS FROM BATCH_JOB_EXECUTION
                 WHERE JOB_INSTANCE_ID = ?1 AND STATUS IN ({status}) ORDER BY JOB_EXECUTION_ID DESC LIMIT 1"
            ))?
            .query_row([instance.0], |row| Ok((ExecutionId(row.get(0)?), rows::status(row, 1)?)))
            .optional()
    };
    let last = connection
        .prepare_cached(
            "SELECT e.JOB_EXECUTION_ID, e.STATUS, e.EXIT_CODE, COALESCE(o.RECOVERIES, 0)
             FROM BATCH_JOB_EXECUTION e LEFT JOIN BATCH_JOB_OWNER o ON o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
             WHERE e.JOB_INSTANCE_ID = ?1 ORDER BY e.JOB_EXECUTION_ID DESC LIMIT 1",
        )?
        .query_row([instance.0], |row| {
            Ok(LastExecution {
                id: ExecutionId(row.get(0)?),
                status: rows::status(row, 1)?,
                exit_code: row.get(2)?,
                recoveries: row.get(3)?,
            })
        })
        .optional()?;
    Ok(EndedExecutions {
        unknown: last_with("'UNKNOWN'")?.map(|(execution, _)| execution),
        complete: last_with("'COMPLETED', 'ABANDONED'")?,
        last,
    })
}

fn find_instance(connection: &Connection, job: &str, key: &str) -> rusqlite::Result<Option<InstanceId>> {
    connection
        .prepare_cached(
            "SELECT JOB_INSTANCE_ID FROM BATCH_JOB_INSTANCE WHERE JOB_NAME = ?1 AND JOB_KEY = ?2",
        )?
        .query_row([job, key], |row| row.get(0).map(InstanceId))
        .optional()
}

fn insert_instance(connection: &Connection, job: &str, key: &str) -> rusqlite::Result<InstanceId> {
    let id = rows::next_id(connection, "BATCH_JOB_INSTANCE_SEQ")?;
    connection
        .prepare_cached(
            "INSERT INTO BATCH_JOB_INSTANCE (JOB_INSTANCE_ID, VERSION, JOB_NAME, JOB_KEY) VALUES (?1, 0, ?2, ?3)",
        )?
        .execute(params![id, job, key])?;
    Ok(InstanceId(id))
}

/// The epoch of the next launch or takeover in the instance.
pub(super) fn next_epoch(connection: &Connection, instance: InstanceId) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT COALESCE(MAX(EPOCH), 0) + 1 FROM BATCH_JOB_OWNER WHERE JOB_INSTANCE_ID = ?1")?
        .query_row([instance.0], |row| rows::count(row, 0))
}

fn insert_execution(
    shared: &Shared,
    connection: &Connection,
    instance: InstanceId,
) -> rusqlite::Result<ExecutionId> {
    let id = rows::next_id(connection, "BATCH_JOB_EXECUTION_SEQ")?;
    connection
        .prepare_cached(
            "INSERT INTO BATCH_JOB_EXECUTION (JOB_EXECUTION_ID, VERSION, JOB_INSTANCE_ID, CREATE_TIME, START_TIME,
                                              STATUS, EXIT_CODE, EXIT_MESSAGE, LAST_UPDATED)
             VALUES (?1, 0, ?2, ?3, ?3, 'STARTED', 'EXECUTING', '', ?3)",
        )?
        .execute(params![id, instance.0, stamp(shared.now())])?;
    Ok(ExecutionId(id))
}

fn insert_owner(
    connection: &Connection,
    request: &LaunchRequest<'_>,
    ownership: Ownership,
    recoveries: u32,
) -> rusqlite::Result<()> {
    let owner = owner::this_process();
    connection
        .prepare_cached(
            "INSERT INTO BATCH_JOB_OWNER (JOB_EXECUTION_ID, JOB_INSTANCE_ID, EPOCH, RECOVERIES, DURABILITY,
                                          OWNER, HOST, PID, START_TICKS, BOOT_ID)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            ownership.execution.0,
            ownership.instance.0,
            rows::int(ownership.epoch),
            recoveries,
            rows::durability_text(request.durability),
            owner.uuid,
            owner.host,
            owner.pid,
            rows::int(owner.start_ticks),
            owner.boot_id,
        ])
        .map(|_| ())
}

fn insert_parameters(
    connection: &Connection,
    execution: ExecutionId,
    parameters: &Parameters,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO BATCH_JOB_EXECUTION_PARAMS (JOB_EXECUTION_ID, PARAMETER_NAME, PARAMETER_TYPE, PARAMETER_VALUE,
                                                 IDENTIFYING)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (name, parameter) in parameters.iter().filter(|(_, parameter)| !parameter.secret) {
        insert.execute(params![
            execution.0,
            name,
            parameter.value.java_class(),
            parameter.value.stored_text(),
            if parameter.identifying { "Y" } else { "N" },
        ])?;
    }
    Ok(())
}

fn graph_of(connection: &Connection, execution: ExecutionId) -> rusqlite::Result<String> {
    connection
        .prepare_cached("SELECT GRAPH FROM BATCH_JOB_GRAPH WHERE JOB_EXECUTION_ID = ?1")?
        .query_row([execution.0], |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}

pub(super) fn finish(
    shared: &Arc<Shared>,
    owner: Ownership,
    finish: &ExecutionFinish,
) -> Result<(), InnerError> {
    let connection = shared.lend_to(owner.execution)?;
    let transaction = connection.begin()?;
    let now = stamp(shared.now());
    let changed = transaction
        .prepare_cached(
            "UPDATE BATCH_JOB_EXECUTION
             SET VERSION = VERSION + 1, STATUS = ?1, EXIT_CODE = ?2, EXIT_MESSAGE = ?3, END_TIME = ?4, LAST_UPDATED = ?4
             WHERE JOB_EXECUTION_ID = ?5
               AND EXISTS (SELECT 1 FROM BATCH_JOB_OWNER WHERE JOB_EXECUTION_ID = ?5 AND EPOCH = ?6)",
        )?
        .execute(params![
            finish.status.as_str(),
            rows::cut(&finish.exit.code),
            rows::cut(&finish.exit.description),
            now,
            owner.execution.0,
            rows::int(owner.epoch),
        ])?;
    if changed == 0 {
        return Err(RepositoryError::Fenced { execution: owner.execution }.into());
    }
    if let Some(context) = &finish.context {
        rows::change_job_context(&transaction, owner.execution, &encode_context(context))?;
    }
    // A step may still count as running, because the database refused to record its end but accepts this write.
    let why = rows::cut(&finish.exit.description);
    takeover::fail_running_steps(&transaction, owner.execution, END_LOST, why, &now)?;
    transaction.commit()?;
    if !BatchStatus::is_running(finish.status) {
        guard(&shared.durabilities).remove(&owner.execution);
    }
    Ok(())
}
