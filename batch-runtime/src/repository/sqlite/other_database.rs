//! Steps whose rows go to a `SQLite` file other than the repository's.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::chunks::{numbered, transact};
use super::connections::{Lent, Session, guard, synchronous};
use super::error::InnerError;
use super::rows::{self, COUNTERS, int, stamp};
use super::{skipped, write_turns};
use crate::definition::{Backend, DatabaseKind, Sqlite, StepExecutionId};
use crate::repository::{
    Checkpoint, CheckpointRequest, Checkpoints, ChunkError, ChunkRecord, ChunkSession, ChunkWork, Committed,
    Counters, LockWait, RepositoryError, SkippedItem,
};

/// The wait for a lock after which a chunk is rolled back.
const WAIT: Duration = Duration::from_mins(1);

/// The row of one step in the other database.
#[derive(Debug)]
struct OtherDatabaseStep {
    database: Sqlite,
    key: CheckpointRequest,
    wanted: LockWait,
    there: Mutex<ConnectionAndRow>,
}

/// The connection, with the row as last seen: a writer that finds another version is fenced.
#[derive(Debug)]
struct ConnectionAndRow {
    connection: Lent,
    step: i64,
    version: i64,
}

impl Backend for Sqlite {
    fn kind(&self) -> DatabaseKind {
        DatabaseKind::SQLITE
    }

    fn place(&self) -> String {
        self.path().display().to_string()
    }

    fn checkpoints(
        &self,
        key: CheckpointRequest,
        wanted: &LockWait,
    ) -> Result<Arc<dyn Checkpoints>, RepositoryError> {
        let of_error = |error: InnerError| error.at(self.path());
        let named = |error: rusqlite::Error| of_error(error.into());
        let mut session =
            self.connect().and_then(|connection| Session::adopt(connection, WAIT)).map_err(named)?;
        session.set_synchronous(synchronous(key.durability)).map_err(named)?;
        let connection = Lent::own(session, write_turns::of(self.path()));
        let tables = || connection.execute_batch(include_str!("../schema/sqlite_checkpoint.sql"));
        connection
            .patiently(tables, || should_continue(wanted))
            .map_err(of_error)?
            .ok_or(RepositoryError::Stopped)?;
        let there = Mutex::new(ConnectionAndRow { connection, step: 0, version: 0 });
        Ok(Arc::new(OtherDatabaseStep { database: self.clone(), key, wanted: wanted.clone(), there }))
    }
}

fn should_continue(wanted: &LockWait) -> Result<bool, InnerError> {
    Ok(wanted.should_continue()?)
}

