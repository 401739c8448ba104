//! The worker's side of the queue: takes partitions, and gives back those that it cannot run or end.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::definition::{Durability, ExecutionId, InstanceId, StepExecutionId};
use crate::postgres::Row;
use crate::repository::Ownership;
use crate::repository::postgres::error::InnerError;
use crate::repository::postgres::partitions::{partition, partition_columns};
use crate::repository::postgres::process::{Liveness, Run, process_columns};
use crate::repository::postgres::rows::{self, get, now, running};
use crate::repository::postgres::shared::{Shared, Tx, Unsettled, guard};
use crate::repository::work_queue::{Claim, Claimed, WORKER_LOST, WorkerId};

/// The query of a partition that a worker may take or has taken, with its execution `e` and the process `p` of its owner.
macro_rules! claims {
    ($($rest:expr),+) => {
        concat!(
            "SELECT e.JOB_INSTANCE_ID, e.JOB_EXECUTION_ID, o.EPOCH, i.JOB_NAME, o.DURABILITY, part.STEP_NAME, ",
            process_columns!(),
            ", ",
            partition_columns!(),
            ", c.SHORT_CONTEXT, c.SERIALIZED_CONTEXT,
               (SELECT extract(epoch FROM ",
            now!(),
            " - began.START_TIME)::float8 FROM @BATCH_STEP_EXECUTION began
                WHERE began.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID AND began.STEP_NAME = part.STEP_NAME
                ORDER BY began.STEP_EXECUTION_ID DESC LIMIT 1)
              FROM @BATCH_PARTITION part
              JOIN @BATCH_STEP_EXECUTION s ON s.STEP_EXECUTION_ID = part.STEP_EXECUTION_ID
              JOIN @BATCH_JOB_EXECUTION e ON e.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID
              JOIN @BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
              JOIN @BATCH_JOB_OWNER o ON o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
              LEFT JOIN @BATCH_PROCESS p ON p.PROCESS = o.PROCESS
              LEFT JOIN @BATCH_JOB_EXECUTION_CONTEXT c ON c.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID ",
            $($rest),+
        )
    };
}

/// The number of columns before those of the partition in [`claims`].
const BEFORE_PARTITION: usize = 16;
/// The first of the columns after the partition: the context of the job, and the age of the step in seconds.
const AFTER_PARTITION: usize = BEFORE_PARTITION + 16;

/// A worker's attempt to claim a partition.
struct ClaimAttempt<'c> {
    shared: &'c Shared,
    worker: WorkerId,
    queues: &'c [String],
    declined: &'c BTreeSet<ExecutionId>,
    /// The name of this claim, by which it is found again if the answer to its commit was lost.
    name: String,
    /// The queue of the partition that was taken last.
    queue: RefCell<String>,
    /// Whether an earlier call may have taken a partition under this name.
    may_be_done: bool,
}

pub(super) fn claim(
    shared: &Arc<Shared>,
    worker: WorkerId,
    queues: &[String],
    declined: &BTreeSet<ExecutionId>,
) -> Result<Claimed, InnerError> {
    if let Some(Unsettled { name, queue, .. }) = unsettled(shared, worker) {
        let queue = RefCell::new(queue);
        return ClaimAttempt { shared, worker, queues, declined, name, queue, may_be_done: true }.run();
    }
    // A queue that had a partition often has another one.
    let found_in = guard(&shared.found_in).get(&worker).filter(|found| queues.contains(found)).cloned();
    if let Some(found) = found_in {
        match ClaimAttempt::new(shared, worker, &[found], declined).run()? {
            Claimed::Nothing => guard(&shared.found_in).remove(&worker),
            claimed => return Ok(claimed),
        };
    }
    // Most polls find nothing, and cost no more than this.
    let Some(queues) = shared.ask_once(|tx| queues_with_offers(tx, worker, queues))? else {
        return Ok(Claimed::Drain);
    };
    if queues.is_empty() {
        return Ok(Claimed::Nothing);
    }
    ClaimAttempt::new(shared, worker, &queues, declined).run()
}

