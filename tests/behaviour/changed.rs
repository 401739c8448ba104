//! A restart with a changed program resumes exactly where the instance was, or is refused.

#[path = "changed/kinds.rs"]
mod kinds;
#[path = "changed/names.rs"]
mod names;

use batch_runtime::Launch;
use batch_runtime::engine::JobError;
use batch_runtime::prelude::*;
use batch_runtime::readers::{JsonLinesReader, Limit, Peekable, VecReader};
use batch_runtime::repository::RepositoryError;

use std::path::Path;

use crate::support::World;

/// Fails at 8, in the third chunk, until a file says that it may pass.
#[processor]
fn checked(number: &i64, allowed: PathBuf) -> Result<i64, String> {
    if *number == 8 && !allowed.exists() { Err("8 is not allowed yet".to_owned()) } else { Ok(*number) }
}

#[reader]
fn numbers() -> impl Iterator<Item = i64> {
    1..=10
}

#[writer]
fn keep(numbers: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS kept (number INTEGER)")?;
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO kept VALUES (?1)", [number]).map(drop))
}

/// Runs `before` until it fails at the eighth record, and lets the next run pass.
fn begun(before: fn(PathBuf) -> Launch) -> World {
    let world = World::new();
    world.fails(&before(world.path("allowed")));
    std::fs::write(world.path("allowed"), "").unwrap();
    world
}

fn kept(world: &World) -> Vec<i64> {
    world.numbers("SELECT number FROM kept ORDER BY number")
}

/// Each record is kept once.
fn assert_exact(world: &World) {
    assert_eq!(kept(world), (1..=10).collect::<Vec<_>>());
}

/// The message of a refused launch, which has written nothing.
fn refused(world: &World, after: fn(PathBuf) -> Launch) -> String {
    let (before, executions) = (kept(world), world.numbers("SELECT COUNT(*) FROM BATCH_JOB_EXECUTION"));
    match world.try_run(&after(world.path("allowed"))) {
        Err(JobError::Repository(RepositoryError::GraphChanged { what, was, is, .. })) => {
            assert!(was.starts_with("job ") && is.starts_with("job "), "{was}{is}");
            assert_eq!(kept(world), before);
            assert_eq!(world.numbers("SELECT COUNT(*) FROM BATCH_JOB_EXECUTION"), executions);
            what
        }
        other => panic!("the launch is not refused: {other:?}"),
    }
}
