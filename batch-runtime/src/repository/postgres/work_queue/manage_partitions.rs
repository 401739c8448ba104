//! The manager's side of the queue: offers partitions, and gives those of lost workers to others.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::definition::{ExecutionId, StepExecutionId};
use crate::postgres::Row;
use crate::repository::manage_partitions::{self, Group, Returned};
use crate::repository::postgres::error::InnerError;
use crate::repository::postgres::launch::fenced;
use crate::repository::postgres::partitions::insert_executions;
use crate::repository::postgres::process::{Liveness, declare_lost, end_connections, lease_columns};
use crate::repository::postgres::rows::{self, get, now, running, sums};
use crate::repository::postgres::shared::{Shared, Tx};
use crate::repository::postgres::steps::{check_owner, context_of};
use crate::repository::work_queue::{HANDED_BACK, Reconcile, Reconciled, WORKER_LOST, WorkerId};
use crate::repository::{Counters, Ownership, encode_context, partition_step_name};

/// A step with partitions, at one moment.
struct Snapshot {
    groups: Vec<Group>,
    /// The workers that hold partitions.
    holders: BTreeMap<WorkerId, Holder>,
    counters: Counters,
    stop_requested: bool,
}

/// A worker that holds partitions.
#[derive(Debug, Clone)]
struct Holder {
    process: String,
    /// It has ended, although its process may go on.
    has_ended: bool,
    liveness: Liveness,
}

impl Holder {
    /// Returns whether the worker may be lost. A manager does not declare its own process lost: others do, and then the
    /// manager stops as well.
    fn is_suspicious(&self, shared: &Shared) -> bool {
        let may_be_lost = self.process != shared.process.name && self.liveness.may_be_lost();
        self.has_ended || may_be_lost
    }

    /// Whether it certainly runs nothing more. Neither an expired lease nor a declaration that it is lost proves that.
    fn is_gone(&self) -> bool {
        self.has_ended || self.liveness == Liveness::Dead
    }
}

impl Snapshot {
    fn reconciled(&self, events: Vec<String>) -> Reconciled {
        manage_partitions::summed_up(&self.groups, self.counters, self.stop_requested, events)
    }
}

/// Reads the state of a step in one statement, because an idle manager does so once a second.
fn snapshot(shared: &Shared, tx: &Tx<'_>, owner: Ownership, step: &str) -> Result<Snapshot, InnerError> {
    let rows = tx.query(
        concat!(
            "SELECT total.*, g.STATUS, g.RETURNED, g.OFFERED, g.WORKER_ID, g.MANY, w.ENDED IS NOT NULL, w.PROCESS, ",
            lease_columns!(),
            " FROM (
                 SELECT s.STATUS, COALESCE(s.EXIT_CODE IN ($4, $5), FALSE) AS RETURNED,
                        part.OFFERED_FOR IS NOT NULL AS OFFERED, part.WORKER_ID, COUNT(*) AS MANY
                 FROM @BATCH_PARTITION part
                 JOIN @BATCH_STEP_EXECUTION s ON s.STEP_EXECUTION_ID = part.STEP_EXECUTION_ID
                 WHERE part.JOB_INSTANCE_ID = $1 AND part.STEP_NAME = $2
                   AND (s.JOB_EXECUTION_ID = $3 OR s.STATUS = 'COMPLETED')
                 GROUP BY 1, 2, 3, 4
              ) g
              LEFT JOIN @BATCH_WORKER w ON w.WORKER_ID = g.WORKER_ID AND g.STATUS IN ('STARTING', 'STARTED')
              LEFT JOIN @BATCH_PROCESS p ON p.PROCESS = w.PROCESS
              RIGHT JOIN (
                 SELECT ",
            sums!(),
            ", (SELECT e.STATUS = 'STOPPING' FROM @BATCH_JOB_EXECUTION e
                JOIN @BATCH_JOB_OWNER o ON o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
                WHERE e.JOB_EXECUTION_ID = $3 AND o.EPOCH = $6)
                 FROM @BATCH_STEP_EXECUTION s
                 WHERE s.JOB_EXECUTION_ID = $3 AND starts_with(s.STEP_NAME, $2 || ':partition')
              ) total ON TRUE"
        ),
        &[
            &owner.instance.0,
            &step,
            &owner.execution.0,
            &WORKER_LOST,
            &HANDED_BACK,
            &rows::int(owner.epoch),
        ],
    )?;
    let first = rows.first().ok_or_else(|| fenced(owner))?;
    // If no row has that epoch, the execution was taken over.
    let stop_requested = get::<Option<bool>>(first, 8)?.ok_or_else(|| fenced(owner))?;
    let counters = rows::counters_of(first, 0)?;
    let (mut groups, mut holders) = (Vec::new(), BTreeMap::new());
    for row in &rows {
        if get::<Option<&str>>(row, 9)?.is_none() {
            continue;
        }
        let worker = get::<Option<i64>>(row, 12)?.map(WorkerId);
        groups.push(Group {
            status: rows::status(row, 9)?,
            returned: get(row, 10)?,
            offered: get(row, 11)?,
            worker,
            partitions: rows::count(row, 13)?,
        });
        if let Some(worker) = worker
            && let Some(holder) = holder(shared, row)?
        {
            holders.insert(worker, holder);
        }
    }
    Ok(Snapshot { groups, holders, counters, stop_requested })
}

