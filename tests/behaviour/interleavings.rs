//! Random small jobs with faults in every component and slow processors: with `threads` they have the same results as
//! without. If they commit in any order, the final result is still the same.
//!
//! `INTERLEAVINGS=2000` runs this many cases instead of a hundred, and `INTERLEAVINGS_SEED=7` starts with that seed.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{env, fmt, thread};

use batch_runtime::Launch;
use batch_runtime::observe::JobReport;
use batch_runtime::prelude::*;
use batch_runtime::repository::BatchStatus;

use crate::support::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Read,
    Process,
    Second,
    Write,
}

#[derive(Debug)]
enum Trouble {
    Bad(u64),
    Busy(u64),
    Fatal(u64),
    Sql(rusqlite::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad(item) => write!(f, "{item} is bad"),
            Self::Busy(item) => write!(f, "{item} is busy"),
            Self::Fatal(item) => write!(f, "{item} is fatal"),
            Self::Sql(error) => write!(f, "{error}"),
        }
    }
}

impl Error for Trouble {}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// The splitmix64 sequence.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The planned failures of a run, which never change, and how often each has happened.
struct Plan {
    seed: u64,
    /// Only permanent failures remain.
    healed: bool,
    tried: Mutex<BTreeMap<(Place, u64), u64>>,
}

impl Plan {
    fn drawn(&self, salt: u64, item: u64) -> u64 {
        mixed(mixed(self.seed ^ (salt << 56)) ^ item)
    }

    fn items(&self) -> u64 {
        self.drawn(1, 0) % 40
    }

    fn trip(&self, place: Place, item: u64) -> Result<(), Trouble> {
        let drawn = self.drawn(2 + place as u64, item);
        // Some inputs are mostly good, others not at all.
        let rarity = 8 + self.drawn(7, 0) % 80;
        let kind = if drawn.is_multiple_of(rarity) { (drawn / rarity) % 20 } else { return Ok(()) };
        match kind {
            0..9 => return Err(Trouble::Bad(item)),
            _ if self.healed => {}
            9..17 => {
                let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
                let tried = tried.entry((place, item)).or_default();
                *tried += 1;
                // Three times is more than the rules retry.
                if *tried <= (drawn / rarity / 20) % 4 {
                    return Err(Trouble::Busy(item));
                }
            }
            17..19 => return Err(Trouble::Fatal(item)),
            _ => panic!("{item} is too much in {place:?}"),
        }
        Ok(())
    }

    fn dawdle(&self, item: u64) {
        match self.drawn(9, item) % 12 {
            0 => thread::sleep(Duration::from_micros(self.drawn(10, item) % 300)),
            1..4 => (0..self.drawn(10, item) % 20).for_each(|_| thread::yield_now()),
            _ => {}
        }
    }
}

#[resource]
fn plan(seed: u64, healed: bool) -> Arc<Plan> {
    Arc::new(Plan { seed, healed, tried: Mutex::default() })
}

/// The numbers of the plan.
struct Numbers {
    plan: Arc<Plan>,
    next: u64,
}

impl Reader for Numbers {
    type Item = u64;
    type Position = u64;
    type Error = Trouble;

    fn read(&mut self) -> Result<Option<u64>, Trouble> {
        if self.next >= self.plan.items() {
            return Ok(None);
        }
        let read = self.plan.trip(Place::Read, self.next);
        self.next += u64::from(!matches!(read, Err(Trouble::Busy(_) | Trouble::Fatal(_))));
        read.map(|()| Some(self.next - 1))
    }

    fn position(&self) -> u64 {
        self.next
    }

    fn resume(&mut self, position: u64) -> Result<(), Trouble> {
        self.next = position;
        Ok(())
    }

    fn steps_over(&self, error: &Trouble) -> bool {
        matches!(error, Trouble::Bad(_))
    }

    fn location(&self) -> Option<String> {
        Some(format!("number {}", self.next.checked_sub(1)?))
    }
}

#[reader]
fn numbers(plan: &Arc<Plan>) -> Numbers {
    Numbers { plan: Arc::clone(plan), next: 0 }
}

