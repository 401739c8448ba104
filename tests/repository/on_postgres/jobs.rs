//! Whole jobs, whose steps cope with what a server does.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use batch_runtime::Launch;
use batch_runtime::engine::{self, RunOptions};
use batch_runtime::observe::JobReport;
use batch_runtime::prelude::*;
use batch_runtime::repository::BatchStatus;
use batch_tests::postgres::{Options, Server};
use batch_tests::proxy::{Cut, Proxy};

use super::{open, schema};
use crate::place::{Place as _, Repo};
use crate::postgres::Schema;
use crate::support::items;

const COMMIT: &[u8] = b"COMMIT\0";

/// The names of the events that happen only once and have happened: in the second chunk, or in the second call of a
/// tasklet.
static ONCE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn is_first(name: &str) -> bool {
    ONCE.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned())
}

/// Something that a test does to the server while a chunk is written.
type Trouble = Box<dyn Fn() + Send>;
static TROUBLES: Mutex<Vec<(String, Trouble)>> = Mutex::new(Vec::new());

/// Makes the trouble happen once, in the job with that name.
pub(super) fn prepare(name: &str, trouble: impl Fn() + Send + 'static) {
    TROUBLES.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), Box::new(trouble)));
}

pub(super) fn meet(name: &str) {
    let mut troubles = TROUBLES.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(at) = troubles.iter().position(|(of, _)| of == name) else { return };
    let (_, trouble) = troubles.remove(at);
    drop(troubles);
    trouble();
}

const FAILS: &str = "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$";

#[reader]
fn numbers() -> impl Iterator<Item = i64> {
    1..=25
}

fn insert(numbers: &[i64], tx: &Transaction<'_, Postgres>, trouble: &str) -> Result<(), PgError> {
    for number in numbers {
        tx.send("INSERT INTO item VALUES ($1)", &[number])?;
    }
    if numbers.contains(&13) {
        meet(trouble);
        match trouble {
            "40001 at once" | "40001 with a rule" if is_first(trouble) => tx.batch_execute(FAILS)?,
            "40001 later" if is_first(trouble) => tx.send(FAILS, &[])?,
            "commit" => {
                let _ = tx.batch_execute("COMMIT");
            }
            _ => {}
        }
    }
    Ok(())
}

#[writer]
fn save(numbers: &[i64], tx: &Transaction<'_, Postgres>, trouble: &str) -> Result<(), PgError> {
    insert(numbers, tx, trouble)
}

#[step(chunk = 10)]
fn fill() {
    numbers | save
}

/// A step without rules.
#[job]
fn plain(trouble: String) {
    fill;
}

#[step(chunk = 10, skip(PgError, limit = 3))]
fn fill_what_fits() {
    numbers | save
}

