//! The jobs under test, and their results.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use batch_runtime::engine::{Pause, RunOptions};
use batch_runtime::observe::JobReport;
use batch_runtime::prelude::*;
use batch_runtime::repository::Counters;
use batch_runtime::{Durability, Launch, StopSignal};

use crate::support::{World, summed};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Read,
    Process,
    Write,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Bad,
    Busy,
    Fatal,
    Panic,
    /// A stop is requested; nothing fails.
    Stop,
}

/// Something that happens to an item at a place, a number of times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) item: i64,
    pub(super) what: What,
    pub(super) times: u32,
}

/// The fault rules of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) chunk: u64,
    pub(super) skip: u64,
    pub(super) retry: u32,
    pub(super) skips_busy: bool,
}

pub(super) struct Shape {
    pub(super) rules: Rules,
    launch: fn(&World) -> Launch,
    file: &'static str,
}

thread_local! {
    static FAULTS: RefCell<BTreeMap<(Place, i64), (What, u32)>> = const { RefCell::new(BTreeMap::new()) };
    static RECORDS: Cell<i64> = const { Cell::new(0) };
    /// Set by a panic, which ends the execution: a reader that reads after that only looks for the place of a record.
    static LOOKING: Cell<bool> = const { Cell::new(false) };
    static STOP: RefCell<StopSignal> = RefCell::new(StopSignal::new());
}

#[derive(Debug)]
enum Trouble {
    Bad(i64),
    Busy(i64),
    Fatal(i64),
    Sql(rusqlite::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad(item) => write!(f, "{item} is bad"),
            Self::Busy(item) => write!(f, "{item} is busy"),
            Self::Fatal(item) => write!(f, "{item} is fatal"),
            Self::Sql(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

fn trip(place: Place, item: i64) -> Result<(), Trouble> {
    if LOOKING.get() {
        return Ok(());
    }
    let now = FAULTS.with_borrow_mut(|faults| {
        let (what, times) = faults.get_mut(&(place, item)).filter(|(_, times)| *times > 0)?;
        *times -= u32::from(*times != u32::MAX);
        Some(*what)
    });
    match now {
        None => Ok(()),
        Some(What::Stop) => {
            STOP.with_borrow(StopSignal::raise);
            Ok(())
        }
        Some(What::Bad) => Err(Trouble::Bad(item)),
        Some(What::Busy) => Err(Trouble::Busy(item)),
        Some(What::Fatal) => Err(Trouble::Fatal(item)),
        Some(What::Panic) => {
            LOOKING.set(true);
            panic!("a panic at {item}")
        }
    }
}

struct Records(i64);

impl Reader for Records {
    type Item = i64;
    type Position = i64;
    type Error = Trouble;

    fn read(&mut self) -> Result<Option<i64>, Trouble> {
        if self.0 > RECORDS.get() {
            return Ok(None);
        }
        let read = trip(Place::Read, self.0);
        if read.is_ok() || matches!(read, Err(Trouble::Bad(_))) {
            self.0 += 1;
        }
        read.map(|()| Some(self.0 - 1))
    }

    fn position(&self) -> i64 {
        self.0
    }

    fn resume(&mut self, position: i64) -> Result<(), Trouble> {
        self.0 = position;
        Ok(())
    }

    fn steps_over(&self, error: &Trouble) -> bool {
        matches!(error, Trouble::Bad(_))
    }
}

#[reader]
fn records() -> impl Reader<Item = i64> {
    Records(1)
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Processed(i64);

/// The item plus its number among the processed ones, in millions; fails after changing the state.
#[processor]
fn placed(item: i64, #[state] processed: &mut Processed) -> Result<(i64, i64), Trouble> {
    processed.0 += 1;
    trip(Place::Process, item)?;
    Ok((processed.0, item))
}

/// The items made from one: none of a multiple of five, two of a multiple of seven.
pub(super) fn outputs(place: i64, item: i64) -> Vec<i64> {
    let output = place * 1_000_000 + item;
    match item {
        item if item % 5 == 0 => Vec::new(),
        item if item % 7 == 0 => vec![output, output],
        _ => vec![output],
    }
}

#[processor]
fn spread((place, item): (i64, i64)) -> Many<Vec<i64>> {
    Many(outputs(place, item))
}

fn insert(outputs: &[i64], tx: &rusqlite::Connection) -> Result<(), Trouble> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS output (output INTEGER)")?;
    for output in outputs {
        tx.execute("INSERT INTO output VALUES (?1)", [output])?;
        let item = output % 1_000_000;
        trip(Place::Write, item).inspect_err(|_| {
            // As a trigger of the user might do.
            if item % 3 == 0 {
                tx.execute_batch("ROLLBACK").expect("a transaction is open");
            }
        })?;
    }
    Ok(())
}

#[writer]
fn save(outputs: &[i64], tx: &Transaction<'_>) -> Result<(), Trouble> {
    insert(outputs, tx)
}

#[database]
fn elsewhere(elsewhere_path: PathBuf) -> Sqlite {
    Sqlite::open(elsewhere_path)
}

#[writer]
fn save_elsewhere(outputs: &[i64], tx: &Transaction<'_, elsewhere>) -> Result<(), Trouble> {
    insert(outputs, tx)
}

/// Jobs of one step each, and all of them as a list.
macro_rules! shapes {
    ($($step:ident, $job:ident: chunk = $chunk:tt, skip = $skip:tt, retry = $retry:tt, $kind:tt, $writer:ident, $file:literal;)*) => {
        $(
            shapes!(@step $step, $chunk, $skip, $retry, $kind, $writer);
            shapes!(@job $step, $job, $writer);
        )*
        pub(super) static SHAPES: &[Shape] = &[$(Shape {
            rules: Rules { chunk: $chunk, skip: $skip, retry: $retry, skips_busy: shapes!(@busy $kind) },
            launch: shapes!(@launch $job, $writer),
            file: $file,
        }),*];
    };
    (@step $step:ident, $chunk:tt, $skip:tt, $retry:tt, bad, $writer:ident) => {
        #[step(chunk = $chunk, skip(Trouble::Bad(..), limit = $skip), retry(Trouble::Busy(..), limit = $retry))]
        fn $step() { records | placed | spread | $writer }
    };
    (@step $step:ident, $chunk:tt, $skip:tt, $retry:tt, all, $writer:ident) => {
        #[step(
            chunk = $chunk,
            skip(Trouble::Bad(..), Trouble::Busy(..), limit = $skip),
            retry(Trouble::Busy(..), limit = $retry)
        )]
        fn $step() { records | placed | spread | $writer }
    };
    (@job $step:ident, $job:ident, save) => {
        #[job]
        fn $job() { $step; }
    };
    (@job $step:ident, $job:ident, save_elsewhere) => {
        #[job]
        fn $job(elsewhere_path: PathBuf) { $step; }
    };
    (@launch $job:ident, save) => { |_| $job() };
    (@launch $job:ident, save_elsewhere) => { |world| $job(world.path("elsewhere.db")) };
    (@busy bad) => { false };
    (@busy all) => { true };
}

shapes! {
    ones, ones_job: chunk = 1, skip = 4, retry = 1, bad, save, "batch.db";
    threes, threes_job: chunk = 3, skip = 3, retry = 2, bad, save, "batch.db";
    sevens, sevens_job: chunk = 7, skip = 6, retry = 1, all, save, "batch.db";
    eights, eights_job: chunk = 8, skip = 100, retry = 3, bad, save, "batch.db";
    sixteens, sixteens_job: chunk = 16, skip = 100, retry = 2, all, save, "batch.db";
    all_at_once, all_at_once_job: chunk = 64, skip = 10, retry = 2, bad, save, "batch.db";
    fives_elsewhere, fives_elsewhere_job: chunk = 5, skip = 5, retry = 2, bad, save_elsewhere, "elsewhere.db";
    nines_elsewhere, nines_elsewhere_job: chunk = 9, skip = 100, retry = 1, all, save_elsewhere, "elsewhere.db";
}

/// A clock that never waits, and requests a stop at one wait.
#[derive(Debug)]
struct Waits {
    asked: std::sync::atomic::AtomicU32,
    stopped_wait: Option<u32>,
}

impl Pause for Waits {
    fn pause(&self, _wait: Duration, stop: &StopSignal) -> bool {
        let asked = self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        if self.stopped_wait == Some(asked) {
            stop.raise();
        }
        !stop.is_raised()
    }