fn holder(shared: &Shared, row: &Row) -> Result<Option<Holder>, InnerError> {
    let Some(process) = get::<Option<String>>(row, 15)? else { return Ok(None) };
    let Some(liveness) = shared.process.seen(&process, row, 16)? else { return Ok(None) };
    Ok(Some(Holder { process, has_ended: get(row, 14)?, liveness }))
}

pub(super) fn reconcile(
    shared: &Arc<Shared>,
    owner: Ownership,
    step: &str,
    reconcile: &Reconcile<'_>,
) -> Result<Reconciled, InnerError> {
    let seen = shared.ask(|tx| snapshot(shared, tx, owner, step))?;
    // In the order of their numbers, so that two managers that lose the same workers do not deadlock.
    let suspects: Vec<(WorkerId, Holder)> = seen
        .holders
        .iter()
        .filter(|(_, holder)| holder.is_suspicious(shared))
        .map(|(worker, holder)| (*worker, holder.clone()))
        .collect();
    if !manage_partitions::is_due(&seen.groups, !suspects.is_empty(), reconcile) {
        return Ok(seen.reconciled(Vec::new()));
    }
    // Kept across attempts: after a commit whose answer was lost, the next attempt finds no events.
    let events = RefCell::new(Vec::new());
    let found = RefCell::new(Vec::new());
    let after = shared.transact(
        shared.durability_of(owner.execution),
        None,
        |tx| {
            // This comes first, because a worker that is paused in a transaction may hold what is locked next.
            let lost = declare(shared, tx, &suspects)?;
            check_owner(tx, owner)?;
            found.replace(lost.iter().map(|(worker, _)| **worker).collect());
            for (worker, holder) in lost {
                lose(tx, owner, step, *worker, holder)?;
            }
            if reconcile.ends {
                withdraw(tx, owner, step)?;
                return snapshot(shared, tx, owner, step);
            }
            renew(tx, owner, step, &mut events.borrow_mut())?;
            let renewed = snapshot(shared, tx, owner, step)?;
            // Renewed partitions may have failed for good.
            if renewed.groups.iter().any(Group::has_failed) {
                withdraw(tx, owner, step)?;
            } else {
                offer(tx, owner, step, reconcile, &renewed.groups)?;
            }
            snapshot(shared, tx, owner, step)
        },
        // If the outcome of a commit is unknown, the transaction simply runs again: a worker that was declared lost
        // stays lost, and no partition is offered twice.
        |_| Ok(None),
    )?;
    Ok(Reconciled { lost: found.into_inner(), ..after.reconciled(events.into_inner()) })
}

