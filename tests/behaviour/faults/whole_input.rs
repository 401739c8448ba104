//! If no record can be read, the input itself is at fault, and no rule for records skips that.

use std::sync::Arc;

use batch_runtime::operator::JobOperator;
use batch_runtime::prelude::*;
use batch_runtime::readers::ReadError;
use batch_runtime::repository::Counters;
use batch_runtime::{JobDefinition as _, ParameterValue, Parameters};

use super::script::*;
use crate::support::{World, step};

#[reader]
fn pairs(input: PathBuf) -> Result<CsvReader<(i64, i64)>, ReadError> {
    CsvReader::<(i64, i64)>::options().without_header().open(input)
}

#[processor]
fn first(pair: (i64, i64)) -> i64 {
    pair.0
}

#[writer]
fn file(output: PathBuf) -> CsvWriter<i64> {
    CsvWriter::create(output).overwrite(true)
}

#[step(chunk = 2, skip(ReadError))]
fn load() {
    pairs | first | file
}

#[job]
fn load_job(input: PathBuf, output: PathBuf) {
    load;
}

const BAD: &str = "a,1\nb,2\nc,3\nd,4\ne,5\n";

#[test]
fn a_step_that_skips_every_record_fails_with_the_first_error_and_publishes_nothing() {
    let world = World::new();
    std::fs::write(world.path("in.csv"), BAD).unwrap();
    std::fs::write(world.path("out.csv"), "old\n").unwrap();
    let report = world.fails(&load_job(world.path("in.csv"), world.path("out.csv")));
    let failed = step(&report, "load");
    let text = &failed.exit.description;
    assert!(text.contains("in.csv, line 1") && text.contains("found `a`"), "{text}");
    assert!(text.contains("none of the 5 records") && text.contains("allow_all_skipped"), "{text}");
    assert_eq!(failed.counters.read_skip, 0);
    assert_eq!(std::fs::read_to_string(world.path("out.csv")).unwrap(), "old\n");
}

#[test]
fn a_restart_rereads_an_input_of_which_nothing_could_be_read() {
    let world = World::new();
    let launch = load_job(world.path("in.csv"), world.path("out.csv"));
    std::fs::write(world.path("in.csv"), BAD).unwrap();
    world.fails(&launch);
    world.fails(&launch);
    std::fs::write(world.path("in.csv"), "1,1\nb,2\n3,3\n").unwrap();
    let counters = step(&world.completes(&launch), "load").counters;
    assert_eq!((counters.read, counters.read_skip), (2, 1));
    assert_eq!(std::fs::read_to_string(world.path("out.csv")).unwrap(), "1\n3\n");
}

#[test]
fn an_input_whose_only_record_is_unreadable_fails_the_step() {
    let world = World::new();
    std::fs::write(world.path("in.csv"), "a,1\n").unwrap();
    let report = world.fails(&load_job(world.path("in.csv"), world.path("out.csv")));
    assert!(report.exit.description.contains("the only record"), "{}", report.exit.description);
}

#[test]
fn an_empty_input_is_not_a_fault() {
    let world = World::new();
    std::fs::write(world.path("in.csv"), "").unwrap();
    let report = world.completes(&load_job(world.path("in.csv"), world.path("out.csv")));
    assert_eq!(step(&report, "load").exit.description, "");
}

#[step(chunk = 2, skip(ReadError), allow_all_skipped)]
fn lenient() {
    pairs | first | file
}

#[job]
fn lenient_job(input: PathBuf, output: PathBuf) {
    lenient;
}

#[test]
fn a_step_that_may_skip_everything_completes_and_says_so() {
    let world = World::new();
    std::fs::write(world.path("in.csv"), BAD).unwrap();
    let report = world.completes(&lenient_job(world.path("in.csv"), world.path("out.csv")));
    let completed = step(&report, "lenient");
    assert_eq!(completed.counters.read_skip, 5);
    assert_eq!(completed.exit.description, "skipped all 5 records, in reading; nothing was written");
}

