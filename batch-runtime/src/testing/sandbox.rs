//! A private folder with a repository, for tests of several runs.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::types::ValueRef;
use serde::de::DeserializeOwned;

use super::{SandboxError, TestClock};
use crate::definition::{
    Database, Durability, ExecutionId, Failure, Given, Launch, Produces, ResourceDefinition,
};
use crate::engine::{self, RunOptions};
use crate::observe::JobReport;
use crate::repository::sqlite::{SqliteOptions, SqliteRepository};
use crate::repository::{FailPoint, Failing, Repository, RepositoryError};

/// A private folder with a repository in it, for several runs of your jobs. Both are removed when it is dropped.
///
/// Each run opens the repository again, as a new process would. Anything else in the process, such as a `static` of your
/// own, is shared by all runs.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::testing::{FailAt, Sandbox, SandboxError};
///
/// #[reader]
/// fn numbers() -> impl Iterator<Item = i64> {
///     1..=5
/// }
///
/// #[writer]
/// fn save(numbers: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
///     tx.execute_batch("CREATE TABLE IF NOT EXISTS number (value INTEGER)")?;
///     numbers.iter().try_for_each(|number| tx.execute("INSERT INTO number VALUES (?1)", [number]).map(drop))
/// }
///
/// #[step(chunk = 2)]
/// fn load() {
///     numbers | save
/// }
///
/// #[job]
/// fn numbers_job() {
///     load;
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::new()?;
/// sandbox.fail_at(FailAt::before_chunk("load", 2));
/// assert!(matches!(sandbox.run(&numbers_job()), Err(SandboxError::Died { .. })));
/// assert_eq!(sandbox.rows("SELECT value FROM number")?, ["1", "2"]);
///
/// let report = sandbox.restart()?.completed()?;
/// assert_eq!(report.steps[0].counters.read, 3, "the restart went on after the first chunk");
/// assert_eq!(sandbox.rows("SELECT value FROM number")?, ["1", "2", "3", "4", "5"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Sandbox {
    folder: PathBuf,
    setting: Mutex<Setting>,
}

