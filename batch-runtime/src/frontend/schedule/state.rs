//! The state of a schedule, and the texts that describe its times.

use jiff::Timestamp;

use super::document::{Listed, Schedules};
use crate::definition::{ExecutionId, OnFailure};
use crate::frontend::refusal::Refusal;
use crate::repository::{FireFilter, FireOutcome, FireRow, Repository, ScheduleRow};
use crate::schedule::{ScheduledJob, ScheduledTime, waiting_for_a_person};

/// The number of next times that are shown.
pub(crate) const NEXT: usize = 3;

/// The state of a schedule in the repository.
#[derive(Default)]
pub(crate) struct ScheduleState {
    pub(crate) row: Option<ScheduleRow>,
    pub(crate) last: Option<FireRow>,
    /// The numbers of waiting, missed, skipped and held times.
    pub(crate) counts: [u64; 4],
    /// The execution that all later times wait for.
    pub(crate) held_by: Option<ExecutionId>,
}

impl ScheduleState {
    pub(crate) fn of(job: &ScheduledJob, repository: &dyn Repository) -> Result<Self, Refusal> {
        let name = job.job.name;
        let last = repository.fires(&FireFilter { limit: Some(1), ..FireFilter::of(name) })?.pop();
        let mut counts = [0; 4];
        let outcomes = [FireOutcome::Due, FireOutcome::Missed, FireOutcome::Skipped];
        for (count, outcome) in counts.iter_mut().zip(outcomes) {
            *count = repository.count_fires(name, outcome)?;
        }
        let held = waiting_for_a_person(repository, name)?;
        counts[3] = held.len() as u64;
        // The oldest one is the first that a person has to look at.
        let held_by = held.last().and_then(|fire| fire.run).map(|run| run.execution);
        let held_by = held_by.filter(|_| job.schedule.on_failure == OnFailure::Hold);
        Ok(Self { row: repository.schedule(name)?, last, counts, held_by })
    }
}

/// The document of several schedules.
pub(crate) fn document<'a>(
    jobs: &'a [ScheduledJob],
    found: &[ScheduleState],
    now: Timestamp,
) -> Schedules<'a> {
    let listed = jobs.iter().zip(found).map(|(job, found)| {
        let next: Vec<_> = job.times.after(now).take(NEXT).map(|time| job.fire(time)).collect();
        Listed::of(job, found.row.as_ref(), &next, found.last.as_ref(), found.counts, found.held_by)
    });
    Schedules { schedules: listed.collect() }
}

/// A scheduled time in the zone of its schedule.
pub(crate) fn format_time(time: ScheduledTime) -> String {
    time.local.strftime("%a %Y-%m-%d %H:%M").to_string()
}

/// The last scheduled time, and the outcome of its run.
pub(crate) fn describe_last(row: &FireRow) -> String {
    let outcome = match (row.outcome, row.run) {
        (FireOutcome::Missed | FireOutcome::Skipped, None) => row.outcome.as_str().to_lowercase(),
        (_, None) => "waits".to_owned(),
        (_, Some(run)) => format!("{} (execution {})", run.status.as_str().to_lowercase(), run.execution),
    };
    format!("{}: {outcome}", row.scheduled)
}
