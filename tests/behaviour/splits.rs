//! `split!`: branches side by side, all awaited, and a restart of what is not complete.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use batch_runtime::engine::{self, JobError, RunOptions};
use batch_runtime::prelude::*;
use batch_runtime::repository::{BatchStatus, RepositoryError};
use batch_runtime::{StopSignal, observe::JobReport};

use crate::support::{World, step};

/// What ran, by the job's `tag`; whoever waits for another is woken by it.
static RAN: Mutex<BTreeMap<String, Vec<String>>> = Mutex::new(BTreeMap::new());
static MORE: Condvar = Condvar::new();

/// Longer than any machine takes, so that a test that would hang fails.
const PATIENCE: Duration = Duration::from_mins(1);

fn note(tag: &str, what: impl Into<String>) {
    RAN.lock().unwrap().entry(tag.to_owned()).or_default().push(what.into());
    MORE.notify_all();
}

fn ran(tag: &str) -> Vec<String> {
    RAN.lock().unwrap().get(tag).cloned().unwrap_or_default()
}

fn sorted(tag: &str) -> Vec<String> {
    let mut all = ran(tag);
    all.sort();
    all
}

/// Waits until that was noted.
fn meet(tag: &str, what: &str) -> Result<(), String> {
    let has = |ran: &mut BTreeMap<String, Vec<String>>| {
        ran.get(tag).is_some_and(|all| all.iter().any(|one| one == what))
    };
    let (ran, waited) =
        MORE.wait_timeout_while(RAN.lock().unwrap(), PATIENCE, |ran| !has(ran)).expect("nobody panics here");
    drop(ran);
    if waited.timed_out() { Err(format!("`{what}` never came")) } else { Ok(()) }
}

fn names(report: &JobReport) -> Vec<&str> {
    report.steps.iter().map(|step| step.name.as_str()).collect()
}

/// Notes that it began and that it ended; fails where it is told to.
#[step]
fn task(tag: &str, step: &StepContext, fail: Option<String>) -> Result<(), String> {
    waiting(tag, step, None, fail)
}

/// The same, and waits between for what another one notes.
#[step]
fn waiting(tag: &str, step: &StepContext, after: Option<String>, fail: Option<String>) -> Result<(), String> {
    note(tag, format!("{} begins", step.step()));
    if let Some(after) = after {
        meet(tag, &after)?;
    }
    let fails = fail.is_some_and(|fail| fail == step.step());
    note(tag, format!("{} {}", step.step(), if fails { "fails" } else { "ends" }));
    if fails { Err("told to fail".to_owned()) } else { Ok(()) }
}

#[job]
fn overlapping(tag: String, fail: Option<String>) {
    split! {
        waiting(after = "right begins") as left,
        waiting(after = "left begins") as right,
    }
    waiting(after = "left ends") as last;
}

#[test]
fn branches_run_at_the_same_time_and_are_joined_before_what_follows() {
    let world = World::new();
    // Each waits for the other to begin: one after the other they would never end.
    let report = world.completes(&overlapping("overlapping".to_owned(), None));
    assert_eq!(names(&report), ["left", "right", "last"]);
    let ran = ran("overlapping");
    assert_eq!(ran[4..], ["last begins", "last ends"], "{ran:?}");
}

#[flow]
fn pair() {
    task as first_of_pair;
    task as second_of_pair;
}

#[job]
fn half(tag: String, #[param(identifying = false)] fail: Option<String>) {
    task as first;
    split! {
        task as left,
        pair,
    }
    task as last;
}

#[test]
fn a_failure_in_one_branch_awaits_the_others_and_a_restart_runs_what_is_not_complete() {
    let world = World::new();
    let tag = "half".to_owned();
    let failed = world.fails(&half(tag.clone(), Some("left".to_owned())));
    assert!(failed.exit.description.contains("step `left`: "), "{}", failed.exit.description);
    assert_eq!(names(&failed), ["first", "left", "first_of_pair", "second_of_pair"]);
    assert_eq!(step(&failed, "second_of_pair").status, BatchStatus::Completed);
    let report = world.completes(&half(tag.clone(), None));
    assert_eq!(names(&report), ["left", "last"]);
    assert_eq!(report.passed, ["first", "first_of_pair", "second_of_pair"]);
}