#[step(chunk = 2, threads = threads, skip(ReadError), allow_all_skipped)]
fn lenient_on_threads() {
    pairs | first | file
}

#[job]
fn lenient_on_threads_job(input: PathBuf, output: PathBuf, threads: usize) {
    lenient_on_threads;
}

#[processor(concurrency = 2)]
fn first_of_several(pair: (i64, i64)) -> i64 {
    pair.0
}

#[step(chunk = 2, skip(ReadError), allow_all_skipped)]
fn lenient_at_once() {
    pairs | first_of_several | file
}

#[job]
fn lenient_at_once_job(input: PathBuf, output: PathBuf) {
    lenient_at_once;
}

#[test]
fn skips_are_committed_after_ten_thousand_unreadable_records() {
    let world = World::new();
    std::fs::write(world.path("in.csv"), format!("{}1,1\n", "a,1\n".repeat(25_000))).unwrap();
    let paths = |name: &str| (world.path("in.csv"), world.path(name));
    let (input, output) = paths("one.csv");
    let mut reports = vec![world.completes(&lenient_job(input, output))];
    for threads in [2, 3] {
        let (input, output) = paths(&format!("threads-{threads}.csv"));
        reports.push(world.completes(&lenient_on_threads_job(input, output, threads)));
    }
    let (input, output) = paths("several.csv");
    reports.push(world.completes(&lenient_at_once_job(input, output)));
    for report in reports {
        let Counters { read, read_skip, write, commit, .. } = report.steps[0].counters;
        assert_eq!((read, read_skip, write, commit), (1, 25_000, 1, 3));
    }
}

#[test]
fn a_step_fails_after_ten_thousand_unreadable_records() {
    let world = World::new();
    std::fs::write(world.path("in.csv"), format!("{}1,1\n", "a,1\n".repeat(10_000))).unwrap();
    let report = world.fails(&load_job(world.path("in.csv"), world.path("out.csv")));
    let text = &step(&report, "load").exit.description;
    assert!(text.contains("line 1, ") && text.contains("none of the first 10000 records"), "{text}");
}

#[test]
fn a_replay_that_skips_all_again_completes_and_says_so() {
    let world = World::new();
    std::fs::write(world.path("in.csv"), "1,1\nb,2\nc,3\n").unwrap();
    let report = world.completes(&load_job(world.path("in.csv"), world.path("out.csv")));
    let operator = JobOperator::new(Arc::clone(&world.repository)).with_jobs(&[load_job::INFO]);
    let elsewhere = world.path("again.csv").display().to_string();
    let given = Parameters::new().with("output", ParameterValue::String(elsewhere));
    let replay = operator.replay(report.execution, &given).unwrap();
    assert_eq!(
        step(&replay, "load").exit.description,
        "skipped all 2 records again, in reading; nothing was written"
    );
}

#[step(chunk = 2, skip(Trouble::Bad(..)))]
fn count() {
    numbers | check | save
}

#[processor]
fn check(number: i64) -> Result<i64, Trouble> {
    trip(Place::Process, number)?;
    Ok(number)
}

#[job]
fn count_job() {
    count;
}

#[test]
fn a_step_whose_items_were_all_skipped_in_processing_completes_and_says_so() {
    let world = World::new();
    input(4);
    fails(Place::Process, Trouble::Bad, 1..=4, ALWAYS);
    let report = world.completes(&count_job());
    assert_eq!(
        step(&report, "count").exit.description,
        "skipped all 4 records, in processing; nothing was written"
    );
}

#[step(chunk = 2, threads = 3, skip(ReadError))]
fn on_threads() {
    pairs | first | save_some
}

#[writer]
fn save_some(_numbers: &[i64]) {}

#[step(chunk = 2, threads = 3, order = none, skip(ReadError))]
fn unordered() {
    pairs | first | save_some
}

#[job]
fn threads_job(input: PathBuf) {
    on_threads;
}

#[job]
fn unordered_job(input: PathBuf) {
    unordered;
}