fn unsettled(shared: &Shared, worker: WorkerId) -> Option<Unsettled> {
    let mut all = guard(&shared.unsettled);
    let at = all.iter().position(|unsettled| unsettled.worker == worker)?;
    Some(all.swap_remove(at))
}

/// Returns the queues in which something is offered, perhaps by an execution that is over; `None` if the worker is to
/// take nothing more.
fn queues_with_offers(
    tx: &Tx<'_>,
    worker: WorkerId,
    queues: &[String],
) -> Result<Option<Vec<String>>, InnerError> {
    let row = tx.query_opt(
        "SELECT w.DRAINS OR w.ENDED IS NOT NULL OR p.LOST IS NOT NULL,
                ARRAY(SELECT q.NAME FROM unnest($2::text[]) WITH ORDINALITY AS q (NAME, NUMBER)
                      WHERE EXISTS (SELECT FROM @BATCH_PARTITION WHERE OFFERED_FOR = q.NAME) ORDER BY q.NUMBER)
         FROM @BATCH_WORKER w JOIN @BATCH_PROCESS p ON p.PROCESS = w.PROCESS WHERE w.WORKER_ID = $1",
        &[&worker.0, &queues],
    )?;
    let Some(row) = row else { return Ok(None) };
    if get(&row, 0)? { Ok(None) } else { Ok(Some(get(&row, 1)?)) }
}

impl<'c> ClaimAttempt<'c> {
    fn new(
        shared: &'c Shared,
        worker: WorkerId,
        queues: &'c [String],
        declined: &'c BTreeSet<ExecutionId>,
    ) -> Self {
        let (name, queue) = (uuid::Uuid::new_v4().to_string(), RefCell::default());
        Self { shared, worker, queues, declined, name, queue, may_be_done: false }
    }

    fn run(self) -> Result<Claimed, InnerError> {
        let stop = self.shared.process.stop_of(Run::Worker(self.worker));
        let claimed = self.shared.transact(
            // With a lower durability, a server that forgets a claim in a crash would offer a running partition again.
            Durability::Machine,
            stop.as_ref(),
            |tx| self.take(tx),
            |tx| {
                self.lock_worker(tx)?;
                self.found(tx)
            },
        );
        // The worker is to take nothing more, and the first statement of the attempt said so.
        let claimed = match claimed {
            Err(error) if error.is_no_row() => Ok(Claimed::Drain),
            claimed => claimed,
        };
        match &claimed {
            // The outcome of the last attempt is unknown. The next claim looks it up.
            Err(_) => {
                let unsettled =
                    Unsettled { worker: self.worker, name: self.name, queue: self.queue.into_inner() };
                guard(&self.shared.unsettled).push(unsettled);
            }
            Ok(Claimed::Partition(claim)) => {
                guard(&self.shared.durabilities).insert(claim.ownership.execution, claim.durability);
                guard(&self.shared.found_in).insert(self.worker, claim.queue.clone());
            }
            Ok(_) => {}
        }
        claimed
    }

    fn take(&self, tx: &Tx<'_>) -> Result<Claimed, InnerError> {
        if self.may_be_done {
            if !self.lock_worker(tx)? {
                return Ok(Claimed::Drain);
            }
            if let Some(claimed) = self.found(tx)? {
                return Ok(claimed);
            }
        } else {
            self.send_lock(tx)?;
        }
        let mut out: Vec<i64> = self.declined.iter().map(|declined| declined.0).collect();
        for queue in self.queues {
            let mut after = i64::MIN;
            while let Some(offered) = next_offered(tx, queue, after, &out)? {
                after = offered;
                let Some(row) = locked(tx, offered)? else { continue };
                if !matches!(self.shared.process.liveness(&row, 6)?, Liveness::Alive(_)) {
                    out.push(get(&row, 1)?);
                    continue;
                }
                let claim = claim_of(&row, queue)?;
                // The row is locked, so it exists.
                tx.send(
                    "UPDATE @BATCH_PARTITION SET OFFERED_FOR = NULL, WORKER_ID = $1, CLAIM = $2
                     WHERE JOB_INSTANCE_ID = $3 AND STEP_NAME = $4 AND PARTITION = $5",
                    &[
                        &self.worker.0,
                        &self.name,
                        &claim.ownership.instance.0,
                        &claim.step,
                        &i64::from(claim.partition.number),
                    ],
                )?;
                self.queue.replace(queue.clone());
                return Ok(Claimed::Partition(Box::new(claim)));
            }
        }
        Ok(Claimed::Nothing)
    }

