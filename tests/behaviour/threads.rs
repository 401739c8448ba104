//! A step with `threads` does the same as without.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::ThreadId;

use batch_runtime::engine::{self, RunOptions};
use batch_runtime::prelude::*;
use batch_runtime::readers::ReadError;
use batch_runtime::repository::BatchStatus;
use batch_runtime::writers::{CsvWriter, WriteError};

use crate::support::{World, step};

#[derive(Debug, Deserialize)]
struct Entry {
    number: u64,
    weight: u64,
}

#[derive(Debug, Serialize)]
struct Weighed {
    number: u64,
    kilos: u64,
}

#[derive(Debug)]
struct TooHeavy(u64);

impl fmt::Display for TooHeavy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is too heavy", self.0)
    }
}

impl std::error::Error for TooHeavy {}

#[reader]
fn entries(input: PathBuf) -> Result<CsvReader<Entry>, ReadError> {
    CsvReader::open(input)
}

/// Filters every fifth item, fails on the heaviest, and takes longer for some than for others.
#[processor]
fn weigh(entry: Entry) -> Result<Option<Weighed>, TooHeavy> {
    let turns = (entry.number.wrapping_mul(2_654_435_761) % 64) * 50;
    std::hint::black_box((0..turns).fold(0_u64, |sum, turn| sum ^ turn));
    if entry.weight > 990 {
        return Err(TooHeavy(entry.weight));
    }
    Ok((!entry.weight.is_multiple_of(5)).then_some(Weighed { number: entry.number, kilos: entry.weight }))
}

#[writer]
fn scales(output: PathBuf) -> Result<CsvWriter<Weighed>, WriteError> {
    Ok(CsvWriter::create(output))
}

#[step(chunk = 7, skip(TooHeavy, ReadError))]
fn by_one() {
    entries | weigh | scales
}

#[step(chunk = 7, skip(TooHeavy, ReadError), threads = 4)]
fn by_four() {
    entries | weigh | scales
}

#[step(chunk = 7, skip(TooHeavy, limit = 3), skip(ReadError), threads = 4)]
fn by_four_up_to_a_limit() {
    entries | weigh | scales
}

#[step(chunk = 7, skip(TooHeavy, limit = 3), skip(ReadError))]
fn by_one_up_to_a_limit() {
    entries | weigh | scales
}

#[job]
fn one(input: PathBuf, output: PathBuf) {
    by_one;
}

#[job]
fn four(input: PathBuf, output: PathBuf) {
    by_four;
}

