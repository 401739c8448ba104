//! Runs an example as a process in a folder that is removed at the end of the test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

/// The folder of one test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::with_prefix("batch-examples-").unwrap())
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// The database that an example wrote, which is also its repository.
    pub(crate) fn database(&self) -> Connection {
        Connection::open_with_flags(self.file("batch.db"), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
    }

    /// The example as a command in this folder.
    pub(crate) fn command(&self, example: &str) -> Command {
        let mut command = Command::new(built(example));
        command.current_dir(self.0.path()).env_remove("BATCH_REPOSITORY").stdin(Stdio::null());
        command
    }

    /// Runs the example to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(
        &self,
        example: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> EndedProcess {
        let output = self.command(example).args(arguments).output().unwrap();
        EndedProcess {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs the example, kills it as soon as a query of its database returns a number other than 0, and then runs it
    /// again to its end.
    ///
    /// If the kill comes too late, because the example has ended or the query returns 0 again, this starts from
    /// scratch. On a busy machine that may happen often.
    #[track_caller]
    pub(crate) fn killed_and_run_again(&self, example: &str, arguments: &[&str], when: &str) {
        for _ in 0..100 {
            for file in ["batch.db", "batch.db-wal", "batch.db-shm"] {
                fs::remove_file(self.file(file)).ok();
            }
            let mut command = self.command(example);
            let mut child = command.args(arguments).stdout(Stdio::null()).spawn().unwrap();
            while child.try_wait().unwrap().is_none() && !self.holds(when) {
                thread::sleep(Duration::from_millis(1));
            }
            child.kill().unwrap();
            if child.wait().unwrap().code().is_none() && self.holds(when) {
                self.run(example, arguments).ended_with(0);
                return;
            }
        }
        panic!("the example was killed too late every time");
    }

    /// Returns whether the query yields a number other than 0. Without a database it does not.
    fn holds(&self, query: &str) -> bool {
        let database = Connection::open_with_flags(self.file("batch.db"), OpenFlags::SQLITE_OPEN_READ_ONLY);
        let answer = database.and_then(|database| database.query_row(query, [], |row| row.get::<_, u32>(0)));
        answer.is_ok_and(|answer| answer > 0)
    }
}

/// How a process ended, and what it printed.
#[derive(Debug)]
pub(crate) struct EndedProcess {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl EndedProcess {
    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }
}

/// The counters of a step of the newest instance, over all its executions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) read: u64,
    pub(crate) filter: u64,
    pub(crate) write: u64,
    pub(crate) commit: u64,
    pub(crate) skip: u64,
}

pub(crate) fn counted(database: &Connection, step: &str) -> Counters {
    let sums = "SELECT total(READ_COUNT), total(FILTER_COUNT), total(WRITE_COUNT), total(COMMIT_COUNT),
            total(READ_SKIP_COUNT + PROCESS_SKIP_COUNT + WRITE_SKIP_COUNT)
        FROM BATCH_STEP_EXECUTION JOIN BATCH_JOB_EXECUTION USING (JOB_EXECUTION_ID)
        WHERE STEP_NAME = ?1 AND JOB_INSTANCE_ID = (SELECT max(JOB_INSTANCE_ID) FROM BATCH_JOB_INSTANCE)";
    let sum = |row: &rusqlite::Row<'_>, column| row.get(column).map(whole);
    database
        .query_row(sums, [step], |row| {
            Ok(Counters {
                read: sum(row, 0)?,
                filter: sum(row, 1)?,
                write: sum(row, 2)?,
                commit: sum(row, 3)?,
                skip: sum(row, 4)?,
            })
        })
        .unwrap()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of a test, far below 2^53"
)]
fn whole(sum: f64) -> u64 {
    sum as u64
}

/// A file that ships with the examples.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

/// `target/debug/examples/NAME`, located relative to this test: `target/debug/deps/examples-0123456789abcdef`.
fn built(example: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).expect("a test is built into `deps` of its profile");
    let program = profile.join("examples").join(format!("{example}{}", env::consts::EXE_SUFFIX));
    // `cargo test` builds the examples too, but `cargo test NAME` does not.
    assert!(
        is_fresh(&program),
        "{} is missing or outdated: run `cargo build --examples` first",
        program.display()
    );
    program
}

/// True if none of the files that cargo lists as its sources is newer.
fn is_fresh(program: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    let Ok(built) = changed(program) else { return false };
    let sources = fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    let younger = |source: &str| changed(Path::new(source)).is_ok_and(|changed| changed > built);
    !sources.split_whitespace().any(younger)
}