#[job]
fn awaited(tag: String, #[param(identifying = false)] fail: Option<String>) {
    split! {
        task as left,
        { waiting(after = "left fails") as right; task as behind; }
    }
}

#[test]
fn what_is_behind_in_a_branch_runs_also_after_the_failure_of_another() {
    let world = World::new();
    let report = world.fails(&awaited("awaited".to_owned(), Some("left".to_owned())));
    assert_eq!(names(&report), ["left", "right", "behind"]);
}

#[job]
fn both_failing(tag: String, #[param(identifying = false)] fail: Option<String>) {
    split! {
        { task as left; fail!("left is no good") }
        , { task as right; fail!("right is no better") }
    }
}

#[test]
fn the_failures_of_all_branches_are_told_in_the_order_of_the_body() {
    let world = World::new();
    let report = world.fails(&both_failing("both_failing".to_owned(), None));
    assert_eq!(report.exit.description, "left is no good; right is no better");
    assert_eq!(sorted("both_failing"), ["left begins", "left ends", "right begins", "right ends"]);
}

#[job]
fn handled(tag: String, fail: Option<String>) {
    split! {
        match task as left {
            Completed => {}
            Failed => task as rescue,
        },
        task as right,
    }
    task as last;
}

#[test]
fn a_failure_that_its_branch_handles_does_not_fail_the_job() {
    let world = World::new();
    let report = world.completes(&handled("handled in a branch".to_owned(), Some("left".to_owned())));
    assert_eq!(names(&report), ["left", "rescue", "right", "last"]);
    assert_eq!(step(&report, "left").status, BatchStatus::Abandoned);
}

#[job]
fn ending(tag: String, #[param(identifying = false)] fail: Option<String>) {
    split! {
        { task as left; end!("ENOUGH") },
        { waiting(after = "left ends") as right; task as behind; },
    }
}

#[test]
fn end_in_a_branch_ends_the_job_once_the_others_have_ended() {
    let world = World::new();
    let report = world.completes(&ending("ending".to_owned(), None));
    assert_eq!(report.exit.code, "ENOUGH");
    assert_eq!(names(&report), ["left", "right", "behind"]);
}

#[test]
fn a_failure_is_worse_than_an_end() {
    let world = World::new();
    world.fails(&ending("ending worse".to_owned(), Some("behind".to_owned())));
    let report = world.completes(&ending("ending worse".to_owned(), None));
    assert_eq!((report.exit.code.as_str(), names(&report)), ("ENOUGH", vec!["behind"]));
}

#[job]
fn stopping(tag: String, fail: Option<String>) {
    split! {
        { task as left; stop!("look at it"); task as behind; },
        { waiting(after = "left ends") as right; task as other; },
    }
    task as last;
}

#[test]
fn stop_in_a_branch_stops_the_job_behind_the_join_and_a_restart_goes_on_in_that_branch() {
    let world = World::new();
    let launch = stopping("stopping".to_owned(), None);
    let report = world.run(&launch);
    assert_eq!((report.status, report.exit.description.as_str()), (BatchStatus::Stopped, "look at it"));
    assert_eq!(names(&report), ["left", "right", "other"]);
    assert_eq!(names(&world.completes(&launch)), ["behind", "last"]);
}

#[job]
fn nested_splits(tag: String, #[param(identifying = false)] fail: Option<String>) {
    split! {
        waiting(after = "c begins") as a,
        {
            split! { waiting(after = "a begins") as b, waiting(after = "b begins") as c }
            task as d;
        },
    }
}

#[test]
fn a_split_may_stand_in_a_branch_of_another() {
    let world = World::new();
    let tag = "nested splits".to_owned();
    let failed = world.fails(&nested_splits(tag.clone(), Some("c".to_owned())));
    // What stands behind the inner split waits for it.
    assert_eq!(names(&failed), ["a", "b", "c"]);
    assert_eq!(names(&world.completes(&nested_splits(tag, None))), ["c", "d"]);
}