/// A step that skips what the database refuses.
#[job]
fn lenient(trouble: String) {
    fill_what_fits;
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Calls(i64);

#[step]
fn call(
    tx: &Transaction<'_, Postgres>,
    #[state] calls: &mut Calls,
    trouble: &str,
) -> Result<Repeat, PgError> {
    calls.0 += 1;
    tx.execute("INSERT INTO item VALUES ($1)", &[&calls.0])?;
    if calls.0 == 2 {
        meet(trouble);
        if trouble == "40001 in a tasklet" && is_first(trouble) {
            tx.batch_execute(FAILS)?;
        }
    }
    Ok(if calls.0 < 3 { Repeat::Again } else { Repeat::Done })
}

/// A tasklet of three calls.
#[job]
fn calling(trouble: String) {
    call;
}

fn run(repository: &Repo, launch: &Launch) -> JobReport {
    engine::run(repository, launch, &RunOptions::default()).expect("the launch is not refused")
}

pub(super) fn completes(repository: &Repo, launch: &Launch) -> JobReport {
    let report = run(repository, launch);
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
    report
}

fn all(last: i64) -> Vec<String> {
    (1..=last).map(|number| number.to_string()).collect()
}

/// The items in the order of their numbers.
fn sorted(place: &Schema) -> Vec<String> {
    let mut items = items(place);
    items.sort_by_key(|item| item.parse::<i64>().unwrap());
    items
}

#[test]
fn a_serialization_failure_is_repeated_without_a_rule_and_skips_nothing() {
    type Job = fn(String) -> Launch;
    let jobs: [(&str, Job); 3] = [
        ("40001 at once", |trouble| plain(trouble)),
        ("40001 later", |trouble| plain(trouble)),
        ("40001 with a rule", |trouble| lenient(trouble)),
    ];
    for (trouble, job) in jobs {
        let Some(place) = schema() else { return };
        place.sql("CREATE TABLE item (n BIGINT)");
        let report = completes(&place.open(), &job(trouble.to_owned()));
        let counters = report.steps[0].counters;
        assert_eq!((counters.write, counters.commit, counters.skips()), (25, 3, 0), "{trouble}");
        assert_eq!(counters.rollback, 1, "{trouble}");
        assert_eq!(sorted(&place), all(25), "{trouble}");
    }
}

#[test]
fn a_serialization_failure_of_a_tasklet_is_repeated_with_its_state_as_it_was() {
    let Some(place) = schema() else { return };
    place.sql("CREATE TABLE item (n BIGINT)");
    completes(&place.open(), &calling("40001 in a tasklet".to_owned()));
    assert_eq!(sorted(&place), all(3));
}

#[test]
fn a_commit_of_a_component_fails_the_step_and_leaves_nothing_of_the_chunk() {
    let Some(place) = schema() else { return };
    place.sql("CREATE TABLE item (n BIGINT)");
    let launches: [Launch; 2] = [plain("commit".to_owned()), lenient("commit".to_owned())];
    for launch in launches {
        let report = run(&place.open(), &launch);
        assert_eq!(report.status, BatchStatus::Failed);
        let why = &report.exit.description;
        assert!(why.contains("a component ended the transaction of the chunk"), "{why}");
        assert_eq!(sorted(&place), all(10));
        place.sql("DELETE FROM item");
    }
}

#[test]
fn the_item_that_a_deferred_constraint_refuses_is_found_and_skipped() {
    let Some(place) = schema() else { return };
    place.sql(
        "CREATE TABLE known (n BIGINT PRIMARY KEY);
         INSERT INTO known SELECT n FROM generate_series(1, 25) AS g (n) WHERE n <> 17;
         CREATE TABLE item (n BIGINT REFERENCES known DEFERRABLE INITIALLY DEFERRED)",
    );
    let repository = place.open();
    let report = completes(&repository, &lenient("deferred".to_owned()));
    let counters = report.steps[0].counters;
    assert_eq!((counters.write, counters.write_skip), (24, 1));
    let skipped = repository.skipped_items(report.execution).unwrap();
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0].item.item.as_deref(), Some("17"));
    assert!(skipped[0].item.error.contains("violates foreign key constraint"), "{}", skipped[0].item.error);
    assert_eq!(sorted(&place).len(), 24);
}

#[test]
fn a_server_that_is_restarted_in_mid_job_costs_time_and_not_the_job() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let server = std::sync::Arc::new(server);
    for (name, end) in [("killed", Server::kill_9 as fn(&Server)), ("stopped", Server::stop)] {
        let jobs =
            [("plain", plain as fn(String) -> _, 25), ("lenient", lenient, 25), ("calling", calling, 3)];
        for (kind, job, last) in jobs {
            let name = format!("{name} {kind}");
            let database = server.database();
            let place = Schema::at(database.url());
            place.sql("CREATE TABLE item (n BIGINT)");
            let restarted = std::sync::Arc::clone(&server);
            prepare(&name, move || {
                end(&restarted);
                restarted.restart();
            });
            let report = completes(&open(database.url()), &job(name));
            assert_eq!(report.steps[0].counters.skips(), 0);
            assert_eq!(sorted(&place), all(last));
        }
    }
}

#[test]
fn a_job_whose_connections_are_cut_completes_and_writes_each_row_once() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let proxy = Proxy::in_front_of(server.port());
    for (number, cut) in [Cut::Before(COMMIT), Cut::After(COMMIT), Cut::ToClient(20)].into_iter().enumerate()
    {
        let jobs = [(plain as fn(String) -> _, 25), (lenient, 25), (calling, 3)];
        for (kind, (job, last)) in jobs.into_iter().enumerate() {
            let name = format!("cut {number} {kind}");
            let database = server.database();
            let place = Schema::at(database.url());
            place.sql("CREATE TABLE item (n BIGINT)");
            let (proxy_then, cut) = (proxy.clone(), cut.clone());
            prepare(&name, move || proxy_then.cut(cut.clone()));
            completes(&open(&proxy.url(database.url())), &job(name));
            assert!(!proxy.is_armed());
            assert_eq!(sorted(&place), all(last));
        }
    }
}
