//! Commits the work of a chunk together with counters, checkpoint and fence, in one transaction.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::connections::{Lent, Shared};
use super::error::InnerError;
use super::rows::{self, ContextColumns, int, stamp};
use super::{progress, queries, skipped, work_queue};
use crate::definition::{ChunkTransaction, Failure, Phase, StepExecutionId, StopSignal};
use crate::repository::progress::Throttle;
use crate::repository::{
    ChunkError, ChunkRecord, ChunkSession, ChunkWork, Committed, Counters, Ownership, RepositoryError,
    SkippedItem, StepCopy,
};

/// A connection to the repository's file, on which one step execution commits its chunks.
#[derive(Debug)]
pub(super) struct OwnSession {
    shared: Arc<Shared>,
    target: Target,
    connection: Lent,
    stop: StopSignal,
    /// When to store the step's progress.
    progress: Throttle,
}

/// The row of a step execution, with the right to write it.
#[derive(Debug)]
pub(super) struct Target {
    owner: Ownership,
    step: StepExecutionId,
    version: i64,
    /// The number of skipped items that are committed.
    skipped: u64,
}

/// The skipped items of a record, numbered after the `committed` ones.
pub(super) fn numbered(committed: u64, record: &ChunkRecord) -> impl Iterator<Item = (u64, &SkippedItem)> {
    (committed + 1..).zip(&record.skipped)
}

impl Target {
    pub(super) fn new(owner: Ownership, step: StepExecutionId, version: i64) -> Self {
        Self { owner, step, version, skipped: 0 }
    }

    fn fenced(&self) -> RepositoryError {
        RepositoryError::Fenced { execution: self.owner.execution }
    }

    /// Writes counters and contexts, unless this owner is fenced. Returns true if a stop is requested.
    fn write(
        &self,
        connection: &Connection,
        counters: &Counters,
        context: &str,
        job_context: Option<&str>,
        now: &str,
    ) -> Result<bool, InnerError> {
        let stop_requested = connection
            .prepare_cached(
                "UPDATE BATCH_STEP_EXECUTION
                 SET VERSION = VERSION + 1, COMMIT_COUNT = ?1, READ_COUNT = ?2, FILTER_COUNT = ?3, WRITE_COUNT = ?4,
                     READ_SKIP_COUNT = ?5, WRITE_SKIP_COUNT = ?6, PROCESS_SKIP_COUNT = ?7, ROLLBACK_COUNT = ?8,
                     LAST_UPDATED = ?9
                 WHERE STEP_EXECUTION_ID = ?10 AND VERSION = ?11
                   AND EXISTS (SELECT 1 FROM BATCH_JOB_OWNER WHERE JOB_EXECUTION_ID = ?12 AND EPOCH = ?13)
                 RETURNING (SELECT STATUS = 'STOPPING' FROM BATCH_JOB_EXECUTION WHERE JOB_EXECUTION_ID = ?12)",
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
                    now,
                    self.step.0,
                    self.version,
                    self.owner.execution.0,
                    int(self.owner.epoch),
                ],
                |row| row.get(0),
            )
            .optional()?
            .ok_or_else(|| self.fenced())?;
        let columns = ContextColumns::of(context);
        connection
            .prepare_cached(
                "UPDATE BATCH_STEP_EXECUTION_CONTEXT SET SHORT_CONTEXT = ?1, SERIALIZED_CONTEXT = ?2
                 WHERE STEP_EXECUTION_ID = ?3",
            )?
            .execute(params![columns.short, columns.serialized, self.step.0])?;
        if let Some(context) = job_context {
            rows::change_job_context(connection, self.owner.execution, context)?;
        }
        Ok(stop_requested)
    }
}

impl OwnSession {
    pub(super) fn new(shared: &Arc<Shared>, target: Target, connection: Lent, stop: StopSignal) -> Self {
        let progress = Throttle::every(shared.waits.intervals.mirror, shared.now());
        Self { shared: Arc::clone(shared), target, connection, stop, progress }
    }
}

