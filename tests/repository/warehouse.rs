//! [`Warehouse`]: a repository, and another database to which the rows of a step go.

use std::time::Duration;

use batch_runtime::DatabaseHandle;
use batch_runtime::repository::{BegunStep, Ownership, RepositoryError, StepFinish, StepStart, finish_step};

use crate::place::{Place, Repo, Setup};
use crate::support::{begin_as, make_items, start};

/// Longer than any test. At this interval, a repository copies the commits of the other database only when it must.
pub(crate) const NEVER: Duration = Duration::from_hours(1);

/// A repository that follows another database, in which there is a table of rows.
pub(crate) struct Warehouse<'p, R, W> {
    pub(crate) here: &'p R,
    pub(crate) there: &'p W,
    pub(crate) repository: Repo,
    pub(crate) handle: DatabaseHandle,
}

impl<'p, R: Place, W: Place> Warehouse<'p, R, W> {
    /// A repository that copies the commits of the other database at that interval.
    pub(crate) fn of(here: &'p R, there: &'p W, mirror: Duration) -> Self {
        make_items(there);
        let repository = here.open_with(Setup { mirror: Some(mirror), wait: Some(NEVER) });
        let handle = there.handle();
        Self { here, there, repository, handle }
    }

    pub(crate) fn begin(&self, owner: Ownership) -> Result<BegunStep, RepositoryError> {
        self.begin_as(owner, &start("step"))
    }

    pub(crate) fn begin_as(
        &self,
        owner: Ownership,
        step: &StepStart<'_>,
    ) -> Result<BegunStep, RepositoryError> {
        let elsewhere = Some(("warehouse", &self.handle));
        begin_as(&self.repository, owner, &StepStart { elsewhere, ..*step })
    }

    pub(crate) fn finish(
        &self,
        owner: Ownership,
        step: &BegunStep,
        finish: &StepFinish,
    ) -> Result<(), RepositoryError> {
        finish_step(&*self.repository, owner, step.id, step.checkpoints.as_deref(), finish)
    }
}
