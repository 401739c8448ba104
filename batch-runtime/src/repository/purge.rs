//! Selects the instances whose record may be deleted.

use jiff::Timestamp;

use super::{BatchStatus, JobInstance};
use crate::definition::InstanceId;

/// Selects a page of the instances of a job that may be purged, in the order of their IDs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeFilter {
    /// Their job.
    pub job: String,
    /// Only those with one of these statuses; COMPLETED and ABANDONED ones if this is empty.
    pub statuses: Vec<BatchStatus>,
    /// Only those whose last execution ended before this time.
    pub ended_before: Timestamp,
    /// Only those with a greater ID than this.
    pub after: Option<InstanceId>,
    /// Only those with a smaller ID than this.
    pub before: Option<InstanceId>,
    /// The number of instances that are looked at, whether they are selected or not.
    pub limit: u32,
}

impl PurgeFilter {
    pub(super) fn selects(&self, instance: &Purgeable) -> bool {
        instance.ended < self.ended_before
            && (self.statuses.is_empty() || self.statuses.contains(&instance.status))
    }
}

/// A page of instances that may be purged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurgePage {
    /// The selected ones, by their IDs.
    pub instances: Vec<Purgeable>,
    /// The last one that was looked at, after which the next page begins; `None` if this is the last page.
    pub next: Option<InstanceId>,
}

/// An instance that no launch can continue: one of its executions is COMPLETED or ABANDONED, and none is running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purgeable {
    /// The instance.
    pub instance: JobInstance,
    /// COMPLETED or ABANDONED.
    pub status: BatchStatus,
    /// When its last execution ended.
    pub ended: Timestamp,
    /// The number of its executions.
    pub executions: u64,
}