/// Declares workers lost if they still seem so, and ends their connections.
fn declare<'s>(
    shared: &Shared,
    tx: &Tx<'_>,
    suspects: &'s [(WorkerId, Holder)],
) -> Result<Vec<(&'s WorkerId, &'s Holder)>, InnerError> {
    let mut lost = Vec::new();
    for (worker, holder) in suspects {
        if !holder.has_ended {
            if !declare_lost(shared, tx, &holder.process, holder.is_gone())? {
                continue;
            }
            end_connections(shared, tx, &holder.process)?;
        }
        lost.push((worker, holder));
    }
    Ok(lost)
}

/// Ends the partitions that a lost worker holds. This waits for a chunk that is being committed. After that, the worker
/// can commit nothing more of them.
fn lose(
    tx: &Tx<'_>,
    owner: Ownership,
    step: &str,
    worker: WorkerId,
    holder: &Holder,
) -> Result<(), InnerError> {
    let process =
        tx.query_one("SELECT PID, HOST FROM @BATCH_PROCESS WHERE PROCESS = $1", &[&holder.process])?;
    let (pid, host): (i64, String) = (get(&process, 0)?, get(&process, 1)?);
    let why = format!("worker {worker} (process {pid} on host {host}) was lost");
    tx.execute(
        concat!(
            "WITH lost AS (
                 UPDATE @BATCH_STEP_EXECUTION
                 SET VERSION = VERSION + 1, STATUS = 'FAILED', EXIT_CODE = $1, EXIT_MESSAGE = $2, END_TIME = ",
            now!(),
            ", LAST_UPDATED = ",
            now!(),
            "    WHERE JOB_EXECUTION_ID = $3 AND STATUS IN ",
            running!(),
            "      AND STEP_EXECUTION_ID IN (
                       SELECT STEP_EXECUTION_ID FROM @BATCH_PARTITION
                       WHERE JOB_INSTANCE_ID = $4 AND STEP_NAME = $5 AND WORKER_ID = $6)
                 RETURNING STEP_EXECUTION_ID)
             UPDATE @BATCH_PARTITION SET TAKE_OVER = TAKE_OVER OR $7
             WHERE STEP_EXECUTION_ID IN (SELECT STEP_EXECUTION_ID FROM lost)"
        ),
        &[
            &WORKER_LOST,
            &rows::text(&why),
            &owner.execution.0,
            &owner.instance.0,
            &step,
            &worker.0,
            &!holder.is_gone(),
        ],
    )?;
    Ok(())
}

/// Creates a new step execution for each returned partition, with the partition's last context, or fails the partition.
fn renew(tx: &Tx<'_>, owner: Ownership, step: &str, events: &mut Vec<String>) -> Result<(), InnerError> {
    let rows = tx.query(
        "SELECT part.PARTITION, s.STEP_EXECUTION_ID, s.EXIT_CODE = $4, COALESCE(s.EXIT_MESSAGE, ''), s.COMMIT_COUNT,
                part.LOSSES
         FROM @BATCH_PARTITION part JOIN @BATCH_STEP_EXECUTION s ON s.STEP_EXECUTION_ID = part.STEP_EXECUTION_ID
         WHERE part.JOB_INSTANCE_ID = $1 AND part.STEP_NAME = $2 AND s.JOB_EXECUTION_ID = $3 AND s.EXIT_CODE IN ($4, $5)
         ORDER BY part.PARTITION",
        &[&owner.instance.0, &step, &owner.execution.0, &WORKER_LOST, &HANDED_BACK],
    )?;
    let mut named = Vec::new();
    let (mut numbers, mut losses) = (Vec::new(), Vec::new());
    for row in &rows {
        let returned = returned(row, step)?;
        if let Some(why) = returned.failure() {
            tx.send(
                "UPDATE @BATCH_STEP_EXECUTION SET VERSION = VERSION + 1, EXIT_CODE = 'FAILED', EXIT_MESSAGE = $1
                 WHERE STEP_EXECUTION_ID = $2",
                &[&rows::text(&why), &returned.id.0],
            )?;
            continue;
        }
        let message = returned.message();
        if !events.contains(&message) {
            events.push(message);
        }
        let context = encode_context(&context_of(tx, returned.id)?);
        numbers.push(i64::from(returned.number));
        losses.push(i64::from(returned.losses()));
        named.push((returned.name, context));
    }
    if named.is_empty() {
        return Ok(());
    }
    let named: Vec<(String, &str)> = named.iter().map(|(name, context)| (name.clone(), &**context)).collect();
    let ids = insert_executions(tx, owner, &named)?;
    tx.send(
        "UPDATE @BATCH_PARTITION p
         SET STEP_EXECUTION_ID = new.id, OFFERED_FOR = NULL, WORKER_ID = NULL, LOSSES = new.losses
         FROM unnest($3::bigint[], $4::bigint[], $5::bigint[]) AS new (number, id, losses)
         WHERE p.JOB_INSTANCE_ID = $1 AND p.STEP_NAME = $2 AND p.PARTITION = new.number",
        &[&owner.instance.0, &step, &numbers, &ids, &losses],
    )
}

