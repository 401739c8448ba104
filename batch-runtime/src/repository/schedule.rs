//! The repository's record of schedules: when each was first seen, and for which of its times the job is to run, has
//! run, or never will.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

use super::BatchStatus;
use crate::definition::ExecutionId;

/// How long a deployment may take. If the expression changes within this time after a schedule has begun, old and new
/// programs run side by side, and the job runs for the times of both.
pub(super) const DEPLOYMENT: Duration = Duration::from_mins(10);

/// The schedule of a job, as the repository knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRow {
    /// The job.
    pub job: String,
    /// The cron expression.
    pub expression: String,
    /// The name of the time zone.
    pub zone: String,
    /// When this expression was first seen, or replaced another one.
    pub since: Timestamp,
    /// Each time up to this one is in the table `BATCH_SCHEDULE_FIRE`, or the job never runs for it.
    pub planned: Timestamp,
    /// When it was paused, if it is.
    pub paused: Option<Timestamp>,
}

/// The outcome of a scheduled time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FireOutcome {
    /// The job is to run for it, is running for it, or is to run for it again.
    Due,
    /// The job has run for it, and nothing more is to be done.
    Done,
    /// It passed while no process looked at the schedule.
    Missed,
    /// It became due while the job was still running, and the schedule has `overlap = skip`.
    Skipped,
    /// Its run failed or stopped, and a person must look.
    Held,
}

impl FireOutcome {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Due, Self::Done, Self::Missed, Self::Skipped, Self::Held];

    /// The word in the column `OUTCOME`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Due => "DUE",
            Self::Done => "DONE",
            Self::Missed => "MISSED",
            Self::Skipped => "SKIPPED",
            Self::Held => "HELD",
        }
    }
}

impl fmt::Display for FireOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FireOutcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|outcome| outcome.as_str() == text);
        found.ok_or_else(|| format!("unknown outcome of a scheduled time: {text}"))
    }
}

/// A scheduled time that is written for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFire {
    /// The value of the parameter that holds the scheduled time, as text. It identifies the time.
    pub scheduled: String,
    /// The instant.
    pub time: Timestamp,
    /// The key of the instance that runs for it.
    pub key: String,
    /// Its outcome so far: whether the job is to run for it.
    pub outcome: FireOutcome,
}

/// A scheduled time and its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FireRow {
    /// The value of the parameter that holds the scheduled time, as text.
    pub scheduled: String,
    /// The instant.
    pub time: Timestamp,
    /// The key of the instance that runs for it.
    pub key: String,
    /// Its outcome.
    pub outcome: FireOutcome,
    /// The last execution of its instance.
    pub run: Option<FireRun>,
}

/// The last execution of the instance of a scheduled time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FireRun {
    /// The execution.
    pub execution: ExecutionId,
    /// Its status.
    pub status: BatchStatus,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How many executions of the instance failed. One that lost its process does not count.
    pub failures: u32,
}

/// Selects scheduled times.
#[derive(Debug, Clone, Default)]
pub struct FireFilter {
    /// Those of this job.
    pub job: String,
    /// Only those with one of these outcomes; an empty list selects every outcome.
    pub outcomes: Vec<FireOutcome>,
    /// The maximum number, latest first.
    pub limit: Option<u32>,
}

impl FireFilter {
    /// All scheduled times of a job.
    ///
    /// ```
    /// use batch_runtime::repository::{FireFilter, FireOutcome, Repository, sqlite::SqliteRepository};
    ///
    /// let repository = SqliteRepository::temporary()?;
    /// let held = FireFilter { outcomes: vec![FireOutcome::Held], ..FireFilter::of("weekly") };
    /// assert_eq!(repository.fires(&held)?, []);
    /// # Ok::<(), batch_runtime::repository::RepositoryError>(())
    /// ```
    #[must_use]
    pub fn of(job: &str) -> Self {
        Self { job: job.to_owned(), ..Self::default() }
    }
}
