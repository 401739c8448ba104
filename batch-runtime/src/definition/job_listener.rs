//! The trait that `#[listener(before_job)]` and `#[listener(after_job)]` implement for the markers of their
//! functions, and the constants it holds.

use super::{Failure, Need, Scope};
use crate::repository::{BatchStatus, ExitStatus};

/// How a job execution ended, as `after_job` sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobEnd {
    /// COMPLETED, STOPPED or FAILED.
    pub status: BatchStatus,
    /// The reason in words.
    pub exit: ExitStatus,
}

/// A function that is called when a job begins or ends.
#[derive(Debug, Clone, Copy)]
pub struct JobListener {
    /// The function's name.
    pub name: &'static str,
    /// The needs of its arguments.
    pub needs: &'static [Need],
    /// The event, with the function.
    pub hears: JobEvent,
}

/// The event of a job's listener, with its function.
#[derive(Debug, Clone, Copy)]
pub enum JobEvent {
    /// Before the first step: its error fails the job.
    Before(fn(&Scope<'_>) -> Result<(), Failure>),
    /// After the outcome of the job is known: its error is reported but changes nothing.
    After(fn(&Scope<'_>, &JobEnd) -> Result<(), Failure>),
}

/// Implemented by `#[listener]` for the marker of a function that listens to jobs.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a listener of a job",
    label = "must listen to a job",
    note = "put `#[listener(before_job)]` or `#[listener(after_job)]` on the function of this name;\nlisteners of steps and items belong in `#[step(listeners(..))]`"
)]
pub trait JobListenerDefinition {
    /// The listener as a constant.
    const LISTENER: JobListener;
}