impl Checkpoints for OtherDatabaseStep {
    /// Fences every earlier owner there and returns the committed state of the step.
    fn raise_epoch(&self) -> Result<Checkpoint, RepositoryError> {
        let mut there = self.lock();
        let turn = there.connection.turn();
        let raise = || {
            self.rename(&there)?;
            let mut raise = there.connection.prepare_cached(&format!(
                "INSERT INTO BATCH_STEP_CHECKPOINT (REPOSITORY, JOB_INSTANCE_ID, STEP_NAME, EPOCH, STEP_EXECUTION_ID,
                                                    VERSION, {COUNTERS}, CONTEXT, LAST_UPDATED)
                 VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', ?5)
                 ON CONFLICT (REPOSITORY, JOB_INSTANCE_ID, STEP_NAME)
                     DO UPDATE SET EPOCH = excluded.EPOCH, VERSION = VERSION + 1
                     WHERE EPOCH < excluded.EPOCH OR (EPOCH = excluded.EPOCH AND STEP_EXECUTION_ID <= COALESCE(?6, STEP_EXECUTION_ID))
                 RETURNING STEP_EXECUTION_ID, VERSION, CONTEXT, {COUNTERS}"
            ))?;
            let key = &self.key;
            let now = stamp(key.clock.now());
            raise
                .query_row(
                    params![
                        key.repository,
                        key.owner.instance.0,
                        key.step,
                        int(key.owner.epoch),
                        now,
                        key.created.map(|created| created.0),
                    ],
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
        let row = there
            .connection
            .patiently(raise, || should_continue(&self.wanted))
            .map_err(|error| self.named(error));
        drop(turn);
        let row = row?.ok_or(RepositoryError::Stopped)?;
        let checkpoint;
        (there.step, there.version, checkpoint) = row.ok_or_else(|| self.fenced())?;
        Ok(checkpoint)
    }

    /// Assigns the row to a step execution that begins.
    fn start(&self, step: StepExecutionId, context: &str) -> Result<(), RepositoryError> {
        let record = ChunkRecord { context: context.to_owned(), ..ChunkRecord::default() };
        let mut there = self.lock();
        self.write_alone(&there, step, &record)?;
        there.committed(step);
        Ok(())
    }

    fn session(self: Arc<Self>, step: StepExecutionId) -> Box<dyn ChunkSession> {
        Box::new(OtherDatabaseSession { checkpoints: self, step, skipped: 0 })
    }

    fn settle(
        &self,
        step: StepExecutionId,
        counters: &Counters,
        changed: Option<String>,
    ) -> Result<Option<String>, RepositoryError> {
        let mut there = self.lock();
        if let Some(context) = changed {
            let record = ChunkRecord { counters: *counters, context, ..ChunkRecord::default() };
            self.write_alone(&there, step, &record)?;
            there.committed(step);
            return Ok(Some(record.context));
        }
        there
            .connection
            .query_row(
                "SELECT CONTEXT FROM BATCH_STEP_CHECKPOINT
                 WHERE REPOSITORY = ?1 AND JOB_INSTANCE_ID = ?2 AND STEP_NAME = ?3 AND STEP_EXECUTION_ID = ?4",
                params![self.key.repository, self.key.owner.instance.0, self.key.step, step.0],
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| self.named(error.into()))
    }

    /// The items that a step execution skipped after the sequence number `known`, in order, at most `limit`.
    fn skipped_after(
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
}

impl OtherDatabaseStep {
    /// Renames the row of an earlier name to the current name, unless the step already has a row. The skipped
    /// items are renamed first: after a crash between the two, the row is found again.
    fn rename(&self, there: &ConnectionAndRow) -> rusqlite::Result<()> {
        let CheckpointRequest { repository, owner, step, earlier_names, .. } = &self.key;
        for earlier in earlier_names {
            for table in ["BATCH_STEP_SKIPPED_ITEM", "BATCH_STEP_CHECKPOINT"] {
                there
                    .connection
                    .prepare_cached(&format!(
                        "UPDATE {table} SET STEP_NAME = ?1
                         WHERE REPOSITORY = ?2 AND JOB_INSTANCE_ID = ?3 AND STEP_NAME = ?4 AND NOT EXISTS (
                             SELECT 1 FROM BATCH_STEP_CHECKPOINT
                             WHERE REPOSITORY = ?2 AND JOB_INSTANCE_ID = ?3 AND STEP_NAME = ?1)"
                    ))?
                    .execute(params![step, repository, owner.instance.0, earlier])?;
            }
        }
        Ok(())
    }

    /// Locks the connection for one chunk.
    fn lock(&self) -> MutexGuard<'_, ConnectionAndRow> {
        guard(&self.there)
    }

    /// Writes a record in its own transaction.
    fn write_alone(
        &self,
        there: &ConnectionAndRow,
        step: StepExecutionId,
        record: &ChunkRecord,
    ) -> Result<(), RepositoryError> {
        let _turn = there.connection.turn();
        self.write(there, step, record)
    }

    /// Writes the record of a chunk in the open transaction, unless this owner is fenced.
    fn write(
        &self,
        there: &ConnectionAndRow,
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

    /// Writes a skipped item of a chunk in the open transaction, after [`write`](Self::write), which checks the
    /// fence.
    fn skip(
        &self,
        there: &ConnectionAndRow,
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

    /// The number of items that all partitions of a step have skipped in the instance.
    fn skipped_of(&self, there: &ConnectionAndRow, step: &str) -> Result<u64, RepositoryError> {
        there
            .connection
            .prepare_cached(
                "SELECT COUNT(*) FROM BATCH_STEP_SKIPPED_ITEM
                 WHERE REPOSITORY = ?1 AND JOB_INSTANCE_ID = ?2 AND STEP_NAME >= ?3 || ':partition'
                   AND STEP_NAME < ?3 || ':partitioo'",
            )
            .and_then(|mut select| {
                let key = params![self.key.repository, self.key.owner.instance.0, step];
                select.query_row(key, |row| rows::count(row, 0))
            })
            .map_err(|error| self.named(error.into()))
    }

    fn named(&self, error: InnerError) -> RepositoryError {
        error.at(self.path())
    }

    fn path(&self) -> &Path {
        self.database.path()
    }

    fn fenced(&self) -> RepositoryError {
        RepositoryError::Fenced { execution: self.key.owner.execution }
    }
}

impl ConnectionAndRow {
    /// Called after the commit of a write for that step execution.
    fn committed(&mut self, step: StepExecutionId) {
        self.step = step.0;
        self.version += 1;
    }
}

/// The chunks of one step execution.
struct OtherDatabaseSession {
    checkpoints: Arc<OtherDatabaseStep>,
    step: StepExecutionId,
    /// The number of skipped items that are committed.
    skipped: u64,
}

impl fmt::Debug for OtherDatabaseSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtherDatabaseSession").field("step", &self.step).finish_non_exhaustive()
    }
}

impl ChunkSession for OtherDatabaseSession {
    fn commit(
        &mut self,
        record: &mut ChunkRecord,
        work: &mut ChunkWork<'_>,
    ) -> Result<Committed, ChunkError> {
        let Self { checkpoints, step, skipped } = self;
        let mut there = checkpoints.lock();
        let write = |record: &ChunkRecord| {
            checkpoints.write(&there, *step, record)?;
            numbered(*skipped, record)
                .try_for_each(|(sequence, item)| checkpoints.skip(&there, *step, sequence, item))
        };
        let wanted = || should_continue(&checkpoints.wanted);
        let so_far = |of: &str| checkpoints.skipped_of(&there, of);
        let name = |error| checkpoints.named(error);
        transact(&there.connection, name, wanted, record, work, so_far, write)?;
        there.committed(*step);
        *skipped += record.skipped.len() as u64;
        Ok(Committed { stop_requested: false })
    }
}
