//! Loads the companies of a paged HTTP interface: page after page, and by eight partitions of pages at a time.
//!
//! `movie_companies [COMPANIES [MILLISECONDS]]` serves the interface itself (`server.rs`), 20 companies a page, each page in so
//! many milliseconds, and prints what both took. No more can be had than pages × delay / partitions: the limit.
//!
//! Now and then a page is answered by 503. `retry` then opens the reader anew at its position, on that page, after a
//! pause; no company is lost or loaded twice.

mod server;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use batch_runtime::operator::{JobOperator, OperatorError};
use batch_runtime::prelude::*;
use batch_runtime::readers::{CountedPages, Pages, PagingReader, Prefetch};
use batch_runtime::repository::sqlite::SqliteRepository;
use batch_runtime::repository::{BatchStatus, RepositoryError};

use server::{PAGE, Server};

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

#[derive(Debug, thiserror::Error)]
enum ApiError {
    #[error("the interface is too busy")]
    Busy,
    #[error("the interface does not answer")]
    Http(#[source] ureq::Error),
    #[error("the interface answers something else")]
    Json(#[from] serde_json::Error),
}

impl From<ureq::Error> for ApiError {
    fn from(error: ureq::Error) -> Self {
        if matches!(error, ureq::Error::StatusCode(503)) { Self::Busy } else { Self::Http(error) }
    }
}

/// A client, with a connection that stays open between requests.
struct Api {
    agent: ureq::Agent,
    url: String,
}

impl Api {
    fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        let mut response = self.agent.get(format!("{}/{path}", self.url)).call()?;
        Ok(serde_json::from_str(&response.body_mut().read_to_string()?)?)
    }
}

impl Pages for Api {
    type Item = Company;
    type Error = ApiError;

    fn read_page(&mut self, page: u64) -> Result<Vec<Company>, ApiError> {
        self.get(&format!("companies?page={page}"))
    }
}

/// With the number of pages known they can be read in parts.
impl CountedPages for Api {
    fn count(&mut self) -> Result<u64, ApiError> {
        self.get("pages")
    }
}

/// The companies. The next page is on its way while those of a page are looked up and written.
#[reader]
fn companies(url: String) -> Prefetch<PagingReader<Api>> {
    PagingReader::new(Api { agent: ureq::agent(), url }).prefetch(40)
}

/// Asks another service, twenty companies at once: the wait stands for its answer.
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

/// Before: page after page.
#[step(chunk = 100, retry(ApiError::Busy, limit = 5, backoff = exponential("5ms", max = "1s", jitter)))]
fn load_sequentially() {
    companies | locate | save(table = "company_sequential")
}

/// After: eight ranges of pages side by side.
#[step(
    chunk = 100,
    partitions = 8,
    threads = 8,
    retry(ApiError::Busy, limit = 5, backoff = exponential("5ms", max = "1s", jitter)),
)]
fn load_partitions() {
    companies | locate | save(table = "company_partitioned")
}

/// The address is another one each time; a restart goes on all the same.
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
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let companies = arguments.next().unwrap_or(Ok(7_000))?;
    let delay = Duration::from_millis(arguments.next().unwrap_or(Ok(20))?);
    let operator = JobOperator::new(Arc::new(SqliteRepository::open("batch.db")?));
    let pages = companies.div_ceil(PAGE);

    for (name, partitions) in [("sequential", 1), ("partitioned", 8)] {
        let server = Server::start(companies, delay)?;
        let launch = match partitions {
            1 => sequential(companies, server.url()),
            _ => partitioned(companies, server.url()),
        };
        let report = match operator.start(launch) {
            Ok(report) if report.status == BatchStatus::Completed => report,
            Ok(report) => return Err(format!("{name}: {}", report.exit.description).into()),
            Err(OperatorError::Repository(RepositoryError::AlreadyComplete { .. })) => {
                println!("{name}: already loaded; remove batch.db to load them again");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let Some(load) = report.steps.iter().find(|step| step.name.starts_with("load_")) else { continue };
        let limit = delay.mul_f64(f64::from(u32::try_from(pages)?) / f64::from(partitions));
        println!(
            "{name}: {} companies in {:.2?}, {:.1} % above the limit of {limit:.2?} = {pages} pages × {delay:?} / {partitions}; {} pages asked for again",
            load.counters.write,
            load.elapsed,
            100.0 * (load.elapsed.as_secs_f64() / limit.as_secs_f64() - 1.0),
            server.refused(),
        );
    }
    Ok(())
}
