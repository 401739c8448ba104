//! Commits the work of a chunk together with counters, checkpoint and fence, in one transaction.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::commit::{ChunkConnection, Found, Guarded, StopPoll};
use super::error::InnerError;
use super::rows::{self, ContextColumns, get, int, now, set_counters};
use super::shared::{Shared, Statements, Tx, Value};
use super::steps::check_owner;
use super::{progress, skipped};
use crate::definition::StepExecutionId;
use crate::postgres::{CommitError, Postgres, Row, Session};
use crate::repository::progress::Throttle;
use crate::repository::{
    AheadWork, ChunkError, ChunkRecord, ChunkSession, ChunkWork, Committed, LockWait, Outcome, Ownership,
    PipelinedSession, RepositoryError, SkippedItem, StepCopy, StepRow,
};

/// A connection to the repository's database, on which one step execution commits its chunks.
pub(super) struct OwnSession {
    connection: ChunkConnection,
    target: Target,
    stop_requested: bool,
}

/// The row of a step execution, with the right to write it.
struct Target {
    owner: Ownership,
    step: StepExecutionId,
    version: i64,
    /// The number of skipped items that are committed.
    skipped: u64,
    /// When to store the step's progress, and whether the current chunk does so.
    progress: Throttle,
    storing: Cell<Option<Timestamp>>,
}

/// The skipped items of a record, numbered after the `committed` ones.
pub(super) fn numbered(committed: u64, record: &ChunkRecord) -> impl Iterator<Item = (u64, &SkippedItem)> {
    (committed + 1..).zip(&record.skipped)
}

impl OwnSession {
    pub(super) fn new(
        shared: &Arc<Shared>,
        owner: Ownership,
        row: &StepRow,
        database: Option<&Postgres>,
        wanted: LockWait,
    ) -> Self {
        let connection = ChunkConnection::new(
            database.unwrap_or(&shared.database).clone(),
            Statements::in_schema(&shared.database.schema()),
            shared.process.application_name(),
            shared.durability_of(owner.execution),
            shared.options.patience,
            (shared.bound(), StopPoll::every(shared.options.intervals.poll, wanted)),
        );
        let connection = if database.is_none() { connection.keeping(shared) } else { connection };
        let progress = Throttle::every(shared.options.intervals.mirror, Timestamp::now());
        let target = Target {
            owner,
            step: row.id,
            version: row.version,
            skipped: 0,
            progress,
            storing: Cell::new(None),
        };
        Self { connection, target, stop_requested: false }
    }

    /// The result of a commit, by the guard's row.
    fn committed(&mut self, row: Option<&Row>) -> Committed {
        // A guard whose answer was lost cannot report a stop: the next one does.
        if let Some(row) = row {
            self.stop_requested = row.try_get(1).unwrap_or(false);
        }
        Committed { stop_requested: self.stop_requested }
    }
}

impl ChunkSession for OwnSession {
    fn commit(
        &mut self,
        record: &mut ChunkRecord,
        work: &mut ChunkWork<'_>,
    ) -> Result<Committed, ChunkError> {
        let row = self.connection.commit(&mut self.target, record, work)?;
        Ok(self.committed(row.as_ref()))
    }

    fn pipelined(&mut self) -> Option<&mut dyn PipelinedSession> {
        Some(self)
    }
}

impl PipelinedSession for OwnSession {
    fn send(&mut self, record: &mut ChunkRecord, work: &mut ChunkWork<'_>) -> Result<(), ChunkError> {
        self.connection.send(&mut self.target, record, work)
    }

    fn write_ahead(&mut self, write: &mut AheadWork<'_>) -> bool {
        self.connection.write_ahead(write)
    }

    fn outcome(&mut self, record: &ChunkRecord) -> Result<Outcome, ChunkError> {
        let row = self.connection.outcome(&mut self.target, record)?;
        Ok(Outcome { committed: self.committed(row.as_ref()), is_ahead: self.connection.is_ahead() })
    }
}

impl fmt::Debug for OwnSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnSession").field("step", &self.target.step).finish_non_exhaustive()
    }
}

