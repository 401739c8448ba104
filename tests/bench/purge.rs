//! A purge of old executions beside a running job: how much it slows the job, and that their identities stay.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;

use crate::measure::{Pair, Spread, interleaved, median_seconds, time};
use crate::process::{CHILD, child_process};
use crate::report::{Row, Target};
use crate::{Outcome, Plan, data, places};

/// The files of the repository and of the job.
const FILES: [&str; 3] = ["purge.db", "purge.csv", "purge-out.csv"];
/// The job of the old executions.
const OLD: &str = "old_job";
/// The exit code of a run that is refused.
const REFUSED: i32 = 4;

/// Copies the only execution of a repository that many times, as executions of instances of another job.
fn copy_execution(repository: &Path, copies: u64) -> Outcome {
    let connection = Connection::open(repository)?;
    connection.execute_batch("PRAGMA synchronous = OFF; BEGIN")?;
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let tables = tables.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    for table in tables {
        if let Some(sequence) = table.strip_suffix("_SEQ").filter(|table| table.starts_with("BATCH_")) {
            connection.execute_batch(&format!("INSERT INTO {sequence}_SEQ (ID) VALUES ({})", copies + 2))?;
            continue;
        }
        let mut columns = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let columns =
            columns.query_map([&table], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        // It holds a row per step of a job, whatever the number of executions.
        if table == "BATCH_STEP_ADVICE" {
            continue;
        }
        let is_id =
            |column: &str| matches!(column, "JOB_INSTANCE_ID" | "JOB_EXECUTION_ID" | "STEP_EXECUTION_ID");
        if !columns.iter().any(|column| is_id(column)) {
            continue;
        }
        let values = columns.iter().map(|column| match column.as_str() {
            id if is_id(id) => format!("{id} + i"),
            "JOB_NAME" => format!("'{OLD}'"),
            "JOB_KEY" => "'key ' || i".to_owned(),
            other => other.to_owned(),
        });
        connection.execute_batch(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {copies})
             INSERT INTO {table} ({}) SELECT {} FROM {table}, n",
            columns.join(", "),
            values.collect::<Vec<_>>().join(", ")
        ))?;
    }
    connection.execute_batch("COMMIT")?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// A job that copies a file, in the repository that is purged.
struct Job<'a>(&'a Plan);

impl Job<'_> {
    fn command(&self) -> Outcome<Command> {
        let [repository, input, output] = FILES.map(|name| self.0.disk.file(name));
        places::remove(&[&output])?;
        let mut command = child_process("csv_to_csv", &repository, "job")?;
        command.arg("--input").arg(&input).arg("--output").arg(&output);
        Ok(command)
    }

    fn run(&self) -> Outcome<Duration> {
        let mut command = self.command()?;
        command.arg("--next");
        time(|| if command.output()?.status.success() { Ok(()) } else { Err("the job failed".into()) })
    }

    /// Starts a purge in another process.
    fn purge(&self, job: &str) -> Outcome<Child> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(CHILD, "purge").args([
            "purge",
            "--quiet",
            "--older-than",
            "2126-01-01",
            "--yes",
            "--job",
            job,
        ]);
        command.arg("--repository").arg(self.0.disk.file(FILES[0])).stdin(Stdio::null());
        Ok(command.spawn()?)
    }

    /// Runs the job while a purge runs, which then is killed.
    fn run_beside_purge(&self) -> Outcome<Duration> {
        let mut purge = self.purge(OLD)?;
        let took = self.run();
        let ended = purge.try_wait()?;
        // It may have ended meanwhile.
        let _ = purge.kill();
        purge.wait()?;
        if let Some(status) = ended {
            return Err(
                format!("the purge ended before the job, with {status}: it needs more executions").into()
            );
        }
        took
    }
}

/// How much slower a job is beside a purge of a million executions, in percent.
pub(crate) fn slow_down(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let executions = plan.size(1_000_000);
    let files = FILES.map(|name| plan.disk.file(name));
    let [repository, input, _] = &files;
    let remove = || places::remove(&files.each_ref().map(std::path::PathBuf::as_path));
    remove()?;
    data::write_csv(input, plan.size(5_000_000))?;
    let job = Job(plan);
    if !job.command()?.output()?.status.success() {
        return Err("the first run of the job failed".into());
    }
    copy_execution(repository, executions)?;

    let pairs: Vec<Pair> = interleaved(plan.rounds(7), || job.run_beside_purge(), || job.run())?;
    let count = |query: &str| -> Outcome<u64> {
        Ok(Connection::open(repository)?.query_row(query, [], |row| row.get::<_, i64>(0))?.try_into()?)
    };
    let beside = count("SELECT COUNT(*) FROM BATCH_PURGED")?;
    let rest = time(|| {
        for job_name in [OLD, "csv_to_csv"] {
            if !job.purge(job_name)?.wait()?.success() {
                return Err("the purge failed".into());
            }
        }
        Ok(())
    })?;
    let left = count("SELECT COUNT(*) FROM BATCH_JOB_INSTANCE")?;
    let kept = count(&format!("SELECT COUNT(*) FROM BATCH_PURGED WHERE JOB_NAME = '{OLD}'"))?;
    if (left, kept) != (0, executions) {
        return Err(format!("{left} instances and {kept} identities are left of {executions}").into());
    }
    // The parameters of the first run.
    let again = job.command()?.output()?.status;
    if again.code() != Some(REFUSED) {
        return Err(format!("a run with the parameters of a purged one ended with {again}").into());
    }
    remove()?;
    let detail = format!(
        "{:.2} s beside a purge, {:.2} s alone; {beside} of {executions} purged meanwhile, the rest in {:.1} s; \
         the same parameters were refused",
        median_seconds(&pairs, |pair| pair.ours),
        median_seconds(&pairs, |pair| pair.by_hand),
        rest.as_secs_f64()
    );
    let value = Spread::of(pairs.iter().map(|pair| (pair.ratio() - 1.0) * 100.0));
    Ok(Row { name, unit: "%", value, target: Target::must(5.0), detail })
}
