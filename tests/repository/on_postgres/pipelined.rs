//! Steps with threads, which write the next chunk while the commit of the previous one is in flight.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use batch_runtime::Launch;
use batch_runtime::engine::{self, RunOptions};
use batch_runtime::observe::JobReport;
use batch_runtime::prelude::*;
use batch_runtime::repository::BatchStatus;
use batch_tests::postgres::{Options, Pooler, Server};
use batch_tests::proxy::{Cut, Proxy};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::jobs::completes;
use super::{open, schema};
use crate::place::{Place as _, Repo};
use crate::postgres::Schema;

/// How long a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_mins(3);

/// What a test does when a chunk is written, before its rows are sent. It receives the numbers of the chunk.
type Hook = Arc<dyn Fn(&[i64], &StepContext) + Send + Sync>;

static HOOKS: Mutex<BTreeMap<String, Hook>> = Mutex::new(BTreeMap::new());

/// The largest number that was processed, by the name of the job's run.
static PROCESSED: Mutex<BTreeMap<String, i64>> = Mutex::new(BTreeMap::new());
static HAS_PROCESSED: Condvar = Condvar::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn on_write(name: &str, hook: impl Fn(&[i64], &StepContext) + Send + Sync + 'static) {
    lock(&HOOKS).insert(name.to_owned(), Arc::new(hook));
}

/// Waits until that number was processed. If there is a single thread, it has then handed over all chunks before that
/// number.
fn wait_until_processed(name: &str, number: i64) {
    let processed = lock(&PROCESSED);
    let is_missing = |all: &mut BTreeMap<String, i64>| all.get(name).is_none_or(|last| *last < number);
    let waited = HAS_PROCESSED.wait_timeout_while(processed, PATIENCE, is_missing);
    assert!(!waited.unwrap_or_else(PoisonError::into_inner).1.timed_out(), "{number} was not processed");
}

/// The error of an item that cannot be processed.
#[derive(Debug)]
struct Odd(i64);

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is odd", self.0)
    }
}

impl std::error::Error for Odd {}

#[reader]
fn numbers(last: i64) -> impl Iterator<Item = i64> {
    1..=last
}

/// Filters the multiples of `filtered` and refuses those of `refused`.
#[processor]
fn most(number: i64, name: &str, filtered: i64, refused: i64) -> Result<Option<i64>, Odd> {
    let mut processed = lock(&PROCESSED);
    let largest = processed.entry(name.to_owned()).or_default();
    *largest = number.max(*largest);
    drop(processed);
    HAS_PROCESSED.notify_all();
    if refused > 0 && number % refused == 0 {
        return Err(Odd(number));
    }
    Ok((filtered == 0 || number % filtered != 0).then_some(number))
}

#[writer]
fn save(
    numbers: &[i64],
    tx: &Transaction<'_, Postgres>,
    name: &str,
    step: &StepContext,
) -> Result<(), PgError> {
    let hook = lock(&HOOKS).get(name).cloned();
    if let Some(hook) = hook {
        hook(numbers, step);
    }
    numbers.iter().try_for_each(|number| tx.send("INSERT INTO item VALUES ($1)", &[number]))
}

#[step(chunk = 10, threads = 1)]
fn fill() {
    numbers | most | save
}

/// A step without rules. The thread processes the chunks in their order.
#[job]
fn plain(name: String, last: i64, #[param(default = 0)] filtered: i64, #[param(default = 0)] refused: i64) {
    fill;
}

#[step(chunk = 10, threads = 1, skip(PgError, Odd, limit = 1_000))]
fn fill_what_fits() {
    numbers | most | save
}

/// A step that skips what cannot be processed or written.
#[job]
fn lenient(name: String, last: i64, #[param(default = 0)] filtered: i64, #[param(default = 0)] refused: i64) {
    fill_what_fits;
}

#[step(chunk = 10, threads = 3, order = none)]
fn fill_in_any_order() {
    numbers | most | save
}

/// A step without rules and without order.
#[job]
fn unordered(
    name: String,
    last: i64,
    #[param(default = 0)] filtered: i64,
    #[param(default = 0)] refused: i64,
) {
    fill_in_any_order;
}