#[job]
fn four_up_to_a_limit(input: PathBuf, output: PathBuf) {
    by_four_up_to_a_limit;
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
    "SELECT PHASE || ' ' || SOURCE_POSITION || ' ' || COALESCE(LOCATION, '-') || ' ' || ERROR
    FROM BATCH_SKIPPED_ITEM ORDER BY SEQUENCE";
const CHECKPOINT: &str = "SELECT SHORT_CONTEXT FROM BATCH_STEP_EXECUTION_CONTEXT";

#[test]
fn output_counters_skips_and_checkpoint_are_those_of_one_thread() {
    let (alone, together) = (World::new(), World::new());
    let reports = [&alone, &together].map(|world| {
        let (input, output) = (write_entries(world, 3_000), world.path("out.csv"));
        let launch = if world.folder() == alone.folder() { one(input, output) } else { four(input, output) };
        world.completes(&launch)
    });
    assert_eq!(step(&reports[0], "by_one").counters, step(&reports[1], "by_four").counters);
    assert!(step(&reports[1], "by_four").counters.read_skip > 0);
    assert!(step(&reports[1], "by_four").counters.process_skip > 0);
    assert_eq!(
        std::fs::read(alone.path("out.csv")).unwrap(),
        std::fs::read(together.path("out.csv")).unwrap()
    );
    let in_its_folder = |world: &World, sql| -> Vec<String> {
        let folder = world.folder().display().to_string();
        world.texts(sql).into_iter().map(|text| text.replace(&folder, "")).collect()
    };
    assert_eq!(in_its_folder(&alone, SKIPPED), in_its_folder(&together, SKIPPED));
    // The tag in the name of the unfinished file depends on the repository: only the rest must agree.
    let untagged = |world: &World| -> Vec<String> {
        let texts = in_its_folder(world, CHECKPOINT).into_iter();
        texts.map(|text| text.split("tag").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(untagged(&alone), untagged(&together));
}

#[test]
fn a_limit_of_skips_is_reached_at_the_same_item() {
    let (alone, together) = (World::new(), World::new());
    let reports = [&alone, &together].map(|world| {
        let (input, output) = (write_entries(world, 3_000), world.path("out.csv"));
        let launch = if world.folder() == alone.folder() {
            one_up_to_a_limit(input, output)
        } else {
            four_up_to_a_limit(input, output)
        };
        world.fails(&launch)
    });
    let [one, four] = [&reports[0].steps[0], &reports[1].steps[0]];
    assert_eq!(one.counters, four.counters);
    let told = |world: &World, text: &str| text.replace(&world.folder().display().to_string(), "");
    assert_eq!(told(&alone, &one.exit.description), told(&together, &four.exit.description));
}

/// Waits until two threads are here at once.
#[derive(Default)]
struct Meeting {
    here: Mutex<BTreeSet<String>>,
    came: Condvar,
}

impl Meeting {
    fn come(&self, thread: ThreadId) {
        let mut here = self.here.lock().unwrap();
        here.insert(format!("{thread:?}"));
        self.came.notify_all();
        drop(self.came.wait_while(here, |here| here.len() < 2).unwrap());
    }
}

#[resource]
fn meeting() -> Meeting {
    Meeting::default()
}

#[reader]
fn numbers(count: u64) -> impl Iterator<Item = u64> {
    0..count
}

#[processor]
fn meet(number: u64, meeting: &Meeting) -> u64 {
    meeting.come(std::thread::current().id());
    number
}

#[writer]
fn forget(_: &[u64]) {}

#[step(chunk = 1, threads = 2)]
fn meeting_step() {
    numbers | meet | forget
}

#[job]
fn meetings(count: u64) {
    meeting_step;
}

#[test]
fn chunks_are_processed_at_the_same_time() {
    World::new().completes(&meetings(8));
}

/// The counts of items read and written so far.
#[derive(Default)]
struct Flow(Mutex<(u64, u64, u64)>);

#[resource]
fn flow() -> Flow {
    Flow::default()
}

#[processor]
fn pass(number: u64, flow: &Flow) -> u64 {
    let mut flow = flow.0.lock().unwrap();
    flow.0 += 1;
    flow.2 = flow.2.max(flow.0 - flow.1);
    number
}

#[writer]
fn slowly(numbers: &[u64], flow: &Flow) {
    std::thread::yield_now();
    flow.0.lock().unwrap().1 += numbers.len() as u64;
}

#[step(chunk = 10, threads = 3)]
fn pressed() {
    numbers | pass | slowly
}

#[step]
fn most_under_way(flow: &Flow) -> u64 {
    flow.0.lock().unwrap().2
}

#[job]
fn pressure(count: u64) {
    pressed;
    most_under_way;
}

#[test]
fn a_slow_writer_holds_the_reader_back() {
    let world = World::new();
    world.completes(&pressure(2_000));
    let most =
        world.numbers("SELECT CAST(OUTPUT AS INTEGER) FROM BATCH_JOURNAL WHERE PATH = 'most_under_way'");
    assert!(most[0] <= 120, "{most:?} items in flight, and four chunks of ten per thread are allowed");
}

#[processor]
fn panics_late(number: u64) -> u64 {
    assert!(number != 500, "five hundred");
    number
}

#[step(chunk = 10, threads = 3)]
fn with_a_panic() {
    numbers | panics_late | save
}

#[writer]
fn save(numbers: &[u64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("CREATE TABLE IF NOT EXISTS saved (n INTEGER)", [])?;
    numbers.iter().try_for_each(|n| tx.execute("INSERT INTO saved VALUES (?1)", [n.cast_signed()]).map(drop))
}

#[job]
fn panicking(count: u64) {
    with_a_panic;
}

#[test]
fn a_panic_in_one_thread_fails_the_step_after_the_items_before_it() {
    let world = World::new();
    let report = world.fails(&panicking(1_000));
    assert!(report.exit.description.contains("five hundred"), "{}", report.exit.description);
    assert_eq!(world.numbers("SELECT COUNT(*) FROM saved"), [500]);
    assert_eq!(world.numbers("SELECT MAX(n) FROM saved"), [499]);
}

/// Panics when it is dropped.
struct Brittle(u64);

impl Drop for Brittle {
    fn drop(&mut self) {
        assert!(self.0 != 25 || std::thread::panicking(), "twenty-five broke");
    }
}

#[processor]
fn make_brittle(number: u64) -> Brittle {
    Brittle(number)
}

#[writer]
fn look_at(_: &[Brittle]) {}

#[step(chunk = 10, threads = 3)]
fn with_what_breaks() {
    numbers | make_brittle | look_at
}

#[job]
fn breaking(count: u64) {
    with_what_breaks;
}

#[test]
fn a_panic_when_a_thread_drops_an_item_fails_the_step() {
    let world = World::new();
    let report = world.fails(&breaking(1_000));
    assert!(report.exit.description.contains("twenty-five broke"), "{}", report.exit.description);
}

#[reader]
fn numbers_to_a_panic(count: u64) -> impl Iterator<Item = u64> {
    (0..count).inspect(|number| assert!(*number != 25, "twenty-five"))
}

#[step(chunk = 10, threads = 3)]
fn read_to_a_panic() {
    numbers_to_a_panic | pass | save
}

#[job]
fn panicking_reader(count: u64) {
    read_to_a_panic;
}

#[test]
fn a_panic_of_the_reader_fails_the_step_after_the_records_before_it() {
    let world = World::new();
    let report = world.fails(&panicking_reader(100));
    assert!(report.exit.description.contains("twenty-five"), "{}", report.exit.description);
    assert_eq!(report.steps[0].counters.rollback, 1);
    assert_eq!(world.numbers("SELECT MAX(n) FROM saved"), [19]);
}

/// Lets one thread wait for another to fail.
#[derive(Default)]
struct Fallen(Mutex<bool>, Condvar);

#[resource]
fn fallen() -> Fallen {
    Fallen::default()
}

/// The first item fails as soon as the second one waits.
#[processor]
fn falls(number: u64, fallen: &Fallen) -> Result<u64, TooHeavy> {
    if number == 1 {
        *fallen.0.lock().unwrap() = true;
        fallen.1.notify_all();
        return Err(TooHeavy(1));
    }
    drop(fallen.1.wait_while(fallen.0.lock().unwrap(), |fallen| !*fallen).unwrap());
    panic!("the first");
}

#[step(chunk = 1, threads = 2, retry(TooHeavy, limit = 9, backoff = fixed("1d")))]
fn waiting_for_a_day() {
    numbers | falls | save
}

#[job]
fn falling(count: u64) {
    waiting_for_a_day;
}

#[test]
fn a_failure_ends_the_waits_of_the_other_threads() {
    let report = World::new().fails(&falling(2));
    assert!(report.exit.description.contains("the first"), "{}", report.exit.description);
}

#[processor]
fn place_me(entry: Entry) -> Result<Weighed, TooHeavy> {
    if entry.number == 40 { Err(TooHeavy(40)) } else { Ok(Weighed { number: entry.number, kilos: 0 }) }
}

#[step(chunk = 7, threads = 2)]
fn fails_at_a_line() {
    entries | place_me | scales
}

#[job]
fn failing_at_a_line(input: PathBuf, output: PathBuf) {
    fails_at_a_line;
}

#[test]
fn a_failure_is_reported_with_its_line() {
    let world = World::new();
    let input = world.path("in.csv");
    let lines: String = (0..100).fold(String::new(), |lines, number| lines + &format!("{number},1\n"));
    std::fs::write(&input, format!("number,weight\n{lines}")).unwrap();
    let report = world.fails(&failing_at_a_line(input, world.path("out.csv")));
    assert!(report.exit.description.contains("in.csv, line 42"), "{}", report.exit.description);
}

#[processor]
fn stops_the_job(number: u64) -> u64 {
    if number == 300 {
        STOP.get().expect("set before the run").raise();
    }
    number
}

static STOP: std::sync::OnceLock<batch_runtime::StopSignal> = std::sync::OnceLock::new();

#[step(chunk = 10, threads = 3)]
fn stopped_once() {
    numbers | stops_the_job | save
}

#[job]
fn stopping(count: u64) {
    stopped_once;
}

#[test]
fn a_stopped_step_resumes_where_it_was() {
    let world = World::new();
    let options = RunOptions::default();
    STOP.set(options.stop.clone()).expect("one test uses it");
    let report = engine::run(&world.repository, &stopping(1_000), &options).unwrap();
    assert_eq!(report.status, BatchStatus::Stopped);
    let saved = world.numbers("SELECT COUNT(*) FROM saved")[0];
    assert!((0..1_000).contains(&saved) && saved % 10 == 0, "{saved} saved");
    world.completes(&stopping(1_000));
    assert_eq!(world.numbers("SELECT COUNT(DISTINCT n) FROM saved"), [1_000]);
    assert_eq!(world.numbers("SELECT COUNT(*) FROM saved"), [1_000]);
}

/// A reader that is notified of each commit, on its own thread.
struct Acknowledging {
    next: u64,
    acknowledged: Arc<Mutex<Vec<u64>>>,
}

impl Reader for Acknowledging {
    type Item = u64;
    type Position = u64;
    type Error = std::convert::Infallible;

    fn read(&mut self) -> Result<Option<u64>, Self::Error> {
        Ok((self.next < 50).then(|| {
            self.next += 1;
            self.next
        }))
    }

    fn position(&self) -> u64 {
        self.next
    }

    fn resume(&mut self, position: u64) -> Result<(), Self::Error> {
        self.next = position;
        Ok(())
    }

    fn committed(&mut self, position: &u64) -> Result<(), Self::Error> {
        self.acknowledged.lock().unwrap().push(*position);
        Ok(())
    }
}

#[resource]
fn acknowledged() -> Arc<Mutex<Vec<u64>>> {
    Arc::default()
}

#[reader]
fn queue(acknowledged: &Arc<Mutex<Vec<u64>>>) -> Acknowledging {
    Acknowledging { next: 0, acknowledged: Arc::clone(acknowledged) }
}

#[step(chunk = 10, threads = 2)]
fn acknowledging() {
    queue | forget
}

#[step]
fn what_was_acknowledged(acknowledged: &Arc<Mutex<Vec<u64>>>) -> Vec<u64> {
    acknowledged.lock().unwrap().clone()
}

#[job]
fn acknowledges() {
    acknowledging;
    what_was_acknowledged;
}

#[test]
fn the_reader_is_notified_of_every_commit_in_order() {
    let world = World::new();
    world.completes(&acknowledges());
    let told = world.texts("SELECT OUTPUT FROM BATCH_JOURNAL WHERE PATH = 'what_was_acknowledged'");
    assert_eq!(told, ["[10,20,30,40,50]"]);
}
