//! Decides what a manager does next with the partitions of a step, from the states that they are in. All kinds of
//! repositories share these decisions.

use std::collections::BTreeSet;

use super::work_queue::{MOST_LOSSES, Reconcile, Reconciled, WorkerId};
use super::{BatchStatus, Counters};
use crate::definition::StepExecutionId;

/// Partitions of a step that are in the same state.
pub(super) struct Group {
    pub(super) status: BatchStatus,
    /// Whether their worker was lost or handed them back, so that they need new step executions.
    pub(super) returned: bool,
    pub(super) offered: bool,
    pub(super) worker: Option<WorkerId>,
    /// The number of these partitions.
    pub(super) partitions: u64,
}

impl Group {
    /// Returns whether no worker holds them and they are not offered to any.
    fn is_idle(&self) -> bool {
        self.status == BatchStatus::Starting && !self.offered && self.worker.is_none()
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.returned
            && !matches!(self.status, BatchStatus::Starting | BatchStatus::Started | BatchStatus::Completed)
    }

    fn is_held(&self) -> bool {
        matches!(self.status, BatchStatus::Starting | BatchStatus::Started) && self.worker.is_some()
    }
}

/// Returns the workers that hold partitions.
pub(super) fn holders(groups: &[Group]) -> BTreeSet<WorkerId> {
    groups.iter().filter(|group| group.is_held()).filter_map(|group| group.worker).collect()
}

/// Returns how many more partitions may be offered, besides those that are offered or held now; `None` if there is no
/// limit.
pub(super) fn room(groups: &[Group], reconcile: &Reconcile<'_>) -> Option<u64> {
    let runs = |group: &&Group| matches!(group.status, BatchStatus::Starting | BatchStatus::Started);
    let taken = groups.iter().filter(runs).filter(|group| group.offered || group.worker.is_some());
    let taken: u64 = taken.map(|group| group.partitions).sum();
    reconcile.at_once.map(|most| (most as u64).saturating_sub(taken))
}

/// Returns whether the manager has anything to write.
pub(super) fn is_due(groups: &[Group], any_lost: bool, reconcile: &Reconcile<'_>) -> bool {
    let has_room = room(groups, reconcile) != Some(0);
    any_lost
        || if reconcile.ends {
            groups.iter().any(|group| group.offered)
        } else {
            groups.iter().any(|group| group.returned || (group.is_idle() && has_room))
        }
}

/// Sums up the partitions for the manager.
pub(super) fn summed_up(
    groups: &[Group],
    counters: Counters,
    stop_requested: bool,
    events: Vec<String>,
) -> Reconciled {
    let mut reconciled = Reconciled { counters, stop_requested, events, ..Reconciled::default() };
    for group in groups {
        match (group.status, group.worker) {
            (BatchStatus::Completed, _) => reconciled.completed += group.partitions,
            (BatchStatus::Starting | BatchStatus::Started, Some(worker)) => {
                match reconciled.held.iter_mut().find(|(held, _)| *held == worker) {
                    Some((_, many)) => *many += group.partitions,
                    None => reconciled.held.push((worker, group.partitions)),
                }
            }
            _ if group.has_failed() => reconciled.failed += group.partitions,
            _ => reconciled.waiting += group.partitions,
        }
    }
    reconciled
}

/// A partition that nobody holds any more, because its worker was lost or handed it back.
pub(super) struct Returned {
    pub(super) number: u32,
    /// The name of its step execution.
    pub(super) name: String,
    pub(super) id: StepExecutionId,
    pub(super) lost: bool,
    /// The commits of its last step execution.
    pub(super) commits: u64,
    /// The number of workers that were lost in a row before this one, without a commit in between.
    pub(super) losses_before: u32,
    pub(super) why: String,
}

impl Returned {
    /// Returns the number of workers that were lost in a row since the last commit, including this one.
    pub(super) fn losses(&self) -> u32 {
        let before = if self.commits > 0 { 0 } else { self.losses_before };
        before + u32::from(self.lost)
    }

    /// Returns why the partition fails; `None` if another worker may continue it.
    pub(super) fn failure(&self) -> Option<String> {
        let losses = self.losses();
        (self.lost && losses >= MOST_LOSSES).then(|| {
            format!("{losses} workers in a row were lost without a commit in between; the last: {}", self.why)
        })
    }

    /// Describes what happened to the partition.
    pub(super) fn message(&self) -> String {
        let Self { name, lost, why, .. } = self;
        let mark = if *lost { ';' } else { ':' };
        format!("{why}{mark} another worker resumes `{name}` after its last commit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returned(lost: bool, commits: u64, losses_before: u32) -> Returned {
        let why = "worker 7 was lost".to_owned();
        let name = "load:partition3".to_owned();
        Returned { number: 3, name, id: StepExecutionId(1), lost, commits, losses_before, why }
    }

    #[test]
    fn a_partition_fails_after_three_losses_without_a_commit_in_between() {
        assert!(returned(true, 0, 1).failure().is_none());
        let failure = returned(true, 0, 2).failure().unwrap();
        assert!(failure.starts_with("3 workers in a row were lost"), "{failure}");
        assert!(returned(true, 1, 2).failure().is_none());
    }

    #[test]
    fn a_partition_that_is_handed_back_after_a_commit_has_lost_nobody() {
        assert_eq!(returned(false, 0, 2).losses(), 2);
        assert_eq!(returned(false, 1, 2).losses(), 0);
        assert!(returned(false, 0, 5).failure().is_none());
    }
}
