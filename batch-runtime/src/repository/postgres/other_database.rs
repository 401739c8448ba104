//! Steps whose rows go to a `PostgreSQL` database other than the repository's.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::chunks::{found, numbered};
use super::commit::{ChunkConnection, Found, Guarded, StopPoll};
use super::error::InnerError;
use super::rows::{self, counters, get, int, now, set_counters};
use super::shared::{Statements, Tx, guard};
use super::skipped;
use crate::definition::{Backend, DatabaseKind, StepExecutionId};
use crate::postgres::{Bound, CommitError, Postgres, Session};
use crate::repository::{
    Checkpoint, CheckpointRequest, Checkpoints, ChunkError, ChunkRecord, ChunkSession, ChunkWork, Committed,
    Counters, LockWait, RepositoryError, SkippedItem,
};

/// How long to try to reconnect to a lost server.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a wait checks whether the job is to stop.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// The row of one step in the other database.
struct OtherDatabaseStep {
    database: Postgres,
    statements: Statements,
    key: CheckpointRequest,
    wanted: LockWait,
    there: Mutex<ConnectionAndRow>,
}

/// The connection, with the row as last seen: a writer that finds another version is fenced.
struct ConnectionAndRow {
    session: Option<Session>,
    step: i64,
    version: i64,
}

impl Backend for Postgres {
    fn kind(&self) -> DatabaseKind {
        DatabaseKind::POSTGRES
    }

    fn place(&self) -> String {
        Postgres::place(self).to_owned()
    }

    fn checkpoints(
        &self,
        key: CheckpointRequest,
        wanted: &LockWait,
    ) -> Result<Arc<dyn Checkpoints>, RepositoryError> {
        let statements = Statements::in_schema(&self.schema());
        let created = Session::connect(self, "batch").map_err(InnerError::from).and_then(|session| {
            session.bound_by(Bound::OfThisProcess);
            create(&session, &statements, self)?;
            Ok(session)
        });
        let session = created.map_err(|error| error.at(Postgres::place(self)))?;
        let there = Mutex::new(ConnectionAndRow { session: Some(session), step: 0, version: 0 });
        let database = self.clone();
        Ok(Arc::new(OtherDatabaseStep { database, statements, key, wanted: wanted.clone(), there }))
    }
}

/// Creates the tables of checkpoints, unless they exist.
fn create(session: &Session, statements: &Statements, database: &Postgres) -> Result<(), InnerError> {
    let exists = session.query_one(
        "SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL",
        &[&statements.filled("@BATCH_STEP_CHECKPOINT"), &statements.filled("@BATCH_STEP_SKIPPED_ITEM")],
    )?;
    if get(&exists, 0)? {
        return Ok(());
    }
    session.begin("SET LOCAL lock_timeout = '60s'")?;
    session.query(
        "SELECT pg_advisory_xact_lock(hashtextextended('batch checkpoints ' || $1, 0))",
        &[&database.schema()],
    )?;
    session.batch_execute(&statements.filled(include_str!("../schema/postgres_checkpoint.sql")))?;
    session.commit().map_err(|error| InnerError::Database(error.into_error()))
}

