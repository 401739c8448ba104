//! A folder with a repository, and the processes of the test program in it.

use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

/// Long enough for a process on a busy machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// How long a worker without work waits before it ends, if the test ends it itself: so long that it never ends before,
/// but does not outlive a test that was killed for long.
pub(crate) const LONGER_THAN_A_TEST: &str = "15m";

pub(crate) struct World {
    folder: tempfile::TempDir,
}

/// A command that has ended.
pub(crate) struct Run {
    /// The exit code; -1 after a signal.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}\n{}{}", self.code, self.out, self.err)
    }
}

/// A running command.
pub(crate) struct Running {
    child: Child,
    out: Option<JoinHandle<String>>,
    err: Option<JoinHandle<String>>,
}

/// The numbers from 0.
pub(crate) fn numbers(many: i64) -> Vec<i64> {
    (0..many).collect()
}

impl World {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these words as its arguments; `'` keeps several in one.
    pub(crate) fn command(&self, line: &str) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_parts"), line)
    }

    /// Another program.
    pub(crate) fn command_of(&self, program: &str, line: &str) -> Command {
        let mut command = Command::new(program);
        for (at, part) in line.split('\'').enumerate() {
            if at % 2 == 1 {
                command.arg(part);
            } else {
                command.args(part.split_whitespace());
            }
        }
        command.current_dir(self.folder.path()).env_remove("BATCH_REPOSITORY").env_remove("BATCH_BROKER");
        command
    }

    pub(crate) fn start(&self, line: &str) -> Running {
        self.start_with(&format!("run {line}"), &[])
    }

    /// Starts `run` with that environment, or another command if its name comes first.
    pub(crate) fn start_with(&self, line: &str, environment: &[(&str, &str)]) -> Running {
        let is_command =
            ["run ", "worker", "workers", "restart ", "stop "].iter().any(|name| line.starts_with(name));
        let line = if is_command { line.to_owned() } else { format!("run {line}") };
        let mut command = self.command(&line);
        command.envs(environment.iter().copied());
        self.start_command(command)
    }

    #[expect(clippy::unused_self, reason = "the command runs in its folder")]
    pub(crate) fn start_command(&self, mut command: Command) -> Running {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let out = thread::spawn(move || {
            let mut text = String::new();
            let _ = out.read_to_string(&mut text);
            text
        });
        let err = thread::spawn(move || {
            let mut text = String::new();
            let _ = err.read_to_string(&mut text);
            text
        });
        Running { child, out: Some(out), err: Some(err) }
    }

    pub(crate) fn run(&self, line: &str) -> Run {
        self.run_with(line, &[])
    }

    pub(crate) fn run_with(&self, line: &str, environment: &[(&str, &str)]) -> Run {
        self.start_with(line, environment).wait()
    }

    /// The items in the repository's database, in order.
    pub(crate) fn items(&self) -> Vec<i64> {
        self.items_in("batch.db")
    }

    pub(crate) fn items_in(&self, database: &str) -> Vec<i64> {
        self.rows_in(database, "SELECT n FROM item ORDER BY n").iter().map(|n| n.parse().unwrap()).collect()
    }

    /// The processes that have written items.
    pub(crate) fn pids(&self) -> Vec<String> {
        self.column("SELECT DISTINCT pid FROM item")
    }

    /// The first column of a query, as strings. A database that does not exist yet has no rows.
    pub(crate) fn column(&self, sql: &str) -> Vec<String> {
        self.rows_in("batch.db", sql)
    }

    fn rows_in(&self, database: &str, sql: &str) -> Vec<String> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let Ok(connection) = Connection::open_with_flags(self.path(database), flags) else {
            return Vec::new();
        };
        connection.busy_timeout(PATIENCE).unwrap();
        let Ok(mut statement) = connection.prepare(sql) else { return Vec::new() };
        let rows = statement.query_map([], |row| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                rusqlite::types::ValueRef::Null => String::new(),
                other => other.as_str().unwrap().to_owned(),
            })
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).unwrap()
    }

    /// The files whose names begin with the prefix, sorted.
    pub(crate) fn files(&self, prefix: &str) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> =
            names.filter(|name| name.trim_start_matches('.').starts_with(prefix)).collect();
        names.sort();
        names
    }

    pub(crate) fn all_files(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path()).collect()
    }

    /// Waits until that many items are committed.
    #[track_caller]
    pub(crate) fn until_written(&self, many: usize) {
        until("the first items", || {
            self.column("SELECT COUNT(*) FROM item")
                .first()
                .is_some_and(|count| count.parse::<usize>().unwrap() >= many)
        });
    }
}

#[track_caller]
pub(crate) fn until(what: &str, mut is_there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The living processes that this command has started.
    pub(crate) fn children(&self) -> Vec<u32> {
        let children = format!("/proc/{0}/task/{0}/children", self.pid());
        // Threads start children too.
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid()));
        let mut pids: Vec<u32> = tasks
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
            .chain(std::fs::read_to_string(children).ok())
            .flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    pub(crate) fn wait(&mut self) -> Run {
        let mut status = None;
        until("the end of the process", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let text = |reader: &mut Option<JoinHandle<String>>| {
            reader.take().map(|reader| reader.join().unwrap()).unwrap_or_default()
        };
        Run {
            code: status.and_then(|status| status.code()).unwrap_or(-1),
            out: text(&mut self.out),
            err: text(&mut self.err),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A failed test must not leave its program running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args([name, &pid.to_string()]).stderr(Stdio::null()).status();
}