/// Filters some numbers, and turns others into several.
#[processor]
fn several(number: &u64, plan: &Arc<Plan>) -> Result<Many<Vec<u64>>, Trouble> {
    plan.dawdle(*number);
    plan.trip(Place::Process, *number)?;
    Ok(Many(
        (0..[1, 1, 0, 1, 2, 1, 3][usize::try_from(*number % 7).unwrap()])
            .map(|part| number * 10 + part)
            .collect(),
    ))
}

#[processor]
fn single(number: u64, plan: &Arc<Plan>) -> Result<Option<u64>, Trouble> {
    plan.dawdle(number + 1_000);
    plan.trip(Place::Second, number)?;
    Ok((!number.is_multiple_of(11)).then_some(number))
}

#[processor(bulk)]
fn all_at_once(numbers: &[u64], plan: &Arc<Plan>) -> Result<Vec<Result<Option<u64>, Trouble>>, Trouble> {
    if let Some(number) = numbers.iter().find(|number| number.is_multiple_of(97)) {
        plan.dawdle(*number);
    }
    let outcome = |number: &u64| match plan.trip(Place::Second, *number) {
        Ok(()) => Ok(Ok((!number.is_multiple_of(11)).then_some(*number))),
        Err(Trouble::Bad(number)) => Ok(Err(Trouble::Bad(number))),
        Err(error) => Err(error),
    };
    numbers.iter().map(outcome).collect()
}

#[writer]
fn save(numbers: &[u64], plan: &Arc<Plan>, tx: &Transaction<'_>) -> Result<(), Trouble> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS saved (n INTEGER)")?;
    for number in numbers {
        plan.trip(Place::Write, *number)?;
        tx.execute("INSERT INTO saved VALUES (?1)", [number.cast_signed()])?;
    }
    Ok(())
}

/// The events that the listeners of a run received.
static HEARD: Mutex<BTreeMap<u64, Vec<String>>> = Mutex::new(BTreeMap::new());

fn hear(run: u64, what: String) {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner).entry(run).or_default().push(what);
}

#[listener(on_process_error)]
fn errors(error: &Failure, run: u64) {
    hear(run, format!("could not process: {error}"));
}

#[listener(on_skip_in_read)]
fn unread(error: &Failure, run: u64) {
    hear(run, format!("skipped unread: {error}"));
}

#[listener(on_skip_in_process)]
fn unprocessed(error: &Failure, run: u64) {
    hear(run, format!("skipped unprocessed: {error}"));
}

#[listener(after_chunk)]
fn chunks(counters: &Counters, run: u64) {
    hear(run, format!("{counters:?}"));
}

/// The same step and job with another number of threads, in a separate module.
macro_rules! job {
    ($name:ident, ($($options:tt)*), ($($pipe:tt)*)) => {
        mod $name {
            use super::super::*;

            #[step($($options)*)]
            fn load() {
                $($pipe)*
            }

            #[job]
            pub(super) fn drawn(
                seed: u64,
                #[param(identifying = false)] healed: bool,
                #[param(identifying = false)] _run: u64,
            ) {
                load;
            }
        }
    };
}

macro_rules! jobs {
    ($name:ident, $options:tt, $pipe:tt) => {
        mod $name {
            jobs!(@ alone, $options, (), $pipe);
            jobs!(@ by_one, $options, (, threads = 1), $pipe);
            jobs!(@ by_two, $options, (, threads = 2), $pipe);
            jobs!(@ by_three, $options, (, threads = 3), $pipe);
            jobs!(@ by_four, $options, (, threads = 4), $pipe);

            pub(super) const ALL: super::Jobs =
                [alone::drawn, by_one::drawn, by_two::drawn, by_three::drawn, by_four::drawn];
        }
    };
    (@ $name:ident, ($($options:tt)*), ($($threads:tt)*), $pipe:tt) => {
        job!($name, ($($options)* $($threads)*), $pipe);
    };
}

/// A job on one thread, and with one to four threads in addition to those that read and write.
type Jobs = [fn(u64, bool, u64) -> Launch; 5];

