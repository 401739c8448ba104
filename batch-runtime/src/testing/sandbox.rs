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
#[cfg(feature = "postgres")]
use crate::postgres::{Postgres, Session};
#[cfg(feature = "postgres")]
use crate::repository::postgres::PostgresOptions;
use crate::repository::sqlite::SqliteOptions;
use crate::repository::{FailPoint, Failing, Repository, RepositoryError};

/// The name of a sandbox's own connections to a server.
#[cfg(feature = "postgres")]
const NAME: &str = "batch sandbox";

/// A private folder with a repository in it, for several runs of your jobs. Dropping the sandbox removes both.
///
/// Each run opens the repository again, as a new process would. Anything else in the process, such as a `static` of
/// your own, is shared by all runs.
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
    place: Place,
    setting: Mutex<Setting>,
}

/// Where the repository and its database are.
#[derive(Debug)]
enum Place {
    /// In a file of the folder.
    File,
    /// In a schema of its own on a server.
    #[cfg(feature = "postgres")]
    Schema(Postgres),
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
        // Resolve links, so that a path in the folder compares equal to the path that a job stores.
        let folder = folder.canonicalize()?;
        Ok(Self { folder, place: Place::File, setting: Mutex::default() })
    }

    /// Creates a sandbox whose repository is on `PostgreSQL`, in a schema of its own. The tables of the jobs belong in
    /// that schema, too: the sandbox's connections look there first. Dropping the sandbox drops the schema with all of
    /// its tables.
    ///
    /// The user of the URL needs the right to create schemas in the database. The repository uses the server's time,
    /// whatever [`time`](Self::time) sets.
    ///
    /// ```no_run
    /// # use batch_runtime::testing::Sandbox;
    /// let sandbox = Sandbox::on_postgres("postgres://etl@localhost/tests")?;
    /// sandbox.session()?.batch_execute("CREATE TABLE number (value BIGINT)")?;
    /// assert_eq!(sandbox.rows("SELECT value FROM number")?, [""; 0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the folder or the schema cannot be created, or the URL names a schema or `options`.
    #[cfg(feature = "postgres")]
    pub fn on_postgres(url: impl AsRef<str>) -> Result<Self, Failure> {
        let url = url.as_ref();
        let mut options = url.split_once('?').map_or("", |(_, options)| options).split('&');
        if options.any(|option| option.starts_with("schema=") || option.starts_with("options=")) {
            return Err(Failure::new(
                "the URL of a sandbox's database must have neither `schema` nor `options`: each sandbox has a schema of its own, and connections that look there first",
            ));
        }
        let schema = format!("batch_test_{}", uuid::Uuid::new_v4().simple());
        let and = if url.contains('?') { '&' } else { '?' };
        let database =
            Postgres::at(format!("{url}{and}schema={schema}&options=-c%20search_path%3D{schema}%2Cpublic"));
        let session = Session::connect(&database, NAME).map_err(Failure::new)?;
        session.batch_execute(&format!("CREATE SCHEMA {schema}")).map_err(Failure::new)?;
        let mut sandbox = Self::new().map_err(Failure::new)?;
        sandbox.place = Place::Schema(database);
        Ok(sandbox)
    }

    /// The path of the sandbox's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a file with that name in the sandbox's folder, whether the file exists or not.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file with that name into the sandbox's folder, and returns the path of the file: an input of the job.
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

    /// Stops the next run dead where the fail point says: see [`FailAt`](super::FailAt). The fail point stays set until
    /// it stops a run.
    pub fn fail_at(&self, point: impl FailPoint + 'static) -> &Self {
        self.setting().fail_point = Some(Arc::new(point));
        self
    }

    /// Runs a job on this thread: a new instance, or the next execution of one that failed, was stopped, or died.
    ///
    /// The run's commits survive a crash of the process, the only crash that a sandbox simulates, but not necessarily a
    /// crash of the machine. This makes them faster.
    ///
    /// # Errors
    /// [`SandboxError::Died`] if the fail point stopped the run; another error if the job cannot be launched. A job
    /// that fails is not an error: its report says so, and [`completed`](JobReport::completed) turns it into an error.
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
        let failing = Arc::new(Failing::new(self.repository()?, point));
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

    /// The repository, in a file of the folder or in the sandbox's schema.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn repository(&self) -> Result<Arc<dyn Repository>, RepositoryError> {
        match &self.place {
            Place::File => {
                let options = match &self.setting().time {
                    Some(time) => SqliteOptions::new().clock(time.clone()),
                    None => SqliteOptions::new(),
                };
                Ok(Arc::new(options.open(self.path("batch.db"))?))
            }
            #[cfg(feature = "postgres")]
            Place::Schema(database) => Ok(Arc::new(PostgresOptions::new().open(database)?)),
        }
    }

    /// A connection to the repository's database, which also has the rows of each step that names no other database. A
    /// test may create and fill tables there before the first run.
    ///
    /// # Errors
    /// If the connection cannot be opened, or the repository is on `PostgreSQL`.
    pub fn connection(&self) -> rusqlite::Result<rusqlite::Connection> {
        #[cfg(feature = "postgres")]
        if let Place::Schema(_) = &self.place {
            let why = "the repository of this sandbox is on PostgreSQL: `session` connects to its database";
            return Err(rusqlite::Error::ToSqlConversionFailure(why.into()));
        }
        let connection = rusqlite::Connection::open(self.path("batch.db"))?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        Ok(connection)
    }

    /// A connection to the repository's database on `PostgreSQL`, which looks into the sandbox's schema first. A test
    /// may create and fill tables there before the first run.
    ///
    /// # Errors
    /// If the server cannot be reached, or the repository is in a file.
    #[cfg(feature = "postgres")]
    pub fn session(&self) -> Result<Session, Failure> {
        match &self.place {
            Place::Schema(database) => Session::connect(database, NAME).map_err(Failure::new),
            Place::File => Err(Failure::new(
                "the repository of this sandbox is in a file: `connection` connects to its database",
            )),
        }
    }

    /// The rows of a query on the repository's database, one string each: the columns separated by ` | `, `NULL` for a null,
    /// and bytes in hexadecimal, which on `PostgreSQL` begins with `\x`.
    ///
    /// # Errors
    /// If the query fails.
    pub fn rows(&self, query: &str) -> Result<Vec<String>, Failure> {
        match &self.place {
            Place::File => {
                let connection = self.connection().map_err(Failure::new)?;
                rows(&connection, query).map_err(Failure::new)
            }
            #[cfg(feature = "postgres")]
            Place::Schema(_) => rows_of_session(&self.session()?, query),
        }
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
        #[cfg(feature = "postgres")]
        if let (Place::Schema(database), Ok(session)) = (&self.place, self.session()) {
            // If the server cannot be reached any more, the schema may stay there, but nobody uses it.
            let _ = session.batch_execute(&format!("DROP SCHEMA {} CASCADE", database.schema()));
        }
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

/// The rows as text, in the form of [`rows`].
#[cfg(feature = "postgres")]
fn rows_of_session(session: &Session, query: &str) -> Result<Vec<String>, Failure> {
    let query = query.trim_end().trim_end_matches(';');
    // JSON turns each type into text, and keeps the order of the columns.
    let as_text = format!(
        "SELECT ARRAY(
             SELECT COALESCE(value, 'NULL')
             FROM json_each_text(row_to_json(found)) WITH ORDINALITY AS cell (name, value, place) ORDER BY place
         ) FROM ({query}) AS found"
    );
    let rows = session.query(&as_text, &[]).map_err(Failure::new)?;
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = row.try_get(0).map_err(Failure::new)?;
            Ok(cells.join(" | "))
        })
        .collect()
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
