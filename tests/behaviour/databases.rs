//! Rows written to another database are committed there together with the authoritative checkpoint.

use std::sync::{LazyLock, Mutex};

use batch_runtime::StopSignal;
use batch_runtime::Writer;
use batch_runtime::engine::RunOptions;
use batch_runtime::prelude::*;
use batch_runtime::repository::{BatchStatus, Counters};
use batch_runtime::writers::SqliteTable;

use crate::support::{World, step};

#[database]
fn warehouse(warehouse_path: PathBuf) -> Result<Sqlite, Failure> {
    Ok(Sqlite::open(warehouse_path))
}

#[reader]
fn numbers() -> impl Iterator<Item = i64> {
    1..=25
}

#[writer]
fn stock(
    numbers: &[i64],
    tx: &Transaction<'_, warehouse>,
    fail_at: Option<i64>,
) -> Result<(), Box<dyn std::error::Error>> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS stock (number INTEGER)")?;
    for number in numbers {
        tx.execute("INSERT INTO stock VALUES (?1)", [number])?;
    }
    match fail_at {
        Some(bad) if numbers.contains(&bad) => Err(format!("{bad} cannot be stocked").into()),
        _ => Ok(()),
    }
}

#[step(chunk = 10)]
fn fill() {
    numbers | stock
}

#[reader]
fn stocked(warehouse_rows: &Connection<warehouse>) -> Result<impl Iterator<Item = i64>, rusqlite::Error> {
    let mut select = warehouse_rows.prepare("SELECT number FROM stock WHERE number > 20 ORDER BY number")?;
    let rows = select.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    Ok(rows.into_iter())
}

#[writer]
fn copy_home(numbers: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS copied (number INTEGER)")?;
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO copied VALUES (?1)", [number]).map(|_| ()))
}

#[step(chunk = 10)]
fn bring_home() {
    stocked | copy_home
}

#[job]
fn stocking(warehouse_path: PathBuf, #[param(identifying = false)] fail_at: Option<i64>) {
    fill;
    bring_home;
}

#[step]
fn make_decoy(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE stock (number INTEGER)")
}

#[writer]
fn table() -> SqliteTable<i64, warehouse> {
    SqliteTable::into("stock").columns(["number"]).database::<warehouse>()
}

#[step(chunk = 10)]
fn fill_table() {
    numbers | table
}

#[job]
fn stocking_a_table(warehouse_path: PathBuf) {
    make_decoy;
    fill_table;
}

#[writer]
fn hidden() -> impl Writer<Item = i64, Position = ()> {
    SqliteTable::into("stock").columns(["number"]).database::<warehouse>()
}

#[step(chunk = 10)]
fn fill_hidden() {
    numbers | hidden
}

#[job]
fn stocking_what_is_hidden(_warehouse_path: PathBuf) {
    make_decoy;
    fill_hidden;
}

/// Puts a value with the last chunk, and makes the repository refuse to copy that chunk.
#[writer]
fn unlucky_stock(
    numbers: &[i64],
    tx: &Transaction<'_, warehouse>,
    job: &JobContext,
    repository: &Path,
) -> Result<(), Box<dyn std::error::Error>> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS stock (number INTEGER)")?;
    if numbers.contains(&25) {
        job.put("last", &25)?;
        rusqlite::Connection::open(repository)?.execute_batch(
            "CREATE TRIGGER refusal BEFORE UPDATE ON BATCH_STEP_EXECUTION BEGIN SELECT RAISE(ABORT, 'refused'); END",
        )?;
    }
    Ok(())
}

#[listener(after_step)]
fn allow(_counters: &Counters, _failure: Option<&Failure>, repository: &Path) -> Result<(), rusqlite::Error> {
    rusqlite::Connection::open(repository)?.execute_batch("DROP TRIGGER refusal")
}

#[step(chunk = 10, listeners(allow))]
fn fill_unluckily() {
    numbers | unlucky_stock
}

#[job]
fn stocking_unluckily(warehouse_path: PathBuf, repository: PathBuf) {
    fill_unluckily;
}

#[test]
fn a_value_put_with_a_chunk_that_the_repository_could_not_copy_is_stored_with_the_end_of_the_step() {
    let world = World::new();
    world.completes(&stocking_unluckily(world.path("warehouse.db"), world.path("batch.db")));
    let stored = world.texts("SELECT SHORT_CONTEXT FROM BATCH_JOB_EXECUTION_CONTEXT");
    assert!(stored[0].contains("last"), "{stored:?}");
}

fn there(world: &World, sql: &str) -> Vec<i64> {
    let warehouse = rusqlite::Connection::open(world.path("warehouse.db")).expect("the warehouse");
    let mut statement = warehouse.prepare(sql).expect("the query is well formed");
    statement
        .query_map([], |row| row.get(0))
        .expect("the query runs")
        .map(|row| row.expect("a number"))
        .collect()
}

#[test]
fn rows_of_a_failed_chunk_are_rolled_back_and_a_restart_writes_each_row_once() {
    let world = World::new();
    let launch = |fail_at| stocking(world.path("warehouse.db"), fail_at);
    world.fails(&launch(Some(17)));
    assert_eq!(there(&world, "SELECT number FROM stock"), (1..=10).collect::<Vec<_>>());
    assert_eq!(there(&world, "SELECT READ_COUNT FROM BATCH_STEP_CHECKPOINT"), [10]);
    let report = world.completes(&launch(None));
    assert_eq!(there(&world, "SELECT number FROM stock"), (1..=25).collect::<Vec<_>>());
    let fill = step(&report, "fill");
    assert_eq!((fill.before.read, fill.counters.read), (10, 15));
    assert_eq!(world.numbers("SELECT number FROM copied"), [21, 22, 23, 24, 25]);
}

