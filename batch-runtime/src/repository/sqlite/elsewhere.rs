//! Steps whose rows go to another database: fence, counters and checkpoint are in a table there, committed
//! with the rows. That table is authoritative; the repository's rows of the step are a copy.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::{OptionalExtension, params};

use super::connections::{Lent, Session, Shared, guard, synchronous};
use super::error::{Trouble, unusable};
use super::rows::{self, COUNTERS, int, stamp};
use super::skipped;
use crate::definition::{Sqlite, StepExecutionId};
use crate::repository::{
    ChunkRecord, Clock, ContextMap, Counters, Ownership, RepositoryError, SkippedItem, StepStart,
    decode_context,
};

/// The row of one step in the other database. Clones share the connection.
#[derive(Debug, Clone)]
pub(super) struct Elsewhere {
    key: Arc<Key>,
    there: Arc<Mutex<There>>,
}

#[derive(Debug)]
struct Key {
    database: Sqlite,
    repository: String,
    owner: Ownership,
    step: String,
    /// The earlier names of the step.
    was: Vec<String>,
    clock: Arc<dyn Clock>,
}

/// The connection, with the row as last seen: a writer that finds another version is fenced.
#[derive(Debug)]
pub(super) struct There {
    connection: Lent,
    step: i64,
    version: i64,
}

/// The state that a step has committed in the other database.
#[derive(Debug)]
pub(super) struct Checkpoint {
    /// The step execution that committed it; `None` if none ever began there.
    pub(super) step: Option<StepExecutionId>,
    pub(super) counters: Counters,
    /// Its context, encoded.
    pub(super) text: String,
}

impl Checkpoint {
    pub(super) fn context(&self) -> Result<ContextMap, Trouble> {
        if self.step.is_none() {
            return Ok(ContextMap::new());
        }
        decode_context(&self.text)
            .map_err(|why| Trouble::Corrupt(format!("a checkpoint cannot be read: {why}")))
    }
}

impl Elsewhere {
    pub(super) fn open(
        shared: &Shared,
        owner: Ownership,
        step: &StepStart<'_>,
        name: &str,
        database: Sqlite,
        wanted: impl Fn() -> Result<bool, Trouble>,
    ) -> Result<Self, RepositoryError> {
        let of_trouble = |trouble: Trouble| match trouble.at(database.path()) {
            RepositoryError::Unusable { path, what } => {
                unusable(&path, format!("(database `{name}`) {what}"))
            }
            error => error,
        };
        let named = |error: rusqlite::Error| of_trouble(error.into());
        let mut session = database
            .connect()
            .and_then(|connection| Session::adopt(connection, shared.waits.commit))
            .map_err(named)?;
        session.set_synchronous(synchronous(shared.durability_of(owner.execution))).map_err(named)?;
        let connection = Lent::own(session, shared.queues.of(database.path()));
        let tables = || connection.execute_batch(include_str!("../schema/sqlite_checkpoint.sql"));
        connection.patiently(tables, wanted).map_err(of_trouble)?.ok_or(RepositoryError::Stopped)?;
        let there = There { connection, step: 0, version: 0 };
        let key = Key {
            database,
            repository: shared.uuid.clone(),
            owner,
            step: step.name.to_owned(),
            was: step.was.to_vec(),
            clock: Arc::clone(&shared.clock),
        };
        Ok(Self { key: Arc::new(key), there: Arc::new(Mutex::new(there)) })
    }