fn run(repository: &Repo, launch: &Launch) -> JobReport {
    engine::run(repository, launch, &RunOptions::default()).expect("the launch is not refused")
}

type Job = fn(&str) -> Launch;

/// The jobs over 25 numbers.
const BOTH: [(&str, Job); 2] = [
    ("plain", |name| plain(name.to_owned(), 25, 0, 0)),
    ("lenient", |name| lenient(name.to_owned(), 25, 0, 0)),
];

/// A table whose commits do what `body` says for each new row, whose number is `NEW.n`.
fn with_deferred(body: &str) -> Option<Schema> {
    let place = schema()?;
    defer(&place, body);
    Some(place)
}

fn defer(place: &Schema, body: &str) {
    place.sql(&format!(
        "CREATE TABLE item (n BIGINT);
         CREATE FUNCTION deferred() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION deferred()"
    ));
}

/// The commit of the first chunk waits until the lock 4711 is released.
const WAITS: &str = "IF NEW.n = 1 THEN PERFORM pg_advisory_xact_lock(4711); END IF;";
/// The first commit of the first chunk fails, as if it had not been serializable.
const FAILS_ONCE: &str =
    "IF NEW.n = 1 AND nextval('commits') = 1 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF;";

fn numbers_of(place: &Schema) -> Vec<i64> {
    let rows = place.rows("SELECT n FROM item ORDER BY n");
    rows.iter().map(|number| number.parse().unwrap()).collect()
}

fn all(last: i64) -> Vec<i64> {
    (1..=last).collect()
}

/// The first chunk waits until the third is being processed, so that the second can be written ahead.
fn let_the_next_chunk_come(name: &str, numbers: &[i64]) {
    if numbers.contains(&1) {
        wait_until_processed(name, 21);
    }
}

/// Reports each chunk that is written.
fn report_writes(name: &'static str, writes: Sender<i64>) {
    let writes = Mutex::new(writes);
    on_write(name, move |numbers, _| {
        let_the_next_chunk_come(name, numbers);
        let _ = lock(&writes).send(numbers[0]);
    });
}

#[test]
fn the_next_chunk_is_written_while_a_commit_waits() {
    let jobs = [("waits", BOTH[0].1), ("waits with a rule", BOTH[1].1)];
    for (name, job) in jobs {
        let Some(place) = with_deferred(WAITS) else { return };
        let blocker = place.connect();
        blocker.query("SELECT pg_advisory_lock(4711)", &[]).unwrap();
        let (writes, written) = channel();
        report_writes(name, writes);
        let (repository, launch) = (place.open(), job(name));
        let running = std::thread::spawn(move || run(&repository, &launch));
        let first = written.recv_timeout(PATIENCE);
        let second = written.recv_timeout(PATIENCE);
        let committed = numbers_of(&place);
        blocker.query("SELECT pg_advisory_unlock(4711)", &[]).unwrap();
        let report = running.join().unwrap();
        assert_eq!((first, second, committed), (Ok(1), Ok(11), vec![]), "{name}");
        assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
        assert_eq!((report.steps[0].counters.commit, numbers_of(&place)), (3, all(25)), "{name}");
    }
}

#[test]
fn a_chunk_is_not_counted_before_its_commit_is_confirmed() {
    let Some(place) = with_deferred(WAITS) else { return };
    let blocker = place.connect();
    blocker.query("SELECT pg_advisory_lock(4711)", &[]).unwrap();
    let (writes, written) = channel();
    report_writes("counted", writes);
    let (repository, launch) = (place.open(), BOTH[0].1("counted"));
    let running = std::thread::spawn(move || run(&repository, &launch));
    let seen = (written.recv_timeout(PATIENCE), written.recv_timeout(PATIENCE));
    let counters = place.rows("SELECT READ_COUNT, WRITE_COUNT, COMMIT_COUNT FROM BATCH_STEP_EXECUTION");
    blocker.query("SELECT pg_advisory_unlock(4711)", &[]).unwrap();
    running.join().unwrap();
    assert_eq!((seen, counters), ((Ok(1), Ok(11)), vec!["0|0|0".to_owned()]));
}

