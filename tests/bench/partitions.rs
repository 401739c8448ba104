//! Measures the cost of partitions: starting them, and running many of one item each.

use std::time::{Duration, Instant};

use crate::measure::Spread;
use crate::report::{Row, Target};
use crate::{Outcome, Plan, jobs, places};

/// From the launch to the first item that is written, and to the end.
fn singles(plan: &Plan, partitions: u64) -> Outcome<(Duration, Duration)> {
    let repository = plan.disk.file("partitions.db");
    places::remove(&[&repository])?;
    let begin = Instant::now();
    let report = jobs::run(&repository, &jobs::many_partitions(partitions))?;
    let total = begin.elapsed();
    if report.steps[0].counters.write != partitions {
        return Err(format!("{} items, not {partitions}", report.steps[0].counters.write).into());
    }
    let first = jobs::first_written().ok_or("nothing was written")?;
    places::remove(&[&repository])?;
    Ok((first.duration_since(begin), total))
}

fn measured(
    plan: &Plan,
    name: &'static str,
    partitions: u64,
    rounds: usize,
    target: (f64, f64),
    side: fn((Duration, Duration)) -> Duration,
) -> Outcome<Row> {
    let mut seconds = Vec::new();
    for _ in 0..rounds {
        seconds.push(side(singles(plan, partitions)?).as_secs_f64());
    }
    Ok(Row {
        name,
        unit: "s",
        value: Spread::of(seconds),
        target: Target::must_and_aim(target.0, target.1),
        detail: format!("{partitions} partitions of one item, in a new repository"),
    })
}

pub(crate) fn first_of_a_thousand(plan: &Plan, name: &'static str) -> Outcome<Row> {
    measured(plan, name, 1_000, plan.rounds(5), (0.1, 0.05), |(first, _)| first)
}

pub(crate) fn all_of_a_thousand(plan: &Plan, name: &'static str) -> Outcome<Row> {
    measured(plan, name, 1_000, plan.rounds(5), (3.0, 1.5), |(_, total)| total)
}

pub(crate) fn first_of_ten_thousand(plan: &Plan, name: &'static str) -> Outcome<Row> {
    measured(plan, name, 10_000, plan.rounds(1), (0.5, 0.25), |(first, _)| first)
}

pub(crate) fn all_of_ten_thousand(plan: &Plan, name: &'static str) -> Outcome<Row> {
    measured(plan, name, 10_000, plan.rounds(1), (25.0, 12.5), |(_, total)| total)
}
