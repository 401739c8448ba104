//! Receives: this program, started again as a child. Gives: how long a process takes to its first item, and how much memory it
//! comes to use.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::jobs::{self, CsvToCsv, FirstItem};
use crate::measure::Spread;
use crate::report::{Row, Target};
use crate::{Outcome, Plan, data, places};

/// The first argument of a child.
pub(crate) const CHILD: &str = "--child";

/// What a child process does: the job named first, on the repository named second, with the files named behind it.
pub(crate) fn child(arguments: &[String]) -> ExitCode {
    let outcome = match arguments {
        [job, repository, input] if job == "first-item" => {
            jobs::run::<FirstItem>(Path::new(repository), &[("input", jobs::value(input))]).map(drop)
        }
        [job, repository, input, output] if job == "csv-to-csv" => jobs::run::<CsvToCsv>(
            Path::new(repository),
            &[
                ("input", jobs::value(&Path::new(input).to_owned())),
                ("output", jobs::value(&Path::new(output).to_owned())),
            ],
        )
        .and_then(|_| print_peak_memory()),
        _ => Err("unknown child".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("child: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_peak_memory() -> Outcome {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    println!("{}", peak.trim().trim_end_matches(" kB"));
    Ok(())
}

fn this_program(job: &str, repository: &Path) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([CHILD, job]).arg(repository).stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}

/// From before the process is created until its reader has handed out the first item, in milliseconds.
fn first_item(repository: &Path, instance: usize) -> Outcome<f64> {
    let mut command = this_program("first-item", repository)?;
    command.arg(format!("input-{instance}"));
    let begin = Instant::now();
    let mut child = command.spawn()?;
    let mut output = child.stdout.take().ok_or("the child has no output")?;
    output.read_exact(&mut [0])?;
    let took = begin.elapsed();
    if !child.wait()?.success() {
        return Err("the child failed".into());
    }
    Ok(took.as_secs_f64() * 1e3)
}

const STARTS: usize = 41;

/// The repository is created on the way.
pub(crate) fn first_item_of_a_new_repository(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let repository = plan.memory.file("start.db");
    let mut took = Vec::new();
    for instance in 0..plan.rounds(STARTS) {
        places::remove(&[&repository])?;
        took.push(first_item(&repository, instance)?);
    }
    places::remove(&[&repository])?;
    Ok(start(name, took))
}

/// The repository has executions of earlier instances.
pub(crate) fn first_item_of_an_existing_repository(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let repository = plan.memory.file("start.db");
    places::remove(&[&repository])?;
    first_item(&repository, 0)?;
    let took = (1..=plan.rounds(STARTS))
        .map(|instance| first_item(&repository, instance))
        .collect::<Outcome<Vec<_>>>();
    places::remove(&[&repository])?;
    Ok(start(name, took?))
}

fn start(name: &'static str, took: Vec<f64>) -> Row {
    let detail = format!("{} processes", took.len());
    Row { name, unit: "ms", value: Spread::of(took), target: Target::must_and_aim(15.0, 5.0), detail }
}

/// How much more memory ten times the rows take.
pub(crate) fn memory_growth(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let rows = [plan.size(1_000_000), plan.size(10_000_000)];
    let peak = |rows: u64| -> Outcome<f64> {
        let input = plan.memory.file(&format!("growth-{rows}.csv"));
        let (output, repository) = (plan.memory.file("growth-out.csv"), plan.memory.file("growth.db"));
        data::write_csv(&input, rows)?;
        places::remove(&[&output, &repository])?;
        let child = this_program("csv-to-csv", &repository)?.arg(&input).arg(&output).output()?;
        places::remove(&[&input, &output, &repository])?;
        if !child.status.success() {
            return Err("the child failed".into());
        }
        Ok(String::from_utf8(child.stdout)?.trim().parse::<f64>()? / 1024.0)
    };
    let (mut growth, mut peaks) = (Vec::new(), [0.0, 0.0]);
    for _ in 0..plan.rounds(3) {
        peaks = [peak(rows[0])?, peak(rows[1])?];
        growth.push(peaks[1] - peaks[0]);
    }
    Ok(Row {
        name,
        unit: "MB",
        value: Spread::of(growth),
        target: Target::must_and_aim(1.0, 0.0),
        detail: format!("{:.1} MB with {} rows, {:.1} MB with {}", peaks[0], rows[0], peaks[1], rows[1]),
    })
}
