//! Stops a run at the commits of a step in another database, as at those in the repository's own.

use std::fmt;
use std::sync::Arc;

use super::{FailingSession, Run};
use crate::definition::StepExecutionId;
use crate::repository::{
    Checkpoint, Checkpoints, ChunkSession, Counters, Records, RepositoryError, SkippedItem,
};

pub(super) struct FailingCheckpoints {
    pub(super) of: Arc<dyn Checkpoints>,
    pub(super) run: Arc<Run>,
    pub(super) step: String,
}

impl fmt::Debug for FailingCheckpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailingCheckpoints").field("step", &self.step).finish_non_exhaustive()
    }
}

impl Checkpoints for FailingCheckpoints {
    fn raise_epoch(&self) -> Result<Checkpoint, RepositoryError> {
        self.run.commit(Records::StepBegin, Some(&self.step), || self.of.raise_epoch())
    }

    fn start(&self, step: StepExecutionId, context: &str) -> Result<(), RepositoryError> {
        self.run.commit(Records::StepBegin, Some(&self.step), || self.of.start(step, context))
    }

    fn session(self: Arc<Self>, step: StepExecutionId) -> Box<dyn ChunkSession> {
        let of = Arc::clone(&self.of).session(step);
        Box::new(FailingSession { of, run: Arc::clone(&self.run), step: self.step.clone(), chunks: 0 })
    }

    fn settle(
        &self,
        step: StepExecutionId,
        counters: &Counters,
        changed: Option<String>,
    ) -> Result<Option<String>, RepositoryError> {
        self.run.commit(Records::StepEnd, Some(&self.step), || self.of.settle(step, counters, changed))
    }

    fn skipped_after(
        &self,
        step: StepExecutionId,
        known: u64,
        limit: u32,
    ) -> Result<Vec<(u64, SkippedItem)>, RepositoryError> {
        self.of.skipped_after(step, known, limit)
    }
}