impl OtherDatabaseStep {
    /// Runs statements that are one transaction each, on the connection of the row.
    fn run<T>(
        &self,
        there: &mut ConnectionAndRow,
        work: impl Fn(&Tx<'_>) -> Result<T, InnerError>,
    ) -> Result<T, RepositoryError> {
        let until = std::time::Instant::now() + PATIENCE;
        loop {
            let done =
                self.connected(there).and_then(|session| work(&Tx { session, statements: &self.statements }));
            match done {
                Err(error)
                    if error.is_transient()
                        && !error.is_final(&Bound::OfThisProcess)
                        && std::time::Instant::now() < until
                        && self.wanted.should_continue().unwrap_or(true) =>
                {
                    there.session = None;
                    std::thread::sleep(Duration::from_millis(200));
                }
                done => return done.map_err(|error| error.at(self.database.place())),
            }
        }
    }

    fn connected<'t>(&self, there: &'t mut ConnectionAndRow) -> Result<&'t Session, InnerError> {
        let session = match there.session.take().filter(|session| !session.is_closed()) {
            Some(session) => session,
            None => Session::connect(&self.database, "batch")?,
        };
        session.bound_by(Bound::OfThisProcess);
        session.set_watch(Some(StopPoll::every(CHECK_INTERVAL, self.wanted.clone()).watch()));
        Ok(there.session.insert(session))
    }

    fn fenced(&self) -> RepositoryError {
        RepositoryError::Fenced { execution: self.key.owner.execution }
    }

    /// Renames the row of an earlier name to the current name, unless the step already has a row. The skipped
    /// items are renamed first: after a crash between the two, the row is found again.
    fn rename(&self, tx: &Tx<'_>) -> Result<(), InnerError> {
        let CheckpointRequest { repository, owner, step, earlier_names, .. } = &self.key;
        for earlier in earlier_names {
            for statement in [
                "UPDATE @BATCH_STEP_SKIPPED_ITEM SET STEP_NAME = $1
                 WHERE REPOSITORY = $2 AND JOB_INSTANCE_ID = $3 AND STEP_NAME = $4 AND NOT EXISTS (
                     SELECT FROM @BATCH_STEP_CHECKPOINT WHERE REPOSITORY = $2 AND JOB_INSTANCE_ID = $3 AND STEP_NAME = $1)",
                "UPDATE @BATCH_STEP_CHECKPOINT SET STEP_NAME = $1
                 WHERE REPOSITORY = $2 AND JOB_INSTANCE_ID = $3 AND STEP_NAME = $4 AND NOT EXISTS (
                     SELECT FROM @BATCH_STEP_CHECKPOINT WHERE REPOSITORY = $2 AND JOB_INSTANCE_ID = $3 AND STEP_NAME = $1)",
            ] {
                tx.execute(statement, &[step, repository, &owner.instance.0, earlier])?;
            }
        }
        Ok(())
    }

    /// Writes a record in a transaction of its own, for a step execution that begins or ends.
    fn write_alone(
        &self,
        there: &mut ConnectionAndRow,
        step: StepExecutionId,
        record: &ChunkRecord,
    ) -> Result<(), RepositoryError> {
        let [c1, c2, c3, c4, c5, c6, c7, c8] = rows::parameters(&record.counters);
        let key = &self.key;
        let (before, version) = (there.step, there.version);
        // If the statement is repeated after its answer was lost, it finds the row as it has already written it.
        let written = self.run(there, |tx| {
            let row = tx.query_opt(
                concat!(
                    "UPDATE @BATCH_STEP_CHECKPOINT SET VERSION = $16 + 1, STEP_EXECUTION_ID = $9, ",
                    set_counters!(),
                    ", CONTEXT = $10, LAST_UPDATED = ",
                    now!(),
                    " WHERE REPOSITORY = $11 AND JOB_INSTANCE_ID = $12 AND STEP_NAME = $13 AND EPOCH = $14
                        AND (STEP_EXECUTION_ID = $15 AND VERSION = $16 OR STEP_EXECUTION_ID = $9 AND VERSION = $16 + 1)
                      RETURNING VERSION"
                ),
                &[
                    &c1,
                    &c2,
                    &c3,
                    &c4,
                    &c5,
                    &c6,
                    &c7,
                    &c8,
                    &step.0,
                    &record.context,
                    &key.repository,
                    &key.owner.instance.0,
                    &key.step,
                    &int(key.owner.epoch),
                    &before,
                    &version,
                ],
            )?;
            row.map(|row| get::<i64>(&row, 0)).transpose()
        })?;
        there.version = written.ok_or_else(|| self.fenced())?;
        there.step = step.0;
        Ok(())
    }
}

