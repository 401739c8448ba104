//! The JSON documents of the commands of schedules, except that of `schedule list`.

use serde::Serialize;

use super::runs::Runs;
use crate::definition::{ExecutionId, JobInfo};
use crate::frontend::json;
use crate::frontend::schedule::Time;

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

/// `schedule pause`, `schedule resume`
#[derive(Serialize)]
pub(super) struct PauseOrResume<'a> {
    pub(super) job: &'a str,
    pub(super) paused: bool,
    pub(super) changed: bool,
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
