//! Commits the work of a chunk together with counters, checkpoint and fence, in one transaction.

use std::sync::Arc;
use std::time::Instant;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::connections::{Lent, Shared};
use super::elsewhere::Elsewhere;
use super::error::Trouble;
use super::rows::{self, ContextColumns, int, stamp};
use super::{queries, skipped};
use crate::definition::{ChunkTransaction, Durability, Failure, Phase, StepExecutionId, StopSignal};
use crate::repository::{ChunkError, ChunkRecord, Committed, Ownership, RepositoryError, SkippedItem};

/// The place where the chunks of one step execution are committed.
#[derive(Debug)]
pub struct ChunkStore {
    shared: Arc<Shared>,
    target: Target,
    place: Place,
    stop: StopSignal,
}

#[derive(Debug)]
enum Place {
    /// The repository's own file.
    Own(Box<Lent>),
    /// Another file, whose commits are copied into the repository.
    Elsewhere { database: Box<Elsewhere>, durability: Durability, mirrored: Box<Mirrored> },
}

/// The part of another database's commits that the repository already has, and since when.
#[derive(Debug)]
struct Mirrored {
    copied: Instant,
    polled: Instant,
    stop_requested: bool,
    /// The changes that the repository does not have yet.
    job_context: Option<String>,
    /// The number of skipped items that the repository has.
    skipped: u64,
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

impl Target {
    pub(super) fn new(owner: Ownership, step: StepExecutionId, version: i64) -> Self {
        Self { owner, step, version, skipped: 0 }
    }

    fn fenced(&self) -> RepositoryError {
        RepositoryError::Fenced { execution: self.owner.execution }
    }