/// The settings of the next run.
#[derive(Default)]
struct Setting {
    given: Given,
    time: Option<TestClock>,
    fail_point: Option<Arc<dyn FailPoint>>,
    last: Option<Launch>,
    commits: u64,
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setting")
            .field("given", &self.given)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Creates a sandbox, with its folder in the system's temporary folder.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn new() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("batch-test-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder)?;
        // Resolves links, so that a path in it compares equal to the one that a job stores.
        let folder = folder.canonicalize()?;
        Ok(Self { folder, setting: Mutex::default() })
    }

    /// The path of the sandbox's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a file of that name in the sandbox's folder, whether the file exists or not.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file of that name into the sandbox's folder, and returns the path of the file: an input of the job.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn file(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> io::Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Sets the value of a `#[resource]`, so that the runs do not call its function.
    ///
    /// The type is the name of the function: `sandbox.resource::<quota>(limit)`.
    pub fn resource<R: ResourceDefinition>(&self, value: R::Value) -> &Self {
        let mut setting = self.setting();
        setting.given = std::mem::take(&mut setting.given).resource::<R>(value);
        drop(setting);
        self
    }

    /// Sets the database of a `#[database]`, so that the runs do not call its function.
    ///
    /// The type is the name of the function: `sandbox.database::<warehouse>(Sqlite::open(sandbox.path("w.db")))`.
    ///
    /// # Errors
    /// If the type is a kind of database, such as `Sqlite`: the repository's own database is the sandbox's.
    pub fn database<D: Database>(&self, database: D::Driver) -> Result<&Self, Failure> {
        let mut setting = self.setting();
        setting.given = setting.given.clone().database::<D>(database)?;
        drop(setting);
        Ok(self)
    }

    /// Sets the clock of the runs: for the repository, for `timeout` and `chunk_time`, and for backoffs.
    pub fn time(&self, time: &TestClock) -> &Self {
        self.setting().time = Some(time.clone());
        self
    }

    /// Stops the next run dead where the fail point says: see [`FailAt`](super::FailAt). The fail point stays set until it
    /// stops a run.
    pub fn fail_at(&self, point: impl FailPoint + 'static) -> &Self {
        self.setting().fail_point = Some(Arc::new(point));
        self
    }

    /// Runs a job on this thread: a new instance, or the next execution of one that failed, was stopped, or died.
    ///
    /// Its commits survive a crash of the process, which is all that a sandbox simulates, but perhaps not a crash of
    /// the machine. This makes them faster.
    ///
    /// # Errors
    /// [`SandboxError::Died`] if the fail point stopped the run; another error if the job cannot be launched. A job
    /// that fails is not an error: its report says so, and [`completed`](JobReport::completed) makes an error of it.
    pub fn run(&self, launch: &Launch) -> Result<JobReport, SandboxError> {
        let (options, point) = {
            let mut setting = self.setting();
            setting.last = Some(launch.clone());
            let mut options = RunOptions {
                durability: Durability::Process,
                given: setting.given.clone(),
                ..RunOptions::default()
            };
            if let Some(time) = &setting.time {
                options.pause = Arc::new(time.clone());
            }
            (options, setting.fail_point.clone())
        };
        let failing = Arc::new(Failing::new(Arc::new(self.repository()?), point));
        let repository: Arc<dyn Repository> = Arc::clone(&failing) as Arc<dyn Repository>;
        let report = engine::run(&repository, launch, &options);
        let mut setting = self.setting();
        setting.commits = failing.commits();
        let Some((commit, side)) = failing.died() else { return Ok(report?) };
        setting.fail_point = None;
        Err(SandboxError::Died { commit, side })
    }

    /// Runs the last launch again: the next execution of its instance.
    ///
    /// # Errors
    /// As for [`run`](Self::run); and if nothing was run yet.
    pub fn restart(&self) -> Result<JobReport, SandboxError> {
        let last = self.setting().last.clone();
        self.run(&last.ok_or(SandboxError::NothingToRestart)?)
    }

    /// The number of commits of the last run.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.setting().commits
    }

    /// The repository, in a file of the folder.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn repository(&self) -> Result<SqliteRepository, RepositoryError> {
        let options = match &self.setting().time {
            Some(time) => SqliteOptions::new().clock(time.clone()),
            None => SqliteOptions::new(),
        };
        options.open(self.path("batch.db"))
    }

    /// A connection to the repository's database, which also has the rows of each step that names no other database. A test
    /// may create and fill tables there before the first run.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn connection(&self) -> rusqlite::Result<rusqlite::Connection> {
        let connection = rusqlite::Connection::open(self.path("batch.db"))?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        Ok(connection)
    }

    /// The rows of a query on the repository's database, one string each: the columns separated by ` | `, `NULL` for a null,
    /// and bytes in hexadecimal.
    ///
    /// # Errors
    /// If the query fails.
    pub fn rows(&self, query: &str) -> rusqlite::Result<Vec<String>> {
        rows(&self.connection()?, query)
    }

    /// The rows of a query on another `SQLite` file in the folder, in the form of [`rows`](Self::rows).
    ///
    /// # Errors
    /// If the query fails.
    pub fn rows_of(&self, name: impl AsRef<Path>, query: &str) -> rusqlite::Result<Vec<String>> {
        rows(&rusqlite::Connection::open(self.path(name))?, query)
    }

    /// The lines of a text file; none if it does not exist. A relative path starts at the sandbox's folder.
    ///
    /// # Errors
    /// If it cannot be read, or is not UTF-8.
    pub fn lines(&self, name: impl AsRef<Path>) -> io::Result<Vec<String>> {
        match fs::read_to_string(self.path(name)) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The latest output of a step in the instance of an execution; `None` if it left none.
    ///
    /// # Errors
    /// If the repository cannot be read, or the output has another type.
    pub fn output<S: Produces<Value: DeserializeOwned>>(
        &self,
        execution: ExecutionId,
    ) -> Result<Option<S::Value>, Failure> {
        let repository = self.repository().map_err(Failure::new)?;
        let journal = repository.journal(execution).map_err(Failure::new)?;
        let outputs = journal.into_iter().rev().filter_map(|entry| entry.output);
        let json = outputs.filter(|(step, _)| step == S::ID).map(|(_, json)| json).next();
        json.map(|json| serde_json::from_str(&json)).transpose().map_err(Failure::new)
    }

    fn setting(&self) -> MutexGuard<'_, Setting> {
        // No panic can leave the settings half changed.
        self.setting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // The system clears leftovers in its temporary folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn rows(connection: &rusqlite::Connection, query: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(query)?;
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        let cells = (0..columns).map(|at| row.get_ref(at).map(cell)).collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(cells.join(" | "))
    };
    statement.query_map([], row)?.collect()
}

fn cell(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        }),
    }
}