impl Checkpoints for OtherDatabaseStep {
    fn raise_epoch(&self) -> Result<Checkpoint, RepositoryError> {
        let key = &self.key;
        let mut there = guard(&self.there);
        let row = self.run(&mut there, |tx| {
            self.rename(tx)?;
            // Raised by two: a lost worker of the same owner, which does not know whether its last chunk was committed, must
            // not mistake this for its commit.
            tx.query_opt(
                concat!(
                    "INSERT INTO @BATCH_STEP_CHECKPOINT AS there (REPOSITORY, JOB_INSTANCE_ID, STEP_NAME, EPOCH,
                         STEP_EXECUTION_ID, VERSION, ",
                    counters!(),
                    ", CONTEXT, LAST_UPDATED)
                     VALUES ($1, $2, $3, $4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', ",
                    now!(),
                    ") ON CONFLICT (REPOSITORY, JOB_INSTANCE_ID, STEP_NAME)
                         DO UPDATE SET EPOCH = excluded.EPOCH, VERSION = there.VERSION + 2
                         WHERE there.EPOCH < excluded.EPOCH
                            OR (there.EPOCH = excluded.EPOCH
                                AND there.STEP_EXECUTION_ID <= COALESCE($5::bigint, there.STEP_EXECUTION_ID))
                     RETURNING STEP_EXECUTION_ID, VERSION, CONTEXT, ",
                    counters!()
                ),
                &[
                    &key.repository,
                    &key.owner.instance.0,
                    &key.step,
                    &int(key.owner.epoch),
                    &key.created.map(|created| created.0),
                ],
            )
        })?;
        let row = row.ok_or_else(|| self.fenced())?;
        let read = || -> Result<_, InnerError> {
            let step: i64 = get(&row, 0)?;
            let checkpoint = Checkpoint {
                step: (step != 0).then_some(StepExecutionId(step)),
                text: get(&row, 2)?,
                counters: rows::counters_of(&row, 3)?,
            };
            Ok((step, get(&row, 1)?, checkpoint))
        };
        let checkpoint;
        (there.step, there.version, checkpoint) = read().map_err(|error| error.at(self.database.place()))?;
        Ok(checkpoint)
    }

    fn start(&self, step: StepExecutionId, context: &str) -> Result<(), RepositoryError> {
        let record = ChunkRecord { context: context.to_owned(), ..ChunkRecord::default() };
        self.write_alone(&mut guard(&self.there), step, &record)
    }

    fn session(self: Arc<Self>, step: StepExecutionId) -> Box<dyn ChunkSession> {
        let connection = ChunkConnection::new(
            self.database.clone(),
            Statements::in_schema(&self.database.schema()),
            "batch".to_owned(),
            self.key.durability,
            PATIENCE,
            (Bound::OfThisProcess, StopPoll::every(CHECK_INTERVAL, self.wanted.clone())),
        );
        let version = guard(&self.there).version;
        Box::new(OtherDatabaseSession {
            connection,
            row: CheckpointRow { checkpoints: self, step, version, skipped: 0 },
        })
    }

    fn settle(
        &self,
        step: StepExecutionId,
        counters: &Counters,
        changed: Option<String>,
    ) -> Result<Option<String>, RepositoryError> {
        let mut there = guard(&self.there);
        if let Some(context) = changed {
            let record = ChunkRecord { counters: *counters, context, ..ChunkRecord::default() };
            self.write_alone(&mut there, step, &record)?;
            return Ok(Some(record.context));
        }
        let key = &self.key;
        self.run(&mut there, |tx| {
            let row = tx.query_opt(
                "SELECT CONTEXT FROM @BATCH_STEP_CHECKPOINT
                 WHERE REPOSITORY = $1 AND JOB_INSTANCE_ID = $2 AND STEP_NAME = $3 AND STEP_EXECUTION_ID = $4",
                &[&key.repository, &key.owner.instance.0, &key.step, &step.0],
            )?;
            row.map(|row| get(&row, 0)).transpose()
        })
    }

    fn skipped_after(
        &self,
        step: StepExecutionId,
        known: u64,
        limit: u32,
    ) -> Result<Vec<(u64, SkippedItem)>, RepositoryError> {
        let key = &self.key;
        self.run(&mut guard(&self.there), |tx| {
            let rows = tx.query(
                "SELECT SEQUENCE, PHASE, SOURCE_POSITION, LOCATION, ERROR, ITEM FROM @BATCH_STEP_SKIPPED_ITEM
                 WHERE REPOSITORY = $1 AND JOB_INSTANCE_ID = $2 AND STEP_NAME = $3 AND STEP_EXECUTION_ID = $4
                   AND SEQUENCE > $5
                 ORDER BY SEQUENCE LIMIT $6",
                &[&key.repository, &key.owner.instance.0, &key.step, &step.0, &int(known), &i64::from(limit)],
            )?;
            rows.iter().map(|row| skipped::item(row, 0)).collect()
        })
    }
}

impl fmt::Debug for OtherDatabaseStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtherDatabaseStep").field("place", &self.database.place()).finish_non_exhaustive()
    }
}

/// The chunks of one step execution.
struct OtherDatabaseSession {
    connection: ChunkConnection,
    row: CheckpointRow,
}

/// The row of a step execution in the other database, with the right to write it.
struct CheckpointRow {
    checkpoints: Arc<OtherDatabaseStep>,
    step: StepExecutionId,
    version: i64,
    /// The number of skipped items that are committed.
    skipped: u64,
}

impl ChunkSession for OtherDatabaseSession {
    fn commit(
        &mut self,
        record: &mut ChunkRecord,
        work: &mut ChunkWork<'_>,
    ) -> Result<Committed, ChunkError> {
        let committed = self.connection.commit(&mut self.row, record, work);
        guard(&self.row.checkpoints.there).version = self.row.version;
        committed?;
        Ok(Committed { stop_requested: false })
    }
}