    /// As [`lock_worker`](Self::lock_worker), without waiting: the transaction fails if the worker is to take nothing.
    fn send_lock(&self, tx: &Tx<'_>) -> Result<(), InnerError> {
        tx.send(
            "SELECT 1 / count(*) FROM (
                 SELECT FROM @BATCH_WORKER w JOIN @BATCH_PROCESS p ON p.PROCESS = w.PROCESS
                 WHERE w.WORKER_ID = $1 AND NOT w.DRAINS AND w.ENDED IS NULL AND p.LOST IS NULL
                 FOR UPDATE OF w) AS able",
            &[&self.worker.0],
        )
    }

    /// Locks the row of the worker, so that its claims are decided one after the other: a claim whose answer was lost has
    /// then either been committed or not. Returns whether the worker may take anything.
    fn lock_worker(&self, tx: &Tx<'_>) -> Result<bool, InnerError> {
        let row = tx.query_opt(
            "SELECT NOT w.DRAINS AND w.ENDED IS NULL AND p.LOST IS NULL
             FROM @BATCH_WORKER w JOIN @BATCH_PROCESS p ON p.PROCESS = w.PROCESS WHERE w.WORKER_ID = $1
             FOR UPDATE OF w",
            &[&self.worker.0],
        )?;
        Ok(row.map(|row| get(&row, 0)).transpose()?.unwrap_or(false))
    }

    /// The partition that was taken by an attempt whose answer was lost.
    fn found(&self, tx: &Tx<'_>) -> Result<Option<Claimed>, InnerError> {
        let row = tx.query_opt(
            claims!("WHERE part.WORKER_ID = $1 AND part.CLAIM = $2 AND s.STATUS = 'STARTING'"),
            &[&self.worker.0, &self.name],
        )?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Claimed::Partition(Box::new(claim_of(&row, &self.queue.borrow())?))))
    }
}

/// Locks the first partition after `after` that is offered in a queue, and returns its step execution. It skips the
/// executions in `out`, those that do not run, and partitions that others have locked.
///
/// The subquery runs for one offer after the other until one fits. A join would run for all of them, and sort them.
fn next_offered(tx: &Tx<'_>, queue: &str, after: i64, out: &[i64]) -> Result<Option<i64>, InnerError> {
    let row = tx.query_opt(
        "SELECT part.STEP_EXECUTION_ID FROM @BATCH_PARTITION part
         WHERE part.OFFERED_FOR = $1 AND part.STEP_EXECUTION_ID > $2 AND (
             SELECT s.STATUS = 'STARTING' AND e.STATUS = 'STARTED' AND e.JOB_EXECUTION_ID <> ALL ($3)
             FROM @BATCH_STEP_EXECUTION s JOIN @BATCH_JOB_EXECUTION e ON e.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID
             WHERE s.STEP_EXECUTION_ID = part.STEP_EXECUTION_ID)
         ORDER BY part.STEP_EXECUTION_ID LIMIT 1 FOR UPDATE OF part SKIP LOCKED",
        &[&queue, &after, &out],
    )?;
    row.map(|row| get(&row, 0)).transpose()
}

/// An offered partition, locked together with its step execution, which a takeover writes; `None` if somebody else has
/// locked the step execution.
fn locked(tx: &Tx<'_>, offered: i64) -> Result<Option<Row>, InnerError> {
    tx.query_opt(
        claims!(
            "WHERE part.STEP_EXECUTION_ID = $1 AND s.STATUS = 'STARTING' AND e.STATUS = 'STARTED'
             FOR UPDATE OF part, s SKIP LOCKED"
        ),
        &[&offered],
    )
}

