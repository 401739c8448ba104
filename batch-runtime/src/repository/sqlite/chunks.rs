//! Receives: the work of a chunk. Gives: it committed, with counters, checkpoint and guard, in one transaction.

use std::sync::Arc;
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension, params};

use super::connections::{Lent, Shared};
use super::elsewhere::Elsewhere;
use super::error::Trouble;
use super::rows::{self, ContextColumns, int, stamp};
use crate::definition::{ChunkTransaction, Durability, Failure, StepExecutionId};
use crate::repository::{ChunkError, ChunkRecord, Committed, Ownership, RepositoryError};

/// Where the chunks of one step execution are committed.
#[derive(Debug)]
pub struct ChunkStore {
    shared: Arc<Shared>,
    target: Target,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// The repository's own file.
    Own(Box<Lent>),
    /// Another file, which the repository follows.
    Elsewhere { database: Box<Elsewhere>, durability: Durability, mirrored: Mirrored },
}

/// What the repository was told of another database, and when.
#[derive(Debug)]
struct Mirrored {
    copied: Instant,
    polled: Instant,
    stop_requested: bool,
    /// What the repository was not told yet.
    job_context: Option<String>,
}

/// The row of a step execution, and the right to write it.
#[derive(Debug)]
pub(super) struct Target {
    owner: Ownership,
    step: StepExecutionId,
    version: i64,
}

impl Target {
    pub(super) fn new(owner: Ownership, step: StepExecutionId) -> Self {
        Self { owner, step, version: 0 }
    }

    fn fenced(&self) -> RepositoryError {
        RepositoryError::Fenced { execution: self.owner.execution }
    }

    /// Writes counters and contexts, guarded; true if a stop is requested.
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
    pub(super) fn own(shared: &Arc<Shared>, target: Target, connection: Lent) -> Self {
        Self { shared: Arc::clone(shared), target, place: Place::Own(Box::new(connection)) }
    }

    pub(super) fn elsewhere(
        shared: &Arc<Shared>,
        target: Target,
        database: Elsewhere,
        durability: Durability,
    ) -> Self {
        let now = Instant::now();
        // The first chunk is copied at once, so that the repository knows of progress however soon the owner dies.
        let copied = now.checked_sub(shared.waits.mirror).unwrap_or(now);
        let mirrored = Mirrored { copied, polled: now, stop_requested: false, job_context: None };
        let place = Place::Elsewhere { database: Box::new(database), durability, mirrored };
        Self { shared: Arc::clone(shared), target, place }
    }

    pub(in crate::repository) fn commit(
        &mut self,
        record: &mut ChunkRecord,
        work: impl FnOnce(&ChunkTransaction<'_>, &mut ChunkRecord) -> Result<(), Failure>,
    ) -> Result<Committed, ChunkError> {
        let (shared, target) = (&self.shared, &mut self.target);
        match &mut self.place {
            Place::Own(connection) => {
                let write = |record: &ChunkRecord| {
                    target
                        .write(connection, record, record.job_context.as_deref(), &stamp(shared.now()))
                        .map_err(|trouble| trouble.at(&shared.path))
                };
                let stop_requested =
                    transact(connection, |trouble| trouble.at(&shared.path), record, work, write)?;
                target.version += 1;
                Ok(Committed { stop_requested })
            }
            Place::Elsewhere { database, durability, mirrored } => {
                let mut there = database.lock();
                let write = |record: &ChunkRecord| database.write(&there, target.step, record);
                transact(there.connection(), |trouble| database.named(trouble), record, work, write)?;
                there.committed(target.step);
                drop(there);
                let stop_requested = mirrored.follow(shared, target, record, *durability)?;
                Ok(Committed { stop_requested })
            }
        }
    }
}

/// One transaction: the work, then what `write` adds. Whatever fails, nothing stays and the connection can begin anew.
fn transact<T>(
    connection: &Lent,
    name: impl Fn(Trouble) -> RepositoryError,
    record: &mut ChunkRecord,
    work: impl FnOnce(&ChunkTransaction<'_>, &mut ChunkRecord) -> Result<(), Failure>,
    write: impl FnOnce(&ChunkRecord) -> Result<T, RepositoryError>,
) -> Result<T, ChunkError> {
    let failed = |error: rusqlite::Error| ChunkError::Repository(name(error.into()));
    let transaction = connection.begin().map_err(failed)?;
    work(&ChunkTransaction::sqlite(&transaction), record).map_err(ChunkError::Work)?;
    if connection.is_autocommit() {
        return Err(RepositoryError::TransactionEnded.into());
    }
    let written = write(record)?;
    connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])).map_err(failed)?;
    Ok(written)
}

impl Mirrored {
    /// Copies the record where it is time, and looks for a stop where it is time. The chunk is committed: a repository
    /// that fails now is told the next time.
    fn follow(
        &mut self,
        shared: &Arc<Shared>,
        target: &mut Target,
        record: &ChunkRecord,
        durability: Durability,
    ) -> Result<bool, RepositoryError> {
        let now = Instant::now();
        if let Some(changes) = &record.job_context {
            let before = rows::context(self.job_context.take(), None);
            let all = before.and_then(|before| rows::merged(before, changes));
            self.job_context = Some(all.map_err(|trouble| trouble.at(&shared.path))?);
        }
        // The job's context has no place in the other database.
        let followed = if now - self.copied >= shared.waits.mirror || self.job_context.is_some() {
            (self.copied, self.polled) = (now, now);
            let copied = copy(shared, target, record, self.job_context.as_deref(), durability);
            if copied.is_ok() {
                target.version += 1;
                self.job_context = None;
            }
            copied
        } else if now - self.polled >= shared.waits.poll {
            self.polled = now;
            super::queries::stop_requested(shared, target.owner)
        } else {
            return Ok(self.stop_requested);
        };
        match followed.map_err(|trouble| trouble.at(&shared.path)) {
            Ok(stop_requested) => self.stop_requested = stop_requested,
            Err(fenced @ RepositoryError::Fenced { .. }) => return Err(fenced),
            Err(error) => tracing::warn!(%error, "the repository does not follow for now"),
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
