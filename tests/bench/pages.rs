//! Measures how close the example that loads companies by HTTP pages, with eight partitions, comes to the limit of the server.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::builds::{cargo, workspace};
use crate::measure::Spread;
use crate::report::{Row, Target};
use crate::{Outcome, Plan};

const EXAMPLE: &str = "movie_companies";

/// The line that the example printed for one job.
struct Line {
    /// The time divided by the limit.
    ratio: f64,
    /// The limit, with its formula.
    limit: String,
}

impl Line {
    /// Parses `NAME: 7000 companies in 930.12ms, 6.3 % above the limit of 875.00ms = 350 pages × 20ms / 8; 7 pages retried`.
    fn of(output: &str, name: &str) -> Outcome<Self> {
        let read = || {
            let line = output.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
            let (_, figures) = line.split_once(", ")?;
            let (above, limit) = figures.split_once(" % above the limit of ")?;
            let (limit, _) = limit.split_once("; ")?;
            Some(Self { ratio: 1.0 + above.parse::<f64>().ok()? / 100.0, limit: limit.to_owned() })
        };
        read().ok_or_else(|| format!("`{EXAMPLE}` says nothing of {name}:\n{output}").into())
    }
}

/// Seven thousand companies, twenty per page, 20 ms per page: partitions against the limit at that concurrency.
pub(crate) fn movie_companies(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let target = target_folder()?;
    let options = ["build", "--release", "--package", "batch-examples", "--example", EXAMPLE];
    cargo(&workspace(), &target, &options)?;
    let program = target.join("release/examples").join(EXAMPLE);
    let companies = plan.size(7_000).to_string();
    let (mut ratios, mut alone, mut limit) = (Vec::new(), Vec::new(), String::new());
    for round in 0..plan.rounds(5) {
        let folder = plan.disk.folder(&format!("companies-{round}"))?;
        let run =
            Command::new(&program).arg(&companies).current_dir(&folder).stdin(Stdio::null()).output()?;
        std::fs::remove_dir_all(&folder)?;
        let output = String::from_utf8_lossy(&run.stdout);
        if !run.status.success() {
            return Err(format!("`{EXAMPLE}` failed: {}", String::from_utf8_lossy(&run.stderr)).into());
        }
        let side_by_side = Line::of(&output, "partitioned")?;
        ratios.push(side_by_side.ratio);
        alone.push(Line::of(&output, "sequential")?.ratio);
        limit = side_by_side.limit;
    }
    Ok(Row {
        name,
        unit: "of the limit",
        value: Spread::of(ratios),
        target: Target::must_and_aim(1.10, 1.05),
        detail: format!("limit {limit}; page after page {:.3} of its own", Spread::of(alone).median),
    })
}

/// The folder into which this program was built.
fn target_folder() -> Outcome<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).ok_or("a benchmark is built into a folder of cargo's")?;
    Ok(target.to_owned())
}
