//! A step with an aggregator keeps its output if it comes before the replayed step, and runs in full if after.

use std::sync::Arc;

use batch_runtime::observe::JobReport;
use batch_runtime::operator::JobOperator;
use batch_runtime::prelude::*;
use batch_runtime::readers::VecReader;
use batch_runtime::repository::BatchStatus;
use batch_runtime::{JobDefinition as _, JobInfo, parse_parameters};

use crate::support::{World, step};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Sum(u32);

#[derive(Debug, thiserror::Error)]
#[error("{0} is odd")]
struct Odd(u32);

#[reader]
fn numbers() -> VecReader<u32> {
    VecReader::new((0..4).collect::<Vec<_>>())
}

#[processor]
fn add(number: u32, #[state] sum: &mut Sum) -> u32 {
    sum.0 += number;
    number
}

#[processor]
fn even(number: u32) -> Result<u32, Odd> {
    if number.is_multiple_of(2) { Ok(number) } else { Err(Odd(number)) }
}

#[writer]
fn forget(numbers: &[u32]) {
    assert!(!numbers.is_empty());
}

/// Expects at least one partition, unless `lenient`.
#[aggregator]
fn total(parts: Vec<Sum>, lenient: bool) -> Result<Vec<u32>, String> {
    if parts.is_empty() && !lenient {
        return Err("there is nothing to add up".to_owned());
    }
    Ok(parts.into_iter().map(|part| part.0).collect())
}

#[step(allow_start_if_complete)]
fn create_table(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS told (told TEXT)")
}

#[step(chunk = 3, partitions = 2, threads = 1, aggregator = total)]
fn load() {
    numbers | add | forget
}

#[step(chunk = 3, skip(Odd))]
fn load_even() {
    numbers | even | forget
}

#[step]
fn fail_if(fail: bool) -> Result<(), String> {
    if fail { Err("told to".to_owned()) } else { Ok(()) }
}

#[step]
fn tell(total: &Output<load>, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO told VALUES (?1)", [format!("{:?}", **total)]).map(drop)
}

#[job]
fn totals_first(lenient: bool, #[param(identifying = false)] fail: bool) {
    create_table;
    load;
    load_even;
    fail_if;
    tell;
}

#[job]
fn totals_last(lenient: bool, #[param(identifying = false)] fail: bool) {
    create_table;
    load_even;
    fail_if;
    load;
    tell;
}

fn told(world: &World) -> Vec<String> {
    world.texts("SELECT told FROM told")
}

fn replay(world: &World, job: &'static JobInfo, of: &JobReport) -> JobReport {
    let operator = JobOperator::new(Arc::clone(&world.repository)).with_jobs(&[job]);
    let given = parse_parameters(job, [("fail", "false")]).unwrap();
    operator.replay(of.execution, &given).unwrap()
}

#[test]
fn in_a_replay_a_step_with_partitions_after_the_replayed_one_runs_in_full() {
    let world = World::new();
    let first = world.completes(&totals_last(false, false));
    let replayed = replay(&world, totals_last::INFO, &first);
    assert_eq!(replayed.status, BatchStatus::Completed, "{}", replayed.exit.description);
    assert_eq!(step(&replayed, "load").counters.read, 4);
    assert_eq!(told(&world), ["[1, 5]", "[1, 5]"]);
}

#[test]
fn in_a_replay_of_a_replay_the_first_totals_are_kept() {
    let world = World::new();
    let mut last = world.completes(&totals_first(false, false));
    for _ in 0..2 {
        last = replay(&world, totals_first::INFO, &last);
        assert_eq!(last.status, BatchStatus::Completed, "{}", last.exit.description);
    }
    assert_eq!(told(&world), ["[1, 5]"; 3]);
}

#[test]
fn in_a_replay_of_a_job_that_failed_after_a_complete_step_its_totals_are_kept() {
    let world = World::new();
    let failed = world.fails(&totals_first(false, true));
    let replayed = replay(&world, totals_first::INFO, &failed);
    assert_eq!(replayed.status, BatchStatus::Completed, "{}", replayed.exit.description);
    assert_eq!(told(&world), ["[1, 5]"]);
}

#[test]
fn in_a_replay_of_a_job_that_failed_before_the_totals_they_are_computed() {
    let world = World::new();
    let failed = world.fails(&totals_last(false, true));
    let replayed = replay(&world, totals_last::INFO, &failed);
    assert_eq!(replayed.status, BatchStatus::Completed, "{}", replayed.exit.description);
    assert_eq!(told(&world), ["[1, 5]"]);
}
