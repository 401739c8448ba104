//! The death of a run at a commit, as a trait, so that tests can restart after it.

use std::fmt;

/// Decides at which commit a run is stopped, as if its process were killed there.
///
/// A closure can be a fail point. [`Sandbox::fail_at`](crate::testing::Sandbox::fail_at) takes one.
///
/// ```
/// use batch_runtime::repository::{Commit, FailPoint, Side};
///
/// let second_of_load = |commit: &Commit, side: Side| {
///     side == Side::Before && commit.number == 2 && commit.step.as_deref() == Some("load")
/// };
/// # fn takes(_: impl FailPoint) {}
/// # takes(second_of_load);
/// ```
pub trait FailPoint: Send + Sync {
    /// Returns whether the run is stopped on this side of the commit.
    fn stops(&self, commit: &Commit, side: Side) -> bool;
}

impl<F: Fn(&Commit, Side) -> bool + Send + Sync> FailPoint for F {
    fn stops(&self, commit: &Commit, side: Side) -> bool {
        self(commit, side)
    }
}

/// A side of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Everything is written, but nothing of it is committed.
    Before,
    /// All of it is committed, but the run does not know.
    After,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

/// A commit of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// Its number in the run, from 1.
    pub number: u64,
    /// The event that it records.
    pub records: Records,
    /// The step that it belongs to, if any. A partition is `load:partition0`.
    pub step: Option<String>,
}

/// The event that a commit records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Records {
    /// The launch of a job, or of one that is nested in it.
    Launch,
    /// The beginning of a step.
    StepBegin,
    /// The partitions of a step.
    Partitions,
    /// The chunk with this number in the step execution, from 1; the last one may only seal a file. For a tasklet,
    /// its call.
    Chunk(u64),
    /// Skipped items whose chunk was committed in another database.
    Skips,
    /// The end of a step.
    StepEnd,
    /// The outcome of a decider, or a stop.
    Decision,
    /// The end of a job.
    End,
}

impl fmt::Display for Commit {
    /// As in ``commit 4 (chunk 2 of step `load`)``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "commit {} (", self.number)?;
        match self.records {
            Records::Launch => f.write_str("the launch"),
            Records::StepBegin => f.write_str("the beginning"),
            Records::Partitions => f.write_str("the partitions"),
            Records::Chunk(number) => write!(f, "chunk {number}"),
            Records::Skips => f.write_str("the skipped items"),
            Records::StepEnd => f.write_str("the end"),
            Records::Decision => f.write_str("a decision"),
            Records::End => f.write_str("the end of the job"),
        }?;
        match &self.step {
            Some(step) => write!(f, " of step `{step}`)"),
            None => f.write_str(")"),
        }
    }
}