#[test]
fn the_checkpoint_there_counts_if_the_repository_lags_behind() {
    let world = World::new();
    let launch = |fail_at| stocking(world.path("warehouse.db"), fail_at);
    world.fails(&launch(Some(25)));
    // As after a crash between the commit there and its copy here.
    world
        .database()
        .execute_batch(
            "UPDATE BATCH_STEP_EXECUTION_CONTEXT SET SHORT_CONTEXT = '{\"@class\":\"java.util.HashMap\"}';
             UPDATE BATCH_STEP_EXECUTION SET READ_COUNT = 0",
        )
        .expect("the repository is there");
    world.completes(&launch(None));
    assert_eq!(there(&world, "SELECT number FROM stock"), (1..=25).collect::<Vec<_>>());
}

#[test]
fn the_type_of_a_writer_says_in_which_database_the_step_commits() {
    let world = World::new();
    let warehouse = rusqlite::Connection::open(world.path("warehouse.db")).expect("the warehouse");
    warehouse.execute_batch("CREATE TABLE stock (number INTEGER)").expect("it is empty");
    world.completes(&stocking_a_table(world.path("warehouse.db")));
    assert_eq!(there(&world, "SELECT number FROM stock"), (1..=25).collect::<Vec<_>>());
    assert_eq!(there(&world, "SELECT READ_COUNT FROM BATCH_STEP_CHECKPOINT"), [25]);
    assert!(world.numbers("SELECT number FROM stock").is_empty());
}

#[test]
fn a_function_that_hides_where_its_writer_writes_is_refused_before_anything_is_written() {
    let world = World::new();
    let report = world.fails(&stocking_what_is_hidden(world.path("warehouse.db")));
    let why = &report.exit.description;
    assert!(why.contains("opening in `hidden`: the writer writes into the database `warehouse`"), "{why}");
    assert!(world.numbers("SELECT number FROM stock").is_empty());
}

#[test]
fn a_database_that_cannot_be_opened_fails_the_step_and_names_it() {
    let world = World::new();
    let report = world.fails(&stocking(world.path("no/such/folder.db"), None));
    assert!(report.exit.description.contains("folder.db"), "{}", report.exit.description);
    assert_eq!(step(&report, "fill").counters, Counters::default());
}

/// A lock that someone else holds on the warehouse, and the signal that stops the job.
static SOMEBODY: Mutex<Option<rusqlite::Connection>> = Mutex::new(None);
static STOP: LazyLock<StopSignal> = LazyLock::new(StopSignal::new);

#[processor]
fn until_locked(number: i64, warehouse_path: &Path, lock_at: Option<i64>) -> rusqlite::Result<i64> {
    if lock_at == Some(number) {
        let somebody = rusqlite::Connection::open(warehouse_path)?;
        somebody.execute_batch("BEGIN IMMEDIATE")?;
        *SOMEBODY.lock().unwrap() = Some(somebody);
        STOP.raise();
    }
    Ok(number)
}

#[step(chunk = 10)]
fn fill_until_locked() {
    numbers | until_locked | stock
}

#[job]
fn locked_out(
    warehouse_path: PathBuf,
    #[param(identifying = false)] lock_at: Option<i64>,
    #[param(identifying = false)] fail_at: Option<i64>,
) {
    fill_until_locked;
}

#[test]
fn a_job_that_waits_for_a_locked_database_is_stopped_and_resumes_exactly() {
    let world = World::new();
    let launch = |lock_at| locked_out(world.path("warehouse.db"), lock_at, None);
    let options = RunOptions { stop: STOP.clone(), ..RunOptions::default() };
    let report = batch_runtime::engine::run(&world.repository, &launch(Some(17)), &options).unwrap();
    assert_eq!(report.status, BatchStatus::Stopped);
    let stopped = step(&report, "fill_until_locked");
    assert_eq!((stopped.status, stopped.counters.read), (BatchStatus::Stopped, 10));
    *SOMEBODY.lock().unwrap() = None;
    assert_eq!(there(&world, "SELECT number FROM stock"), (1..=10).collect::<Vec<_>>());
    world.completes(&launch(None));
    assert_eq!(there(&world, "SELECT number FROM stock"), (1..=25).collect::<Vec<_>>());
}

#[test]
fn a_step_that_waits_for_a_locked_database_to_begin_is_stopped_and_begins_after_the_restart() {
    let world = World::new();
    let launch = stocking(world.path("warehouse.db"), None);
    let somebody = rusqlite::Connection::open(world.path("warehouse.db")).unwrap();
    somebody.execute_batch("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE").unwrap();
    let options = RunOptions::default();
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            // By then the step is waiting; any sooner, and the job would stop before it.
            std::thread::sleep(std::time::Duration::from_millis(200));
            options.stop.raise();
        });
        batch_runtime::engine::run(&world.repository, &launch, &options).unwrap()
    });
    assert_eq!(report.status, BatchStatus::Stopped);
    assert!(report.steps.is_empty());
    drop(somebody);
    world.completes(&launch);
    assert_eq!(there(&world, "SELECT number FROM stock"), (1..=25).collect::<Vec<_>>());
}
