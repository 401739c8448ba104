//! The JSON documents that only the command line prints. `frontend::json` has those of jobs and executions.

mod housekeeping;

use jiff::Timestamp;
use serde::Serialize;

use crate::definition::ExecutionId;
use crate::frontend::json::Recorded;
use crate::repository::work_queue::{WorkerId, WorkerRow};
use crate::repository::{JobExecution, OwnerState};

pub(super) use housekeeping::{Findings, Purge};

/// `stop`, `abandon`: the execution and the request.
#[derive(Serialize)]
pub(super) struct Asked {
    pub(super) execution: ExecutionId,
    pub(super) asked: &'static str,
}

/// `metrics`: the text, and the file that it was written to.
#[derive(Serialize)]
pub(super) struct Metrics<'a> {
    pub(super) textfile: Option<&'a str>,
    pub(super) metrics: &'a str,
}

/// `serve`: the line that says where the page is.
#[cfg(feature = "serve")]
#[derive(Serialize)]
pub(super) struct Served<'a> {
    pub(super) link: &'a str,
}

/// `recover`: `{"recovered": [..]}`
#[derive(Serialize)]
pub(super) struct Recovered<'a> {
    recovered: Vec<Recorded<'a>>,
}

impl<'a> Recovered<'a> {
    pub(super) fn of(executions: &'a [JobExecution]) -> Self {
        Self { recovered: executions.iter().map(|execution| Recorded::of(execution, None, &[])).collect() }
    }
}

/// `workers`: `{"workers": [..]}`
#[derive(Serialize)]
pub(super) struct Workers<'a> {
    workers: Vec<WorkerDocument<'a>>,
}

#[derive(Serialize)]
struct WorkerDocument<'a> {
    worker: WorkerId,
    host: &'a str,
    pid: u32,
    /// `idle`, `busy`, `drains`, `dead` or `unknown`.
    status: &'static str,
    slots: u32,
    started: Timestamp,
    holds: &'a [String],
    queues: &'a [String],
    declined: Option<&'a str>,
}

impl<'a> Workers<'a> {
    pub(super) fn of(workers: &'a [WorkerRow]) -> Self {
        let of = |worker: &'a WorkerRow| WorkerDocument {
            worker: worker.id,
            host: &worker.owner.host,
            pid: worker.owner.pid,
            status: worker_status(worker),
            slots: worker.slots,
            started: worker.started,
            holds: &worker.holds,
            queues: &worker.queues,
            declined: worker.declined.as_deref(),
        };
        Self { workers: workers.iter().map(of).collect() }
    }
}

/// `workers drain`
#[derive(Serialize)]
pub(super) struct Drained {
    pub(super) worker: WorkerId,
    pub(super) asked: &'static str,
}

/// The status of a worker as one word.
pub(super) fn worker_status(worker: &WorkerRow) -> &'static str {
    match (worker.state, worker.drains, worker.holds.is_empty()) {
        (OwnerState::Dead, ..) => "dead",
        (OwnerState::Unknown, ..) => "unknown",
        (_, true, _) => "drains",
        (_, false, true) => "idle",
        (_, false, false) => "busy",
    }
}
