//! Measures workers in other processes: their speed compared to threads, their start, and what a lost one costs.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use batch_tests::postgres::{Options, Server};
use batch_tests::rabbitmq;
use rusqlite::{Connection, OpenFlags};

use crate::measure::{Spread, interleaved, median_seconds};
use crate::report::{Row, Target};
use crate::{Impossible, Outcome, Plan};

/// After this time without work, a worker polls at its longest interval.
const IDLE: Duration = Duration::from_secs(8);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A folder, a repository, and the programs that share them.
struct World {
    folder: PathBuf,
    program: &'static str,
    repository: String,
    broker: Option<String>,
}

impl World {
    fn new(plan: &Plan, name: &str) -> Outcome<Self> {
        let folder = plan.disk.folder(name)?;
        let repository = folder.join("batch.db").display().to_string();
        Ok(Self { folder, program: env!("CARGO_BIN_EXE_parts"), repository, broker: None })
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(self.program);
        command.args(line.split_whitespace()).current_dir(&self.folder);
        command.env("BATCH_REPOSITORY", &self.repository).env_remove("BATCH_BROKER");
        command.envs(self.broker.as_ref().map(|broker| ("BATCH_BROKER", broker)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Outcome<Duration> {
        let begin = Instant::now();
        let status = self.command(line).status()?;
        if !status.success() {
            return Err(format!("`{line}` ended with {status}").into());
        }
        Ok(begin.elapsed())
    }

    fn workers(&self, many: usize) -> Outcome<Workers> {
        (0..many).map(|_| Ok(self.command("worker").spawn()?)).collect::<Outcome<_>>().map(Workers)
    }

    fn database(&self) -> Outcome<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let database = Connection::open_with_flags(Path::new(&self.repository), flags)?;
        database.busy_timeout(PATIENCE)?;
        Ok(database)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Workers, which end with the value.
struct Workers(Vec<Child>);

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.0 {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

/// Calls `look` again and again until it returns a value.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Outcome<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if begin.elapsed() > PATIENCE {
            return Err(format!("waited in vain for {what}").into());
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Partitions that compute: two child processes beside two threads of one process.
pub(crate) fn cpu(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let line = format!("run compute_all --parts 40 --size 5000 --rounds {}", plan.size(100_000));
    let on =
        |workers: &str| -> Outcome<Duration> { World::new(plan, "cpu")?.run(&format!("{line}{workers}")) };
    let pairs = interleaved(plan.rounds(5), || on(" --workers local:2"), || on(""))?;
    Ok(Row {
        name,
        unit: "ratio",
        value: Spread::of(pairs.iter().map(|pair| pair.ratio())),
        target: Target::must_and_aim(1.0 / 0.93, 1.0 / 0.98),
        detail: format!(
            "local:2 {:.2} s, threads = 2 {:.2} s",
            median_seconds(&pairs, |pair| pair.ours),
            median_seconds(&pairs, |pair| pair.by_hand)
        ),
    })
}

/// Chunks of items that take 100 µs of computing each: two workers beside the thread of the step, and that thread alone.
pub(crate) fn chunks(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let broker = rabbitmq()?;
    // With fewer items, the start of the run and its connection to the broker would take a tenth of the time.
    let items = plan.size(200_000).max(60_000);
    let on = |workers: usize| -> Outcome<Duration> {
        let mut world = World::new(plan, "chunks")?;
        world.program = env!("CARGO_BIN_EXE_chunks");
        world.broker = Some(broker.clone());
        let _workers = world.workers(workers)?;
        thread::sleep(Duration::from_secs(1));
        let remote = if workers > 0 { " --workers remote" } else { "" };
        world.run(&format!("run large_prices --count {items} --rounds 250000{remote}"))
    };
    let pairs = interleaved(plan.rounds(5), || on(2), || on(0))?;
    Ok(Row {
        name,
        unit: "ratio",
        value: Spread::of(pairs.iter().map(|pair| 1.0 / pair.ratio())),
        target: Target::must_and_aim(1.8, 1.9),
        detail: format!(
            "{items} items: two workers and a thread {:.2} s, a thread {:.2} s",
            median_seconds(&pairs, |pair| pair.ours),
            median_seconds(&pairs, |pair| pair.by_hand)
        ),
    })
}

/// How much more time a chunk of 1,000 small items takes in a worker than in the thread of the step.
pub(crate) fn chunk(plan: &Plan, name: &'static str) -> Outcome<Row> {
    const CHUNKS: u32 = 500;
    let broker = rabbitmq()?;
    // The time of a chunk, while chunks follow one another without a pause.
    let each = |remote: bool| -> Outcome<f64> {
        let mut world = World::new(plan, "chunk")?;
        world.program = env!("CARGO_BIN_EXE_chunks");
        world.broker = Some(broker.clone());
        let workers = world.workers(usize::from(remote))?;
        thread::sleep(Duration::from_secs(1));
        let count = CHUNKS * 1_000;
        // The first chunk keeps the thread of the step busy, so that the worker processes all others.
        let how = if remote { " --hold-millis 8000 --workers remote" } else { "" };
        world.run(&format!("run small_items --count {count}{how}"))?;
        let pid = workers.0.first().map(Child::id);
        let sql = "SELECT COUNT(*), MAX(n) - MIN(n) FROM item WHERE ?1 IS NULL OR pid = ?1";
        let (many, seconds): (u32, f64) =
            world.database()?.query_row(sql, [pid], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if many < CHUNKS / 2 {
            return Err(format!("only {many} of {CHUNKS} chunks went to the worker").into());
        }
        Ok(seconds / f64::from(many - 1))
    };
    let (mut more, mut there, mut here) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds(5) {
        let (remote, alone) = (each(true)?, each(false)?);
        more.push(remote - alone);
        there.push(remote);
        here.push(alone);
    }
    let millis = |seconds: Vec<f64>| Spread::of(seconds).median * 1e3;
    Ok(Row {
        name,
        unit: "s",
        value: Spread::of(more),
        target: Target::must_and_aim(0.003, 0.0015),
        detail: format!(
            "of a chunk of 1,000 small items over RabbitMQ: one slot of a worker {:.2} ms, the thread of the step {:.2} ms",
            millis(there),
            millis(here)
        ),
    })
}

/// A thousand partitions of one item, run by two workers that wait for them.
fn thousand(
    plan: &Plan,
    name: &'static str,
    server: Option<&Server>,
    broker: Option<&str>,
    target: Target,
) -> Outcome<Row> {
    let mut seconds = Vec::new();
    for _ in 0..plan.rounds(5) {
        let mut world = World::new(plan, "thousand")?;
        let database = server.map(Server::database);
        if let Some(database) = &database {
            database.url().clone_into(&mut world.repository);
        }
        world.broker = broker.map(str::to_owned);
        let _workers = world.workers(2)?;
        thread::sleep(Duration::from_secs(1));
        seconds.push(world.run("run load --parts 1000 --size 1 --workers remote")?.as_secs_f64());
    }
    let of_rows = if server.is_some() { "PostgreSQL" } else { "SQLite" };
    let woken = if broker.is_some() { ", woken by RabbitMQ" } else { "" };
    Ok(Row {
        name,
        unit: "s",
        value: Spread::of(seconds),
        target,
        detail: format!("1,000 partitions of one item, two workers, {of_rows}{woken}"),
    })
}

pub(crate) fn thousand_on_sqlite(plan: &Plan, name: &'static str) -> Outcome<Row> {
    thousand(plan, name, None, None, Target::must_and_aim(6.0, 3.0))
}

pub(crate) fn thousand_on_postgres(plan: &Plan, name: &'static str) -> Outcome<Row> {
    thousand(plan, name, Some(&postgres()?), None, Target::must_and_aim(6.0, 3.0))
}

pub(crate) fn thousand_with_rabbitmq(plan: &Plan, name: &'static str) -> Outcome<Row> {
    thousand(plan, name, Some(&postgres()?), Some(&rabbitmq()?), Target::must_and_aim(5.0, 2.5))
}

fn postgres() -> Outcome<Server> {
    let server = Server::start(&Options::default());
    Ok(server.ok_or(Impossible("there is no PostgreSQL (apt-get install postgresql)"))?)
}

fn rabbitmq() -> Outcome<String> {
    let server =
        rabbitmq::server().ok_or(Impossible("there is no RabbitMQ (apt-get install rabbitmq-server)"))?;
    Ok(server.url())
}

/// From the beginning of a step to the claim of its only partition, by a worker that has long been idle.
fn first_claim(plan: &Plan, name: &'static str, broker: Option<&str>, target: Target) -> Outcome<Row> {
    let mut seconds = Vec::new();
    for _ in 0..plan.rounds(9) {
        let mut world = World::new(plan, "first")?;
        world.broker = broker.map(str::to_owned);
        let _workers = world.workers(1)?;
        thread::sleep(IDLE);
        world.run("run load --parts 1 --size 1 --workers remote")?;
        let sql = "SELECT unixepoch(p.START_TIME, 'subsec') - unixepoch(s.START_TIME, 'subsec') FROM BATCH_STEP_EXECUTION s, \
                   BATCH_STEP_EXECUTION p WHERE s.STEP_NAME = 'fill' AND p.STEP_NAME LIKE 'fill:%'";
        seconds.push(world.database()?.query_row(sql, [], |row| row.get(0))?);
    }
    let woken = if broker.is_some() { "woken by RabbitMQ" } else { "which polls" };
    Ok(Row {
        name,
        unit: "s",
        value: Spread::of(seconds),
        target,
        detail: format!("from the beginning of the step to the claim by an idle worker, {woken}"),
    })
}

pub(crate) fn first_claim_by_rows(plan: &Plan, name: &'static str) -> Outcome<Row> {
    first_claim(plan, name, None, Target::must(2.2))
}

pub(crate) fn first_claim_with_rabbitmq(plan: &Plan, name: &'static str) -> Outcome<Row> {
    first_claim(plan, name, Some(&rabbitmq()?), Target::must_and_aim(0.05, 0.02))
}

/// From the death of a child process to the claim of its partition by another one.
pub(crate) fn killed_child(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let mut seconds = Vec::new();
    for _ in 0..plan.rounds(9) {
        let world = World::new(plan, "killed")?;
        let line = "run load --parts 2 --size 4000 --micros 500 --workers local:2";
        let mut manager = Workers(vec![world.command(line).spawn()?]);
        let held = "SELECT PID FROM BATCH_PROCESS JOIN BATCH_PARTITION USING (PROCESS_ID) WHERE STEP_EXECUTION_ID > 0";
        let pid: u32 = until("a worker with a partition", || {
            world.database().ok()?.query_row(held, [], |row| row.get(0)).ok()
        })?;
        thread::sleep(Duration::from_millis(300));
        let database = world.database()?;
        let begin = Instant::now();
        Command::new("kill").args(["-KILL", &pid.to_string()]).status()?;
        let resumed = "SELECT 1 FROM BATCH_STEP_EXECUTION lost JOIN BATCH_STEP_EXECUTION next USING (JOB_EXECUTION_ID, STEP_NAME) \
                       WHERE lost.EXIT_CODE = 'WORKER_LOST' AND next.STATUS = 'STARTED'";
        until("the next worker", || database.query_row(resumed, [], |_| Ok(())).ok())?;
        seconds.push(begin.elapsed().as_secs_f64());
        let status = manager.0[0].wait()?;
        if !status.success() {
            return Err(format!("the manager ended with {status}").into());
        }
    }
    Ok(Row {
        name,
        unit: "s",
        value: Spread::of(seconds),
        target: Target::must_and_aim(2.0, 1.0),
        detail: "from the death of a child process to the claim of its partition by another one, while no other partition waits".to_owned(),
    })
}