#[test]
fn a_chunk_whose_commit_fails_is_written_again_before_the_chunk_that_was_written_ahead() {
    let jobs = [("fails", BOTH[0].1), ("fails with a rule", BOTH[1].1)];
    for (name, job) in jobs {
        let Some(place) = schema() else { return };
        place.sql("CREATE SEQUENCE commits");
        defer(&place, FAILS_ONCE);
        let (writes, written) = channel();
        report_writes(name, writes);
        let report = completes(&place.open(), &job(name));
        let counters = report.steps[0].counters;
        assert_eq!((counters.write, counters.commit, counters.rollback), (25, 3, 1), "{name}");
        assert_eq!(numbers_of(&place), all(25), "{name}");
        on_write(name, |_, _| {});
        assert_eq!(written.iter().collect::<Vec<_>>(), [1, 11, 1, 11, 21], "{name}");
    }
}

#[test]
fn a_chunk_whose_commit_is_refused_ends_a_step_without_rules_and_leaves_nothing_of_the_next() {
    let Some(place) =
        with_deferred("IF NEW.n = 7 THEN RAISE EXCEPTION 'seven' USING ERRCODE = 'check_violation'; END IF;")
    else {
        return;
    };
    let (writes, written) = channel();
    report_writes("refused", writes);
    let report = run(&place.open(), &BOTH[0].1("refused"));
    assert_eq!(report.status, BatchStatus::Failed);
    assert!(report.exit.description.contains("seven"), "{}", report.exit.description);
    assert_eq!((report.steps[0].counters.commit, numbers_of(&place)), (0, vec![]));
    on_write("refused", |_, _| {});
    assert_eq!(written.iter().collect::<Vec<_>>(), [1, 11]);
}

#[test]
fn a_panic_in_a_chunk_that_was_written_ahead_fails_the_step_after_the_previous_chunk() {
    let jobs = [("panics", BOTH[0].1), ("panics with a rule", BOTH[1].1)];
    for (name, job) in jobs {
        let Some(place) = with_deferred("") else { return };
        on_write(name, move |numbers, _| {
            let_the_next_chunk_come(name, numbers);
            assert!(!numbers.contains(&11), "eleven");
        });
        let report = run(&place.open(), &job(name));
        assert_eq!(report.status, BatchStatus::Failed, "{name}");
        assert!(report.exit.description.contains("eleven"), "{}", report.exit.description);
        let counters = report.steps[0].counters;
        assert_eq!((counters.read, counters.write, counters.commit), (10, 10, 1), "{name}");
        assert_eq!(numbers_of(&place), all(10), "{name}");
        on_write(name, |_, _| {});
        completes(&place.open(), &job(name));
        assert_eq!(numbers_of(&place), all(25), "{name}");
    }
}

#[test]
fn a_panic_in_a_chunk_that_was_written_ahead_does_not_matter_if_the_previous_chunk_is_not_committed() {
    let Some(place) = schema() else { return };
    place.sql("CREATE SEQUENCE commits");
    defer(&place, FAILS_ONCE);
    let has_panicked = Mutex::new(false);
    on_write("panics once", move |numbers, _| {
        let_the_next_chunk_come("panics once", numbers);
        let mut has_panicked = lock(&has_panicked);
        if numbers.contains(&11) && !*has_panicked {
            *has_panicked = true;
            panic!("eleven");
        }
    });
    let report = completes(&place.open(), &BOTH[0].1("panics once"));
    assert_eq!((report.steps[0].counters.commit, numbers_of(&place)), (3, all(25)));
}

#[test]
fn values_that_a_chunk_written_ahead_puts_are_committed_with_that_chunk() {
    let puts = |name: &'static str, refuses: bool| {
        on_write(name, move |numbers, step| {
            let_the_next_chunk_come(name, numbers);
            if numbers.contains(&11) {
                step.put("eleven", &numbers[0]).unwrap();
            }
            assert!(!(refuses && numbers.contains(&11)), "refused");
        });
    };
    for (name, refuses, expected) in [("puts", false, vec!["11"]), ("puts in vain", true, vec![])] {
        let Some(place) = with_deferred("") else { return };
        puts(name, refuses);
        let repository = place.open();
        let report = run(&repository, &BOTH[0].1(name));
        let steps = repository.steps(report.execution).unwrap();
        let value = steps[0].context.get("eleven").map(ToString::to_string);
        assert_eq!(value.as_deref().into_iter().collect::<Vec<_>>(), expected, "{name}");
    }
}