impl Guarded for Target {
    fn add(&self, tx: &Tx<'_>, record: &ChunkRecord) -> Result<(), InnerError> {
        if let Some(context) = &record.job_context {
            // Branches of a split change this context concurrently.
            check_owner(tx, self.owner)?;
            rows::change_job_context(tx, self.owner.execution, context)?;
        }
        for (sequence, item) in numbered(self.skipped, record) {
            skipped::insert(tx, self.step, sequence, item)?;
        }
        self.storing.set(None);
        if let Some(reached) = &record.reached
            && let now = Timestamp::now()
            && self.progress.is_due(now)
        {
            progress::put(tx, self.step, reached)?;
            self.storing.set(Some(now));
        }
        Ok(())
    }

    fn skipped_so_far(&self, tx: &Tx<'_>, step: &str) -> Result<u64, InnerError> {
        skipped::lock(tx, tx.statements.schema(), self.owner, step)?;
        skipped::of_partitions(tx, self.owner, step)
    }

    fn send_guard(
        &self,
        session: &Session,
        statements: &Statements,
        record: &ChunkRecord,
        token: &str,
    ) -> Result<(), CommitError> {
        let [c1, c2, c3, c4, c5, c6, c7, c8] = rows::parameters(&record.counters);
        let context = ContextColumns::of(&record.context);
        session.send_commit_after_own(
            // The context is written by the same statement, because each statement costs the server more than its row.
            &statements.get(concat!(
                "WITH guard AS (UPDATE @BATCH_STEP_EXECUTION SET VERSION = VERSION + 1, ",
                set_counters!(),
                ", LAST_UPDATED = ",
                now!(),
                " WHERE STEP_EXECUTION_ID = $9 AND VERSION = $10 AND current_setting('batch.chunk', true) = $11
                    AND END_TIME IS NULL AND EXISTS (SELECT FROM @BATCH_JOB_OWNER WHERE JOB_EXECUTION_ID = $12 AND EPOCH = $13)
                  RETURNING 1),
                  context AS (UPDATE @BATCH_STEP_EXECUTION_CONTEXT SET SHORT_CONTEXT = $14, SERIALIZED_CONTEXT = $15
                  WHERE STEP_EXECUTION_ID = $9)
                  SELECT 1 / count(*),
                         (SELECT STATUS = 'STOPPING' FROM @BATCH_JOB_EXECUTION WHERE JOB_EXECUTION_ID = $12)
                  FROM guard"
            )),
            &[
                &c1,
                &c2,
                &c3,
                &c4,
                &c5,
                &c6,
                &c7,
                &c8,
                &self.step.0,
                &self.version,
                &token,
                &self.owner.execution.0,
                &int(self.owner.epoch),
                &&*context.short,
                &context.serialized,
            ],
        )
    }

    fn look(&self, tx: &Tx<'_>) -> Result<Found, InnerError> {
        // Ending a partition whose worker is lost raises the version as a chunk does, so an ended row does not count.
        let row = tx.query_opt(
            "UPDATE @BATCH_STEP_EXECUTION SET VERSION = VERSION + 1
             WHERE STEP_EXECUTION_ID = $1 AND VERSION IN ($2::bigint, $2 + 1) AND END_TIME IS NULL
               AND EXISTS (SELECT FROM @BATCH_JOB_OWNER WHERE JOB_EXECUTION_ID = $3 AND EPOCH = $4)
             RETURNING VERSION",
            &[&self.step.0, &self.version, &self.owner.execution.0, &int(self.owner.epoch)],
        )?;
        found(row.as_ref(), self.version, || {
            tx.query_opt(
                "SELECT VERSION FROM @BATCH_STEP_EXECUTION WHERE STEP_EXECUTION_ID = $1
                   AND EXISTS (SELECT FROM @BATCH_JOB_OWNER WHERE JOB_EXECUTION_ID = $2 AND EPOCH = $3)",
                &[&self.step.0, &self.owner.execution.0, &int(self.owner.epoch)],
            )
        })
    }

    fn moved(&mut self, version: i64) {
        self.version = version;
    }

    fn committed(&mut self, record: &ChunkRecord) {
        self.version += 1;
        self.skipped += record.skipped.len() as u64;
        if let Some(stored) = self.storing.take() {
            self.progress.done(stored);
        }
    }

    fn fenced(&self) -> RepositoryError {
        RepositoryError::Fenced { execution: self.owner.execution }
    }
}