jobs!(
    plain,
    (chunk = 3, listeners(errors, unread, unprocessed, chunks)),
    (numbers | several | single | save)
);
jobs!(
    limited,
    (
        chunk = 1,
        skip(Trouble::Bad(..), limit = 3),
        retry(Trouble::Busy(..), limit = 2),
        listeners(errors, unread, unprocessed, chunks)
    ),
    (numbers | several | single | save)
);
jobs!(
    lenient,
    (
        chunk = 5,
        skip(Trouble::Bad(..)),
        skip(Trouble::Busy(..)),
        retry(Trouble::Busy(..), limit = 2),
        listeners(errors, unread, unprocessed, chunks)
    ),
    (numbers | several | single | save)
);
jobs!(
    bulk,
    (chunk = 4, listeners(errors, unread, unprocessed, chunks)),
    (numbers | several | all_at_once | save)
);
jobs!(
    bulk_and_lenient,
    (
        chunk = 4,
        skip(Trouble::Bad(..), limit = 6),
        retry(Trouble::Busy(..), limit = 2),
        listeners(errors, unread, unprocessed, chunks)
    ),
    (numbers | several | all_at_once | save)
);

/// A step in the order of the input on one thread and on two, and in any order on one to three. Transient failures are not
/// skipped here, because the order decides whether they still happen when their chunk is processed.
macro_rules! in_any_order {
    ($name:ident, ($($options:tt)*), $pipe:tt) => {
        mod $name {
            job!(alone, ($($options)*), $pipe);
            job!(by_two_in_order, ($($options)*, threads = 2), $pipe);
            job!(by_one, ($($options)*, threads = 1, order = none), $pipe);
            job!(by_two, ($($options)*, threads = 2, order = none), $pipe);
            job!(by_three, ($($options)*, threads = 3, order = none), $pipe);

            pub(super) const ALL: super::Jobs =
                [alone::drawn, by_two_in_order::drawn, by_one::drawn, by_two::drawn, by_three::drawn];
        }
    };
}

in_any_order!(plain_in_any_order, (chunk = 3), (numbers | several | single | save));
in_any_order!(
    lenient_in_any_order,
    (chunk = 5, skip(Trouble::Bad(..)), retry(Trouble::Busy(..), limit = 2)),
    (numbers | several | single | save)
);
in_any_order!(
    bulk_in_any_order,
    (chunk = 4, skip(Trouble::Bad(..)), retry(Trouble::Busy(..), limit = 2)),
    (numbers | several | all_at_once | save)
);

const KINDS: [Jobs; 5] = [plain::ALL, limited::ALL, lenient::ALL, bulk::ALL, bulk_and_lenient::ALL];

/// Everything that a run leaves behind, and how it ended.
fn left(world: &World, report: &JobReport, run: u64) -> Vec<String> {
    let step = &report.steps[0];
    let mut left = vec![
        format!("{:?} {:?}", report.status, step.counters),
        step.exit.description.clone(),
        format!("{:?}", HEARD.lock().unwrap_or_else(PoisonError::into_inner).remove(&run)),
    ];
    left.extend(
        world.texts("SELECT SHORT_CONTEXT FROM BATCH_STEP_EXECUTION_CONTEXT ORDER BY STEP_EXECUTION_ID"),
    );
    left.extend(world.texts(
        "SELECT PHASE || ' ' || SOURCE_POSITION || ' ' || COALESCE(LOCATION, '-') || ' ' || ERROR || ' ' || COALESCE(ITEM, '-')
        FROM BATCH_SKIPPED_ITEM ORDER BY STEP_EXECUTION_ID, SEQUENCE",
    ));
    if world.numbers("SELECT COUNT(*) FROM sqlite_master WHERE name = 'saved'") == [1] {
        left.push(format!("{:?}", world.numbers("SELECT n FROM saved ORDER BY rowid")));
    }
    left
}

