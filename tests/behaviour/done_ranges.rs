//! A checkpoint may say that later records are done while earlier ones are not. Any restart processes exactly the
//! records that are not done.

use batch_runtime::operator::JobOperator;
use batch_runtime::prelude::*;
use batch_runtime::readers::ReadError;
use batch_runtime::repository::Counters;
use batch_runtime::{JobDefinition as _, Launch, ParameterValue, Parameters};
use std::sync::Arc;

use crate::support::{World, step, summed};

#[derive(Debug, thiserror::Error)]
#[error("{0} is not wanted")]
struct Unwanted(u32);

/// Lines of numbers, some of which are not numbers.
#[reader]
fn lines(input: PathBuf) -> Result<CsvReader<u32>, ReadError> {
    CsvReader::open(input)
}

#[processor]
fn pass(number: u32, fail_at: u32, skipped: u32) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    match number {
        _ if number == fail_at => Err(format!("{number} is bad").into()),
        _ if number == skipped => Err(Unwanted(number).into()),
        _ => Ok(number),
    }
}

#[processor(concurrency = 3)]
fn pass_at_once(
    number: u32,
    fail_at: u32,
    skipped: u32,
) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    pass(number, fail_at, skipped)
}

#[writer]
fn keep(items: &[u32], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS kept (number INTEGER)")?;
    items.iter().try_for_each(|item| tx.execute("INSERT INTO kept VALUES (?1)", [item]).map(drop))
}

#[step(chunk = 3)]
fn plain_step() {
    lines | keep_where_good
}

#[writer]
fn keep_where_good(items: &[u32], tx: &Transaction<'_>, fail_at: u32) -> Result<(), anyhow::Error> {
    anyhow::ensure!(!items.contains(&fail_at), "{fail_at} is bad");
    keep(items, tx).map_err(anyhow::Error::from)
}

#[job]
fn plain(input: PathBuf, #[param(identifying = false)] fail_at: u32) {
    plain_step;
}

#[step(chunk = 3, skip(ReadError, Unwanted))]
fn careful_step() {
    lines | pass | keep
}

#[job]
fn careful(
    input: PathBuf,
    #[param(identifying = false)] fail_at: u32,
    #[param(identifying = false)] skipped: u32,
) {
    careful_step;
}

#[step(chunk = 3, skip(ReadError, Unwanted))]
fn at_once_step() {
    lines | pass_at_once | keep
}

#[job]
fn at_once_job(
    input: PathBuf,
    #[param(identifying = false)] fail_at: u32,
    #[param(identifying = false)] skipped: u32,
) {
    at_once_step;
}

fn at_once(input: PathBuf, fail_at: u32) -> Launch {
    at_once_job(input, fail_at, NEVER)
}

const NEVER: u32 = 1_000;

/// The numbers from 0 up to `count`, one per line, some replaced by text that is not a number.
fn write_lines(world: &World, count: u32, bad: &[u32]) -> PathBuf {
    let path = world.path("in.csv");
    let lines = (0..count)
        .map(|number| if bad.contains(&number) { "none\n".to_owned() } else { format!("{number}\n") });
    std::fs::write(&path, format!("number\n{}", lines.collect::<String>())).unwrap();
    path
}

/// The numbers kept, in the order in which they were kept, without the three of the first chunk.
fn kept(world: &World) -> Vec<i64> {
    let all = world.numbers("SELECT number FROM kept ORDER BY rowid");
    assert_eq!(all[..3], [0, 1, 2]);
    all[3..].to_vec()
}

/// Commits the first chunk and fails in the next, then marks `done`, counted from record 3, as done as well.
fn with_done(launch: &Launch, world: &World, done: &[(u32, u32)]) {
    world.fails(launch);
    world.mark_done(done);
}

#[test]
fn records_done_after_a_hole_are_not_processed_again() {
    let world = World::new();
    let input = write_lines(&world, 20, &[]);
    with_done(&plain(input.clone(), 4), &world, &[(1, 3), (8, 12), (13, 14)]);
    let report = world.completes(&plain(input, NEVER));
    assert_eq!(kept(&world), [3, 6, 7, 8, 9, 10, 15, 17, 18, 19]);
    assert_eq!(step(&report, "plain_step").counters.read, 10);
}

#[test]
fn records_done_after_a_hole_are_not_processed_again_with_concurrent_calls() {
    let world = World::new();
    let input = write_lines(&world, 20, &[]);
    with_done(&at_once(input.clone(), 4), &world, &[(1, 3), (8, 12), (13, 14)]);
    let report = world.completes(&at_once(input, NEVER));
    assert_eq!(kept(&world), [3, 6, 7, 8, 9, 10, 15, 17, 18, 19]);
    assert_eq!(step(&report, "at_once_step").counters.read, 10);
}

