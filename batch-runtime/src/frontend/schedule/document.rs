//! The JSON document of the schedules of a program.

use jiff::Timestamp;
use serde::Serialize;

use crate::definition::ExecutionId;
use crate::repository::{BatchStatus, FireRow, ScheduleRow};
use crate::schedule::{Fire, ScheduledJob};

/// `schedule list`
#[derive(Serialize)]
pub(crate) struct Schedules<'a> {
    pub(crate) schedules: Vec<Listed<'a>>,
}

#[derive(Serialize)]
pub(crate) struct Listed<'a> {
    job: &'a str,
    expression: &'a str,
    words: String,
    zone: &'a str,
    since: Option<Timestamp>,
    paused: Option<Timestamp>,
    next: Vec<Time>,
    last: Option<Last>,
    waiting: u64,
    missed: u64,
    skipped: u64,
    held: u64,
    held_by: Option<ExecutionId>,
}

#[derive(Serialize)]
struct Last {
    scheduled: String,
    time: Timestamp,
    outcome: &'static str,
    execution: Option<ExecutionId>,
    status: Option<BatchStatus>,
}

impl From<&FireRow> for Last {
    fn from(row: &FireRow) -> Self {
        Self {
            scheduled: row.scheduled.clone(),
            time: row.time,
            outcome: row.outcome.as_str(),
            execution: row.run.map(|run| run.execution),
            status: row.run.map(|run| run.status),
        }
    }
}

impl<'a> Listed<'a> {
    pub(super) fn of(
        job: &'a ScheduledJob,
        row: Option<&ScheduleRow>,
        next: &[Fire],
        last: Option<&FireRow>,
        [waiting, missed, skipped, held]: [u64; 4],
        held_by: Option<ExecutionId>,
    ) -> Self {
        Self {
            job: job.job.name,
            expression: job.schedule.expression,
            words: job.times.words(),
            zone: job.schedule.zone,
            since: row.map(|row| row.since),
            paused: row.and_then(|row| row.paused),
            next: next.iter().map(Time::from).collect(),
            last: last.map(Last::from),
            waiting,
            missed,
            skipped,
            held,
            held_by,
        }
    }
}

/// A scheduled time.
#[derive(Serialize)]
pub(crate) struct Time {
    scheduled: String,
    time: Timestamp,
}

impl From<&Fire> for Time {
    fn from(fire: &Fire) -> Self {
        Self { scheduled: fire.scheduled.clone(), time: fire.time }
    }
}
