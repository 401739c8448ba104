//! Components that fail as a test plans, and count how often they are called. A job runs on the thread of its test, so
//! plans and counts are thread-local.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use batch_runtime::StopSignal;
use batch_runtime::engine::{Pause, RunOptions};
use batch_runtime::prelude::*;
use batch_runtime::repository::Counters;

use crate::support::World;

/// Where an item fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Read,
    Process,
    Write,
}

/// The error of all components here.
#[derive(Debug)]
pub(super) enum Trouble {
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
            Self::Sql(_) => f.write_str("the database says no"),
        }
    }
}

impl Error for Trouble {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Sql(error) => Some(error),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// More failures than there are attempts.
pub(super) const ALWAYS: u32 = u32::MAX;

type Kind = fn(i64) -> Trouble;

thread_local! {
    static PLAN: RefCell<BTreeMap<(Place, i64), (Kind, u32)>> = const { RefCell::new(BTreeMap::new()) };
    static CALLS: RefCell<Vec<(Place, usize)>> = const { RefCell::new(Vec::new()) };
    static INPUT: Cell<i64> = const { Cell::new(20) };
    static OPENED: Cell<u32> = const { Cell::new(0) };
    static SENT: RefCell<Vec<i64>> = const { RefCell::new(Vec::new()) };
}

/// Makes these items fail there this many times.
pub(super) fn fails(place: Place, kind: Kind, items: impl IntoIterator<Item = i64>, times: u32) {
    PLAN.with_borrow_mut(|plan| plan.extend(items.into_iter().map(|item| ((place, item), (kind, times)))));
}

/// Makes nothing fail any more.
pub(super) fn heal() {
    PLAN.with_borrow_mut(BTreeMap::clear);
}

/// Makes the numbers from 1 to `to` the input.
pub(super) fn input(to: i64) {
    INPUT.set(to);
}

pub(super) fn trip(place: Place, item: i64) -> Result<(), Trouble> {
    PLAN.with_borrow_mut(|plan| match plan.get_mut(&(place, item)) {
        Some((kind, times)) if *times > 0 => {
            *times -= u32::from(*times != ALWAYS);
            Err(kind(item))
        }
        _ => Ok(()),
    })
}

pub(super) fn called(place: Place, items: usize) {
    CALLS.with_borrow_mut(|calls| calls.push((place, items)));
}

/// The number of items in each call.
pub(super) fn calls(of: Place) -> Vec<usize> {
    CALLS.with_borrow(|calls| {
        calls.iter().filter(|(place, _)| *place == of).map(|(_, items)| *items).collect()
    })
}

/// How often the reader was opened.
pub(super) fn opened() -> u32 {
    OPENED.get()
}

/// The items that the writer without a transaction has sent.
pub(super) fn sent() -> Vec<i64> {
    SENT.with_borrow(Clone::clone)
}

/// Reads the numbers of the input. After `Bad` it continues after the number; after other errors it must be reopened.
pub(super) struct Numbers {
    next: i64,
    broken: bool,
}

impl Reader for Numbers {
    type Item = i64;
    type Position = i64;
    type Error = Trouble;

    fn read(&mut self) -> Result<Option<i64>, Trouble> {
        assert!(!self.broken, "a reader that cannot continue must not be read again");
        if self.next > INPUT.get() {
            return Ok(None);
        }
        let read = trip(Place::Read, self.next);
        self.broken = read.as_ref().is_err_and(|error| !self.steps_over(error));
        self.next += i64::from(!self.broken);
        read.map(|()| Some(self.next - 1))
    }

    fn position(&self) -> i64 {
        self.next
    }

    fn resume(&mut self, position: i64) -> Result<(), Trouble> {
        self.next = position;
        Ok(())
    }

    fn steps_over(&self, error: &Trouble) -> bool {
        matches!(error, Trouble::Bad(_))
    }