    /// Fences every earlier owner there and returns the committed state of the step.
    pub(super) fn raise_epoch(
        &self,
        wanted: impl Fn() -> Result<bool, Trouble>,
    ) -> Result<Checkpoint, RepositoryError> {
        let mut there = self.lock();
        let turn = there.connection.turn();
        let raise = || {
            self.rename(&there)?;
            let mut raise = there.connection.prepare_cached(&format!(
                "INSERT INTO BATCH_STEP_CHECKPOINT (REPOSITORY, JOB_INSTANCE_ID, STEP_NAME, EPOCH, STEP_EXECUTION_ID,
                                                    VERSION, {COUNTERS}, CONTEXT, LAST_UPDATED)
                 VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', ?5)
                 ON CONFLICT (REPOSITORY, JOB_INSTANCE_ID, STEP_NAME)
                     DO UPDATE SET EPOCH = excluded.EPOCH, VERSION = VERSION + 1 WHERE EPOCH <= excluded.EPOCH
                 RETURNING STEP_EXECUTION_ID, VERSION, CONTEXT, {COUNTERS}"
            ))?;
            let key = &self.key;
            let now = stamp(key.clock.now());
            raise
                .query_row(
                    params![key.repository, key.owner.instance.0, key.step, int(key.owner.epoch), now],
                    |row| {
                        let step: i64 = row.get(0)?;
                        let checkpoint = Checkpoint {
                            step: (step != 0).then_some(StepExecutionId(step)),
                            text: row.get(2)?,
                            counters: rows::counters(row, 3)?,
                        };
                        Ok((step, row.get(1)?, checkpoint))
                    },
                )
                .optional()
        };
        let row = there.connection.patiently(raise, wanted).map_err(|trouble| self.named(trouble));
        drop(turn);
        let row = row?.ok_or(RepositoryError::Stopped)?;
        let checkpoint;
        (there.step, there.version, checkpoint) = row.ok_or_else(|| self.fenced())?;
        Ok(checkpoint)
    }

    /// Gives the row of an earlier name the current name, unless the step already has a row. The skipped
    /// items are renamed first: after a crash between the two, the row is found again.
    fn rename(&self, there: &There) -> rusqlite::Result<()> {
        let Key { repository, owner, step, was, .. } = &*self.key;
        for was in was {
            for table in ["BATCH_STEP_SKIPPED_ITEM", "BATCH_STEP_CHECKPOINT"] {
                there
                    .connection
                    .prepare_cached(&format!(
                        "UPDATE {table} SET STEP_NAME = ?1
                         WHERE REPOSITORY = ?2 AND JOB_INSTANCE_ID = ?3 AND STEP_NAME = ?4 AND NOT EXISTS (
                             SELECT 1 FROM BATCH_STEP_CHECKPOINT
                             WHERE REPOSITORY = ?2 AND JOB_INSTANCE_ID = ?3 AND STEP_NAME = ?1)"
                    ))?
                    .execute(params![step, repository, owner.instance.0, was])?;
            }
        }
        Ok(())
    }

    /// Assigns the row to a step execution that begins.
    pub(super) fn start(&self, step: StepExecutionId, context: &str) -> Result<(), RepositoryError> {
        let record = ChunkRecord { context: context.to_owned(), ..ChunkRecord::default() };
        let mut there = self.lock();
        self.write_alone(&there, step, &record)?;
        there.committed(step);
        Ok(())
    }

    /// At the end of the step, stores a context that has changed, or returns the stored one. If the database
    /// fails, the end of the step is recorded anyway: the database may be the reason why it failed.
    pub(super) fn settle(
        &self,
        step: StepExecutionId,
        counters: &Counters,
        changed: Option<String>,
    ) -> Result<Option<String>, RepositoryError> {
        let mut there = self.lock();
        let settled = match changed {
            Some(context) => {
                let record = ChunkRecord { counters: *counters, context, ..ChunkRecord::default() };
                self.write_alone(&there, step, &record).map(|()| {
                    there.committed(step);
                    Some(record.context)
                })
            }
            None => there
                .connection
                .query_row(
                    "SELECT CONTEXT FROM BATCH_STEP_CHECKPOINT
                     WHERE REPOSITORY = ?1 AND JOB_INSTANCE_ID = ?2 AND STEP_NAME = ?3 AND STEP_EXECUTION_ID = ?4",
                    params![self.key.repository, self.key.owner.instance.0, self.key.step, step.0],
                    |row| row.get(0),
                )
                .optional()
                .map_err(|error| self.named(error.into())),
        };
        match settled {
            Err(error) if !matches!(error, RepositoryError::Fenced { .. }) => {
                tracing::warn!(%error, "the end of a step is recorded without its last context");
                Ok(None)
            }
            settled => settled,
        }
    }

    /// Locks the connection for one chunk.
    pub(super) fn lock(&self) -> MutexGuard<'_, There> {
        guard(&self.there)
    }

    /// Writes a record in its own transaction.
    fn write_alone(
        &self,
        there: &There,
        step: StepExecutionId,
        record: &ChunkRecord,
    ) -> Result<(), RepositoryError> {
        let _turn = there.connection.turn();
        self.write(there, step, record)
    }

    /// Writes the record of a chunk, fenced, in the open transaction.
    pub(super) fn write(
        &self,
        there: &There,
        step: StepExecutionId,
        record: &ChunkRecord,
    ) -> Result<(), RepositoryError> {
        let counters = &record.counters;
        let changed = there
            .connection
            .prepare_cached(
                "UPDATE BATCH_STEP_CHECKPOINT
                 SET VERSION = VERSION + 1, STEP_EXECUTION_ID = ?11, COMMIT_COUNT = ?1, READ_COUNT = ?2,
                     FILTER_COUNT = ?3, WRITE_COUNT = ?4, READ_SKIP_COUNT = ?5, WRITE_SKIP_COUNT = ?6,
                     PROCESS_SKIP_COUNT = ?7, ROLLBACK_COUNT = ?8, CONTEXT = ?9, LAST_UPDATED = ?10
                 WHERE REPOSITORY = ?12 AND JOB_INSTANCE_ID = ?13 AND STEP_NAME = ?14
                   AND EPOCH = ?15 AND STEP_EXECUTION_ID = ?16 AND VERSION = ?17",
            )
            .and_then(|mut update| {
                update.execute(params![
                    int(counters.commit),
                    int(counters.read),
                    int(counters.filter),
                    int(counters.write),
                    int(counters.read_skip),
                    int(counters.write_skip),
                    int(counters.process_skip),
                    int(counters.rollback),
                    record.context,
                    stamp(self.key.clock.now()),
                    step.0,
                    self.key.repository,
                    self.key.owner.instance.0,
                    self.key.step,
                    int(self.key.owner.epoch),
                    there.step,
                    there.version,
                ])
            })
            .map_err(|error| self.named(error.into()))?;
        if changed == 0 { Err(self.fenced()) } else { Ok(()) }
    }

    /// Writes the skipped items of a chunk in the open transaction, after [`write`](Self::write), which
    /// fences it.
    pub(super) fn skip(
        &self,
        there: &There,
        step: StepExecutionId,
        sequence: u64,
        item: &SkippedItem,
    ) -> Result<(), RepositoryError> {
        there
            .connection
            .prepare_cached(&format!(
                "INSERT INTO BATCH_STEP_SKIPPED_ITEM (REPOSITORY, JOB_INSTANCE_ID, STEP_NAME, STEP_EXECUTION_ID, {})
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                skipped::COLUMNS
            ))
            .and_then(|mut insert| {
                insert.execute(params![
                    self.key.repository,
                    self.key.owner.instance.0,
                    self.key.step,
                    step.0,
                    int(sequence),
                    item.phase.as_str(),
                    item.position,
                    item.location,
                    rows::cut(&item.error),
                    item.item,
                ])
            })
            .map(|_| ())
            .map_err(|error| self.named(error.into()))
    }

    /// The items that a step execution skipped after the sequence number `known`, in order, at most `limit`.
    pub(super) fn skipped_after(
        &self,
        step: StepExecutionId,
        known: u64,
        limit: u32,
    ) -> Result<Vec<(u64, SkippedItem)>, RepositoryError> {
        let there = self.lock();
        there
            .connection
            .prepare_cached(&format!(
                "SELECT {} FROM BATCH_STEP_SKIPPED_ITEM
                 WHERE REPOSITORY = ?1 AND JOB_INSTANCE_ID = ?2 AND STEP_NAME = ?3 AND STEP_EXECUTION_ID = ?4
                   AND SEQUENCE > ?5
                 ORDER BY SEQUENCE LIMIT ?6",
                skipped::COLUMNS
            ))
            .and_then(|mut select| {
                let key = &self.key;
                let key = params![key.repository, key.owner.instance.0, key.step, step.0, int(known), limit];
                select.query_map(key, |row| skipped::item(row, 0))?.collect()
            })
            .map_err(|error| self.named(error.into()))
    }

    pub(super) fn named(&self, trouble: Trouble) -> RepositoryError {
        trouble.at(self.path())
    }

    fn path(&self) -> &Path {
        self.key.database.path()
    }

    fn fenced(&self) -> RepositoryError {
        RepositoryError::Fenced { execution: self.key.owner.execution }
    }
}

impl There {
    pub(super) fn connection(&self) -> &Lent {
        &self.connection
    }

    /// Called after the commit of a write for that step execution.
    pub(super) fn committed(&mut self, step: StepExecutionId) {
        self.step = step.0;
        self.version += 1;
    }
}
