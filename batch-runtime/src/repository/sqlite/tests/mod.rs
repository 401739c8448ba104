//! Tests of what is special about a repository in a file, one test each, in separate folders. The promises that every
//! kind of repository makes are tested in the crate `batch-tests`.

mod chunks;
mod locks_and_times;
mod opening;
mod other_database;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use rusqlite::Connection;

use super::lock::Locks;
use super::{SqliteOptions, SqliteRepository};
use crate::definition::{Durability, ExecutionId, Failure, ParameterValue, Parameters, StopSignal};
use crate::repository::{
    BatchStatus, BegunStep, ChunkError, ChunkRecord, Clock, ContextMap, Counters, ExecutionFinish,
    ExitStatus, LaunchRequest, Launched, Ownership, Recovery, Repository, RepositoryError, StepFinish,
    StepStart, Stored, begin_step, encode_context,
};

/// A folder, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("batch-test-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("batch.db")
    }

    fn open(&self) -> SqliteRepository {
        SqliteRepository::open(self.file()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A clock that shows the same time until it is set.
#[derive(Debug, Clone)]
struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    fn at(text: &str) -> Self {
        let time: Timestamp = text.parse().unwrap();
        Self(Arc::new(AtomicI64::new(time.as_millisecond())))
    }

    fn set(&self, text: &str) {
        let time: Timestamp = text.parse().unwrap();
        self.0.store(time.as_millisecond(), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

fn parameters(name: &str) -> Parameters {
    Parameters::new().with("name", ParameterValue::String(name.to_owned()))
}

fn request(parameters: &Parameters) -> LaunchRequest<'_> {
    LaunchRequest {
        job: "load",
        parameters,
        exclusive: false,
        restartable: true,
        max_recoveries: 3,
        recovery: Recovery::Detect,
        durability: Durability::Process,
        graph: "load",
        holds: &|_| Ok(Vec::new()),
        again: None,
    }
}

fn launch(repository: &SqliteRepository) -> Launched {
    repository.launch(&request(&parameters("a"))).unwrap()
}

fn start(name: &str) -> StepStart<'_> {
    // A signal of its own, because a lost lease raises those of all steps that it covers.
    let stop: &'static StopSignal = Box::leak(Box::new(StopSignal::new()));
    StepStart {
        name,
        start_limit: None,
        form: None,
        earlier_names: &[],
        elsewhere: None,
        durability: Durability::Process,
        stop,
    }
}

fn begin(repository: &SqliteRepository, owner: Ownership) -> BegunStep {
    begin_as(repository, owner, &start("step")).unwrap()
}

fn begin_as(
    repository: &SqliteRepository,
    owner: Ownership,
    step: &StepStart<'_>,
) -> Result<BegunStep, RepositoryError> {
    let repository: Arc<dyn Repository> = Arc::new(repository.clone());
    begin_step(&repository, owner, step, None)
}

fn ended_step(status: BatchStatus, code: &str) -> StepFinish {
    StepFinish {
        status,
        exit: ExitStatus::code(code),
        counters: Counters::default(),
        profile: None,
        journal: Vec::new(),
        context: None,
        job_context: None,
    }
}

fn ended(status: BatchStatus, code: &str) -> ExecutionFinish {
    ExecutionFinish { status, exit: ExitStatus::code(code), context: None }
}

fn fail(repository: &SqliteRepository, owner: Ownership) {
    repository.finish(owner, &ended(BatchStatus::Failed, "FAILED")).unwrap();
}

fn context(position: i64) -> ContextMap {
    ContextMap::from([("position".to_owned(), position.into())])
}

fn record(position: i64) -> ChunkRecord {
    let read = u64::try_from(position).unwrap();
    ChunkRecord {
        counters: Counters { read, write: read, commit: 1, ..Counters::default() },
        context: encode_context(&context(position)),
        ..ChunkRecord::default()
    }
}

/// Commits a chunk that inserts one row.
fn commit(step: &mut BegunStep, position: i64) -> Result<Stored, ChunkError> {
    step.chunks.commit(&mut record(position), |chunk, _| {
        chunk
            .of::<crate::Sqlite>()?
            .execute("INSERT INTO item VALUES (?1)", [position])
            .map_err(Failure::new)
            .map(|_| ())
    })
}

fn sql(path: &Path, sql: &str) {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// The rows of a query as text, as any other program sees them.
fn rows(path: &Path, sql: &str) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    statement
        .query_map([], |row| {
            (0..columns)
                .map(|column| {
                    Ok(match row.get::<_, rusqlite::types::Value>(column)? {
                        rusqlite::types::Value::Null => "NULL".to_owned(),
                        rusqlite::types::Value::Integer(number) => number.to_string(),
                        rusqlite::types::Value::Text(text) => text,
                        other => format!("{other:?}"),
                    })
                })
                .collect::<rusqlite::Result<Vec<_>>>()
                .map(|cells| cells.join("|"))
        })
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}
