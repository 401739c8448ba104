//! Stops a job dead at each of its commits, and compares what is left after the restart.

use std::any::Any;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde_json::Value;

use super::{FailAt, Sandbox, SandboxError, difference};
use crate::definition::Launch;
use crate::engine::JobError;
use crate::repository::{BatchStatus, Commit, RepositoryError, Side};

/// The most differences that a panic reports.
const REPORTED: usize = 5;

/// Tests that a job neither loses nor duplicates anything, wherever it dies: runs it undisturbed, then stops it dead
/// before and after each of its commits, each time in a sandbox of its own, restarts it, and compares what `left`
/// finds.
///
/// `launch` makes the launch, and what the job needs: input files ([`Sandbox::file`]), tables
/// ([`Sandbox::connection`]), resources. All that the job writes must be in the sandbox: in its database or in files of
/// its folder, so pass paths from [`Sandbox::path`]. `left` returns what the job has left there, such as its rows, as
/// anything that serialises. It may also assert and return nothing. Let it sort the rows if their order may differ, as
/// with `partitions`.
///
/// Partitions run on threads of the test, and the threads of a step process the chunks of a step with `remote`, as in a
/// run without workers. Workers commit chunks by the same code, and after a death another worker resumes at the same
/// checkpoint. This test cannot find a fault whose cause is that processes share no memory: each worker has its own
/// value of a `#[resource]`.
///
/// Returns how often the job was stopped. An error in place of the commit stops a run, and the engine drops everything:
/// it closes open files without another write, and calls no listener. With `n` commits the job runs about `4 n` times,
/// so let its input be small: a few chunks.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::testing;
///
/// #[reader]
/// fn numbers() -> impl Iterator<Item = i64> {
///     1..=5
/// }
///
/// #[writer]
/// fn save(numbers: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
///     tx.execute_batch("CREATE TABLE IF NOT EXISTS number (value INTEGER)")?;
///     numbers.iter().try_for_each(|number| tx.execute("INSERT INTO number VALUES (?1)", [number]).map(drop))
/// }
///
/// #[step(chunk = 2)]
/// fn load() {
///     numbers | save
/// }
///
/// #[job]
/// fn numbers_job() {
///     load;
/// }
///
/// # fn main() {
/// testing::survives(|_| numbers_job(), |sandbox| sandbox.rows("SELECT value FROM number").unwrap());
/// # }
/// ```
///
/// # Panics
/// If the job does not complete undisturbed, or if it leaves something else after a stop and a restart. The message
/// names the first commits where this happens, the side of each, and the rows that are lost or duplicated.
#[track_caller]
pub fn survives<T: Serialize>(launch: impl Fn(&Sandbox) -> Launch, left: impl Fn(&Sandbox) -> T) -> usize {
    match sweep(&new_sandbox, &launch, &|sandbox| found(sandbox, &left)) {
        Ok(stops) => stops,
        Err(why) => panic!("{why}"),
    }
}

/// As [`survives`], with a repository and rows on `PostgreSQL`: each run has a [schema](Sandbox::on_postgres) of its
/// own in the database at that URL.
///
/// ```no_run
/// # use batch_runtime::prelude::*;
/// # use batch_runtime::testing;
/// # #[step]
/// # fn greet() {}
/// # #[job]
/// # fn greeting() {
/// #     greet;
/// # }
/// # fn main() {
/// testing::survives_on_postgres(
///     "postgres://etl@localhost/tests",
///     |sandbox| {
///         sandbox.session().unwrap().batch_execute("CREATE TABLE number (value BIGINT)").unwrap();
///         greeting()
///     },
///     |sandbox| sandbox.rows("SELECT value FROM number ORDER BY value").unwrap(),
/// );
/// # }
/// ```
///
/// # Panics
/// As [`survives`], and if the database cannot be used.
#[cfg(feature = "postgres")]
#[track_caller]
pub fn survives_on_postgres<T: Serialize>(
    url: impl AsRef<str>,
    launch: impl Fn(&Sandbox) -> Launch,
    left: impl Fn(&Sandbox) -> T,
) -> usize {
    let make = || {
        Sandbox::on_postgres(url.as_ref())
            .map_err(|error| format!("no sandbox can be created on the server: {error}"))
    };
    match sweep(&make, &launch, &|sandbox| found(sandbox, &left)) {
        Ok(stops) => stops,
        Err(why) => panic!("{why}"),
    }
}

