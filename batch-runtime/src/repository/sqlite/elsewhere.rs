//! Receives: a step whose rows go to another database. Gives: guard, counters and checkpoint in a table there,
//! committed with the rows. That table is the truth; the repository's rows of the step follow it.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::{OptionalExtension, params};

use super::connections::{Lent, Session, Shared, guard, synchronous};
use super::error::{Trouble, unusable};
use super::rows::{self, COUNTERS, int, stamp};
use crate::definition::{Durability, Sqlite, StepExecutionId};
use crate::repository::{
    ChunkRecord, Clock, ContextMap, Counters, Ownership, RepositoryError, decode_context,
};

/// The row of one step there. Clones share the connection.
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
    clock: Arc<dyn Clock>,
}

/// The connection, and the version of the row as last written.
#[derive(Debug)]
pub(super) struct There {
    connection: Lent,
    version: i64,
}

/// What a step has committed there.
#[derive(Debug)]
pub(super) struct Checkpoint {
    /// The step execution that did.
    pub(super) step: StepExecutionId,
    pub(super) counters: Counters,
    /// Its context, encoded.
    pub(super) text: String,
}

impl Checkpoint {
    pub(super) fn context(&self) -> Result<ContextMap, Trouble> {
        decode_context(&self.text)
            .map_err(|why| Trouble::Corrupt(format!("a checkpoint cannot be read: {why}")))
    }
}

impl Elsewhere {
    pub(super) fn open(
        shared: &Shared,
        owner: Ownership,
        step: &str,
        name: &str,
        database: Sqlite,
        durability: Durability,
    ) -> Result<Self, RepositoryError> {
        let named = |error: rusqlite::Error| match Trouble::from(error).at(database.path()) {
            RepositoryError::Unusable { path, what } => {
                unusable(&path, format!("(database `{name}`) {what}"))
            }
            error => error,
        };
        let mut session = database
            .connect()
            .and_then(|connection| Session::adopt(connection, shared.waits.commit))
            .map_err(named)?;
        session.set_synchronous(synchronous(durability)).map_err(named)?;
        session.connection().execute_batch(include_str!("../schema/sqlite_checkpoint.sql")).map_err(named)?;
        let there = There { connection: Lent::own(session), version: 0 };
        let key = Key {
            database,
            repository: shared.uuid.clone(),
            owner,
            step: step.to_owned(),
            clock: Arc::clone(&shared.clock),
        };
        Ok(Self { key: Arc::new(key), there: Arc::new(Mutex::new(there)) })
    }

    /// Fences every owner before this one there; gives what the step has committed.
    pub(super) fn raise_epoch(&self) -> Result<Option<Checkpoint>, RepositoryError> {
        let row = self
            .lock()
            .connection
            .prepare_cached(&format!(
                "INSERT INTO BATCH_STEP_CHECKPOINT (REPOSITORY, JOB_INSTANCE_ID, STEP_NAME, EPOCH, STEP_EXECUTION_ID,
                                                    VERSION, {COUNTERS}, CONTEXT, LAST_UPDATED)
                 VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', ?5)
                 ON CONFLICT (REPOSITORY, JOB_INSTANCE_ID, STEP_NAME)
                     DO UPDATE SET EPOCH = excluded.EPOCH WHERE EPOCH <= excluded.EPOCH
                 RETURNING STEP_EXECUTION_ID, CONTEXT, {COUNTERS}"
            ))
            .and_then(|mut raise| {
                raise
                    .query_row(
                        params![
                            self.key.repository,
                            self.key.owner.instance.0,
                            self.key.step,
                            int(self.key.owner.epoch),
                            stamp(self.key.clock.now()),
                        ],
                        |row| {
                            Ok(Checkpoint {
                                step: StepExecutionId(row.get(0)?),
                                text: row.get(1)?,
                                counters: rows::counters(row, 2)?,
                            })
                        },
                    )
                    .optional()
            })
            .map_err(|error| self.named(error.into()))?;
        let checkpoint = row.ok_or_else(|| self.fenced())?;
        Ok((checkpoint.step.0 != 0).then_some(checkpoint))
    }

    /// Makes the row that of a step execution which begins.
    pub(super) fn start(&self, step: StepExecutionId, context: &str) -> Result<(), RepositoryError> {
        let record = ChunkRecord { context: context.to_owned(), ..ChunkRecord::default() };
        let mut there = self.lock();
        self.update(&there, step, &record, &stamp(self.key.clock.now()), Condition::Owner)?;
        there.version = 0;
        Ok(())
    }

    /// At the end of the step: puts a context that changed there, or gives the one that stands there. Of a database that
    /// fails the end of the step is recorded all the same: it may be why the step failed.
    pub(super) fn settle(
        &self,
        step: StepExecutionId,
        counters: &Counters,
        changed: Option<String>,
    ) -> Result<Option<String>, RepositoryError> {
        let there = self.lock();
        let settled = match changed {
            Some(context) => {
                let record = ChunkRecord { counters: *counters, context, job_context: None };
                let now = stamp(self.key.clock.now());
                self.update(&there, step, &record, &now, Condition::Step).map(|()| Some(record.context))
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

    /// The connection, for one chunk.
    pub(super) fn lock(&self) -> MutexGuard<'_, There> {
        guard(&self.there)
    }

    /// Writes the record of a chunk, guarded, in the transaction that is open.
    pub(super) fn write(
        &self,
        there: &There,
        step: StepExecutionId,
        record: &ChunkRecord,
    ) -> Result<(), RepositoryError> {
        self.update(there, step, record, &stamp(self.key.clock.now()), Condition::Version)
    }

    fn update(
        &self,
        there: &There,
        step: StepExecutionId,
        record: &ChunkRecord,
        now: &str,
        condition: Condition,
    ) -> Result<(), RepositoryError> {
        let (version, condition) = match condition {
            Condition::Owner => ("0", ""),
            Condition::Step => ("VERSION + 1", "AND STEP_EXECUTION_ID = ?14"),
            Condition::Version => ("VERSION + 1", "AND STEP_EXECUTION_ID = ?14 AND VERSION = ?16"),
        };
        let counters = &record.counters;
        let changed = there
            .connection
            .prepare_cached(&format!(
                "UPDATE BATCH_STEP_CHECKPOINT
                 SET VERSION = {version}, STEP_EXECUTION_ID = ?14, COMMIT_COUNT = ?1, READ_COUNT = ?2,
                     FILTER_COUNT = ?3, WRITE_COUNT = ?4, READ_SKIP_COUNT = ?5, WRITE_SKIP_COUNT = ?6,
                     PROCESS_SKIP_COUNT = ?7, ROLLBACK_COUNT = ?8, CONTEXT = ?9, LAST_UPDATED = ?10
                 WHERE REPOSITORY = ?11 AND JOB_INSTANCE_ID = ?12 AND STEP_NAME = ?13 AND EPOCH = ?15
                   AND ?16 = ?16 {condition}"
            ))
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
                    now,
                    self.key.repository,
                    self.key.owner.instance.0,
                    self.key.step,
                    step.0,
                    int(self.key.owner.epoch),
                    there.version,
                ])
            })
            .map_err(|error| self.named(error.into()))?;
        if changed == 0 { Err(self.fenced()) } else { Ok(()) }
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

    /// Told after the commit of a chunk.
    pub(super) fn committed(&mut self) {
        self.version += 1;
    }
}

/// What has to stand there for a write, beside the epoch.
#[derive(Clone, Copy)]
enum Condition {
    /// Nothing.
    Owner,
    /// The step execution.
    Step,
    /// The step execution and the version.
    Version,
}