fn claim_of(row: &Row, queue: &str) -> Result<Claim, InnerError> {
    let ownership = Ownership {
        instance: InstanceId(get(row, 0)?),
        execution: ExecutionId(get(row, 1)?),
        epoch: rows::count(row, 2)?,
    };
    let step: String = get(row, 5)?;
    let seconds = get::<Option<f64>>(row, AFTER_PARTITION + 2)?;
    Ok(Claim {
        partition: partition(row, BEFORE_PARTITION, &step)?,
        queue: queue.to_owned(),
        job: get(row, 3)?,
        durability: rows::durability(get(row, 4)?),
        job_context: rows::context_if_any(row, AFTER_PARTITION)?,
        step_age: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or_default(),
        ownership,
        step,
    })
}

pub(super) fn decline(
    shared: &Arc<Shared>,
    worker: WorkerId,
    claim: &Claim,
    why: Option<&str>,
) -> Result<(), InnerError> {
    let queue = why.map(|_| &claim.queue);
    let why = why.map(|why| why.replace('\0', "\u{fffd}"));
    shared.transact(
        Durability::Machine,
        None,
        |tx| {
            tx.send(
                // The lock on the step execution keeps a takeover out.
                "WITH waiting AS (
                     SELECT STEP_EXECUTION_ID FROM @BATCH_STEP_EXECUTION
                     WHERE STEP_EXECUTION_ID = $5 AND STATUS = 'STARTING' FOR UPDATE)
                 UPDATE @BATCH_PARTITION p SET WORKER_ID = NULL, OFFERED_FOR = $1 FROM waiting
                 WHERE p.JOB_INSTANCE_ID = $2 AND p.STEP_NAME = $3 AND p.PARTITION = $4
                   AND p.STEP_EXECUTION_ID = waiting.STEP_EXECUTION_ID AND p.WORKER_ID = $6",
                &[
                    &queue,
                    &claim.ownership.instance.0,
                    &claim.step,
                    &i64::from(claim.partition.number),
                    &claim.partition.id.0,
                    &worker.0,
                ],
            )?;
            match &why {
                Some(why) => {
                    tx.send("UPDATE @BATCH_WORKER SET DECLINED = $1 WHERE WORKER_ID = $2", &[why, &worker.0])
                }
                None => Ok(()),
            }
        },
        // A repetition finds that the worker no longer holds the partition.
        |_| Ok(None),
    )
}

pub(super) fn give_up(
    shared: &Arc<Shared>,
    worker: WorkerId,
    partition: StepExecutionId,
    why: &str,
) -> Result<(), InnerError> {
    shared.transact(
        Durability::Machine,
        None,
        |tx| {
            tx.send(
                concat!(
                    "WITH lost AS (
                         UPDATE @BATCH_STEP_EXECUTION
                         SET VERSION = VERSION + 1, STATUS = 'FAILED', EXIT_CODE = $1, EXIT_MESSAGE = $2, END_TIME = ",
                    now!(),
                    ", LAST_UPDATED = ",
                    now!(),
                    "    WHERE STEP_EXECUTION_ID = $3 AND STATUS IN ",
                    running!(),
                    "      AND EXISTS (
                               SELECT FROM @BATCH_PARTITION WHERE STEP_EXECUTION_ID = $3 AND WORKER_ID = $4)
                         RETURNING STEP_EXECUTION_ID)
                     UPDATE @BATCH_PARTITION SET TAKE_OVER = TRUE
                     WHERE STEP_EXECUTION_ID IN (SELECT STEP_EXECUTION_ID FROM lost)"
                ),
                &[&WORKER_LOST, &rows::text(why), &partition.0, &worker.0],
            )
        },
        // A repetition finds that the partition has ended.
        |_| Ok(None),
    )
}
