//! Measures how long a page of a list of executions takes among a hundred thousand.

use std::time::Instant;

use batch_runtime::ExecutionId;
#[cfg(feature = "postgres")]
use batch_runtime::postgres::{Postgres, Session};
#[cfg(feature = "postgres")]
use batch_runtime::repository::postgres::PostgresRepository;
use batch_runtime::repository::sqlite::SqliteRepository;
use batch_runtime::repository::{BatchStatus, Between, ExecutionFilter, Repository};

use crate::measure::Spread;
use crate::report::{Row, Target};
use crate::{Outcome, Plan, places};

/// The executions of a page.
const PAGE: u32 = 50;

/// The statements that fill an empty repository with executions of three jobs, one every five minutes. `moment` is the SQL of the
/// end of execution `i`.
fn fill(executions: u64, moment: &str) -> String {
    let numbers =
        format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {executions})");
    let status = "CASE WHEN i % 100 > 0 THEN 'COMPLETED' WHEN i % 200 > 0 THEN 'FAILED' ELSE 'STOPPED' END";
    [
        "BATCH_JOB_INSTANCE SELECT i, 0,
            CASE WHEN i % 10000 = 0 THEN 'rare' WHEN i % 20 = 0 THEN 'rank' ELSE 'load' END, 'key ' || i FROM n"
            .to_owned(),
        format!(
            "BATCH_JOB_EXECUTION (JOB_EXECUTION_ID, VERSION, JOB_INSTANCE_ID, CREATE_TIME, START_TIME, END_TIME, STATUS,
                EXIT_CODE, EXIT_MESSAGE, LAST_UPDATED)
             SELECT i, 2, i, {moment}, {moment}, {moment}, {status}, {status}, '', {moment} FROM n"
        ),
        "BATCH_JOB_EXECUTION_PARAMS SELECT i, 'input', 'java.lang.String', '/data/flights-' || i || '.csv', 'Y' FROM n"
            .to_owned(),
        "BATCH_JOB_EXECUTION_PARAMS SELECT i, 'year', 'java.lang.Long', CAST(1900 + i % 100 AS VARCHAR(10)), 'Y' FROM n"
            .to_owned(),
        "BATCH_JOB_OWNER (JOB_EXECUTION_ID, JOB_INSTANCE_ID, EPOCH, RECOVERIES, DURABILITY, OWNER, HOST, PID, START_TICKS, BOOT_ID)
         SELECT i, i, 1, 0, 'MACHINE', 'owner', 'host', 1, 1, 'boot' FROM n"
            .to_owned(),
    ]
    .map(|rows| {
        let (table, select) = rows.split_once(" SELECT").expect("rows are selected");
        format!("INSERT INTO {table} {numbers} SELECT{select};\n")
    })
    .concat()
}

/// The pages that are measured, by name.
fn pages(executions: u64) -> Vec<(&'static str, ExecutionFilter)> {
    let all = ExecutionFilter { limit: Some(PAGE), ..ExecutionFilter::default() };
    let job = |name: &str| ExecutionFilter { job: Some(name.to_owned()), ..all.clone() };
    let day = |from: &str, until: &str| {
        let time = |day: &str| Some(format!("{day}T00:00:00Z").parse().expect("it is a day"));
        Between { from: time(from), until: time(until) }
    };
    let middle = i64::try_from(executions / 2).ok().map(ExecutionId);
    vec![
        ("newest", all.clone()),
        ("middle", ExecutionFilter { after: middle, ..all.clone() }),
        ("common job", job("load")),
        ("rarer job", job("rank")),
        ("rare job", job("rare")),
        ("failed", ExecutionFilter { statuses: vec![BatchStatus::Failed], ..all.clone() }),
        (
            "failed or stopped of a job",
            ExecutionFilter { statuses: vec![BatchStatus::Failed, BatchStatus::Stopped], ..job("rank") },
        ),
        ("a day", ExecutionFilter { ended: day("2026-02-01", "2026-02-02"), ..all.clone() }),
        (
            "the first days",
            ExecutionFilter {
                ended: Between { from: None, ..day("2026-01-01", "2026-01-04") },
                ..all.clone()
            },
        ),
        (
            "one parameter in a hundred",
            ExecutionFilter { parameter: Some("year=1950".to_owned()), ..all.clone() },
        ),
        ("a parameter that none has", ExecutionFilter { parameter: Some("year=2050".to_owned()), ..all }),
    ]
}

/// Reads each page several times. The value is the slowest page of those that an index can find.
fn measured(plan: &Plan, name: &'static str, executions: u64, repository: &dyn Repository) -> Outcome<Row> {
    let mut by_page = Vec::new();
    for (page, filter) in pages(executions) {
        let mut times = Vec::new();
        for _ in 0..=plan.rounds(20) {
            let began = Instant::now();
            repository.executions(&filter)?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        // The first one warms up.
        by_page.push((page, Spread::of(times.into_iter().skip(1))));
    }
    let detail = by_page.iter().map(|(page, spread)| format!("{page} {:.2}", spread.median));
    let detail = format!("of {executions}: {}", detail.collect::<Vec<_>>().join(", "));
    let found = by_page.iter().filter(|(page, _)| !page.contains("parameter"));
    let (_, value) =
        found.max_by(|(_, one), (_, other)| one.median.total_cmp(&other.median)).ok_or("there is no page")?;
    Ok(Row { name, unit: "ms", value: *value, target: Target::must(20.0), detail })
}

/// A page in `SQLite`.
pub(crate) fn page(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let executions = plan.size(100_000);
    let file = plan.disk.file("executions.db");
    let repository = SqliteRepository::open(&file)?;
    let moment = "strftime('%Y-%m-%d %H:%M:%S.000', '2026-01-01', (i * 5) || ' minutes')";
    rusqlite::Connection::open(&file)?
        .execute_batch(&format!("BEGIN; {} COMMIT", fill(executions, moment)))?;
    let row = measured(plan, name, executions, &repository);
    drop(repository);
    places::remove(&[&file])?;
    row
}

/// A page in `PostgreSQL`.
#[cfg(feature = "postgres")]
pub(crate) fn page_in_postgres(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let executions = plan.size(100_000);
    let server = crate::postgres::server(false)?;
    let database = server.database();
    let database = Postgres::at(database.url());
    let repository = PostgresRepository::open(&database)?;
    let moment = "(timestamp '2026-01-01' + i * interval '5 minutes')";
    let filling = Session::connect(&database, "bench")?;
    filling.batch_execute(&format!("{} ANALYZE", fill(executions, moment)))?;
    measured(plan, name, executions, &repository)
}
