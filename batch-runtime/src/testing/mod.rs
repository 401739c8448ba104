//! Runs your steps and jobs in tests: a step without a repository, a job in a private one that is dropped afterwards,
//! and a job that is stopped dead at each of its commits and restarted.
//!
//! | to test | use |
//! |---|---|
//! | a component | call the function; [`transaction`], [`step_context`], [`job_context`], [`Output::new`](crate::Output::new) and [`Partition::new`](crate::Partition::new) make what it asks for |
//! | a step | [`StepTest`] |
//! | a job, once | [`run`] |
//! | a job over several runs: a restart, a failure, a crash, another time of day | [`Sandbox`] |
//! | that a job neither loses nor duplicates anything, wherever it dies | [`survives`] |
//! | code that depends on the time | [`TestClock`] |

mod difference;
mod fail_at;
mod sandbox;
mod sandbox_error;
mod step_database;
mod step_test;
mod survival;
mod test_clock;

pub use fail_at::FailAt;
pub use sandbox::Sandbox;
pub use sandbox_error::SandboxError;
pub use step_test::{Ran, StepTest};
pub use survival::survives;
#[cfg(feature = "postgres")]
pub use survival::survives_on_postgres;
pub use test_clock::TestClock;

use std::sync::Arc;

use crate::definition::{
    Database, Driver, ExecutionId, InstanceId, JobContext, Launch, Parameters, StepContext, StepExecutionId,
    StopSignal, Transaction, Values, resolve_parameters,
};
use crate::engine::{self, JobError, RunOptions};
use crate::observe::JobReport;
use crate::repository::Repository;
use crate::repository::sqlite::SqliteRepository;

/// Runs a job in a private repository, which is dropped afterwards.
///
/// # Errors
/// If the job cannot be launched. A job that fails is not an error: its report says so, and
/// [`completed`](JobReport::completed) turns it into an error.
pub fn run(launch: &Launch) -> Result<JobReport, JobError> {
    let repository: Arc<dyn Repository> = Arc::new(SqliteRepository::temporary()?);
    engine::run(&repository, launch, &RunOptions::default())
}

/// Wraps a transaction of the driver, for calls of a writer or tasklet that asks for a [`Transaction`].
///
/// ```
/// use batch_runtime::{Sqlite, Transaction, testing};
///
/// fn save(names: &[String], tx: &Transaction<'_>) -> rusqlite::Result<()> {
///     names.iter().try_for_each(|name| tx.execute("INSERT INTO person VALUES (?1)", [name]).map(|_| ()))
/// }
///
/// let mut database = rusqlite::Connection::open_in_memory()?;
/// database.execute_batch("CREATE TABLE person (name TEXT)")?;
/// let tx = database.transaction()?;
/// save(&["Ada".to_owned()], &testing::transaction::<Sqlite>(&tx))?;
/// assert_eq!(tx.query_row("SELECT count(*) FROM person", [], |row| row.get(0)), Ok(1));
/// # Ok::<(), rusqlite::Error>(())
/// ```
#[must_use]
pub fn transaction<D: Database>(tx: <D::Driver as Driver>::Borrowed<'_>) -> Transaction<'_, D> {
    Transaction::new(tx)
}

/// The context of a step named `test`, for calls of a component that asks for one. It is empty, and its step is never
/// asked to stop.
///
/// ```
/// use batch_runtime::{Failure, StepContext, testing};
///
/// fn count(step: &StepContext) -> Result<i64, Failure> {
///     let count = step.get("count")?.unwrap_or(0) + 1;
///     step.put("count", &count)?;
///     Ok(count)
/// }
///
/// let step = testing::step_context();
/// assert_eq!((count(&step)?, count(&step)?), (1, 2));
/// # Ok::<(), Failure>(())
/// ```
#[must_use]
pub fn step_context() -> StepContext {
    step_context_of("test", StopSignal::new())
}

/// The context of a job, with the parameters of the launch and their defaults, for calls of a component that asks for
/// one.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::testing;
///
/// #[step]
/// fn greet(job: &JobContext) -> Result<(), batch_runtime::Failure> {
///     job.put("greeted", &job.job())
/// }
///
/// #[job]
/// fn greetings() {
///     greet;
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let job = testing::job_context(&greetings())?;
/// greet(&job)?;
/// assert_eq!(job.get::<String>("greeted")?.as_deref(), Some("greetings"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If a parameter is missing or unknown, or does not fit.
pub fn job_context(launch: &Launch) -> Result<JobContext, JobError> {
    let parameters = resolve_parameters(launch.job, &launch.parameters)?;
    Ok(job_context_of(launch.job.name, parameters))
}

fn job_context_of(job: &str, parameters: Parameters) -> JobContext {
    JobContext {
        job: job.to_owned(),
        instance: InstanceId(0),
        execution: ExecutionId(0),
        parameters,
        stop: StopSignal::new(),
        values: Values::default(),
    }
}

fn step_context_of(name: &str, signal: StopSignal) -> StepContext {
    StepContext {
        step: name.to_owned(),
        id: StepExecutionId(0),
        execution: ExecutionId(0),
        starts: 1,
        stop: signal,
        values: Values::default(),
    }
}
