//! The workers themselves: how they join, drain and end, and the list of them.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::definition::Durability;
use crate::postgres::Row;
use crate::repository::postgres::error::InnerError;
use crate::repository::postgres::process::{Liveness, RELEASE_TIMEOUT, Run, lease_columns};
use crate::repository::postgres::rows::{get, time};
use crate::repository::postgres::shared::{Shared, Tx};
use crate::repository::work_queue::{Fate, Joined, NewWorker, WorkerId, WorkerRow};
use crate::repository::{HeldLock, Owner, OwnerState};

pub(super) fn join(shared: &Arc<Shared>, worker: &NewWorker<'_>) -> Result<Joined, InnerError> {
    let queues = serde_json::Value::from(worker.queues).to_string();
    let inserted = Cell::new(None);
    let id = shared.transact(
        Durability::Machine,
        Some(worker.lost),
        |tx| {
            shared.process.register(tx)?;
            end_dead(shared, tx)?;
            let row = tx.query_one(
                "INSERT INTO @BATCH_WORKER (PROCESS, QUEUES, SLOTS, STARTED) VALUES ($1, $2, $3, clock_timestamp())
                 RETURNING WORKER_ID",
                &[&shared.process.name, &queues, &i64::from(worker.slots)],
            )?;
            let id = get(&row, 0)?;
            inserted.set(Some(id));
            Ok(id)
        },
        |tx| {
            let Some(id) = inserted.get() else { return Ok(None) };
            let row = tx.query_opt("SELECT FROM @BATCH_WORKER WHERE WORKER_ID = $1", &[&id])?;
            Ok(row.map(|_| id))
        },
    )?;
    let id = WorkerId(id);
    shared.process.stops(Run::Worker(id), worker.lost);
    let lock = Box::new(Membership { shared: Arc::downgrade(shared), id });
    shared.process.keep()?;
    Ok(Joined { id, lock })
}

/// Declares processes of workers lost if they no longer renew their leases: no manager does so for workers that hold
/// nothing.
fn end_dead(shared: &Shared, tx: &Tx<'_>) -> Result<(), InnerError> {
    tx.execute(
        "UPDATE @BATCH_PROCESS p SET LOST = clock_timestamp(), LOST_TO = $1
         WHERE p.LOST IS NULL AND p.PROCESS <> $1
           AND greatest(p.RENEWED, pg_postmaster_start_time()) + p.LEASE < clock_timestamp()
           AND EXISTS (SELECT FROM @BATCH_WORKER w WHERE w.PROCESS = p.PROCESS AND w.ENDED IS NULL)",
        &[&shared.process.name],
    )
    .map(drop)
}

/// A worker that has joined.
struct Membership {
    shared: Weak<Shared>,
    id: WorkerId,
}

impl HeldLock for Membership {}

impl Drop for Membership {
    fn drop(&mut self) {
        // Without the repository the process counts as ended, and the worker with it.
        let Some(shared) = self.shared.upgrade() else { return };
        shared.process.ended(Run::Worker(self.id));
        let ended = shared.lend().and_then(|lent| {
            let until = Instant::now() + RELEASE_TIMEOUT;
            lent.set_watch(Some(Box::new(move || Instant::now() >= until)));
            shared.tx(&lent).execute(
                "UPDATE @BATCH_WORKER SET ENDED = clock_timestamp() WHERE WORKER_ID = $1",
                &[&self.id.0],
            )
        });
        if let Err(error) = ended {
            tracing::debug!(worker = self.id.0, ?error, "the end of a worker could not be recorded");
        }
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("id", &self.id).finish_non_exhaustive()
    }
}

pub(super) fn drain(shared: &Arc<Shared>, worker: WorkerId) -> Result<bool, InnerError> {
    // A repetition after a lost answer finds the same worker.
    let told = shared.ask(|tx| {
        tx.execute(
            "UPDATE @BATCH_WORKER SET DRAINS = TRUE WHERE WORKER_ID = $1 AND ENDED IS NULL",
            &[&worker.0],
        )
    })?;
    Ok(told > 0)
}

