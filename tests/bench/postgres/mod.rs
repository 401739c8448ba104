//! Measures `PostgreSQL` on a private server, as the repository and for the rows.

mod growth;
mod jobs;
mod load;
mod pages;
mod small;

use std::sync::Arc;

use batch_runtime::engine::{self, RunOptions};
use batch_runtime::observe::JobReport;
use batch_runtime::postgres::Postgres;
use batch_runtime::repository::postgres::PostgresRepository;
use batch_runtime::repository::{BatchStatus, Repository};
use batch_runtime::{Durability, Launch};
use batch_tests::postgres::{Options, Server};

use crate::{Impossible, Outcome};

pub(crate) use growth::memory_growth;
pub(crate) use jobs::postgres_to_postgres;
pub(crate) use load::{delayed, on_threads, plain, unordered};
pub(crate) use pages::{pages, pages_of_a_join};
pub(crate) use small::{all_of_a_thousand, empty_chunk, first_of_a_thousand};

/// A server with room for the rows of a benchmark. `fsync` makes its commits survive a crash of the machine.
pub(crate) fn server(fsync: bool) -> Outcome<Server> {
    let settings = [
        ("shared_buffers", "512MB"),
        ("max_wal_size", "8GB"),
        ("checkpoint_timeout", "1h"),
        ("autovacuum", "off"),
    ];
    let settings = settings.map(|(name, value)| (name, value.to_owned())).to_vec();
    let options = Options { fsync, settings, ..Options::default() };
    Ok(Server::start(&options).ok_or(Impossible("there is no PostgreSQL (apt-get install postgresql)"))?)
}

/// Runs the job on a repository at that URL; one that does not complete is an error.
fn run(url: &str, durability: Durability, launch: &Launch) -> Outcome<JobReport> {
    let repository: Arc<dyn Repository> = Arc::new(PostgresRepository::open(&Postgres::at(url))?);
    let report = engine::run(&repository, launch, &RunOptions { durability, ..RunOptions::default() })?;
    if report.status != BatchStatus::Completed {
        return Err(format!("{} ended as {:?}", report.job, report.exit).into());
    }
    Ok(report)
}