    /// The skipped items of the record, numbered.
    fn numbered<'r>(
        &self,
        record: &'r ChunkRecord,
    ) -> impl Iterator<Item = (u64, &'r SkippedItem)> + use<'r> {
        (self.skipped + 1..).zip(&record.skipped)
    }

    /// Records the commit.
    fn committed(&mut self, record: &ChunkRecord) {
        self.skipped += record.skipped.len() as u64;
    }

    /// Writes counters and contexts, fenced. Returns true if a stop is requested.
    fn write(
        &self,
        connection: &Connection,
        record: &ChunkRecord,
        job_context: Option<&str>,
        now: &str,
    ) -> Result<bool, Trouble> {
        let counters = &record.counters;
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
        let columns = ContextColumns::of(&record.context);
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

impl ChunkStore {
    pub(super) fn own(shared: &Arc<Shared>, target: Target, connection: Lent, stop: StopSignal) -> Self {
        Self { shared: Arc::clone(shared), target, place: Place::Own(Box::new(connection)), stop }
    }

    pub(super) fn elsewhere(
        shared: &Arc<Shared>,
        target: Target,
        database: Elsewhere,
        durability: Durability,
        stop: StopSignal,
    ) -> Self {
        let now = Instant::now();
        // The first chunk is copied at once, so that the repository knows of progress no matter how soon the
        // owner dies.
        let copied = now.checked_sub(shared.waits.mirror).unwrap_or(now);
        let mirrored = Mirrored { copied, polled: now, stop_requested: false, job_context: None, skipped: 0 };
        let place =
            Place::Elsewhere { database: Box::new(database), durability, mirrored: Box::new(mirrored) };
        Self { shared: Arc::clone(shared), target, place, stop }
    }

    pub(in crate::repository) fn commit(
        &mut self,
        record: &mut ChunkRecord,
        work: impl FnOnce(&ChunkTransaction<'_>, &mut ChunkRecord) -> Result<(), Failure>,
    ) -> Result<Committed, ChunkError> {
        let (shared, target) = (&self.shared, &mut self.target);
        let owner = target.owner;
        let wanted = || queries::is_wanted(shared, owner, &self.stop);
        match &mut self.place {
            Place::Own(connection) => {
                let name = |trouble: Trouble| trouble.at(&shared.path);
                let write = |record: &ChunkRecord| {
                    let stop_requested = target
                        .write(connection, record, record.job_context.as_deref(), &stamp(shared.now()))
                        .map_err(name)?;
                    for (sequence, item) in target.numbered(record) {
                        skipped::insert(connection, target.step, sequence, item)
                            .map_err(|error| name(error.into()))?;
                    }
                    Ok(stop_requested)
                };
                let stop_requested = transact(connection, name, wanted, record, work, write)?;
                target.version += 1;
                target.committed(record);
                Ok(Committed { stop_requested })
            }
            Place::Elsewhere { database, durability, mirrored } => {
                let mut there = database.lock();
                let write = |record: &ChunkRecord| {
                    database.write(&there, target.step, record)?;
                    target
                        .numbered(record)
                        .try_for_each(|(sequence, item)| database.skip(&there, target.step, sequence, item))
                };
                let name = |trouble| database.named(trouble);
                transact(there.connection(), name, wanted, record, work, write)?;
                there.committed(target.step);
                drop(there);
                target.committed(record);
                let stop_requested = mirrored.follow(shared, target, database, record, *durability)?;
                Ok(Committed { stop_requested })
            }
        }
    }
}

/// Runs one transaction: the work, then the additions of `write`. After any failure nothing stays, and the
/// connection is ready for the next transaction.
fn transact<T>(
    connection: &Lent,
    name: impl Fn(Trouble) -> RepositoryError,
    wanted: impl Fn() -> Result<bool, Trouble>,
    record: &mut ChunkRecord,
    work: impl FnOnce(&ChunkTransaction<'_>, &mut ChunkRecord) -> Result<(), Failure>,
    write: impl FnOnce(&ChunkRecord) -> Result<T, RepositoryError>,
) -> Result<T, ChunkError> {
    let failed = |trouble: Trouble| ChunkError::Repository(name(trouble));
    let begun = connection.patiently(|| connection.begin(), &wanted).map_err(failed)?;
    let transaction = begun.ok_or(ChunkError::Stopped)?;
    let chunk = ChunkTransaction::watched(&transaction, connection.watch());
    let held = connection.watch().hold();
    let worked = work(&chunk, record);
    chunk.after(worked).map_err(ChunkError::Work)?;
    drop(held);
    let written = write(record)?;
    // In a database without WAL, readers delay this too.
    let commit = || connection.prepare_cached("COMMIT")?.execute([]);
    match connection.patiently(commit, wanted) {
        Ok(Some(_)) => Ok(written),
        Ok(None) => Err(ChunkError::Stopped),
        // A deferred constraint: the rows are at fault, not the database.
        Err(Trouble::Sqlite(error)) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(ChunkError::Refused(Failure::new(error).during(Phase::Write)))
        }
        Err(error) => Err(failed(error)),
    }
}

impl Mirrored {
    /// Copies the record and checks for a stop when each is due. The chunk is already committed: if the
    /// repository fails now, the next call copies it.
    fn follow(
        &mut self,
        shared: &Arc<Shared>,
        target: &mut Target,
        database: &Elsewhere,
        record: &ChunkRecord,
        durability: Durability,
    ) -> Result<bool, RepositoryError> {
        let now = Instant::now();
        if let Some(changes) = &record.job_context {
            let before = rows::context(self.job_context.take(), None);
            let all = before.and_then(|before| rows::merged(before, changes));
            self.job_context = Some(all.map_err(|trouble| trouble.at(&shared.path))?);
        }
        // The other database has no place for the job's context.
        let followed = if now - self.copied >= shared.waits.mirror || self.job_context.is_some() {
            (self.copied, self.polled) = (now, now);
            let skipped = if target.skipped > self.skipped {
                skipped::follow(shared, target.owner, database, target.step)
            } else {
                Ok(())
            };
            let copied = skipped.and_then(|()| {
                self.skipped = target.skipped;
                copy(shared, target, record, self.job_context.as_deref(), durability)
            });
            if copied.is_ok() {
                target.version += 1;
                self.job_context = None;
            }
            copied
        } else if now - self.polled >= shared.waits.poll {
            self.polled = now;
            queries::stop_requested(shared, target.owner)
        } else {
            return Ok(self.stop_requested);
        };
        match followed.map_err(|trouble| trouble.at(&shared.path)) {
            Ok(stop_requested) => self.stop_requested = stop_requested,
            Err(fenced @ RepositoryError::Fenced { .. }) => return Err(fenced),
            Err(error) => {
                tracing::warn!(%error, "could not copy commits into the repository for now");
            }
        }
        Ok(self.stop_requested)
    }
}

fn copy(
    shared: &Arc<Shared>,
    target: &Target,
    record: &ChunkRecord,
    job_context: Option<&str>,
    durability: Durability,
) -> Result<bool, Trouble> {
    let connection = shared.lend(durability)?;
    let transaction = connection.begin()?;
    let stop_requested = target.write(&transaction, record, job_context, &stamp(shared.now()))?;
    transaction.commit()?;
    Ok(stop_requested)
}
