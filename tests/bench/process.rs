//! Starts this program again as a child, and measures its time to the first item and its peak memory.

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use batch_runtime::JobDefinition;

use crate::jobs;
use crate::measure::Spread;
use crate::report::{Row, Target};
use crate::{Outcome, Plan, data, places};

/// The variable that makes this program a child of itself, with the arguments of the generated command line.
pub(crate) const CHILD: &str = "BATCH_BENCH_CHILD";
/// The value of that variable that makes a child print its peak memory.
const TELLS_MEMORY: &str = "memory";

/// Runs a child process: the program that `batch_runtime::main!` generates for these jobs. A profiler can start it too:
/// `BATCH_BENCH_CHILD= perf record target/release/deps/bench-… run csv_to_csv --input sales.csv --output out.csv`.
pub(crate) fn child() -> Option<ExitCode> {
    let child = std::env::var(CHILD).ok()?;
    let code = batch_runtime::cli::main(&[
        <jobs::first_item as JobDefinition>::INFO,
        <jobs::csv_to_csv as JobDefinition>::INFO,
        <jobs::csv_to_csv_with_rules as JobDefinition>::INFO,
        <jobs::csv_to_sqlite as JobDefinition>::INFO,
        <jobs::csv_to_csv_on_threads as JobDefinition>::INFO,
        <jobs::csv_to_sqlite_on_threads as JobDefinition>::INFO,
        <jobs::slow_writer as JobDefinition>::INFO,
        #[cfg(feature = "postgres")]
        <crate::postgres::postgres_to_postgres as JobDefinition>::INFO,
    ]);
    if child == TELLS_MEMORY {
        println!("{}", peak_memory().unwrap_or_else(|error| error.to_string()));
    }
    Some(code)
}

fn peak_memory() -> Outcome<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(peak.trim().trim_end_matches(" kB").to_owned())
}

pub(crate) fn child_process(job: &str, repository: &Path, tells: &str) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(CHILD, tells).args(["run", job, "--quiet", "--repository"]).arg(repository);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}

/// From before the process is created until its reader has returned the first item, in milliseconds.
fn first_item(repository: &Path, run: usize) -> Outcome<f64> {
    let mut command = child_process("first_item", repository, "first item")?;
    command.arg("--run").arg(run.to_string());
    let begin = Instant::now();
    let mut child = command.spawn()?;
    let mut output = child.stdout.take().ok_or("the child has no output")?;
    output.read_exact(&mut [0])?;
    let took = begin.elapsed();
    // Read to the end, so that the child can print its summary into an open pipe.
    output.read_to_end(&mut Vec::new())?;
    if !child.wait()?.success() {
        return Err("the child failed".into());
    }
    Ok(took.as_secs_f64() * 1e3)
}

const STARTS: usize = 41;

/// The run creates the repository.
pub(crate) fn first_item_of_a_new_repository(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let repository = plan.memory.file("start.db");
    let mut took = Vec::new();
    for run in 0..plan.rounds(STARTS) {
        places::remove(&[&repository])?;
        took.push(first_item(&repository, run)?);
    }
    places::remove(&[&repository])?;
    Ok(start(name, took))
}

/// The repository has executions of earlier instances.
pub(crate) fn first_item_of_an_existing_repository(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let repository = plan.memory.file("start.db");
    places::remove(&[&repository])?;
    first_item(&repository, 0)?;
    let took = (1..=plan.rounds(STARTS)).map(|run| first_item(&repository, run)).collect::<Outcome<Vec<_>>>();
    places::remove(&[&repository])?;
    Ok(start(name, took?))
}

fn start(name: &'static str, took: Vec<f64>) -> Row {
    let detail = format!("{} processes", took.len());
    Row { name, unit: "ms", value: Spread::of(took), target: Target::must_and_aim(15.0, 5.0), detail }
}

/// The peak memory of a job, in MB.
pub(crate) fn peak_of(job: &str, repository: &Path, arguments: &[(&str, &OsStr)]) -> Outcome<f64> {
    let mut command = child_process(job, repository, TELLS_MEMORY)?;
    command.args(arguments.iter().flat_map(|(name, value)| [OsStr::new(name), value]));
    let child = command.output()?;
    places::remove(&[repository])?;
    if !child.status.success() {
        return Err("the child failed".into());
    }
    let told = String::from_utf8(child.stdout)?;
    let kilobytes: f64 = told.lines().last().unwrap_or_default().parse()?;
    Ok(kilobytes / 1024.0)
}

fn peak_of_copying(plan: &Plan, rows: u64) -> Outcome<f64> {
    let (input, output) = (plan.memory.file("growth.csv"), plan.memory.file("growth-out.csv"));
    data::write_csv(&input, rows)?;
    let arguments = [("--input", input.as_os_str()), ("--output", output.as_os_str())];
    let peak = peak_of("csv_to_csv", &plan.memory.file("growth.db"), &arguments);
    places::remove(&[&input, &output])?;
    peak
}

fn peak_of_a_slow_writer(plan: &Plan, rows: u64) -> Outcome<f64> {
    let rows = rows.to_string();
    peak_of("slow_writer", &plan.memory.file("slow.db"), &[("--rows", rows.as_ref())])
}

/// How much more memory ten times as many rows take.
pub(crate) fn growth(
    plan: &Plan,
    name: &'static str,
    target: Target,
    peak: impl Fn(&Plan, u64) -> Outcome<f64>,
) -> Outcome<Row> {
    let (few, many) = (plan.size(1_000_000), plan.size(10_000_000));
    let mut growth = Vec::new();
    let mut peaks = (0.0, 0.0);
    for _ in 0..plan.rounds(3) {
        peaks = (peak(plan, few)?, peak(plan, many)?);
        growth.push(peaks.1 - peaks.0);
    }
    Ok(Row {
        name,
        unit: "MB",
        value: Spread::of(growth),
        target,
        detail: format!("{:.1} MB with {few} rows, {:.1} MB with {many}", peaks.0, peaks.1),
    })
}

/// On one thread, copying.
pub(crate) fn memory_growth(plan: &Plan, name: &'static str) -> Outcome<Row> {
    growth(plan, name, Target::must_and_aim(1.0, 0.0), peak_of_copying)
}

/// On eight threads, all held back by a slow writer.
pub(crate) fn memory_growth_on_threads(plan: &Plan, name: &'static str) -> Outcome<Row> {
    growth(plan, name, Target::must_and_aim(2.0, 0.0), peak_of_a_slow_writer)
}