#[job]
fn one_at_a_time(tag: String, fail: Option<String>) {
    split! {
        max = 1;
        { task as a; task as b; },
        task as c,
        task as d,
    }
}

#[test]
fn no_more_branches_than_told_run_at_once() {
    let world = World::new();
    world.completes(&one_at_a_time("one at a time".to_owned(), None));
    let one_by_one = ["a", "b", "c", "d"].map(|name| [format!("{name} begins"), format!("{name} ends")]);
    assert_eq!(ran("one at a time"), one_by_one.concat());
}

#[job]
fn two_at_a_time(tag: String, fail: Option<String>) {
    split! {
        max = 2;
        waiting(after = "c ends") as a,
        task as b,
        waiting(after = "b ends") as c,
    }
}

#[test]
fn a_branch_begins_where_one_before_it_has_ended() {
    let world = World::new();
    world.completes(&two_at_a_time("two at a time".to_owned(), None));
    let ran = ran("two at a time");
    let at = |what: &str| ran.iter().position(|one| one == what).unwrap();
    assert!(at("b ends") < at("c begins"), "{ran:?}");
}

/// Raises the stop once the other branch is in the middle of its chunks.
#[step]
fn raise(tag: &str, step: &StepContext) -> Result<(), String> {
    meet(tag, "a chunk")?;
    SIGNALS.lock().unwrap()[tag].raise();
    note(tag, "raised");
    assert!(step.is_stopping());
    Ok(())
}

static SIGNALS: Mutex<BTreeMap<String, StopSignal>> = Mutex::new(BTreeMap::new());

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..10
}

/// Before the transaction: in it, the other branch would wait for this one.
#[processor]
fn slow(number: u32, tag: &str) -> Result<u32, String> {
    note(tag, "a chunk");
    meet(tag, "raised").map(|()| number)
}

#[writer]
fn nowhere(_numbers: &[u32]) {}

#[step(chunk = 1)]
fn chunks() {
    numbers | slow | nowhere
}

#[job]
fn stopped(tag: String, fail: Option<String>) {
    split! {
        { raise; task as never; },
        chunks,
    }
    task as last;
}

#[test]
fn a_stop_reaches_all_branches() {
    let world = World::new();
    let (tag, stop) = ("stopped".to_owned(), StopSignal::new());
    SIGNALS.lock().unwrap().insert(tag.clone(), stop.clone());
    let launch = stopped(tag, None);
    let options = RunOptions { stop, ..RunOptions::default() };
    let report = engine::run(&world.repository, &launch, &options).unwrap();
    assert_eq!((report.status, report.exit.description.as_str()), (BatchStatus::Stopped, "asked to stop"));
    assert_eq!(names(&report), ["raise", "chunks"]);
    assert_eq!(step(&report, "chunks").counters.write, 1);
    assert_eq!(names(&world.completes(&launch)), ["never", "chunks", "last"]);
}

#[decider]
fn again(tag: &str) -> bool {
    ran(tag).iter().filter(|what| what.ends_with("] ends")).count() < 5
}

#[job]
fn looping(tag: String, #[param(identifying = false)] fail: Option<String>) {
    while again {
        split! { task as one, task as two }
    }
    split! {
        { while again { task as never; } },
        { loop { match again { true => {}, false => break } } },
    }
}

#[test]
fn a_split_in_a_loop_is_one_an_iteration_and_loops_run_in_branches() {
    let world = World::new();
    let tag = "looping".to_owned();
    world.fails(&looping(tag.clone(), Some("two[2]".to_owned())));
    world.completes(&looping(tag.clone(), None));
    assert_eq!(
        sorted(&tag).into_iter().filter(|what| what.ends_with("begins")).collect::<Vec<_>>(),
        [
            "one[1] begins",
            "one[2] begins",
            "one[3] begins",
            "two[1] begins",
            "two[2] begins",
            "two[2] begins",
            "two[3] begins"
        ]
    );
    assert_eq!(
        world.texts("SELECT PATH FROM BATCH_JOURNAL WHERE PATH LIKE '%again%' ORDER BY PATH"),
        [
            "match again[1]",
            "while again#2[1]",
            "while again[1]",
            "while again[2]",
            "while again[3]",
            "while again[4]"
        ],
    );
}

