//! A step stores its progress for other processes to show, however the step runs.

use std::fmt::Write as _;
use std::time::Duration;

use batch_runtime::Launch;
use batch_runtime::prelude::*;
use batch_runtime::repository::sqlite::SqliteOptions;
use batch_runtime::writers::{JsonLinesWriter, WriteError};

use crate::support::World;

#[derive(Debug, Serialize, Deserialize)]
struct Number {
    id: u64,
}

#[reader]
fn numbers(input: PathBuf) -> Result<CsvReader<Number>, ReadError> {
    CsvReader::open(input)
}

#[reader]
fn counted() -> impl Iterator<Item = Number> {
    (1_000..1_200).map(|id| Number { id })
}

#[processor]
fn check(number: Number, bad: Option<u64>) -> Result<Number, String> {
    if bad == Some(number.id) { Err(format!("number {} is bad", number.id)) } else { Ok(number) }
}

#[cfg(feature = "async")]
#[processor(concurrency = 4)]
async fn later(number: Number) -> Number {
    std::future::ready(number).await
}

#[writer]
fn lines(output: PathBuf) -> Result<JsonLinesWriter<Number>, WriteError> {
    Ok(JsonLinesWriter::create(output))
}

#[step(chunk = 10)]
fn alone() {
    numbers | check | lines
}

#[step(chunk = 10)]
fn of_known_length() {
    counted | check | lines
}

#[step(chunk = 10, threads = 3)]
fn on_threads() {
    numbers | check | lines
}

#[cfg(feature = "async")]
#[step(chunk = 10)]
fn in_a_window() {
    numbers | later | lines
}

#[step(chunk = 10, partitions = 3)]
fn in_partitions() {
    numbers | check | lines
}

#[job]
fn of_one(input: PathBuf, output: PathBuf, #[param(identifying = false)] bad: Option<u64>) {
    alone;
}

#[job]
fn of_numbers(output: PathBuf, #[param(identifying = false)] bad: Option<u64>) {
    of_known_length;
}

#[job]
fn of_threads(input: PathBuf, output: PathBuf, #[param(identifying = false)] bad: Option<u64>) {
    on_threads;
}

#[cfg(feature = "async")]
#[job]
fn of_a_window(input: PathBuf, output: PathBuf) {
    in_a_window;
}

#[job]
fn of_partitions(input: PathBuf, output: PathBuf, #[param(identifying = false)] bad: Option<u64>) {
    in_partitions;
}

/// A world in which every chunk stores the step's progress, and a file of 200 numbers with its size.
fn storing_at_once() -> (World, PathBuf, i64) {
    let world = World::with(SqliteOptions::new().intervals(Duration::ZERO, Duration::ZERO));
    let input = world.path("numbers.csv");
    let mut text = "id\n".to_owned();
    for id in 1000..1200 {
        let _ = writeln!(text, "{id}");
    }
    std::fs::write(&input, &text).unwrap();
    (world, input, i64::try_from(text.len()).unwrap())
}

fn stored(world: &World, what: &str) -> Vec<i64> {
    world.numbers(&format!(
        "SELECT {what} FROM BATCH_STEP_PROGRESS JOIN BATCH_STEP_EXECUTION USING (STEP_EXECUTION_ID) ORDER BY STEP_NAME, 1"
    ))
}

#[test]
fn a_step_stores_how_far_it_is_with_its_chunks_on_one_thread_on_several_and_in_a_window() {
    let jobs: &[fn(PathBuf, PathBuf) -> Launch] = &[
        |input, output| of_one(input, output, None),
        |input, output| of_threads(input, output, None),
        #[cfg(feature = "async")]
        |input, output| of_a_window(input, output),
    ];
    for job in jobs {
        let (world, input, size) = storing_at_once();
        world.completes(&job(input, world.path("out.jsonl")));
        assert_eq!((stored(&world, "DONE_BEFORE"), stored(&world, "TOTAL")), (vec![0], vec![size]));
        let done = stored(&world, "DONE");
        assert!((size - 100..=size).contains(&done[0]), "{done:?} of {size}");
    }
}

#[test]
fn each_partition_stores_how_far_it_is_in_its_part() {
    let (world, input, size) = storing_at_once();
    world.completes(&of_partitions(input, world.path("out.jsonl"), None));
    let (done, total) = (stored(&world, "DONE"), stored(&world, "TOTAL"));
    assert_eq!((done.len(), &done), (3, &total), "the last chunk of each has read its part");
    assert!(total.iter().all(|part| *part < size), "{total:?} of {size}");
}

#[test]
fn a_restart_counts_what_is_done_from_where_it_began() {
    let (world, _, _) = storing_at_once();
    let output = world.path("out.jsonl");
    world.fails(&of_numbers(output.clone(), Some(1_105)));
    world.completes(&of_numbers(output, None));
    assert_eq!(stored(&world, "DONE_BEFORE"), [0, 100]);
    assert_eq!((stored(&world, "DONE"), stored(&world, "TOTAL")), (vec![100, 200], vec![200, 200]));
}

#[test]
fn a_step_that_ends_within_a_second_stores_nothing() {
    let (_folder, input, _) = storing_at_once();
    let world = World::new();
    let report = world.completes(&of_one(input, world.path("out.jsonl"), None));
    if report.elapsed < Duration::from_secs(1) {
        assert!(stored(&world, "DONE").is_empty());
    }
}
