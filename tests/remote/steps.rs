//! Compares steps with `remote` with the same steps without it.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use batch_runtime::engine::RunOptions;
use batch_runtime::prelude::*;
use batch_runtime::readers::ReadError;
use batch_runtime::repository::BatchStatus;
use batch_runtime::writers::{CsvWriter, WriteError};

use super::carrier::{Carrier, Mishaps};
use super::{Told, Workers, chunks, options, with_workers};
use crate::support::{World, step};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    number: u64,
    weight: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Weighed {
    number: u64,
    kilos: u64,
    tries: Option<f64>,
}

#[derive(Debug)]
enum Unweighed {
    TooHeavy(u64),
    Busy(u64),
}

impl fmt::Display for Unweighed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooHeavy(weight) => write!(f, "{weight} is too heavy"),
            Self::Busy(number) => write!(f, "the scales are busy with {number}"),
        }
    }
}

impl std::error::Error for Unweighed {}

/// The calls in workers since the last reset.
static REMOTE: AtomicU64 = AtomicU64::new(0);

pub(super) fn is_in_a_worker() -> bool {
    thread::current().name().is_some_and(|name| name.starts_with("chunks of"))
}

/// In a step with `remote`, leaves something to the workers: waits until they have begun.
fn leave_some(of_worker: &AtomicU64) {
    if is_in_a_worker() {
        of_worker.fetch_add(1, Ordering::Relaxed);
    } else if thread::current().name().is_some_and(|name| name.contains("by_remote")) {
        let until = Instant::now() + Duration::from_mins(2);
        while of_worker.load(Ordering::Relaxed) == 0 && Instant::now() < until {
            thread::yield_now();
        }
    }
}

#[reader]
fn entries(input: PathBuf) -> Result<CsvReader<Entry>, ReadError> {
    CsvReader::open(input)
}

/// Filters every fifth item, and fails on the heaviest, and on some in the first attempt.
#[processor]
fn weigh(entry: Entry) -> Result<Option<Weighed>, Unweighed> {
    leave_some(&REMOTE);
    let turns = (entry.number.wrapping_mul(2_654_435_761) % 64) * 50;
    std::hint::black_box((0..turns).fold(0_u64, |sum, turn| sum ^ turn));
    if entry.weight > 990 {
        return Err(Unweighed::TooHeavy(entry.weight));
    }
    if entry.weight > 980 {
        return Err(Unweighed::Busy(entry.number));
    }
    Ok((!entry.weight.is_multiple_of(5)).then_some(Weighed {
        number: entry.number,
        kilos: entry.weight,
        tries: (entry.weight > 500).then_some(f64::NAN),
    }))
}

#[writer]
fn scales(output: PathBuf) -> Result<CsvWriter<Weighed>, WriteError> {
    Ok(CsvWriter::create(output))
}

#[step(
    chunk = 7,
    skip(Unweighed::TooHeavy(_), Unweighed::Busy(_), ReadError),
    retry(Unweighed::Busy(_), limit = 2)
)]
fn by_one() {
    entries | weigh | scales
}

#[step(
    chunk = 7,
    skip(Unweighed::TooHeavy(_), Unweighed::Busy(_), ReadError),
    retry(Unweighed::Busy(_), limit = 2),
    threads = 2,
    remote
)]
fn by_remote() {
    entries | weigh | scales
}

#[step(chunk = 7, skip(Unweighed, limit = 3), skip(ReadError), threads = 2, remote)]
fn by_remote_up_to_a_limit() {
    entries | weigh | scales
}

#[step(chunk = 7, skip(Unweighed, limit = 3), skip(ReadError))]
fn by_one_up_to_a_limit() {
    entries | weigh | scales
}

#[job]
fn one(input: PathBuf, output: PathBuf) {
    by_one;
}

#[job]
fn remote(input: PathBuf, output: PathBuf) {
    by_remote;
}

#[job]
fn remote_up_to_a_limit(input: PathBuf, output: PathBuf) {
    by_remote_up_to_a_limit;
}

#[job]
fn one_up_to_a_limit(input: PathBuf, output: PathBuf) {
    by_one_up_to_a_limit;
}

/// Entries of all kinds, bad lines among them.
fn write_entries(world: &World, count: u64) -> PathBuf {
    let mut text = String::from("number,weight\n");
    for number in 0..count {
        let weight = number.wrapping_mul(48_271) % 1_000;
        match weight {
            100..110 => text.push_str("no number,at all\n"),
            _ => writeln!(text, "{number},{weight}").unwrap(),
        }
    }
    let path = world.path("in.csv");
    std::fs::write(&path, text).unwrap();
    path
}

