//! Steps whose rows go to a database other than the repository's.
//!
//! The fence, counters and checkpoint are in a table there, committed with the rows. That table is authoritative; the
//! repository's rows of the step are a copy.

use std::fmt;
use std::sync::Arc;

use super::chunks::ChunkSession;
use super::{
    Clock, ContextMap, Counters, Ownership, Repository, RepositoryError, SkippedItem, decode_context,
};
use crate::definition::{Durability, StepExecutionId, StopSignal};

/// The number of skipped items copied in one transaction.
const PAGE: u32 = 1_000;

/// Says which step's checkpoints to open, and how.
#[derive(Debug, Clone)]
pub struct CheckpointRequest {
    /// The name of the `#[database]` function.
    pub database: String,
    /// The identity of the repository.
    pub repository: String,
    /// The right to write.
    pub owner: Ownership,
    /// The step.
    pub step: String,
    /// Its earlier names. The database may still know the step by one of them.
    pub earlier_names: Vec<String>,
    /// The step execution that begins, if it was created before, as for a partition. It fences earlier step executions
    /// of the same owner, but not later ones.
    pub created: Option<StepExecutionId>,
    /// The crash that commits must survive.
    pub durability: Durability,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Says whether a wait for a lock should continue. It is asked only during such a wait.
#[derive(Debug, Clone)]
pub struct LockWait {
    repository: Arc<dyn Repository>,
    owner: Ownership,
    stop: StopSignal,
}

impl LockWait {
    pub(in crate::repository) fn of(
        repository: Arc<dyn Repository>,
        owner: Ownership,
        stop: &StopSignal,
    ) -> Self {
        Self { repository, owner, stop: stop.clone() }
    }

    /// Returns whether a stop is known already, without a look into the repository.
    #[cfg(feature = "postgres")]
    pub(in crate::repository) fn is_stop_raised(&self) -> bool {
        self.stop.is_raised()
    }

    /// Returns false once the job is asked to stop.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if the execution has another owner by now.
    pub fn should_continue(&self) -> Result<bool, RepositoryError> {
        if self.stop.is_raised() {
            return Ok(false);
        }
        match self.repository.stop_requested(self.owner) {
            Ok(true) => {
                self.stop.raise();
                Ok(false)
            }
            Err(fenced @ RepositoryError::Fenced { .. }) => Err(fenced),
            // The repository itself may be the locked database.
            Ok(false) | Err(_) => Ok(true),
        }
    }
}

/// The state that a step has committed in the other database.
#[derive(Debug)]
pub struct Checkpoint {
    /// The step execution that committed it; `None` if none ever began there.
    pub step: Option<StepExecutionId>,
    /// Its counters.
    pub counters: Counters,
    /// Its context, encoded.
    pub text: String,
}

impl Checkpoint {
    /// The context; empty if no step execution ever began there.
    ///
    /// # Errors
    /// If the text is not a context.
    pub fn context(&self) -> Result<ContextMap, String> {
        if self.step.is_none() {
            return Ok(ContextMap::new());
        }
        decode_context(&self.text).map_err(|why| format!("a checkpoint cannot be read: {why}"))
    }
}

/// The checkpoints of one step in a database other than the repository's.
pub trait Checkpoints: Send + Sync + fmt::Debug {
    /// Fences every earlier owner there and returns the committed state of the step.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if a later owner has taken over there; [`RepositoryError::Stopped`] if the job is
    /// asked to stop while this waits for a lock.
    fn raise_epoch(&self) -> Result<Checkpoint, RepositoryError>;

    /// Assigns the step's row in that database to the step execution that begins, and stores the context there.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if another owner has taken over in the meantime.
    fn start(&self, step: StepExecutionId, context: &str) -> Result<(), RepositoryError>;

    /// The connection on which the step execution commits its chunks.
    fn session(self: Arc<Self>, step: StepExecutionId) -> Box<dyn ChunkSession>;

    /// At the end of the step, stores the context with the counters if it has `changed`; otherwise returns the stored
    /// context.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if another owner has taken over in the meantime.
    fn settle(
        &self,
        step: StepExecutionId,
        counters: &Counters,
        changed: Option<String>,
    ) -> Result<Option<String>, RepositoryError>;

    /// The items that a step execution skipped after the sequence number `known`, in order, at most `limit`.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn skipped_after(
        &self,
        step: StepExecutionId,
        known: u64,
        limit: u32,
    ) -> Result<Vec<(u64, SkippedItem)>, RepositoryError>;
}

/// Copies the items that the step execution skipped in another database and that the repository lacks. After
/// a crash the next call continues, and existing items are not copied again.
pub(super) fn copy_skipped(
    repository: &dyn Repository,
    owner: Ownership,
    checkpoints: &dyn Checkpoints,
    step: StepExecutionId,
) -> Result<(), RepositoryError> {
    // A repository restored from a backup does not know steps that began later.
    let Some(mut known) = repository.last_skipped(step)? else { return Ok(()) };
    loop {
        // Read outside the transaction: a slow database must not block the other users of the repository.
        let page = checkpoints.skipped_after(step, known, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        known = *last;
        repository.add_skipped(owner, step, &page)?;
    }
}
