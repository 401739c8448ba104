//! Receives: `#[listener(before_job)]` and `#[listener(after_job)]` functions. Gives: what the attribute implements for their
//! markers, as constants.

use super::{Failure, Need, Scope};
use crate::repository::{BatchStatus, ExitStatus};

/// How a job execution ended, as `after_job` sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobEnd {
    /// COMPLETED, STOPPED or FAILED.
    pub status: BatchStatus,
    /// In words.
    pub exit: ExitStatus,
}

/// A function that hears how a job begins or ends.
#[derive(Debug, Clone, Copy)]
pub struct JobListener {
    /// The function's name.
    pub name: &'static str,
    /// What its arguments ask for.
    pub needs: &'static [Need],
    /// What it does.
    pub hears: JobEvent,
}

/// What a job's listener does, and when.
#[derive(Debug, Clone, Copy)]
pub enum JobEvent {
    /// Before the first step: its error fails the job.
    Before(fn(&Scope<'_>) -> Result<(), Failure>),
    /// When it is known how the job ends: its error is reported, and changes nothing.
    After(fn(&Scope<'_>, &JobEnd) -> Result<(), Failure>),
}

/// What `#[listener]` implements for the marker of a function that hears of jobs.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a listener of a job",
    label = "a job tells its listeners",
    note = "put `#[listener(before_job)]` or `#[listener(after_job)]` on the function of this name;\nwhat hears of steps and items is named in `#[step(listeners(..))]`"
)]
pub trait JobListenerDefinition {
    /// The listener as a constant.
    const LISTENER: JobListener;
}
