//! Operations of people on executions.

use jiff::Timestamp;
use serde::Serialize;

use crate::definition::ExecutionId;

/// Something that a person did to an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OperationKind {
    /// Started it.
    Start,
    /// Started it to resume an earlier one.
    Restart,
    /// Started it to read again what an earlier one had skipped.
    Replay,
    /// Asked it to stop.
    Stop,
    /// Abandoned it.
    Abandon,
    /// Ended it because its process was dead.
    Recover,
}

impl OperationKind {
    const ALL: [(Self, &str); 6] = [
        (Self::Start, "START"),
        (Self::Restart, "RESTART"),
        (Self::Replay, "REPLAY"),
        (Self::Stop, "STOP"),
        (Self::Abandon, "ABANDON"),
        (Self::Recover, "RECOVER"),
    ];

    /// The value of the column `WHAT`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(did, _)| *did == self).map_or("", |(_, name)| name)
    }

    /// The operation with that name; `None` if a newer version has stored it.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, it)| *it == name).map(|(did, _)| *did)
    }
}

/// An operation as the repository holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Operation {
    /// The execution.
    pub execution: ExecutionId,
    /// When it was done.
    pub done: Timestamp,
    /// The kind of operation.
    pub what: OperationKind,
    /// Where it was done: `page` or `cli`.
    pub via: String,
}
