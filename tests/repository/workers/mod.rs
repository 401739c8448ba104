//! The queue of partitions for workers in other processes.

mod losses;
mod model;
mod queue;
mod returned;
mod skips;

use std::collections::BTreeSet;

use batch_runtime::repository::work_queue::{
    Claim, Claimed, Joined, NewWorker, Reconcile, Reconciled, WorkQueue, WorkerId,
};
use batch_runtime::repository::{
    BatchStatus, BegunStep, Launched, NewPartition, Ownership, RepositoryError, StepFinish,
};
use batch_runtime::{ExecutionId, StopSignal};

use crate::place::{Place, Repo};
use crate::support::*;

/// The queue of the tests.
pub(crate) const QUEUE: &str = "queue";

pub(crate) const RECONCILE: Reconcile<'static> =
    Reconcile { queue: QUEUE, at_once: None, contested: false, ends: false };

pub(crate) fn queue(repository: &Repo) -> &dyn WorkQueue {
    repository.work_queue().unwrap()
}

/// A manager with the partitions of a step.
pub(crate) struct Manager {
    pub(crate) repository: Repo,
    pub(crate) launched: Launched,
}

impl Manager {
    /// Launches, and creates that many partitions.
    pub(crate) fn of<P: Place>(place: &P, many: u32) -> Self {
        let repository = place.open();
        make_items(place);
        let launched = launch(&repository);
        begin(&repository, launched.ownership);
        let new: Vec<_> = (0..many).map(|part| NewPartition { name: None, part: part.to_string() }).collect();
        repository.begin_partitions(launched.ownership, &start("step"), Some(&new)).unwrap();
        Self { repository, launched }
    }

    /// Launches, creates that many partitions, and offers all of them.
    pub(crate) fn offering<P: Place>(place: &P, many: u32) -> Self {
        let manager = Self::of(place, many);
        assert_eq!(manager.reconcile().waiting, u64::from(many));
        manager
    }

    pub(crate) fn owner(&self) -> Ownership {
        self.launched.ownership
    }

    pub(crate) fn reconcile(&self) -> Reconciled {
        self.reconcile_as(&RECONCILE)
    }

    pub(crate) fn reconcile_as(&self, reconcile: &Reconcile<'_>) -> Reconciled {
        queue(&self.repository).reconcile(self.owner(), "step", reconcile).unwrap()
    }

    /// The step executions of the partitions, with their exit codes.
    pub(crate) fn exits(&self) -> Vec<(String, String)> {
        let steps = self.repository.steps(self.owner().execution).unwrap();
        let of_partitions = steps.into_iter().filter(|step| step.name != "step");
        of_partitions.map(|step| (step.name, step.exit.code)).collect()
    }
}

/// A worker.
pub(crate) struct Worker {
    pub(crate) repository: Repo,
    pub(crate) joined: Joined,
}

impl Worker {
    pub(crate) fn of<P: Place>(place: &P) -> Self {
        Self::joining(place.open(), &StopSignal::new())
    }

    pub(crate) fn joining(repository: Repo, lost: &StopSignal) -> Self {
        let queues = ["another".to_owned(), QUEUE.to_owned()];
        let joined = queue(&repository).join(&NewWorker { queues: &queues, slots: 2, lost }).unwrap();
        Self { repository, joined }
    }

    pub(crate) fn id(&self) -> WorkerId {
        self.joined.id
    }

    pub(crate) fn look(&self) -> Claimed {
        self.look_except(&BTreeSet::new())
    }

    pub(crate) fn look_except(&self, declined: &BTreeSet<ExecutionId>) -> Claimed {
        let queues = ["another".to_owned(), QUEUE.to_owned()];
        queue(&self.repository).claim(self.id(), &queues, declined).unwrap()
    }

    pub(crate) fn claim(&self) -> Claim {
        match self.look() {
            Claimed::Partition(claim) => *claim,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn try_begin(&self, claim: &Claim) -> Result<BegunStep, RepositoryError> {
        begin_partition(&self.repository, claim.ownership, &claim.partition)
    }

    pub(crate) fn begin(&self, claim: &Claim) -> BegunStep {
        self.try_begin(claim).unwrap()
    }

    pub(crate) fn finish(
        &self,
        claim: &Claim,
        status: BatchStatus,
        code: &str,
    ) -> Result<(), RepositoryError> {
        let steps = self.repository.steps(claim.ownership.execution)?;
        let step = steps.iter().find(|step| step.id == claim.partition.id).unwrap();
        let finish = StepFinish { counters: step.counters, ..ended_step(status, code) };
        self.repository.finish_step(claim.ownership, claim.partition.id, &finish, None)
    }

    pub(crate) fn complete(&self, claim: &Claim) {
        self.finish(claim, BatchStatus::Completed, "COMPLETED").unwrap();
    }

    pub(crate) fn hand_back(&self, claim: &Claim) {
        self.finish(claim, BatchStatus::Stopped, "HANDED_BACK").unwrap();
    }
}

pub(crate) fn refused<T>(result: Result<T, RepositoryError>) {
    let error = result.err().expect("refused");
    assert!(matches!(error, RepositoryError::Fenced { .. }), "{error}");
}

pub(crate) fn nothing(claimed: &Claimed) {
    assert!(matches!(claimed, Claimed::Nothing), "{claimed:?}");
}