/// A first run and, if it failed, a restart on that many threads, over the same input without most of its faults.
fn twice(
    seed: u64,
    first: fn(u64, bool, u64) -> Launch,
    second: fn(u64, bool, u64) -> Launch,
    run: u64,
) -> Vec<String> {
    let world = World::new();
    let report = world.run(&first(seed, false, run));
    let mut all = left(&world, &report, run);
    if report.status != BatchStatus::Completed {
        let report = world.run(&second(seed, true, run));
        all.extend(left(&world, &report, run));
    }
    all
}

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn several_threads_have_the_same_result_as_one_despite_failures_and_delays() {
    let (runs, begin) = (number("INTERLEAVINGS", 100), number("INTERLEAVINGS_SEED", 1));
    let (mut restarted, mut skipping) = (0, 0);
    for seed in begin..begin + runs {
        let drawn = usize::try_from(mixed(seed) % (1 << 31)).unwrap();
        let jobs = KINDS[drawn % KINDS.len()];
        let (first, second) = (1 + drawn / 8 % 4, drawn / 32 % 5);
        let alone = twice(seed, jobs[0], jobs[0], 2 * seed);
        let together = twice(seed, jobs[first], jobs[second], 2 * seed + 1);
        let kind = drawn % KINDS.len();
        assert_eq!(alone, together, "seed {seed}: kind {kind}, first on {first} threads, then on {second}");
        restarted += u32::from(!alone[0].starts_with("Completed"));
        skipping += u32::from(alone[2].contains("skipped"));
    }
    println!("{runs} runs from seed {begin}: {restarted} failed and were restarted, {skipping} skipped");
    assert!(runs < 100 || (restarted > 0 && skipping > 0), "too few faults to show anything");
}

/// The rows in the order of the input and the counters of all runs, once the step is complete. It is restarted until then,
/// each time with another number of threads; transient failures happen only a few times.
fn in_the_end(seed: u64, jobs: &[fn(u64, bool, u64) -> Launch]) -> Option<(Vec<i64>, Vec<i64>)> {
    let world = World::new();
    for (time, job) in jobs.iter().cycle().take(6).enumerate() {
        if world.run(&job(seed, time > 0, 0)).status == BatchStatus::Completed {
            let sums = "SUM(READ_COUNT), SUM(FILTER_COUNT), SUM(WRITE_COUNT), SUM(READ_SKIP_COUNT), SUM(PROCESS_SKIP_COUNT), SUM(WRITE_SKIP_COUNT)";
            let query = format!("SELECT {sums} FROM BATCH_STEP_EXECUTION");
            let row = |row: &rusqlite::Row<'_>| (0..6).map(|column| row.get(column)).collect();
            let counters = world.database().query_row(&query, [], row).unwrap();
            let any = world.numbers("SELECT COUNT(*) FROM sqlite_master WHERE name = 'saved'") == [1];
            let rows = if any { world.numbers("SELECT n FROM saved ORDER BY n, rowid") } else { Vec::new() };
            return Some((rows, counters));
        }
    }
    None
}

#[test]
fn threads_that_commit_in_any_order_leave_the_same_rows_and_counters_despite_failures_and_delays() {
    let (runs, begin) = (number("INTERLEAVINGS", 100), number("INTERLEAVINGS_SEED", 1));
    let kinds = [plain_in_any_order::ALL, lenient_in_any_order::ALL, bulk_in_any_order::ALL];
    let mut through = 0;
    for seed in begin..begin + runs {
        let drawn = usize::try_from(mixed(seed) % (1 << 31)).unwrap();
        let jobs = kinds[drawn % kinds.len()];
        // The first run commits in any order, later ones in either way.
        let [first, second, third] = [2 + drawn / 8 % 3, drawn / 32 % 5, drawn / 256 % 5];
        let alone = in_the_end(seed, &jobs[..1]);
        let together = in_the_end(seed, &[jobs[first], jobs[second], jobs[third]]);
        let kind = drawn % kinds.len();
        assert_eq!(alone, together, "seed {seed}: kind {kind}, by {first}, {second} and {third}");
        through += u32::from(together.is_some());
    }
    println!("{runs} runs from seed {begin}: {through} came through");
    assert!(runs < 100 || through > 30, "too many faults to show anything");
}
