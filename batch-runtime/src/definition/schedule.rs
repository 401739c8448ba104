//! The schedule of a job, as `#[job(schedule(..))]` states it.

use std::time::Duration;

/// The times at which a job runs by itself, and the rules for times that are missed or overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schedule {
    /// The cron expression of five fields: minute, hour, day of the month, month, day of the week.
    pub expression: &'static str,
    /// The IANA name of the time zone in which the expression is read.
    pub zone: &'static str,
    /// The rule for times at which no process looked at the schedule.
    pub missed: Missed,
    /// The rule for a time at which the job is still running.
    pub overlap: Overlap,
    /// How often a failed run is restarted before it is held.
    pub restarts: u32,
    /// The rule for later times while a run is held.
    pub on_failure: OnFailure,
}

/// The rule for scheduled times at which no process looked at the schedule, because all were down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// The job runs once, for the latest of them. The others are recorded as missed.
    Latest,
    /// The job runs for each one that is recent enough, oldest first. Older ones are recorded as missed.
    All {
        /// The greatest age of a time for which the job still runs.
        within: Duration,
    },
    /// All of them are recorded as missed. A time counts as missed after five minutes.
    None,
}

/// The rule for a scheduled time at which the job is still running for an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// The time waits: the job runs for all times, one after the other and in order.
    Wait,
    /// The time is recorded as skipped.
    Skip,
    /// The job runs for both at once.
    Allow,
}

/// The rule for later times while a run is held: after its last restart has failed, or after a person has stopped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The job runs for the later times.
    GoOn,
    /// The later times wait until the held run has completed or is abandoned. Then the job runs for
    /// all of them, as `overlap` says.
    Hold,
}

impl Schedule {
    /// A schedule that runs once for all missed times, waits for an earlier run, restarts nothing, and goes on after a
    /// failure.
    #[must_use]
    pub const fn new(expression: &'static str, zone: &'static str) -> Self {
        Self {
            expression,
            zone,
            missed: Missed::Latest,
            overlap: Overlap::Wait,
            restarts: 0,
            on_failure: OnFailure::GoOn,
        }
    }

    /// Sets what happens to missed times.
    #[must_use]
    pub const fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// Sets what happens at a time when the job is still running.
    #[must_use]
    pub const fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Sets how often a failed run is restarted.
    #[must_use]
    pub const fn restarts(mut self, times: u32) -> Self {
        self.restarts = times;
        self
    }

    /// Sets what happens at later times while a run is held.
    #[must_use]
    pub const fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }
}
