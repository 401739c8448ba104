//! The events of a step with partitions.

use std::sync::Mutex;

use batch_runtime::prelude::*;
use batch_runtime::readers::VecReader;

use crate::support::World;

/// The notifications, by the job's `tag`.
static TOLD: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

fn note(tag: &str, what: String) {
    TOLD.lock().unwrap().push((tag.to_owned(), what));
}

fn told(tag: &str) -> Vec<String> {
    TOLD.lock().unwrap().iter().filter(|(of, _)| of == tag).map(|(_, what)| what.clone()).collect()
}

#[reader]
fn numbers() -> VecReader<i64> {
    VecReader::new((0..8).collect::<Vec<_>>())
}

#[processor]
fn pass(number: i64, bad: Option<i64>) -> Result<i64, String> {
    if bad == Some(number) { Err(format!("{number} is bad")) } else { Ok(number) }
}

#[writer]
fn keep(numbers: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS number (number INTEGER)")?;
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO number VALUES (?1)", [number]).map(drop))
}

#[listener(before_step)]
fn step_begins(step: &StepContext, tag: &str) {
    note(tag, format!("{} begins", step.step()));
}

#[listener(after_step)]
fn step_ends(counters: &Counters, failure: Option<&Failure>, step: &StepContext, tag: &str) {
    let how = if failure.is_some() { "fails" } else { "ends" };
    note(tag, format!("{} {how} with {}", step.step(), counters.write));
}

#[listener(before_partition)]
fn part_begins(step: &StepContext, tag: &str) {
    note(tag, format!("{} begins", step.step()));
}

#[listener(after_partition)]
fn part_ends(counters: &Counters, failure: Option<&Failure>, step: &StepContext, tag: &str) {
    let how = if failure.is_some() { "fails" } else { "ends" };
    note(tag, format!("{} {how} with {}", step.step(), counters.write));
}

#[step(chunk = 2, partitions = 2, threads = 1, listeners(step_begins, step_ends, part_begins, part_ends))]
fn load() {
    numbers | pass | keep
}

#[job]
fn loading(tag: String, #[param(identifying = false)] bad: Option<i64>) {
    load;
}

#[test]
fn step_listeners_are_notified_once_and_partition_listeners_for_each_partition() {
    let world = World::new();
    world.completes(&loading("whole".to_owned(), None));
    assert_eq!(
        told("whole"),
        [
            "load begins",
            "load:partition0 begins",
            "load:partition0 ends with 4",
            "load:partition1 begins",
            "load:partition1 ends with 4",
            "load ends with 8",
        ]
    );
}

#[test]
fn listeners_are_notified_of_a_failed_partition_and_step_and_of_the_partitions_of_a_restart() {
    let (world, tag) = (World::new(), "failing");
    world.fails(&loading(tag.to_owned(), Some(7)));
    let first = [
        "load begins",
        "load:partition0 begins",
        "load:partition0 ends with 4",
        "load:partition1 begins",
        "load:partition1 fails with 2",
        "load fails with 6",
    ];
    assert_eq!(told(tag), first);
    world.completes(&loading(tag.to_owned(), None));
    let second = ["load begins", "load:partition1 begins", "load:partition1 ends with 2", "load ends with 2"];
    assert_eq!(told(tag)[first.len()..], second);
}