#[test]
fn on_threads_an_unreadable_input_fails_the_step_too() {
    for (launch, name) in
        [(threads_job as fn(PathBuf) -> batch_runtime::Launch, "on_threads"), (unordered_job, "unordered")]
    {
        let world = World::new();
        std::fs::write(world.path("in.csv"), BAD).unwrap();
        let report = world.fails(&launch(world.path("in.csv")));
        let text = &step(&report, name).exit.description;
        assert!(text.contains("in.csv, line 1") && text.contains("none of the 5 records"), "{text}");
        std::fs::write(world.path("in.csv"), format!("1,1\n{BAD}2,2\n3,3\n{BAD}")).unwrap();
        let counters = step(&world.completes(&launch(world.path("in.csv"))), name).counters;
        assert_eq!((counters.read, counters.read_skip), (3, 10));
    }
}

#[step(chunk = 2, partitions = 3, threads = 2, skip(ReadError))]
fn in_partitions() {
    pairs | first | save_some
}

#[job]
fn partitions_job(input: PathBuf) {
    in_partitions;
}

#[test]
fn partitions_that_skip_everything_fail_the_step_and_every_restart_of_it() {
    let world = World::new();
    let launch = partitions_job(world.path("in.csv"));
    std::fs::write(world.path("in.csv"), BAD).unwrap();
    for _ in 0..2 {
        let text = world.fails(&launch).exit.description;
        assert!(text.contains("none of the 5 records") && text.contains("--next"), "{text}");
    }
}

#[test]
fn one_partition_may_skip_all_it_reads() {
    let world = World::new();
    std::fs::write(world.path("in.csv"), format!("{BAD}1,1\n2,2\n3,3\n4,4\n5,5\n")).unwrap();
    let counters = step(&world.completes(&partitions_job(world.path("in.csv"))), "in_partitions").counters;
    assert_eq!(counters, Counters { read: 5, write: 5, read_skip: 5, commit: counters.commit, ..counters });
}

/// The error of a reader that wraps ours without saying which errors it steps over.
#[derive(Debug)]
struct Wrapped(ReadError);

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the list of pairs")
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

struct Pairs(CsvReader<Pair>);

#[derive(Debug, Deserialize)]
struct Pair {
    a: i64,
    b: i64,
}

impl Reader for Pairs {
    type Item = i64;
    type Position = batch_runtime::readers::CsvPosition;
    type Error = Wrapped;

    fn read(&mut self) -> Result<Option<i64>, Wrapped> {
        self.0.read().map(|pair| pair.map(|pair| pair.a + pair.b)).map_err(Wrapped)
    }

    fn position(&self) -> Self::Position {
        self.0.position()
    }

    fn resume(&mut self, position: Self::Position) -> Result<(), Wrapped> {
        self.0.resume(position).map_err(Wrapped)
    }
}

#[reader]
fn wrapped(input: PathBuf) -> Result<Pairs, ReadError> {
    CsvReader::open(input).map(Pairs)
}

#[step(chunk = 2, skip(Wrapped), retry(Wrapped, limit = 3))]
fn wrapping() {
    wrapped | save_some
}

#[step(chunk = 2, threads = 2, skip(Wrapped))]
fn wrapping_on_threads() {
    wrapped | save_some
}

#[job]
fn wrapping_job(input: PathBuf) {
    wrapping;
}

#[job]
fn wrapping_threads_job(input: PathBuf) {
    wrapping_on_threads;
}

#[test]
fn an_error_about_the_whole_input_is_not_skipped_inside_another_error() {
    for launch in [wrapping_job as fn(PathBuf) -> batch_runtime::Launch, wrapping_threads_job] {
        let world = World::new();
        // The first of the item's columns is there; only the record shows that the second is missing.
        std::fs::write(world.path("in.csv"), "a,c\n1,1\n2,2\n").unwrap();
        let text = world.fails(&launch(world.path("in.csv"))).exit.description;
        assert!(text.contains("there is no column `b`") && !text.contains("tried"), "{text}");
    }
}