/// Fails at each record that is left, one execution after the other.
fn failing_everywhere(job: impl Fn(u32) -> Launch, world: &World, name: &str) -> Counters {
    with_done(&job(4), world, &[(1, 3), (8, 12), (13, 14)]);
    for fail_at in [3, 6, 8, 9, 10, 15, 17, 19] {
        world.fails(&job(fail_at));
    }
    let report = world.completes(&job(NEVER));
    assert_eq!(kept(world), [3, 6, 7, 8, 9, 10, 15, 17, 18, 19]);
    summed(step(&report, name))
}

#[test]
fn records_done_ahead_are_remembered_across_any_number_of_restarts() {
    let world = World::new();
    let input = write_lines(&world, 20, &[]);
    let all = failing_everywhere(|fail_at| plain(input.clone(), fail_at), &world, "plain_step");
    assert_eq!((all.read, all.write), (13, 13));
}

#[test]
fn records_done_ahead_are_remembered_across_any_number_of_restarts_with_concurrent_calls() {
    let world = World::new();
    let input = write_lines(&world, 20, &[]);
    let all = failing_everywhere(|fail_at| at_once(input.clone(), fail_at), &world, "at_once_step");
    assert_eq!((all.read, all.write), (13, 13));
}

#[test]
fn an_unreadable_record_counts_in_a_hole_and_among_the_records_done() {
    let bad = [5, 7, 8, 11, 16, 18];
    let launches: [fn(PathBuf, u32) -> Launch; 2] =
        [|input, fail_at| careful(input, fail_at, NEVER), |input, fail_at| at_once(input, fail_at)];
    for (launch, name) in launches.into_iter().zip(["careful_step", "at_once_step"]) {
        let world = World::new();
        let input = write_lines(&world, 20, &bad);
        // 5 (unreadable), 6, and 11 to 14 are done; 7 and 8, which cannot be read, are not.
        with_done(&launch(input.clone(), 4), &world, &[(2, 4), (8, 12)]);
        let report = world.completes(&launch(input, NEVER));
        assert_eq!(kept(&world), [3, 4, 9, 10, 15, 17, 19], "{name}");
        let all = summed(step(&report, name));
        assert_eq!((all.read, all.read_skip), (3 + 7, 4), "{name}");
    }
}

#[test]
fn a_hole_of_unreadable_records_is_committed() {
    let world = World::new();
    let input = write_lines(&world, 9, &[4, 5, 6, 8]);
    with_done(&careful(input.clone(), 3, NEVER), &world, &[(0, 1), (3, 5)]);
    let report = world.completes(&careful(input, NEVER, NEVER));
    assert_eq!(kept(&world), [] as [i64; 0]);
    assert_eq!(step(&report, "careful_step").counters.read_skip, 3);
}

#[test]
fn a_record_skipped_in_a_hole_is_found_again_by_its_place() {
    let launches: [fn(PathBuf, u32, u32) -> Launch; 2] = [careful, at_once_job];
    for (launch, skipped) in launches.into_iter().flat_map(|launch| [(launch, 7), (launch, 10)]) {
        let world = World::new();
        let input = write_lines(&world, 20, &[]);
        with_done(&launch(input.clone(), 3, skipped), &world, &[(1, 3), (5, 6), (9, 12)]);
        let report = world.completes(&launch(input, NEVER, skipped));
        let place = world.texts("SELECT SOURCE_POSITION FROM BATCH_SKIPPED_ITEM").concat();
        assert!(!place.contains("done"), "{place}");

        let jobs = [careful::INFO, at_once_job::INFO];
        let operator = JobOperator::new(Arc::clone(&world.repository)).with_jobs(&jobs);
        let changed = Parameters::new().with("skipped", ParameterValue::Long(NEVER.into()));
        let before = kept(&world);
        operator.replay(report.execution, &changed).unwrap();
        assert_eq!(kept(&world)[before.len()..], [i64::from(skipped)]);
    }
}

#[test]
fn an_input_that_ends_before_the_records_done_is_refused() {
    let launches: [fn(PathBuf, u32) -> Launch; 2] = [plain, at_once];
    for launch in launches {
        let world = World::new();
        let input = write_lines(&world, 8, &[]);
        with_done(&launch(input.clone(), 4), &world, &[(2, 3), (7, 9)]);
        let report = world.fails(&launch(input, NEVER));
        let why = &report.exit.description;
        assert!(why.contains("the input ends 5 records after the place where the step resumed"), "{why}");
    }
}
