//! The JSON documents of schedules.

use jiff::Timestamp;
use serde::Serialize;

use super::Runs;
use crate::cli::json;
use crate::definition::{ExecutionId, JobInfo};
use crate::repository::{FireRow, ScheduleRow};
use crate::schedule::{Fire, ScheduledJob};

/// `run --due`, `run --backfill`
#[derive(Serialize)]
pub(super) struct Ran<'a> {
    job: &'a str,
    runs: Vec<json::Report<'a>>,
    refused: Vec<Refused<'a>>,
    waits_for: Option<ExecutionId>,
    held_by: Option<ExecutionId>,
}

#[derive(Serialize)]
struct Refused<'a> {
    scheduled: &'a str,
    kind: &'a str,
    message: String,
}

impl<'a> Ran<'a> {
    pub(super) fn of(job: &'a JobInfo, runs: &'a Runs, waits: Waits) -> Self {
        let refused = runs.refused.iter().map(|(scheduled, refusal)| Refused {
            scheduled,
            kind: refusal.kind,
            message: refusal.to_string(),
        });
        Self {
            job: job.name,
            runs: runs.reports.iter().map(json::Report::from).collect(),
            refused: refused.collect(),
            waits_for: waits.waits_for,
            held_by: waits.held_by,
        }
    }
}

/// The executions that the times of a job wait for.
#[derive(Clone, Copy, Default)]
pub(super) struct Waits {
    /// A running execution.
    pub(super) waits_for: Option<ExecutionId>,
    /// An execution that a person must look at.
    pub(super) held_by: Option<ExecutionId>,
}

/// `run --backfill` without `--yes`
#[derive(Serialize)]
pub(super) struct Offered<'a> {
    pub(super) job: &'a str,
    pub(super) times: Vec<Time>,
}

#[derive(Serialize)]
pub(super) struct Time {
    scheduled: String,
    time: Timestamp,
}

impl From<&Fire> for Time {
    fn from(fire: &Fire) -> Self {
        Self { scheduled: fire.scheduled.clone(), time: fire.time }
    }
}

/// `schedule pause`, `schedule resume`
#[derive(Serialize)]
pub(super) struct PauseOrResume<'a> {
    pub(super) job: &'a str,
    pub(super) paused: bool,
    pub(super) changed: bool,
}

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
    status: Option<crate::repository::BatchStatus>,
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

/// `schedule export`
#[derive(Serialize)]
pub(super) struct Exported<'a> {
    pub(super) format: &'a str,
    pub(super) files: Vec<File<'a>>,
}

#[derive(Serialize)]
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}
