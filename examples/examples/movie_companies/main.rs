//! Loads companies from a paged HTTP API, first page by page, and then with eight partitions of pages at a time.
//!
//! `movie_companies [COMPANIES [MILLISECONDS [FAULT]]]` runs the server itself (`server.rs`), with 20 companies
//! and a delay of MILLISECONDS per page, and prints the time of both jobs. No job can be faster than the limit,
//! pages × delay / partitions.
//!
//! Now and then the server is too busy; if FAULT is `cut` or `slow`, its response is cut off or slow instead. The page
//! is then requested again; no company is lost or loaded twice. If FAULT is `shifting`, a company disappears while the
//! pages are read. The job then fails, because it could have missed another company.

mod server;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use batch_runtime::operator::{JobOperator, OperatorError};
use batch_runtime::prelude::*;
use batch_runtime::readers::Prefetch;
use batch_runtime::readers::http::numbered;
use batch_runtime::repository::sqlite::SqliteRepository;
use batch_runtime::repository::{BatchStatus, RepositoryError};

use server::{Fault, PAGE, Server};

#[derive(Debug, Clone, Deserialize)]
struct Company {
    id: u32,
    name: String,
}

#[derive(Debug)]
struct Located {
    company: Company,
    country: &'static str,
}

/// The API, whose connections all readers share. A request fails after a second without a complete response, and a
/// failed request is repeated after at most 20 ms.
#[resource]
fn api(url: String) -> Http {
    Http::new(url).timeout("1s").retry(5, "20ms")
}

/// Reads the companies. The next page is requested while the current one is processed and written.
#[reader]
fn companies(api: &Http) -> Prefetch<HttpPages<Company>> {
    api.get("companies").items("/companies").pages(numbered("page").size_is(20).total("/total")).prefetch(40)
}

/// Asks another service about twenty companies at once; a sleep simulates its answer.
#[processor(concurrency = 20)]
async fn locate(company: Company) -> Located {
    tokio::time::sleep(Duration::from_millis(2)).await;
    let countries = ["Denmark", "France", "India", "Italy", "Japan", "Nigeria", "USA"];
    let country = countries[company.id as usize % countries.len()];
    Located { company, country }
}

#[writer]
fn save(located: &[Located], table: &str, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached(&format!("INSERT INTO {table} VALUES (?1, ?2, ?3)"))?;
    located.iter().try_for_each(|Located { company, country }| {
        insert.execute((company.id, &company.name, country)).map(drop)
    })
}

#[step]
fn create(table: &str, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch(&format!(
        "DROP TABLE IF EXISTS {table};
         CREATE TABLE {table} (id INTEGER, name TEXT, country TEXT)"
    ))
}

/// Before: page by page.
#[step(chunk = 100)]
fn load_sequentially() {
    companies | locate | save(table = "company_sequential")
}

/// After: eight ranges of pages in parallel.
#[step(chunk = 100, partitions = 8, threads = 8)]
fn load_partitions() {
    companies | locate | save(table = "company_partitioned")
}

/// The address changes with every run, so it is not identifying: a restart continues despite the new address.
#[job]
fn sequential(_companies: u64, #[param(identifying = false)] url: String) {
    create(table = "company_sequential");
    load_sequentially;
}

#[job]
fn partitioned(_companies: u64, #[param(identifying = false)] url: String) {
    create(table = "company_partitioned");
    load_partitions;
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let companies = arguments.next().map_or(Ok(7_000), |argument| argument.parse::<u64>())?;
    let delay = Duration::from_millis(arguments.next().map_or(Ok(20), |argument| argument.parse())?);
    let fault = arguments.next().map_or(Ok(Fault::Busy), |argument| argument.parse())?;
    let operator = JobOperator::new(Arc::new(SqliteRepository::open("batch.db")?));
    let pages = companies.div_ceil(PAGE);

    for (name, partitions) in [("sequential", 1), ("partitioned", 8)] {
        let server = Server::start(companies, delay, fault)?;
        let launch = match partitions {
            1 => sequential(companies, server.url()),
            _ => partitioned(companies, server.url()),
        };
        let report = match operator.start(launch) {
            Ok(report) if report.status == BatchStatus::Completed => report,
            Ok(report) => return Err(format!("{name}: {}", report.exit.description).into()),
            Err(OperatorError::Repository(RepositoryError::AlreadyComplete { .. })) => {
                println!("{name}: already loaded; remove batch.db to load again");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let Some(load) = report.steps.iter().find(|step| step.name.starts_with("load_")) else { continue };
        let limit = delay.mul_f64(f64::from(u32::try_from(pages)?) / f64::from(partitions));
        println!(
            "{name}: {} companies in {:.2?}, {:.1} % above the limit of {limit:.2?} = {pages} pages × {delay:?} / {partitions}; {} pages retried",
            load.counters.write,
            load.elapsed,
            100.0 * (load.elapsed.as_secs_f64() / limit.as_secs_f64() - 1.0),
            server.failed(),
        );
    }
    Ok(())
}