#[test]
fn a_chunk_that_puts_values_is_committed_before_the_next_is_written() {
    let Some(place) = schema() else { return };
    place.sql("CREATE SEQUENCE commits");
    defer(&place, FAILS_ONCE);
    on_write("puts each time", move |numbers, step| {
        let_the_next_chunk_come("puts each time", numbers);
        let sum: i64 = step.get("sum").unwrap().unwrap_or_default();
        step.put("sum", &(sum + numbers.iter().sum::<i64>())).unwrap();
    });
    let repository = place.open();
    let report = completes(&repository, &BOTH[0].1("puts each time"));
    let steps = repository.steps(report.execution).unwrap();
    assert_eq!(steps[0].context.get("sum").map(ToString::to_string).as_deref(), Some("325"));
    assert_eq!(numbers_of(&place), all(25));
}

#[test]
fn a_connection_that_is_cut_at_a_commit_with_a_chunk_after_it_costs_nothing() {
    const COMMIT: &[u8] = b"COMMIT\0";
    let Some(server) = Server::start(&Options::default()) else { return };
    let proxy = Proxy::in_front_of(server.port());
    let cuts = [Cut::Before(COMMIT), Cut::After(COMMIT), Cut::ToClient(20), Cut::ToServer(300)];
    let jobs: [(&str, Job); 3] =
        [BOTH[0], BOTH[1], ("unordered", |name| unordered(name.to_owned(), 25, 0, 0))];
    for (number, cut) in cuts.into_iter().enumerate() {
        for (kind, job) in jobs {
            for at in [1, 11] {
                let name: &'static str = format!("cut {number} {kind} {at}").leak();
                let database = server.database();
                let place = Schema::at(database.url());
                place.sql("CREATE TABLE item (n BIGINT)");
                let (cutter, cut, is_first) = (proxy.clone(), cut.clone(), Mutex::new(true));
                on_write(name, move |numbers, _| {
                    let_the_next_chunk_come(name, numbers);
                    if numbers.contains(&at) && std::mem::take(&mut *lock(&is_first)) {
                        cutter.cut(cut.clone());
                    }
                });
                let report = completes(&open(&proxy.url(database.url())), &job(name));
                let counters = report.steps[0].counters;
                assert!(!proxy.is_armed(), "{name}");
                assert_eq!((counters.write, counters.commit, counters.skips()), (25, 3, 0), "{name}");
                assert_eq!(numbers_of(&place), all(25), "{name}");
            }
        }
    }
}

#[test]
fn an_owner_that_is_fenced_with_a_chunk_written_ahead_commits_neither() {
    let Some(place) = with_deferred("") else { return };
    let other = place.connect();
    let other = Mutex::new(other);
    on_write("fenced", move |numbers, _| {
        let_the_next_chunk_come("fenced", numbers);
        if numbers.contains(&1) {
            lock(&other).batch_execute("UPDATE BATCH_JOB_OWNER SET EPOCH = EPOCH + 1").unwrap();
        }
    });
    let ended = engine::run(&place.open(), &BOTH[0].1("fenced"), &RunOptions::default());
    assert!(ended.as_ref().map_or(true, |report| report.status != BatchStatus::Completed), "{ended:?}");
    assert_eq!(numbers_of(&place), Vec::<i64>::new());
    assert_eq!(place.rows("SELECT COMMIT_COUNT FROM BATCH_STEP_EXECUTION"), ["0"]);
}

