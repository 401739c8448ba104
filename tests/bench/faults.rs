//! Measures the cost of fault rules when nothing fails: the same step with and without them, in time and in
//! instructions.

use std::path::Path;
use std::process::{Command, Stdio};

use batch_runtime::Launch;

use crate::jobs;
use crate::measure::{self, Spread, interleaved};
use crate::process::child_process;
use crate::report::{Row, Target};
use crate::{Impossible, Outcome, Plan, data, places};

type Job = fn(std::path::PathBuf, std::path::PathBuf) -> Launch;

fn compared(plan: &Plan, name: &'static str, with: Job, without: Job, target: Target) -> Outcome<Row> {
    let rows = plan.size(1_000_000);
    let input = plan.memory.file("sales.csv");
    data::write_csv(&input, rows)?;
    let side = |job: Job, name: &str| {
        let (repository, output) =
            (plan.memory.file(&format!("{name}.db")), plan.memory.file(&format!("{name}.csv")));
        let input = input.clone();
        move || {
            places::remove(&[&repository, &output])?;
            let launch = job(input.clone(), output.clone());
            measure::time(|| jobs::run(&repository, &launch).map(drop))
        }
    };
    let pairs = interleaved(plan.rounds(21), side(with, "with"), side(without, "without"))?;
    let files = ["with", "without"].map(|name| plan.memory.file(&format!("{name}.csv")));
    if std::fs::read(&files[0])? != std::fs::read(&files[1])? {
        return Err("the outputs differ".into());
    }
    for name in ["with", "without"] {
        let kept = ["db", "csv"].map(|kind| plan.memory.file(&format!("{name}.{kind}")));
        places::remove(&[&kept[0], &kept[1]])?;
    }
    let rate = |seconds: f64| rows as f64 / seconds / 1e6;
    Ok(Row {
        name,
        unit: "ratio",
        value: Spread::of(pairs.iter().map(|pair| pair.ratio())),
        target,
        detail: format!(
            "{:.2} M rows/s, without rules {:.2} M rows/s",
            rate(measure::median_seconds(&pairs, |pair| pair.ours)),
            rate(measure::median_seconds(&pairs, |pair| pair.by_hand))
        ),
    })
}

/// A step with skips and retries against the same step without.
pub(crate) fn good_path(plan: &Plan, name: &'static str) -> Outcome<Row> {
    compared(plan, name, jobs::csv_to_csv_with_rules, jobs::csv_to_csv, Target::must(1.05))
}

/// The processor may fail and takes the item by value, so that a copy of each has to be kept.
pub(crate) fn by_value(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let target = Target { must: None, aim: None };
    compared(plan, name, jobs::csv_to_csv_trying_with_rules, jobs::csv_to_csv_trying, target)
}

/// The instructions of a run over this many rows.
fn instructions_of(plan: &Plan, job: &str, rows: u64) -> Outcome<f64> {
    let input = plan.memory.file(&format!("counted-{rows}.csv"));
    let (output, repository) = (plan.memory.file("counted-out.csv"), plan.memory.file("counted.db"));
    data::write_csv(&input, rows)?;
    let child = child_process(job, &repository, "")?;
    let mut command = Command::new("valgrind");
    command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    command.arg(child.get_program()).args(child.get_args()).arg("--input").arg(&input);
    command.arg("--output").arg(&output).stdin(Stdio::null());
    for (variable, value) in child.get_envs() {
        if let Some(value) = value {
            command.env(variable, value);
        }
    }
    let said = command.output().map_err(|_| Impossible(NO_COUNTER))?;
    places::remove(&[Path::new(&output), &repository, &input])?;
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    if !said.status.success() {
        return Err(format!("the child failed: {text}").into());
    }
    let count = text.lines().find_map(|line| {
        let (what, count) = line.split_once("refs:")?;
        what.trim().ends_with('I').then(|| count.trim().replace(',', ""))
    });
    Ok(count.ok_or("valgrind printed no count")?.parse()?)
}

const NO_COUNTER: &str = "valgrind counts the instructions, and is not installed";

/// The difference between runs over more and over fewer rows, so that the start does not count.
pub(crate) fn instructions(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let (few, many) = (10_000, 10_000 + plan.size(100_000));
    let a_row = |job: &str| -> Outcome<f64> {
        let more = instructions_of(plan, job, many)? - instructions_of(plan, job, few)?;
        Ok(more / (many - few) as f64)
    };
    let (with, without) = (a_row("csv_to_csv_with_rules")?, a_row("csv_to_csv")?);
    Ok(Row {
        name,
        unit: "ratio",
        value: Spread::of([with / without]),
        target: Target::must(1.02),
        detail: format!("{with:.0} instructions a row, without rules {without:.0}"),
    })
}
