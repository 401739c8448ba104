//! A folder with the files of a case: runs programs in it, and checks what they print and leave.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::{Connection, OpenFlags};

pub(crate) const LEDGER: &str = env!("CARGO_BIN_EXE_ledger");
/// The program with the same job after a rewrite.
pub(crate) const LEDGER_CHANGED: &str = env!("CARGO_BIN_EXE_ledger_changed");
pub(crate) const NUMBERS: &str = env!("CARGO_BIN_EXE_numbers");

/// Five entries, in chunks of 2, 2 and 1.
pub(crate) const ENTRIES: &str = "account,cents,note\na,1,x\nb,2,y\nc,3,z\nd,4,w\ne,5,v\n";
/// The copy of the first two chunks.
pub(crate) const TWO_CHUNKS: &str = "account,cents,note\na,1,x\nb,2,y\nc,3,z\nd,4,w\n";
/// The default command of a case.
pub(crate) const RUN: &str = "run --input in.csv";

const REMEDY: &str = "fix it and run the same command again to resume after the last commit";

/// A folder that is removed with the test.
pub(crate) struct World(tempfile::TempDir);

/// How a process ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    /// A world with the entries as `in.csv`.
    pub(crate) fn new() -> Self {
        let world = Self::empty();
        world.write("in.csv", ENTRIES);
        world
    }

    pub(crate) fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A world in which the entries were copied and booked, and the last step failed.
    pub(crate) fn half_done() -> Self {
        let world = Self::new();
        assert_eq!(world.run(&format!("{RUN} --panics tasklet")).code, Some(1));
        world
    }

    /// Unfinished files appear as `copy.csv.part`, without the tag in their names.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        if path.extension().is_some_and(|extension| extension == "part") {
            batch_tests::unfinished(&path)
        } else {
            path
        }
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.file(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    pub(crate) fn command<A: AsRef<OsStr>>(
        &self,
        program: &str,
        words: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.0.path()).stdin(Stdio::null());
        // These tests expect the message without a backtrace.
        for name in ["BATCH_REPOSITORY", "BATCH_PARAM_PIN", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs the ledger to its end.
    pub(crate) fn run(&self, line: &str) -> Ended {
        self.ask(LEDGER, line)
    }

    pub(crate) fn ask(&self, program: &str, line: &str) -> Ended {
        Ended::of(&mut self.command(program, line.split_whitespace()))
    }

    /// The names in the folder.
    pub(crate) fn names(&self) -> Vec<String> {
        self.content().into_keys().map(|name| batch_tests::without_tags(&name)).collect()
    }

    /// The contents of the folder, byte for byte.
    pub(crate) fn content(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.0.path()).unwrap().map(Result::unwrap);
        let files = entries.map(|entry| {
            let bytes = if entry.path().is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
            (entry.file_name().into_string().unwrap(), bytes)
        });
        files.collect()
    }

    /// Checks that a refusal leaves the folder as it was.
    #[track_caller]
    pub(crate) fn refuses(&self, line: &str, code: i32, message: &str) {
        let before = self.content();
        self.run(line).is_refused(code, message);
        assert!(self.content() == before, "the refusal left {:?}", self.names());
    }

    /// Checks that the cause is one line, before the remedy, and that the headline reports the failure.
    #[track_caller]
    pub(crate) fn fails(&self, line: &str, cause: &str) {
        self.fails_and_says(line, &format!("{cause}\n{REMEDY}\n"));
    }

    #[track_caller]
    pub(crate) fn fails_and_says(&self, line: &str, said: &str) {
        let ended = self.run(line);
        assert_eq!(batch_tests::without_tags(&ended.err), said);
        assert_eq!(ended.code, Some(1));
        assert!(ended.out.starts_with("ledger failed after "), "{}", ended.out);
    }

    /// Checks that the command does the rest: every entry is copied and booked, and none twice.
    #[track_caller]
    pub(crate) fn completes(&self, line: &str, entries: &str) {
        let ended = self.run(line);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{}", ended.out);
        assert_eq!(self.read("copy.csv"), entries);
        assert!(!self.names().contains(&"copy.csv.part".to_owned()));
        assert_eq!(booked(&self.file("batch.db")), accounts(entries));
    }
}

/// Removes the lines of progress, which a run prints only if the machine is slow.
fn without_progress(err: &str) -> String {
    let is_progress = |line: &&str| line.contains(" read, ") && line.trim_end().ends_with(" written");
    err.split_inclusive('\n').filter(|line| !is_progress(line)).collect()
}

impl Ended {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let err = without_progress(&text(output.stderr));
        Self { code: output.status.code(), out: text(output.stdout), err }
    }

    /// Checks for one line and nothing else.
    #[track_caller]
    pub(crate) fn is_refused(&self, code: i32, message: &str) {
        assert_eq!(self.err, format!("error: {message}\n"));
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""));
    }
}

pub(crate) fn look(repository: &Path) -> Connection {
    Connection::open_with_flags(repository, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
}

/// The accounts in the order they were booked; none if nothing was booked.
pub(crate) fn booked(repository: &Path) -> Vec<String> {
    let database = look(repository);
    let mut tables = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'booked'").unwrap();
    if !tables.exists([]).unwrap() {
        return Vec::new();
    }
    let mut query = database.prepare("SELECT account FROM booked ORDER BY rowid").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The accounts of a CSV file.
pub(crate) fn accounts(entries: &str) -> Vec<String> {
    entries.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

/// The number of executions that the repository knows.
pub(crate) fn executions(repository: &Path) -> u32 {
    look(repository).query_row("SELECT count(*) FROM BATCH_JOB_EXECUTION", [], |row| row.get(0)).unwrap()
}
