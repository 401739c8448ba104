//! Tests of what only a server can do to a repository.

mod adopting;
mod chunks;
mod connections;
mod files;
mod jobs;
mod leases;
mod losing;
mod lost_answers;
mod pipelined;
mod pooling;
mod racing;
mod schemas;
mod silent;
mod whole_job;
mod workers;

use std::sync::Arc;

use batch_runtime::postgres::Postgres;
use batch_runtime::repository::RepositoryError;
use batch_runtime::repository::postgres::PostgresRepository;

use crate::place::{Place, Repo};
use crate::postgres::Schema;

fn schema() -> Option<Schema> {
    Schema::new()
}

fn open(url: &str) -> Repo {
    Arc::new(PostgresRepository::open(&Postgres::at(url)).unwrap())
}

/// The text of a refusal, which is one line.
fn refusal(result: Result<PostgresRepository, RepositoryError>) -> String {
    let text = result.unwrap_err().to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}