#[test]
fn chunks_are_written_ahead_through_a_pooler() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let Some(pooler) = Pooler::in_front_of(&server) else { return };
    let jobs = [("pooled", BOTH[0].1), ("pooled with a rule", BOTH[1].1)];
    for (name, job) in jobs {
        let database = server.database();
        let place = Schema::at(database.url());
        place.sql("CREATE SEQUENCE commits");
        defer(&place, FAILS_ONCE);
        let (writes, written) = channel();
        report_writes(name, writes);
        let report = completes(&open(&pooler.url(database.url())), &job(name));
        assert_eq!((report.steps[0].counters.commit, numbers_of(&place)), (3, all(25)), "{name}");
        on_write(name, |_, _| {});
        assert_eq!(written.iter().collect::<Vec<_>>(), [1, 11, 1, 11, 21], "{name}");
    }
}

/// Rolls back to a savepoint in each chunk.
#[writer]
fn save_in_two_attempts(numbers: &[i64], tx: &Transaction<'_, Postgres>, name: &str) -> Result<(), PgError> {
    let_the_next_chunk_come(name, numbers);
    tx.batch_execute(
        "SAVEPOINT attempt; INSERT INTO item VALUES (-1); ROLLBACK TO attempt; RELEASE attempt",
    )?;
    numbers.iter().try_for_each(|number| tx.send("INSERT INTO item VALUES ($1)", &[number]))
}

#[step(chunk = 10, threads = 1)]
fn fill_in_two_attempts() {
    numbers | most | save_in_two_attempts
}

/// A step whose writer uses savepoints.
#[job]
fn with_savepoints(
    name: String,
    last: i64,
    #[param(default = 0)] filtered: i64,
    #[param(default = 0)] refused: i64,
) {
    fill_in_two_attempts;
}

#[test]
fn a_rollback_to_a_savepoint_is_not_taken_for_that_of_the_previous_chunk() {
    let Some(place) = with_deferred("") else { return };
    let report = completes(&place.open(), &with_savepoints("savepoints".to_owned(), 95, 0, 0));
    let counters = report.steps[0].counters;
    assert_eq!((counters.commit, counters.rollback, numbers_of(&place)), (10, 0, all(95)));
}

static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[listener(after_chunk)]
fn hear(counters: &Counters) {
    lock(&HEARD).push(format!("committed {}", counters.commit));
}

#[step(chunk = 10, threads = 1, listeners(hear))]
fn fill_and_hear() {
    numbers | most | save
}

/// A step with a listener of chunks.
#[job]
fn heard(name: String, last: i64, #[param(default = 0)] filtered: i64, #[param(default = 0)] refused: i64) {
    fill_and_hear;
}

#[test]
fn a_listener_hears_of_each_commit_before_the_next_chunk_is_written() {
    let Some(place) = with_deferred("") else { return };
    on_write("heard", |numbers, _| {
        let_the_next_chunk_come("heard", numbers);
        lock(&HEARD).push(format!("wrote {}", numbers[0]));
    });
    completes(&place.open(), &heard("heard".to_owned(), 25, 0, 0));
    let expected = ["wrote 1", "committed 1", "wrote 11", "committed 2", "wrote 21", "committed 3"];
    assert_eq!(*lock(&HEARD), expected);
}

// Against the model

#[step(chunk = 4, threads = 3, skip(PgError, Odd, limit = 1_000))]
fn fill_on_threads() {
    numbers | most | save
}

/// The chunks in their order.
#[job]
fn ordered_model(name: String, last: i64, filtered: i64, refused: i64) {
    fill_on_threads;
}

#[step(chunk = 4, threads = 3, order = none, skip(PgError, Odd, limit = 1_000))]
fn fill_on_threads_in_any_order() {
    numbers | most | save
}

/// The chunks as they are done.
#[job]
fn unordered_model(name: String, last: i64, filtered: i64, refused: i64) {
    fill_on_threads_in_any_order;
}

/// What the database does with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Refuses it as soon as it is inserted.
    Refused,
    /// Refuses it at the commit.
    Deferred,
    /// Does not commit it the first time.
    Again,
    /// Asks for the transaction to be repeated when it is inserted for the first time.
    Deadlock,
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Deferred => "deferred",
            Self::Again => "again",
            Self::Deadlock => "deadlock",
        }
    }
}