/// Decides whether a commit whose answer was lost took effect. Before the commit, the row had the version `version`,
/// and the commit raised it by one if it took effect. Another statement has then raised it by one more; `row` holds
/// the result. If the row had neither of the two versions, `row` is `None`, and `other` reads the version under the
/// same owner.
pub(super) fn found(
    row: Option<&Row>,
    version: i64,
    other: impl FnOnce() -> Result<Option<Row>, InnerError>,
) -> Result<Found, InnerError> {
    if let Some(row) = row {
        let now = get(row, 0)?;
        return Ok(if now == version + 2 { Found::Committed(now) } else { Found::NotCommitted(now) });
    }
    let other = other()?.map(|row| get::<i64>(&row, 0)).transpose()?;
    Ok(if other.is_some_and(|other| other < version) { Found::Forgotten } else { Found::Fenced })
}

fn set_context(tx: &Tx<'_>, step: StepExecutionId, context: &str) -> Result<(), InnerError> {
    let columns = ContextColumns::of(context);
    tx.send(
        "UPDATE @BATCH_STEP_EXECUTION_CONTEXT SET SHORT_CONTEXT = $1, SERIALIZED_CONTEXT = $2
         WHERE STEP_EXECUTION_ID = $3",
        &[&&*columns.short, &columns.serialized, &step.0],
    )
}

/// Copies the state of a step whose chunks are committed in another database. Returns whether a stop was requested.
pub(super) fn follow(
    shared: &Arc<Shared>,
    owner: Ownership,
    copy: &StepCopy<'_>,
) -> Result<bool, InnerError> {
    let [c1, c2, c3, c4, c5, c6, c7, c8] = rows::parameters(copy.counters);
    let fenced = || InnerError::from(RepositoryError::Fenced { execution: owner.execution });
    let stop = |tx: &Tx<'_>| -> Result<bool, InnerError> {
        let row = tx.query_one(
            "SELECT STATUS = 'STOPPING' FROM @BATCH_JOB_EXECUTION WHERE JOB_EXECUTION_ID = $1",
            &[&owner.execution.0],
        )?;
        get(&row, 0)
    };
    shared.transact(
        shared.durability_of(owner.execution),
        None,
        |tx| {
            check_owner(tx, owner)?;
            let execution = owner.execution.0;
            let values: [Value<'_>; 11] =
                [&c1, &c2, &c3, &c4, &c5, &c6, &c7, &c8, &copy.step.0, &copy.version, &execution];
            let changed = tx.execute(
                concat!(
                    "UPDATE @BATCH_STEP_EXECUTION SET VERSION = VERSION + 1, ",
                    set_counters!(),
                    ", LAST_UPDATED = ",
                    now!(),
                    " WHERE STEP_EXECUTION_ID = $9 AND VERSION = $10 AND JOB_EXECUTION_ID = $11 AND END_TIME IS NULL"
                ),
                &values,
            )?;
            if changed == 0 {
                return Err(fenced());
            }
            set_context(tx, copy.step, copy.context)?;
            if let Some(reached) = &copy.reached {
                progress::put(tx, copy.step, reached)?;
            }
            if let Some(context) = copy.job_context {
                rows::change_job_context(tx, owner.execution, context)?;
            }
            stop(tx)
        },
        |tx| {
            let row = tx.query_opt(
                "SELECT FROM @BATCH_STEP_EXECUTION
                 WHERE STEP_EXECUTION_ID = $1 AND VERSION = $2 AND END_TIME IS NULL",
                &[&copy.step.0, &(copy.version + 1)],
            )?;
            row.map(|_| stop(tx)).transpose()
        },
    )
}