type Left<'l> = dyn Fn(&Sandbox) -> Result<Value, String> + 'l;

/// The value that `left` returns, or the message of its failed assertion.
fn found<T: Serialize>(sandbox: &Sandbox, left: &impl Fn(&Sandbox) -> T) -> Result<Value, String> {
    let left = catch_unwind(AssertUnwindSafe(|| left(sandbox))).map_err(|panicked| words_of(&*panicked))?;
    serde_json::to_value(left).map_err(|error| format!("what is left does not serialise: {error}"))
}

fn words_of(panicked: &(dyn Any + Send)) -> String {
    let text = panicked.downcast_ref::<&str>().copied();
    text.or_else(|| panicked.downcast_ref::<String>().map(String::as_str)).unwrap_or("it panicked").to_owned()
}

fn sweep(
    new_sandbox: &dyn Fn() -> Result<Sandbox, String>,
    launch: &dyn Fn(&Sandbox) -> Launch,
    left: &Left<'_>,
) -> Result<usize, String> {
    let undisturbed = |why: String| format!("the job does not complete when nothing stops it: {why}");
    let sandbox = new_sandbox()?;
    let report = sandbox.run(&launch(&sandbox)).map_err(|error| undisturbed(error.to_string()))?;
    report.completed().map_err(|error| undisturbed(error.to_string()))?;
    let commits = sandbox.commits();
    let expected = left(&sandbox).map_err(|why| format!("after an undisturbed run: {why}"))?;

    let (mut stops, mut faults) = (0, Vec::new());
    for number in 1..=commits {
        for side in [Side::Before, Side::After] {
            let sandbox = new_sandbox()?;
            match stopped_at(&sandbox, &launch(&sandbox), number, side) {
                // With threads, another run may have fewer commits.
                None => {}
                Some((commit, restarted)) => {
                    stops += 1;
                    let fault = restarted
                        .and_then(|()| left(&sandbox).map(|left| difference::between(&expected, &left)));
                    match fault {
                        Ok(None) => {}
                        Ok(Some(fault)) | Err(fault) => faults.push((commit, side, fault)),
                    }
                }
            }
        }
    }
    if faults.is_empty() { Ok(stops) } else { Err(report_of(&faults, stops)) }
}

/// Stops the run at that commit and restarts it. Returns the commit, and whether the job is complete now; `None` if the
/// run did not reach that commit.
fn stopped_at(
    sandbox: &Sandbox,
    launch: &Launch,
    number: u64,
    side: Side,
) -> Option<(Commit, Result<(), String>)> {
    sandbox.fail_at(FailAt::commit(number, side));
    let Err(SandboxError::Died { commit, .. }) = sandbox.run(launch) else { return None };
    let restarted = match sandbox.restart() {
        Ok(report) => report.completed().map(drop).map_err(|error| format!("the restart failed: {error}")),
        // The run died after the last commit of the job or of a nested job.
        Err(SandboxError::Job(JobError::Repository(RepositoryError::AlreadyComplete {
            status: BatchStatus::Completed,
            ..
        }))) => Ok(()),
        Err(error) => Err(format!("it cannot be restarted: {error}")),
    };
    Some((commit, restarted))
}

fn new_sandbox() -> Result<Sandbox, String> {
    Sandbox::new().map_err(|error| format!("no sandbox can be created in the temporary folder: {error}"))
}

fn report_of(faults: &[(Commit, Side, String)], stops: usize) -> String {
    let mut text = format!(
        "the job does not survive {} of the {stops} places where it was stopped and restarted:",
        faults.len()
    );
    for (commit, side, fault) in faults.iter().take(REPORTED) {
        let _ = write!(text, "\n  stopped {side} {commit}: {fault}");
    }
    if faults.len() > REPORTED {
        let _ = write!(text, "\n  and {} more", faults.len() - REPORTED);
    }
    text
}