/// Returns whether a worker is to take nothing more. A worker that was declared lost is not to take anything either.
pub(super) fn drains(shared: &Arc<Shared>, worker: WorkerId) -> Result<bool, InnerError> {
    shared.ask_once(|tx| {
        let row = tx.query_opt(
            "SELECT w.DRAINS OR w.ENDED IS NOT NULL OR p.LOST IS NOT NULL
             FROM @BATCH_WORKER w JOIN @BATCH_PROCESS p ON p.PROCESS = w.PROCESS WHERE w.WORKER_ID = $1",
            &[&worker.0],
        )?;
        Ok(row.map(|row| get(&row, 0)).transpose()?.unwrap_or(true))
    })
}

pub(super) fn fate(shared: &Arc<Shared>, worker: WorkerId) -> Result<Fate, InnerError> {
    shared.ask_once(|tx| {
        let row = tx.query_opt(
            concat!(
                // A process that ends properly releases its lease itself.
                "SELECT w.ENDED IS NOT NULL OR COALESCE(p.LOST_TO = p.PROCESS, FALSE), w.PROCESS, ",
                lease_columns!(),
                " FROM @BATCH_WORKER w JOIN @BATCH_PROCESS p ON p.PROCESS = w.PROCESS WHERE w.WORKER_ID = $1"
            ),
            &[&worker.0],
        )?;
        let Some(row) = row else { return Ok(Fate::Ended) };
        if get(&row, 0)? {
            return Ok(Fate::Ended);
        }
        let process: String = get(&row, 1)?;
        let liveness = shared.process.seen(&process, &row, 2)?;
        if !liveness.is_some_and(|liveness| liveness.may_be_lost()) {
            return Ok(Fate::Lives);
        }
        let (host, pid): (String, i64) = (get(&row, 4)?, get(&row, 5)?);
        Ok(Fate::Lost(format!("worker {worker} (process {pid} on host {host})")))
    })
}

pub(super) fn workers(shared: &Arc<Shared>) -> Result<Vec<WorkerRow>, InnerError> {
    shared.read(|tx| {
        // A worker whose process has ended still matters while somebody waits for its partitions.
        let rows = tx.query(
            concat!(
                "SELECT w.WORKER_ID, w.QUEUES, w.SLOTS, timezone('utc', w.STARTED), w.DRAINS, w.DECLINED, h.HOLDS,
                        w.PROCESS, ",
                lease_columns!(),
                " FROM @BATCH_WORKER w JOIN @BATCH_PROCESS p ON p.PROCESS = w.PROCESS,
                  LATERAL (
                      SELECT array_agg(s.STEP_NAME::text ORDER BY s.STEP_EXECUTION_ID) AS HOLDS
                      FROM @BATCH_PARTITION part
                      JOIN @BATCH_STEP_EXECUTION s ON s.STEP_EXECUTION_ID = part.STEP_EXECUTION_ID
                      WHERE part.WORKER_ID = w.WORKER_ID AND s.STATUS IN ('STARTING', 'STARTED')) h
                  WHERE w.ENDED IS NULL AND (p.LOST IS NULL OR h.HOLDS IS NOT NULL) ORDER BY w.WORKER_ID"
            ),
            &[],
        )?;
        rows.iter().map(|row| worker(shared, row)).collect()
    })
}

fn worker(shared: &Shared, row: &Row) -> Result<WorkerRow, InnerError> {
    let process: String = get(row, 7)?;
    let queues: String = get(row, 1)?;
    let state = match shared.process.seen(&process, row, 8)? {
        Some(Liveness::Alive(_)) => OwnerState::Alive,
        Some(Liveness::Dead | Liveness::LeaseOver) => OwnerState::Dead,
        Some(Liveness::Unknown) | None => OwnerState::Unknown,
    };
    Ok(WorkerRow {
        id: WorkerId(get(row, 0)?),
        owner: Owner {
            uuid: process,
            host: get(row, 10)?,
            pid: u32::try_from(get::<i64>(row, 11)?).unwrap_or_default(),
            start_ticks: u64::try_from(get::<i64>(row, 12)?).unwrap_or_default(),
            boot_id: get(row, 13)?,
        },
        queues: serde_json::from_str(&queues).unwrap_or_default(),
        slots: u32::try_from(get::<i64>(row, 2)?).unwrap_or(u32::MAX),
        holds: get::<Option<Vec<String>>>(row, 6)?.unwrap_or_default(),
        started: time(row, 3)?.unwrap_or_default(),
        drains: get(row, 4)?,
        declined: get(row, 5)?,
        state,
    })
}