#[derive(Debug, Serialize, Deserialize)]
struct Share(u32);

#[step]
fn left_share(job: &JobContext) -> Result<Share, Failure> {
    job.put("left", &1)?;
    Ok(Share(40))
}

#[step]
fn right_share(job: &JobContext) -> Result<Share, Failure> {
    job.put("right", &2)?;
    Ok(Share(2))
}

#[step]
fn sum(
    tag: &str,
    job: &JobContext,
    left: &Output<left_share>,
    right: &Output<right_share>,
    fail: Option<String>,
) -> Result<(), Failure> {
    let (from_left, from_right) = (job.get::<u32>("left")?, job.get::<u32>("right")?);
    note(tag, format!("{} {from_left:?} {from_right:?}", left.0 + right.0));
    if fail.is_some() { Err(Failure::new("told to fail")) } else { Ok(()) }
}

#[job]
fn shares(tag: String, #[param(identifying = false)] fail: Option<String>) {
    split! { left_share, right_share }
    sum;
}

#[test]
fn what_branches_leave_and_put_into_the_context_is_there_behind_the_join_also_after_a_restart() {
    let world = World::new();
    let tag = "shares".to_owned();
    world.fails(&shares(tag.clone(), Some("sum".to_owned())));
    world.completes(&shares(tag.clone(), None));
    assert_eq!(ran(&tag), ["42 Some(1) Some(2)", "42 Some(1) Some(2)"]);
}

#[step]
fn puts_and_fails(tag: &str, job: &JobContext) -> Result<(), Failure> {
    job.put("given up", &true)?;
    note(tag, "put");
    meet(tag, "right ends").map_err(Failure::new)?;
    Err(Failure::new("told to fail"))
}

#[step]
fn puts_and_waits(tag: &str, job: &JobContext) -> Result<(), Failure> {
    meet(tag, "put").map_err(Failure::new)?;
    job.put("kept", &true)
}

#[job]
fn contexts(tag: String, fail: Option<String>) {
    split! { puts_and_fails, { puts_and_waits; task as right; } }
}

#[test]
fn what_a_failing_branch_has_put_is_not_committed_by_another() {
    let world = World::new();
    world.fails(&contexts("contexts".to_owned(), None));
    let stored = world.texts("SELECT SHORT_CONTEXT FROM BATCH_JOB_EXECUTION_CONTEXT");
    assert!(stored[0].contains("kept") && !stored[0].contains("given up"), "{stored:?}");
}

#[job]
fn inner(tag: String, #[param(identifying = false)] fail: Option<String>) {
    task as within;
}

#[job]
fn with_jobs(tag: String, #[param(identifying = false)] fail: Option<String>) {
    split! { inner, task as beside }
}

#[test]
fn a_job_runs_as_a_branch() {
    let world = World::new();
    let tag = "with_jobs".to_owned();
    let failed = world.fails(&with_jobs(tag.clone(), Some("within".to_owned())));
    assert_eq!(names(&failed), ["inner/within", "inner", "beside"]);
    assert_eq!(names(&world.completes(&with_jobs(tag, None))), ["inner/within", "inner"]);
}

#[step]
fn panics(fail: Option<String>) {
    assert!(fail.is_none(), "the branch is sawn off");
}

#[job]
fn panicking(tag: String, #[param(identifying = false)] fail: Option<String>) {
    split! { panics, task as beside }
}

#[test]
fn a_panic_in_a_branch_is_a_failure_of_its_step() {
    let world = World::new();
    let report = world.fails(&panicking("panicking".to_owned(), Some("yes".to_owned())));
    assert!(report.exit.description.contains("the branch is sawn off"), "{}", report.exit.description);
    assert_eq!(step(&report, "beside").status, BatchStatus::Completed);
}