    fn location(&self) -> Option<String> {
        Some(format!("number {}", self.next - 1))
    }
}

#[reader]
pub(super) fn numbers() -> impl Reader<Item = i64> {
    OPENED.set(OPENED.get() + 1);
    Numbers { next: 1, broken: false }
}

#[processor]
pub(super) fn take(number: i64) -> Result<i64, Trouble> {
    called(Place::Process, 1);
    trip(Place::Process, number).map(|()| number)
}

#[processor]
pub(super) fn look(number: &i64) -> Result<i64, Trouble> {
    called(Place::Process, 1);
    trip(Place::Process, *number).map(|()| *number)
}

/// Filters every fourth item.
#[processor]
pub(super) fn most(number: i64) -> Option<i64> {
    (number % 4 != 0).then_some(number)
}

/// Turns a multiple of three into nothing, the number after it into itself, and the next into itself times 1 and 100.
#[processor]
pub(super) fn several(number: i64) -> Many<Vec<i64>> {
    Many([number, number * 100].into_iter().take(usize::try_from(number % 3).unwrap_or(0)).collect())
}

pub(super) fn insert(table: &str, numbers: &[i64], tx: &rusqlite::Connection) -> rusqlite::Result<()> {
    tx.execute_batch(&format!("CREATE TABLE IF NOT EXISTS {table} (number INTEGER)"))?;
    let mut insert = tx.prepare_cached(&format!("INSERT INTO {table} VALUES (?1)"))?;
    numbers.iter().try_for_each(|number| insert.execute([number]).map(drop))
}

/// Fails with its rows in the table, so that they must be rolled back.
#[writer]
pub(super) fn save(numbers: &[i64], tx: &Transaction<'_>) -> Result<(), Trouble> {
    called(Place::Write, numbers.len());
    insert("saved", numbers, tx)?;
    numbers.iter().try_for_each(|number| trip(Place::Write, *number))
}

#[writer]
pub(super) fn audit(numbers: &[i64], tx: &Transaction<'_>) -> Result<(), Trouble> {
    Ok(insert("audited", numbers, tx)?)
}

/// Sends items, which cannot be undone.
#[writer]
pub(super) fn send(numbers: &[i64]) -> Result<(), Trouble> {
    called(Place::Write, numbers.len());
    for number in numbers {
        trip(Place::Write, *number)?;
        SENT.with_borrow_mut(|sent| sent.push(*number));
    }
    Ok(())
}

/// Records the waits that a step asks for, without waiting.
#[derive(Debug, Default)]
pub(super) struct Waits {
    pub(super) asked: Mutex<Vec<Duration>>,
    /// The number of the wait, from 1, that is interrupted by a stop.
    pub(super) stop_at: Option<usize>,
    pub(super) random: f64,
    /// The time that passes with each look at the clock.
    pub(super) tick: Duration,
    pub(super) elapsed: Mutex<Duration>,
}

impl Waits {
    pub(super) fn milliseconds(&self) -> Vec<u128> {
        self.asked.lock().unwrap().iter().map(Duration::as_millis).collect()
    }

    pub(super) fn options(self) -> (Arc<Self>, RunOptions) {
        let waits = Arc::new(self);
        (Arc::clone(&waits), RunOptions { pause: waits, ..RunOptions::default() })
    }
}

impl Pause for Waits {
    fn pause(&self, wait: Duration, stop: &StopSignal) -> bool {
        let mut asked = self.asked.lock().unwrap();
        asked.push(wait);
        if self.stop_at == Some(asked.len()) {
            stop.raise();
        }
        !stop.is_raised()
    }

    fn random(&self) -> f64 {
        self.random
    }

    fn now(&self) -> Instant {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        let mut elapsed = self.elapsed.lock().unwrap();
        *elapsed += self.tick;
        *BEGAN.get_or_init(Instant::now) + *elapsed
    }
}

/// A row of `BATCH_SKIPPED_ITEM`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Skipped {
    pub(super) phase: String,
    pub(super) position: String,
    pub(super) location: Option<String>,
    pub(super) error: String,
    pub(super) item: Option<String>,
}

/// All rows of the table, in order.
pub(super) fn skipped(world: &World) -> Vec<Skipped> {
    let database = world.database();
    let mut select = database
        .prepare(
            "SELECT PHASE, SOURCE_POSITION, LOCATION, ERROR, ITEM FROM BATCH_SKIPPED_ITEM
             ORDER BY STEP_EXECUTION_ID, SEQUENCE",
        )
        .expect("the table is there");
    let rows = select.query_map([], |row| {
        Ok(Skipped {
            phase: row.get(0)?,
            position: row.get(1)?,
            location: row.get(2)?,
            error: row.get(3)?,
            item: row.get(4)?,
        })
    });
    rows.expect("the query runs").map(|row| row.expect("a row")).collect()
}

/// The error messages of all skips, in order.
pub(super) fn errors(world: &World) -> Vec<String> {
    skipped(world).into_iter().map(|skipped| format!("{} {}", skipped.phase, skipped.error)).collect()
}

/// Checks the counters of a step that turns each item into one or none, for an input of this many records.
pub(super) fn assert_adds_up(counters: Counters, records: u64) {
    assert_eq!(
        counters.read,
        counters.filter + counters.write + counters.process_skip + counters.write_skip,
        "{counters:?}"
    );
    assert_eq!(counters.read + counters.read_skip, records, "{counters:?}");
}

/// The numbers from 1 to `to`, except those in `left_out`.
pub(super) fn without(to: i64, left_out: &[i64]) -> Vec<i64> {
    (1..=to).filter(|number| !left_out.contains(number)).collect()
}