impl fmt::Debug for OtherDatabaseSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtherDatabaseSession").field("step", &self.row.step).finish_non_exhaustive()
    }
}

impl Guarded for CheckpointRow {
    fn add(&self, tx: &Tx<'_>, record: &ChunkRecord) -> Result<(), InnerError> {
        let key = &self.checkpoints.key;
        let clean = |text: &String| text.replace('\0', "\u{fffd}");
        for (sequence, item) in numbered(self.skipped, record) {
            tx.send(
                "INSERT INTO @BATCH_STEP_SKIPPED_ITEM (REPOSITORY, JOB_INSTANCE_ID, STEP_NAME, STEP_EXECUTION_ID,
                                                       SEQUENCE, PHASE, SOURCE_POSITION, LOCATION, ERROR, ITEM)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                &[
                    &key.repository,
                    &key.owner.instance.0,
                    &key.step,
                    &self.step.0,
                    &int(sequence),
                    &item.phase.as_str(),
                    &item.position,
                    &item.location.as_ref().map(clean),
                    &rows::text(&item.error),
                    &item.item.as_ref().map(clean),
                ],
            )?;
        }
        Ok(())
    }

    fn skipped_so_far(&self, tx: &Tx<'_>, step: &str) -> Result<u64, InnerError> {
        let key = &self.checkpoints.key;
        skipped::lock(tx, &key.repository, key.owner, step)?;
        let row = tx.query_one(
            "SELECT COUNT(*) FROM @BATCH_STEP_SKIPPED_ITEM
             WHERE REPOSITORY = $1 AND JOB_INSTANCE_ID = $2 AND starts_with(STEP_NAME, $3 || ':partition')",
            &[&key.repository, &key.owner.instance.0, &step],
        )?;
        rows::count(&row, 0)
    }

    fn send_guard(
        &self,
        session: &Session,
        statements: &Statements,
        record: &ChunkRecord,
        token: &str,
    ) -> Result<(), CommitError> {
        let [c1, c2, c3, c4, c5, c6, c7, c8] = rows::parameters(&record.counters);
        let key = &self.checkpoints.key;
        session.send_commit_after_own(
            &statements.get(concat!(
                "WITH guard AS (UPDATE @BATCH_STEP_CHECKPOINT SET VERSION = VERSION + 1, ",
                set_counters!(),
                ", CONTEXT = $10, LAST_UPDATED = ",
                now!(),
                " WHERE REPOSITORY = $11 AND JOB_INSTANCE_ID = $12 AND STEP_NAME = $13 AND EPOCH = $14
                    AND STEP_EXECUTION_ID = $9 AND VERSION = $15 AND current_setting('batch.chunk', true) = $16
                  RETURNING 1)
                  SELECT 1 / count(*) FROM guard"
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
                &record.context,
                &key.repository,
                &key.owner.instance.0,
                &key.step,
                &int(key.owner.epoch),
                &self.version,
                &token,
            ],
        )
    }

    fn look(&self, tx: &Tx<'_>) -> Result<Found, InnerError> {
        let key = &self.checkpoints.key;
        let row = tx.query_opt(
            "UPDATE @BATCH_STEP_CHECKPOINT SET VERSION = VERSION + 1
             WHERE REPOSITORY = $1 AND JOB_INSTANCE_ID = $2 AND STEP_NAME = $3 AND EPOCH = $4
               AND STEP_EXECUTION_ID = $5 AND VERSION IN ($6::bigint, $6 + 1)
             RETURNING VERSION",
            &[
                &key.repository,
                &key.owner.instance.0,
                &key.step,
                &int(key.owner.epoch),
                &self.step.0,
                &self.version,
            ],
        )?;
        found(row.as_ref(), self.version, || {
            tx.query_opt(
                "SELECT VERSION FROM @BATCH_STEP_CHECKPOINT
                 WHERE REPOSITORY = $1 AND JOB_INSTANCE_ID = $2 AND STEP_NAME = $3 AND EPOCH = $4
                   AND STEP_EXECUTION_ID = $5",
                &[&key.repository, &key.owner.instance.0, &key.step, &int(key.owner.epoch), &self.step.0],
            )
        })
    }

    fn moved(&mut self, version: i64) {
        self.version = version;
    }

    fn committed(&mut self, record: &ChunkRecord) {
        self.version += 1;
        self.skipped += record.skipped.len() as u64;
    }

    fn fenced(&self) -> RepositoryError {
        self.checkpoints.fenced()
    }
}