/// Does what another process does that takes the execution over.
#[step]
fn takes_over(batch: &Path) -> rusqlite::Result<()> {
    rusqlite::Connection::open(batch)?.execute("UPDATE BATCH_JOB_OWNER SET EPOCH = EPOCH + 1", []).map(drop)
}

/// Ends when it is asked to, and never else.
#[step]
fn until_stopped(step: &StepContext) -> Result<(), String> {
    let began = Instant::now();
    while !step.is_stopping() {
        if began.elapsed() > PATIENCE {
            return Err("nobody asked to stop".to_owned());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

#[job]
fn until_stopped_within() {
    until_stopped as within;
}

#[job]
fn lost(batch: PathBuf) {
    split! { takes_over, until_stopped, until_stopped_within }
}

#[test]
fn a_branch_that_was_taken_over_from_ends_the_others_and_does_not_raise_the_signal_of_the_caller() {
    let world = World::new();
    let stop = StopSignal::new();
    let options = RunOptions { stop: stop.clone(), ..RunOptions::default() };
    let ended = engine::run(&world.repository, &lost(world.path("batch.db")), &options);
    assert!(matches!(ended, Err(JobError::Repository(RepositoryError::Fenced { .. }))), "{ended:?}");
    assert!(!stop.is_raised());
}

/// Two branches to one table of the repository's own file, and two to files.
#[step]
fn create(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE row (branch TEXT, number INTEGER)")
}

#[reader]
fn rows() -> impl Iterator<Item = u32> {
    0..200
}

#[writer]
fn insert(numbers: &[u32], branch: &str, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached("INSERT INTO row VALUES (?1, ?2)")?;
    numbers.iter().try_for_each(|number| insert.execute((branch, number)).map(drop))
}

#[step(chunk = 1)]
fn fill() {
    rows | insert
}

#[job]
fn one_table() {
    create;
    split! { fill(branch = "left") as left, fill(branch = "right") as right }
}

#[test]
fn two_branches_that_write_one_table_are_each_exact() {
    let world = World::new();
    let report = world.completes(&one_table());
    for name in ["left", "right"] {
        assert_eq!(step(&report, name).counters.commit, 200);
        let numbers =
            world.numbers(&format!("SELECT number FROM row WHERE branch = '{name}' ORDER BY rowid"));
        assert_eq!(numbers, (0..200).collect::<Vec<i64>>());
    }
}

#[database]
fn store(store_path: PathBuf) -> Sqlite {
    Sqlite::open(store_path)
}

#[writer]
fn insert_there(numbers: &[u32], branch: &str, tx: &Transaction<'_, store>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS row (branch TEXT, number INTEGER)")?;
    let mut insert = tx.prepare_cached("INSERT INTO row VALUES (?1, ?2)")?;
    numbers.iter().try_for_each(|number| insert.execute((branch, number)).map(drop))
}

#[step(chunk = 1)]
fn fill_left() {
    rows | insert_there(branch = "left")
}

#[step(chunk = 1)]
fn fill_right() {
    rows | insert_there(branch = "right")
}

#[job]
fn one_table_elsewhere(store_path: PathBuf) {
    split! { fill_left, fill_right }
}

#[test]
fn two_branches_that_write_one_table_of_another_database_are_each_exact() {
    let world = World::new();
    let report = world.completes(&one_table_elsewhere(world.path("store.db")));
    let there = rusqlite::Connection::open(world.path("store.db")).unwrap();
    for name in ["left", "right"] {
        assert_eq!(step(&report, &format!("fill_{name}")).counters.commit, 200);
        let mut numbers = there.prepare("SELECT number FROM row WHERE branch = ?1 ORDER BY rowid").unwrap();
        let numbers: Result<Vec<u32>, _> = numbers.query_map([name], |row| row.get(0)).unwrap().collect();
        assert_eq!(numbers.unwrap(), (0..200).collect::<Vec<_>>());
    }
}