    fn random(&self) -> f64 {
        0.5
    }
}

/// A job in its own world.
pub(super) struct Subject {
    world: World,
    launch: Launch,
    file: &'static str,
    counters: Cell<Counters>,
}

impl Subject {
    pub(super) fn new(shape: &Shape, records: i64, faults: &[Fault]) -> Self {
        RECORDS.set(records);
        FAULTS
            .set(faults.iter().map(|fault| ((fault.place, fault.item), (fault.what, fault.times))).collect());
        let world = World::new();
        let launch = (shape.launch)(&world);
        Self { world, launch, file: shape.file, counters: Cell::default() }
    }

    pub(super) fn heal() {
        FAULTS.with_borrow_mut(BTreeMap::clear);
    }

    pub(super) fn run(&self, stopped_wait: Option<u32>) -> JobReport {
        let options = RunOptions {
            durability: Durability::Process,
            pause: Arc::new(Waits { asked: 0.into(), stopped_wait }),
            ..RunOptions::default()
        };
        STOP.set(options.stop.clone());
        LOOKING.set(false);
        let report = self.world.run_with(&self.launch, &options);
        if let Some(step) = report.steps.first() {
            self.counters.set(Counters { rollback: 0, ..summed(step) });
        }
        report
    }

    /// Summed over the executions, without the rollbacks.
    pub(super) fn counters(&self) -> Counters {
        self.counters.get()
    }

    pub(super) fn rows(&self) -> Vec<i64> {
        let database = rusqlite::Connection::open(self.world.path(self.file)).expect("a database");
        let Ok(mut select) = database.prepare("SELECT output FROM output ORDER BY rowid") else {
            return Vec::new();
        };
        let rows = select.query_map([], |row| row.get(0)).expect("the query runs");
        rows.map(|row| row.expect("a number")).collect()
    }

    /// Phase and record.
    pub(super) fn skipped(&self) -> Vec<(String, i64)> {
        let database = self.world.database();
        let mut select = database
            .prepare(
                "SELECT PHASE, SOURCE_POSITION ->> 'at' + coalesce(SOURCE_POSITION ->> 'ahead', 0)
                 FROM BATCH_SKIPPED_ITEM ORDER BY STEP_EXECUTION_ID, SEQUENCE",
            )
            .expect("the table is there");
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("the query runs");
        rows.map(|row| row.expect("a phase and a number")).collect()
    }
}
