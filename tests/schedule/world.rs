//! A folder, the program with its schedules, and the repository that it uses there.

use std::fmt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
#[cfg(feature = "postgres")]
use std::sync::{Mutex, MutexGuard};

#[cfg(feature = "postgres")]
use batch_runtime::postgres::Session;
use rusqlite::Connection;
use tempfile::TempDir;

/// The output of a command, and its exit code.
#[derive(Debug)]
pub(crate) struct EndedProcess {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl fmt::Display for EndedProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {:?}\n{}\n{}", self.code, self.out, self.err)
    }
}

pub(crate) struct World {
    folder: TempDir,
    /// A connection to the repository, if it is not a file.
    #[cfg(feature = "postgres")]
    server: Option<(batch_tests::postgres::Database, Mutex<Session>)>,
    /// The repository; by default a file in the folder.
    url: String,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::at("batch.db".to_owned())
    }

    /// A world with the repository at this URL.
    pub(crate) fn at(url: String) -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            #[cfg(feature = "postgres")]
            server: None,
            url,
        }
    }

    /// A world with the repository on a server; `None` if there is no server program.
    #[cfg(feature = "postgres")]
    pub(crate) fn on_postgres() -> Option<Self> {
        let database = batch_tests::postgres::database()?;
        let session = Mutex::new(database.connect());
        let mut world = Self::at(database.url().to_owned());
        world.server = Some((database, session));
        Some(world)
    }

    #[cfg(feature = "postgres")]
    fn session(&self) -> Option<MutexGuard<'_, Session>> {
        self.server.as_ref().map(|(_, session)| session.lock().unwrap())
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scheduled"));
        command.args(line.split(' ')).current_dir(self.folder.path()).env("BATCH_REPOSITORY", &self.url);
        command
    }

    pub(crate) fn run(&self, line: &str) -> EndedProcess {
        let output = self.command(line).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        EndedProcess { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    pub(crate) fn start(&self, line: &str) -> Child {
        self.command(line).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn database(&self) -> Connection {
        let connection = Connection::open(self.path("batch.db")).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
        connection
    }

    /// The minute of a scheduled time, counted from 1970, as an expression of the database.
    pub(crate) fn minute(&self) -> &'static str {
        #[cfg(feature = "postgres")]
        if self.server.is_some() {
            return "CAST(EXTRACT(EPOCH FROM FIRE_TIME) AS BIGINT) / 60";
        }
        "CAST(strftime('%s', FIRE_TIME) AS INTEGER) / 60"
    }

    /// Creates the table in which the jobs note their times, because processes that all create it would disturb each
    /// other.
    pub(crate) fn create_noted(&self) {
        #[cfg(feature = "postgres")]
        if let Some(session) = self.session() {
            session.batch_execute("CREATE TABLE noted (minute VARCHAR(40), pid BIGINT)").unwrap();
        }
    }

    pub(crate) fn column(&self, sql: &str) -> Vec<String> {
        #[cfg(feature = "postgres")]
        if let Some(session) = self.session() {
            let rows = session.query(&format!("SELECT x::text FROM ({sql}) AS q (x)"), &[]).unwrap();
            return rows.iter().map(|row| row.get(0)).collect();
        }
        let connection = self.database();
        let mut query = connection.prepare(sql).unwrap();
        let text = |row: &rusqlite::Row<'_>| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                other => other.as_str().unwrap_or_default().to_owned(),
            })
        };
        query.query_map([], text).unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// Lets the schedules of the program begin this many minutes ago.
    pub(crate) fn begin_ago(&self, job: &str, minutes: u32) {
        let first = self.run(&format!("run {job} --due"));
        assert_eq!(first.code, Some(0), "{first}");
        #[cfg(feature = "postgres")]
        if let Some(session) = self.session() {
            let moved = format!(
                "UPDATE BATCH_SCHEDULE SET SINCE = SINCE - {minutes} * INTERVAL '1 minute',
                     PLANNED = PLANNED - {minutes} * INTERVAL '1 minute' WHERE JOB_NAME = '{job}'"
            );
            return session.batch_execute(&moved).unwrap();
        }
        let changed = self
            .database()
            .execute(
                "UPDATE BATCH_SCHEDULE SET SINCE = strftime('%Y-%m-%d %H:%M:%f', SINCE, ?2),
                     PLANNED = strftime('%Y-%m-%d %H:%M:%f', PLANNED, ?2) WHERE JOB_NAME = ?1",
                (job, format!("-{minutes} minutes")),
            )
            .unwrap();
        assert_eq!(changed, 1);
    }
}