impl ChunkSession for OwnSession {
    fn commit(
        &mut self,
        record: &mut ChunkRecord,
        work: &mut ChunkWork<'_>,
    ) -> Result<Committed, ChunkError> {
        let Self { shared, target, connection, stop, progress } = self;
        let owner = target.owner;
        let wanted = || queries::should_continue(shared, owner, stop);
        let name = |error: InnerError| error.at(&shared.path);
        let write = |record: &ChunkRecord| {
            let job_context = record.job_context.as_deref();
            let now = shared.now();
            let stop_requested = target
                .write(connection, &record.counters, &record.context, job_context, &stamp(now))
                .map_err(name)?;
            let reached = record.reached.filter(|_| progress.is_due(now));
            if let Some(reached) = reached {
                progress::put(connection, target.step, &reached, &stamp(now))
                    .map_err(|error| name(error.into()))?;
            }
            for (sequence, item) in numbered(target.skipped, record) {
                skipped::insert(connection, target.step, sequence, item)
                    .map_err(|error| name(error.into()))?;
            }
            Ok((stop_requested, reached.map(|_| now)))
        };
        let skipped =
            |step: &str| work_queue::skipped(connection, owner, step).map_err(|error| name(error.into()));
        let (stop_requested, stored) = transact(connection, name, wanted, record, work, skipped, write)?;
        if let Some(now) = stored {
            progress.done(now);
        }
        target.version += 1;
        target.skipped += record.skipped.len() as u64;
        Ok(Committed { stop_requested })
    }
}

/// Copies the state of a step whose chunks are committed in another database.
pub(super) fn follow(
    shared: &Arc<Shared>,
    owner: Ownership,
    copy: &StepCopy<'_>,
) -> Result<bool, InnerError> {
    let connection = shared.lend(shared.durability_of(owner.execution))?;
    let transaction = connection.begin()?;
    let target = Target::new(owner, copy.step, copy.version);
    let now = stamp(shared.now());
    let stop_requested = target.write(&transaction, copy.counters, copy.context, copy.job_context, &now)?;
    if let Some(reached) = &copy.reached {
        progress::put(&transaction, copy.step, reached, &now)?;
    }
    transaction.commit()?;
    Ok(stop_requested)
}

/// Runs one transaction: the work, then the additions of `write`. After any failure nothing of it is kept, and the
/// connection is ready for the next transaction.
pub(super) fn transact<T>(
    connection: &Lent,
    name: impl Fn(InnerError) -> RepositoryError,
    wanted: impl Fn() -> Result<bool, InnerError>,
    record: &mut ChunkRecord,
    work: &mut ChunkWork<'_>,
    skipped: impl Fn(&str) -> Result<u64, RepositoryError>,
    write: impl FnOnce(&ChunkRecord) -> Result<T, RepositoryError>,
) -> Result<T, ChunkError> {
    let failed = |error: InnerError| ChunkError::Repository(name(error));
    let begun = connection.patiently(|| connection.begin(), &wanted).map_err(failed)?;
    let transaction = begun.ok_or(ChunkError::Stopped)?;
    let chunk = ChunkTransaction::watched(&transaction, connection.watch());
    let held = connection.watch().hold();
    let worked = work(&chunk, record);
    chunk.after(worked).map_err(ChunkError::Work)?;
    drop(held);
    if let Some(room) = &record.skip_room {
        // The transaction is the only writer, so nobody skips another item until it is committed.
        let so_far = skipped(&room.step)?;
        if so_far >= room.below {
            return Err(ChunkError::SkipLimit { so_far });
        }
    }
    let written = write(record)?;
    // In a database without WAL, readers delay this too.
    let commit = || connection.prepare_cached("COMMIT")?.execute([]);
    match connection.patiently(commit, wanted) {
        Ok(Some(_)) => Ok(written),
        Ok(None) => Err(ChunkError::Stopped),
        // A deferred constraint: the rows are at fault, not the database.
        Err(InnerError::Sqlite(error))
            if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) =>
        {
            Err(ChunkError::Refused(Failure::new(error).during(Phase::Write)))
        }
        Err(error) => Err(failed(error)),
    }
}
