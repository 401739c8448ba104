//! Kills jobs before their messages to a `PostgreSQL` server, before the server's answers, and before writes to the
//! files of `SQLite`. Restarts the jobs, and compares the results.
//!
//! `CRASH=all` tries every point and many pairs; `CRASH_SEED` changes the choice. Each test prints its counts.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use batch_runtime::postgres::{Postgres, Session};
use batch_tests::missing;
use batch_tests::postgres::{self, Database};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_shapes_postgres");
const ROWS: i64 = 30;
/// The calls before which a process is killed: messages to the server, its answers, writes to the files of
/// `SQLite`, and the end of the process.
const CALLS: [&str; 5] = ["sendto", "recvfrom", "pwrite64", "fdatasync", "exit_group"];

/// A job, and where its repository is.
#[derive(Debug, Clone, Copy)]
struct Shape {
    job: &'static str,
    /// The repository is a file; the rows are on the server.
    in_file: bool,
    /// The rows are in a database other than the repository's.
    elsewhere: bool,
}

/// One run's databases and files.
struct World {
    folder: TempDir,
    repository: Database,
    ledger: Option<Database>,
    shape: Shape,
}

/// The call before which the process dies, for each run in turn. The run after these is left alone.
type Deaths = Vec<(&'static str, usize)>;

/// The final result: the rows, and the sums of the counters of each step.
#[derive(Debug, PartialEq, Eq)]
struct State {
    rows: Vec<String>,
    counters: BTreeMap<String, String>,
}

impl World {
    fn new(shape: Shape) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let lines: Vec<String> = (1..=ROWS).map(|id| format!("{id},north,{}\n", id * 5)).collect();
        std::fs::write(folder.path().join("in.csv"), format!("id,region,cents\n{}", lines.concat())).unwrap();
        let repository = postgres::database()?;
        let ledger = if shape.elsewhere { Some(postgres::database()?) } else { None };
        Some(Self { folder, repository, ledger, shape })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, death: Option<(&str, usize)>) -> Command {
        let mut command = match death {
            None => Command::new(PROGRAM),
            Some((call, number)) => {
                let mut command = Command::new("strace");
                command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e"]);
                command.arg(format!("inject={call}:signal=SIGKILL:when={number}")).arg(PROGRAM);
                command
            }
        };
        command.args(["run", self.shape.job, "--quiet", "--input"]).arg(self.path("in.csv"));
        let file = self.path("batch.db");
        command.arg("--repository");
        if self.shape.in_file {
            command.arg(file)
        } else {
            command.arg(self.repository.url())
        };
        if let Some(ledger) = &self.ledger {
            command.env("BATCH_PARAM_LEDGER_URL", ledger.url());
        }
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command
    }

    /// Runs the job once for each of these deaths, and then to its end. Returns how often the process died.
    fn run(&self, deaths: &[(&'static str, usize)]) -> Result<usize, String> {
        let mut died = 0;
        for death in deaths {
            let status = self.command(Some(*death)).status().unwrap();
            if status.success() {
                return Ok(died);
            }
            if status.code() == Some(4) {
                // Exit code 4: the process before this one died after everything was done.
                return Ok(died);
            }
            died += 1;
        }
        let status = self.command(None).status().unwrap();
        match status.code() {
            Some(0 | 4) => Ok(died),
            _ => Err(format!("the restart ended with {status}: {}", self.said())),
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn state(&self) -> State {
        let rows = self.ledger.as_ref().unwrap_or(&self.repository).connect();
        let mut all = texts(&rows, "SELECT 'sale ' || id || ' ' || cents FROM sale");
        if self.shape.job == "own" {
            all.extend(texts(&rows, "SELECT 'counted ' || call || ' ' || rows FROM counted"));
        }
        all.sort();
        State { rows: all, counters: self.counters() }
    }

    /// The sums of the counters over all executions of a step, and the status of its last one.
    fn counters(&self) -> BTreeMap<String, String> {
        let sums = "sum(READ_COUNT) || ' ' || sum(FILTER_COUNT) || ' ' || sum(WRITE_COUNT) || ' ' || sum(WRITE_SKIP_COUNT)";
        if self.shape.in_file {
            let file = rusqlite::Connection::open(self.path("batch.db")).unwrap();
            let query = format!("SELECT STEP_NAME, {sums} FROM BATCH_STEP_EXECUTION GROUP BY 1");
            let mut query = file.prepare(&query).unwrap();
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            return rows.collect::<Result<_, _>>().unwrap();
        }
        let query = format!("SELECT STEP_NAME::text, {sums} FROM BATCH_STEP_EXECUTION GROUP BY 1");
        let session = self.repository.connect();
        session.query(&query, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

fn texts(session: &Session, query: &str) -> Vec<String> {
    session.query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// The findings of one shape.
#[derive(Debug, Default)]
struct Sum {
    points: usize,
    deaths: usize,
    wrong: Vec<String>,
}

fn try_deaths(shape: Shape, reference: &State, deaths: &Deaths) -> (usize, Option<String>) {
    let world = World::new(shape).unwrap();
    let result = world.run(deaths);
    let compared = || {
        let state = world.state();
        (state != *reference).then(|| format!("{state:?}\n---- is not ----\n{reference:?}\n{}", world.said()))
    };
    let wrong = result.as_ref().err().cloned().or_else(compared);
    let died = result.unwrap_or(deaths.len());
    for database in [Some(&world.repository), world.ledger.as_ref()].into_iter().flatten() {
        remove(database);
    }
    (died, wrong.map(|wrong| format!("{} killed at {deaths:?}: {wrong}", shape.job)))
}

/// Removes a database. Otherwise there would be thousands of them.
fn remove(database: &Database) {
    let (server, name) = database.url().rsplit_once('/').unwrap();
    let session = Session::connect(&Postgres::at(format!("{server}/postgres")), "crash tests").unwrap();
    session.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
}

/// Kills the job of a shape at single calls, and at pairs of calls.
fn survives(shape: Shape) {
    if !missing::has_program("strace") {
        return;
    }
    let Some(world) = World::new(shape) else { return };
    world.run(&[]).unwrap();
    let reference = world.state();
    assert!(!reference.rows.is_empty());
    let calls = count_calls(shape);
    let all = std::env::var("CRASH").is_ok_and(|what| what == "all");
    let seed: usize = std::env::var("CRASH_SEED").map_or(1, |seed| seed.parse().unwrap());

    let single: Vec<Deaths> = calls
        .iter()
        .flat_map(|(call, count)| (1..=*count).map(move |number| vec![(*call, number)]))
        .collect();
    let (step, pairs) = if all { (1, 100) } else { (single.len().div_ceil(24).max(1), 6) };
    let mut points: Vec<Deaths> = single.iter().skip(seed % step).step_by(step).cloned().collect();
    for pair in 0..pairs {
        let at = |salt: usize| single[(seed * 7_919 + pair * 104_729 + salt) % single.len()][0];
        points.push(vec![at(0), at(15_485_863)]);
    }

    let (next, sum) = (AtomicUsize::new(0), Mutex::new(Sum::default()));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(deaths) = points.get(next.fetch_add(1, Relaxed)) {
                    let (died, wrong) = try_deaths(shape, &reference, deaths);
                    let mut sum = sum.lock().unwrap();
                    sum.points += 1;
                    sum.deaths += died;
                    sum.wrong.extend(wrong);
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap();
    println!(
        "{}{}: {} points, {} deaths, {} wrong",
        shape.job,
        if shape.in_file { " (repository in SQLite)" } else { "" },
        sum.points,
        sum.deaths,
        sum.wrong.len()
    );
    assert!(sum.wrong.is_empty(), "{} of {} points: {}", sum.wrong.len(), sum.points, sum.wrong[0]);
}

/// How often an undisturbed run makes each of the calls, on the thread that makes it most often.
fn count_calls(shape: Shape) -> BTreeMap<&'static str, usize> {
    let world = World::new(shape).unwrap();
    let trace = world.path("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(&trace).arg("-e").arg(format!("trace={}", CALLS.join(",")));
    let run = world.command(None);
    command.arg(PROGRAM).args(run.get_args());
    command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
    let counts = counted(&trace);
    for database in [Some(&world.repository), world.ledger.as_ref()].into_iter().flatten() {
        remove(database);
    }
    counts
}

fn counted(trace: &Path) -> BTreeMap<&'static str, usize> {
    let mut by_thread: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let text = std::fs::read_to_string(trace).unwrap();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let call = CALLS.iter().find(|call| rest.trim_start().starts_with(&format!("{call}(")));
        if let Some(call) = call {
            *by_thread.entry((call, thread.to_owned())).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((call, _), count) in &by_thread {
        let call = CALLS.iter().find(|known| *known == call).unwrap();
        let most: &mut usize = most.entry(*call).or_default();
        *most = (*most).max(*count);
    }
    most
}

fn on_server(job: &'static str) -> Shape {
    Shape { job, in_file: false, elsewhere: false }
}

#[test]
fn a_table_in_the_repository_s_database_survives_every_death() {
    survives(on_server("own"));
}

#[test]
fn rows_that_are_copied_survive_every_death() {
    survives(on_server("copied"));
}

#[test]
fn a_table_on_the_server_survives_every_death_with_the_repository_in_a_file() {
    survives(Shape { job: "elsewhere", in_file: true, elsewhere: true });
}

#[test]
fn a_table_in_another_database_survives_every_death() {
    survives(Shape { job: "elsewhere", in_file: false, elsewhere: true });
}

#[test]
fn skips_with_halving_survive_every_death() {
    survives(on_server("skips"));
}

#[test]
fn threads_that_commit_in_any_order_survive_every_death() {
    survives(on_server("threads"));
}

#[test]
fn threads_that_commit_in_order_survive_every_death() {
    survives(on_server("threads_in_order"));
}

#[test]
fn partitions_survive_every_death() {
    survives(on_server("partitions"));
}
