//! The parameters of a launch reach the components unchanged, or are refused before anything runs.

use std::sync::Mutex;

use batch_runtime::engine::JobError;
use batch_runtime::operator::JobOperator;
use batch_runtime::prelude::*;
use batch_runtime::{JobDefinition, ParameterValue, Parameters, Timestamp};

use crate::support::World;

#[step]
fn large(number: u64) {
    assert!(number > 1 << 63);
}

#[job]
fn of_large_numbers(number: u64) {
    large;
}

#[test]
fn two_numbers_above_the_largest_long_are_two_instances() {
    let world = World::new();
    world.completes(&of_large_numbers(u64::MAX));
    world.completes(&of_large_numbers(u64::MAX - 1));
    assert_eq!(
        world.texts(
            "SELECT PARAMETER_TYPE || ' ' || PARAMETER_VALUE FROM BATCH_JOB_EXECUTION_PARAMS ORDER BY 1"
        ),
        ["java.math.BigInteger 18446744073709551614", "java.math.BigInteger 18446744073709551615"]
    );
}

#[reader]
fn ten() -> impl Iterator<Item = u32> {
    0..10
}

#[processor]
fn unless_broken(number: u32, broken_at: u32) -> Result<u32, String> {
    if number == broken_at { Err(format!("{number} is broken")) } else { Ok(number) }
}

#[writer]
fn keep(numbers: &[u32], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO kept VALUES (?1)", [number]).map(|_| ()))
}

#[step]
fn create(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE kept (number INTEGER)")
}

#[step(chunk = chunk_size)]
fn load() {
    ten | unless_broken | keep
}

#[job]
fn tuned(#[param(identifying = false)] chunk_size: usize, #[param(identifying = false)] broken_at: u32) {
    create;
    load;
}

#[test]
fn a_restart_may_have_chunks_of_another_size() {
    let world = World::new();
    let failed = world.fails(&tuned(2, 7));
    assert_eq!(failed.steps[1].counters.commit, 3);
    let report = world.completes(&tuned(4, 99));
    assert_eq!(report.steps.last().expect("the step").counters.commit, 1);
    let rows = world.texts("SELECT CAST(number AS TEXT) FROM kept ORDER BY rowid");
    assert_eq!(rows, (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_chunk_of_no_items_is_refused_at_launch() {
    let world = World::new();
    let refused = world.try_run(&tuned(0, 99)).unwrap_err();
    assert!(matches!(refused, JobError::Parameters(_)), "{refused:?}");
    assert_eq!(
        refused.to_string(),
        "parameter `chunk_size` of job `tuned`: a number of at least 1 is expected, as the `chunk` of step `load`, not `0`"
    );
    assert_eq!(world.texts("SELECT CAST(count(*) AS TEXT) FROM BATCH_JOB_EXECUTION"), ["0"]);
}

#[step(chunk = chunk_size, threads = workers)]
fn load_on_threads() {
    ten | unless_broken | keep
}

#[job]
fn bound(#[param(identifying = false)] size: usize, #[param(identifying = false)] broken_at: u32) {
    create;
    load_on_threads(chunk_size = size, workers = 3);
}

#[test]
fn sizes_are_bound_like_any_argument() {
    let world = World::new();
    let report = world.completes(&bound(5, 99));
    assert_eq!(report.steps[1].counters.commit, 2);
    assert!(world.try_run(&bound(0, 99)).is_err());
}

static SEEN: Mutex<Vec<Date>> = Mutex::new(Vec::new());

#[step]
fn look(days: Vec<Date>, fails: bool) -> Result<(), String> {
    SEEN.lock().unwrap().extend(days);
    if fails { Err("not yet".to_owned()) } else { Ok(()) }
}

#[job]
fn of_days(days: Vec<Date>, #[param(identifying = false)] fails: bool) {
    look;
}

#[test]
fn a_restart_gets_a_list_back_unchanged() {
    let world = World::new();
    let days = vec![batch_runtime::Date::constant(2026, 1, 31), batch_runtime::Date::constant(2024, 2, 29)];
    let failed = world.fails(&of_days(days.clone(), true));
    let operator = JobOperator::new(world.repository.clone()).with_jobs(&[of_days::INFO]);
    let mut given = Parameters::new();
    let value = ParameterValue::Boolean(false);
    given.insert("fails", batch_runtime::Parameter { value, identifying: false, secret: false });
    operator.restart_with(failed.execution, &given).unwrap();
    assert_eq!(*SEEN.lock().unwrap(), [days.clone(), days].concat());
    assert_eq!(
        world.texts(
            "SELECT DISTINCT PARAMETER_VALUE FROM BATCH_JOB_EXECUTION_PARAMS WHERE PARAMETER_NAME = 'days'"
        ),
        ["2026-01-31,2024-02-29"]
    );
}

static TOLD: Mutex<Vec<(Timestamp, Vec<String>)>> = Mutex::new(Vec::new());

#[step]
fn tell(at: Timestamp, words: Vec<String>, fails: bool) -> Result<(), String> {
    TOLD.lock().unwrap().push((at, words));
    if fails { Err("not yet".to_owned()) } else { Ok(()) }
}

#[job]
fn of_texts(at: Timestamp, words: Vec<String>, #[param(identifying = false)] fails: bool) {
    tell;
}

#[test]
fn values_that_spring_batch_cannot_convert_are_stored_as_strings_and_a_restart_gets_them_back() {
    let world = World::new();
    let at: Timestamp = "2026-01-31T08:30:00Z".parse().unwrap();
    let words = vec!["a,b".to_owned(), String::new()];
    let failed = world.fails(&of_texts(at, words.clone(), true));
    let operator = JobOperator::new(world.repository.clone()).with_jobs(&[of_texts::INFO]);
    let mut given = Parameters::new();
    let value = ParameterValue::Boolean(false);
    given.insert("fails", batch_runtime::Parameter { value, identifying: false, secret: false });
    operator.restart_with(failed.execution, &given).unwrap();
    assert_eq!(*TOLD.lock().unwrap(), [(at, words.clone()), (at, words)]);
    assert_eq!(
        world.texts(
            "SELECT DISTINCT PARAMETER_TYPE || ' ' || PARAMETER_VALUE FROM BATCH_JOB_EXECUTION_PARAMS
             WHERE IDENTIFYING = 'Y' ORDER BY 1"
        ),
        ["java.lang.String 2026-01-31T08:30:00Z", r#"java.lang.String ["a,b",""]"#]
    );
}

fn positive(limit: &i64) -> Result<(), String> {
    if *limit > 0 { Ok(()) } else { Err("it must be above zero".to_owned()) }
}

#[step]
fn use_limit(limit: i64) {
    assert!(limit > 0);
}

#[job]
fn limited(#[param(check = positive)] limit: i64) {
    use_limit;
}

#[test]
fn a_check_refuses_a_launch_before_anything_runs() {
    let world = World::new();
    world.completes(&limited(3));
    let refused = world.try_run(&limited(-3)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "parameter `limit` of job `limited`: `positive` refuses `-3`: it must be above zero"
    );
    assert_eq!(world.texts("SELECT CAST(count(*) AS TEXT) FROM BATCH_JOB_EXECUTION"), ["1"]);
}