const SKIPPED: &str =
    "SELECT PHASE || ' ' || SOURCE_POSITION || ' ' || COALESCE(LOCATION, '-') || ' ' || ERROR || ' '
    || COALESCE(ITEM, '-') FROM BATCH_SKIPPED_ITEM ORDER BY SEQUENCE";
const CHECKPOINT: &str = "SELECT SHORT_CONTEXT FROM BATCH_STEP_EXECUTION_CONTEXT";

/// Everything that a run leaves, without the name of its folder and without the tag of its output file.
fn left(world: &World) -> (Vec<u8>, Vec<String>, Vec<String>) {
    let in_its_folder = |sql| -> Vec<String> {
        let folder = world.folder().display().to_string();
        world.texts(sql).into_iter().map(|text| text.replace(&folder, "")).collect()
    };
    let checkpoints = in_its_folder(CHECKPOINT).into_iter();
    let untagged = checkpoints.map(|text| text.split("tag").next().unwrap_or_default().to_owned()).collect();
    (std::fs::read(world.path("out.csv")).unwrap(), in_its_folder(SKIPPED), untagged)
}

fn does_the_same_as_one_thread(count: u64, seed: u64, mishaps: Mishaps) {
    let (alone, together) = (World::new(), World::new());
    let of_one = alone.completes(&one(write_entries(&alone, count), alone.path("out.csv")));
    let launch = remote(write_entries(&together, count), together.path("out.csv"));
    let of_both = with_workers(&together, &launch, seed, mishaps);
    assert_eq!(of_both.status, BatchStatus::Completed, "seed {seed}: {}", of_both.exit.description);
    let (one, both) = (step(&of_one, "by_one").counters, step(&of_both, "by_remote").counters);
    assert_eq!(one, both, "seed {seed}");
    assert!(both.read_skip > 0 && both.process_skip > 0);
    assert_eq!(left(&alone), left(&together), "seed {seed}");
}

#[test]
fn output_counters_skips_and_checkpoint_are_those_of_one_thread() {
    let before = REMOTE.load(Ordering::Relaxed);
    does_the_same_as_one_thread(3_000, 1, Mishaps::default());
    assert!(REMOTE.load(Ordering::Relaxed) > before, "the workers have done nothing");
}

#[test]
fn lost_duplicated_late_and_forged_messages_change_nothing() {
    let mishaps = Mishaps { lost: 5, duplicated: 10, late: 10, forged: 10, dropped: 5, ..Mishaps::default() };
    for seed in 1..5 {
        does_the_same_as_one_thread(600, seed, mishaps);
    }
}

#[test]
fn a_limit_of_skips_is_reached_at_the_same_item() {
    let (alone, together) = (World::new(), World::new());
    let of_one = alone.fails(&one_up_to_a_limit(write_entries(&alone, 3_000), alone.path("out.csv")));
    let launch = remote_up_to_a_limit(write_entries(&together, 3_000), together.path("out.csv"));
    let of_both = with_workers(&together, &launch, 1, Mishaps::default());
    assert_eq!(of_both.status, BatchStatus::Failed);
    let in_its_folder = |world: &World, text: &str| text.replace(&world.folder().display().to_string(), "");
    assert_eq!(
        in_its_folder(&alone, &of_one.exit.description).replace("by_one", "by_remote"),
        in_its_folder(&together, &of_both.exit.description)
    );
}

#[test]
fn without_a_carrier_the_threads_of_the_step_do_it() {
    let world = World::new();
    REMOTE.fetch_add(1, Ordering::Relaxed);
    world.completes(&remote(write_entries(&world, 100), world.path("out.csv")));
}

#[test]
fn without_a_worker_the_threads_of_the_step_do_it_and_the_user_is_told() {
    #[processor]
    fn slow(entry: Entry) -> Entry {
        thread::sleep(Duration::from_millis(3));
        entry
    }

    #[writer]
    fn drop_them(_: &[Entry]) {}

    #[step(chunk = 10, threads = 2, remote)]
    fn slow_by_remote() {
        entries | slow | drop_them
    }

    #[job]
    fn slowly(input: PathBuf) {
        slow_by_remote;
    }

    let world = World::new();
    let path = world.path("plain.csv");
    std::fs::write(&path, format!("number,weight\n{}", "7,1\n".repeat(100))).unwrap();
    let told = Arc::new(Told::default());
    let carrier = Carrier::new(1, Mishaps::default());
    let options = RunOptions { observer: Some(told.clone()), ..options(chunks(&carrier)) };
    // A worker of another build does not count.
    let _others = Workers::start(&world, &[slowly(path.clone()).job], 1, &chunks(&carrier).build("other"));
    let report = world.run_with(&slowly(path), &options);
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
    assert!(
        told.all().contains("no worker of exactly this build processes the step's chunks"),
        "{}",
        told.all()
    );
}