#[derive(Debug, Clone)]
struct Case {
    last: i64,
    filtered: i64,
    refused: i64,
    fates: BTreeMap<i64, Fate>,
}

fn case() -> impl Strategy<Value = Case> {
    let fate = prop_oneof![
        1 => Just(Fate::Refused),
        3 => Just(Fate::Deferred),
        3 => Just(Fate::Again),
        1 => Just(Fate::Deadlock),
    ];
    let modulus = |from: i64| prop_oneof![2 => Just(0), 1 => from..15];
    (0..60_i64, modulus(2), modulus(5), prop::collection::btree_map(1..60_i64, fate, 0..6))
        .prop_map(|(last, filtered, refused, fates)| Case { last, filtered, refused, fates })
}

const FATES: &str = "CREATE TABLE item (n BIGINT);
    CREATE TABLE fate (n BIGINT, what TEXT);
    CREATE FUNCTION at_once() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE fate TEXT; BEGIN
        SELECT what INTO fate FROM fate WHERE n = NEW.n;
        IF fate = 'refused' THEN RAISE EXCEPTION 'refused' USING ERRCODE = 'check_violation'; END IF;
        IF fate = 'deadlock' THEN IF nextval(('once_' || NEW.n)::regclass) = 1 THEN
            RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END IF; END IF;
        RETURN NEW; END $$;
    CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE fate TEXT; BEGIN
        SELECT what INTO fate FROM fate WHERE n = NEW.n;
        IF fate = 'deferred' THEN RAISE EXCEPTION 'deferred' USING ERRCODE = 'check_violation'; END IF;
        IF fate = 'again' THEN IF nextval(('once_' || NEW.n)::regclass) = 1 THEN
            RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; END IF;
        RETURN NULL; END $$;
    CREATE TRIGGER at_once BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION at_once();
    CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION at_commit();";

/// Runs the case, and compares the rows, the counters and the skipped items with what one number after the other would
/// give.
fn check(case: &Case, job: fn(String, i64, i64, i64) -> Launch) -> Result<(), TestCaseError> {
    let Some(place) = schema() else { return Ok(()) };
    place.sql(FATES);
    for (number, fate) in &case.fates {
        place.sql(&format!("INSERT INTO fate VALUES ({number}, '{}')", fate.name()));
        place.sql(&format!("CREATE SEQUENCE once_{number}"));
    }
    let repository = place.open();
    let report = completes(&repository, &job("model".to_owned(), case.last, case.filtered, case.refused));

    let is = |number: i64, modulus: i64| modulus > 0 && number % modulus == 0;
    let (mut rows, mut unwritten, mut unprocessed, mut filtered) = (vec![], vec![], 0, 0);
    for number in 1..=case.last {
        let fate = case.fates.get(&number);
        if is(number, case.refused) {
            unprocessed += 1;
        } else if is(number, case.filtered) {
            filtered += 1;
        } else if matches!(fate, Some(Fate::Refused | Fate::Deferred)) {
            unwritten.push(number.to_string());
        } else {
            rows.push(number);
        }
    }
    prop_assert_eq!(numbers_of(&place), rows.clone());
    let counters = report.steps[0].counters;
    let counted = [
        counters.read,
        counters.write,
        counters.filter,
        counters.process_skip,
        counters.write_skip,
        counters.read_skip,
    ];
    let expected =
        [case.last.cast_unsigned(), rows.len() as u64, filtered, unprocessed, unwritten.len() as u64, 0];
    prop_assert_eq!(counted, expected);
    let skipped = repository.skipped_items(report.execution).unwrap();
    let mut items: Vec<String> = skipped
        .iter()
        .filter(|skipped| skipped.item.error.contains("refused") || skipped.item.error.contains("deferred"))
        .filter_map(|skipped| skipped.item.item.clone())
        .collect();
    items.sort_by_key(|item| item.parse::<i64>().unwrap());
    prop_assert_eq!(items, unwritten);
    Ok(())
}

#[test]
fn any_faults_give_the_rows_and_skips_of_one_number_after_the_other() {
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    runner
        .run(&case(), |case| {
            check(&case, ordered_model)?;
            check(&case, unordered_model)
        })
        .unwrap();
}