fn returned(row: &Row, step: &str) -> Result<Returned, InnerError> {
    let number = u32::try_from(get::<i64>(row, 0)?).unwrap_or(u32::MAX);
    Ok(Returned {
        number,
        name: partition_step_name(step, number),
        id: StepExecutionId(get(row, 1)?),
        lost: get(row, 2)?,
        why: get(row, 3)?,
        commits: rows::count(row, 4)?,
        losses_before: u32::try_from(rows::count(row, 5)?).unwrap_or(u32::MAX),
    })
}

/// Offers the partitions that nobody runs, in their order, as far as there is room.
fn offer(
    tx: &Tx<'_>,
    owner: Ownership,
    step: &str,
    reconcile: &Reconcile<'_>,
    groups: &[Group],
) -> Result<(), InnerError> {
    let room = manage_partitions::room(groups, reconcile).map(rows::int);
    let free = tx.query(
        "SELECT part.PARTITION FROM @BATCH_PARTITION part
         JOIN @BATCH_STEP_EXECUTION s ON s.STEP_EXECUTION_ID = part.STEP_EXECUTION_ID
         WHERE part.JOB_INSTANCE_ID = $1 AND part.STEP_NAME = $2 AND s.JOB_EXECUTION_ID = $3
           AND s.STATUS = 'STARTING' AND part.OFFERED_FOR IS NULL AND part.WORKER_ID IS NULL
         ORDER BY part.PARTITION LIMIT $4",
        &[&owner.instance.0, &step, &owner.execution.0, &room],
    )?;
    let free: Vec<i64> = free.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
    // The numbers are listed, because a server without statistics of the tables would run a subquery for each
    // partition.
    tx.send(
        "UPDATE @BATCH_PARTITION SET OFFERED_FOR = $1, TAKE_OVER = TAKE_OVER OR $5
         WHERE JOB_INSTANCE_ID = $2 AND STEP_NAME = $3 AND PARTITION = ANY ($4)",
        &[&reconcile.queue, &owner.instance.0, &step, &free, &reconcile.contested],
    )
}

fn withdraw(tx: &Tx<'_>, owner: Ownership, step: &str) -> Result<(), InnerError> {
    tx.send(
        "UPDATE @BATCH_PARTITION SET OFFERED_FOR = NULL
         WHERE JOB_INSTANCE_ID = $1 AND STEP_NAME = $2 AND OFFERED_FOR IS NOT NULL",
        &[&owner.instance.0, &step],
    )
}

/// The committed work of the partitions in this execution, including that of lost workers.
pub(in crate::repository::postgres) fn counters(
    tx: &Tx<'_>,
    execution: ExecutionId,
    step: &str,
) -> Result<Counters, InnerError> {
    let row = tx.query_one(
        concat!(
            "SELECT ",
            sums!(),
            " FROM @BATCH_STEP_EXECUTION s
             WHERE s.JOB_EXECUTION_ID = $1 AND starts_with(s.STEP_NAME, $2 || ':partition')"
        ),
        &[&execution.0, &step],
    )?;
    rows::counters_of(&row, 0)
}
