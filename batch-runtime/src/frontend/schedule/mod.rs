//! The schedules of a program: their jobs, states and times, as texts and as JSON.

mod backfill;
mod document;
mod state;

use crate::definition::JobInfo;
use crate::frontend::refusal::Refusal;
use crate::operator::OperatorError;
use crate::schedule::ScheduledJob;

pub(crate) use backfill::{Dates, fires};
pub(crate) use document::Time;
pub(crate) use state::{NEXT, ScheduleState, describe_last, document, format_time};

/// Returns whether any job has a schedule. Without a scheduled job, the program has no commands for schedules.
pub(crate) fn is_used(jobs: &[&'static JobInfo]) -> bool {
    jobs.iter().any(|job| job.options.schedule.is_some())
}

/// The jobs that have a schedule.
pub(crate) fn scheduled(jobs: &[&'static JobInfo]) -> Result<Vec<ScheduledJob>, Refusal> {
    let with_one = jobs.iter().filter(|job| job.options.schedule.is_some());
    with_one
        .map(|job| ScheduledJob::of(job).map_err(|error| Refusal::from(OperatorError::from(error))))
        .collect()
}
