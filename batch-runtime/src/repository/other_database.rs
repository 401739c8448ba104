//! Steps whose rows go to a database other than the repository's.
//!
//! The fence, counters and checkpoint are in a table there, committed with the rows. That table is authoritative; the
//! repository's rows of the step are a copy.

use std::fmt;
use std::sync::Arc;

use super::chunks::{ChunkSession, ChunkStore};
use super::mirror::Mirror;
use super::{
    BatchStatus, Clock, ContextMap, Counters, Ownership, Repository, RepositoryError, SkippedItem,
    StepFinish, StepRow, StepStart, decode_context, encode_context,
};
use crate::definition::{Durability, StepExecutionId, StopSignal};

/// The number of skipped items copied in one transaction.
const PAGE: u32 = 1_000;

/// The step whose checkpoints are to be opened.
#[derive(Debug, Clone)]
pub struct CheckpointKey {
    /// The name of the `#[database]` function.
    pub database: String,
    /// The identity of the repository.
    pub repository: String,
    /// The right to write.
    pub owner: Ownership,
    /// The step.
    pub step: String,
    /// Its earlier names: it may still be known there by one of them.
    pub earlier_names: Vec<String>,
    /// The step execution that begins, if it exists already: it fences the earlier ones of the same owner, and none of the
    /// later ones.
    pub created: Option<StepExecutionId>,
    /// The crash that commits must survive.
    pub durability: Durability,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Says whether a wait for a lock should continue. Asked only during such a wait.
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

/// The checkpoints of one step in another database than the repository's.
pub trait Checkpoints: Send + Sync + fmt::Debug {
    /// Fences every earlier owner there and returns the committed state of the step.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if a later owner was there; [`RepositoryError::Stopped`] if the job is asked to stop
    /// while this waits for a lock.
    fn raise_epoch(&self) -> Result<Checkpoint, RepositoryError>;

    /// Assigns the row to a step execution that begins, with its context.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if another owner was there meanwhile.
    fn start(&self, step: StepExecutionId, context: &str) -> Result<(), RepositoryError>;

    /// The connection on which the step execution commits its chunks.
    fn session(self: Arc<Self>, step: StepExecutionId) -> Box<dyn ChunkSession>;

    /// At the end of the step, stores the context with the counters if it has `changed`; otherwise returns the stored
    /// context.
    ///
    /// # Errors
    /// [`RepositoryError::Fenced`] if another owner was there meanwhile.
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

/// A step execution that has begun.
#[derive(Debug)]
pub struct BegunStep {
    /// Its ID.
    pub id: StepExecutionId,
    /// How often the step was started in the instance, including this time.
    pub starts: u32,
    /// The inherited context, including the checkpoint.
    pub context: ContextMap,
    /// Its counters, summed over the earlier executions of the instance.
    pub before: Counters,
    /// The place where its chunks are committed.
    pub chunks: ChunkStore,
    /// Its checkpoints, if its chunks are committed in another database.
    pub checkpoints: Option<Arc<dyn Checkpoints>>,
    /// Whether an earlier runner of the step may still be alive, so that its files have to be taken over.
    pub contested: bool,
}

/// Begins a step, wherever its rows go. If its step execution already exists, as for a partition, begins that one.
///
/// # Errors
/// [`RepositoryError::StartLimit`] if it was started too often; [`RepositoryError::Stopped`] if the job was asked to
/// stop while waiting for a lock; [`RepositoryError::Fenced`] if the execution has another owner by now.
pub fn begin_step(
    repository: &Arc<dyn Repository>,
    owner: Ownership,
    step: &StepStart<'_>,
    created: Option<StepExecutionId>,
) -> Result<BegunStep, RepositoryError> {
    let mut own = None;
    let mut checkpoints = None;
    if let Some((name, database)) = step.elsewhere {
        if repository.is_own(database).map_err(|error| of_database(name, error))? {
            own = Some(database);
        } else {
            let key = CheckpointKey {
                database: name.to_owned(),
                repository: repository.identity(),
                owner,
                step: step.name.to_owned(),
                earlier_names: step.earlier_names.to_vec(),
                created,
                durability: step.durability,
                clock: repository.clock(),
            };
            let wanted = LockWait::of(Arc::clone(repository), owner, step.stop);
            let opened = database.checkpoints(key, &wanted);
            let opened = opened.map_err(|error| of_database(name, error))?;
            checkpoints = Some(repository.wrap_checkpoints(opened, step.name));
        }
    }
    // The other database comes first: from then on the previous owner can no longer move the checkpoint.
    let checkpoint = checkpoints.as_ref().map(|checkpoints| checkpoints.raise_epoch()).transpose()?;
    if let (Some(checkpoints), Some(Checkpoint { step: Some(last), .. })) = (&checkpoints, &checkpoint) {
        copy_skipped(&**repository, owner, &**checkpoints, *last)?;
    }
    let row = match created {
        None => repository.begin_step(owner, step, checkpoint.as_ref())?,
        Some(id) => repository.begin_partition(owner, id, step, checkpoint.as_ref())?,
    };
    let chunks = match &checkpoints {
        None => ChunkStore::own(repository.open_chunks(owner, &row, own, step)?),
        Some(checkpoints) => {
            checkpoints.start(row.id, &encode_context(&row.context))?;
            let session = Arc::clone(checkpoints).session(row.id);
            let mirror = Mirror::new(Arc::clone(repository), owner, &row, Arc::clone(checkpoints));
            ChunkStore::followed(session, mirror)
        }
    };
    let StepRow { id, starts, context, before, contested, .. } = row;
    Ok(BegunStep { id, starts, context, before, chunks, checkpoints, contested })
}

/// The error of a database other than the repository's, with the name of its `#[database]` function.
fn of_database(name: &str, error: RepositoryError) -> RepositoryError {
    let named = |place: String| format!("{place} (database `{name}`)");
    match error {
        RepositoryError::Unusable { place, what } => RepositoryError::Unusable { place: named(place), what },
        RepositoryError::Database { place, source } => {
            RepositoryError::Database { place: named(place), source }
        }
        error => error,
    }
}

/// Ends a step execution, wherever its rows are, and records it in the journal.
///
/// If the other database fails, the end of the step is recorded anyway: the database may be the reason why it failed.
///
/// # Errors
/// [`RepositoryError::Fenced`] if the execution has another owner by now.
pub fn finish_step(
    repository: &dyn Repository,
    owner: Ownership,
    step: StepExecutionId,
    checkpoints: Option<&dyn Checkpoints>,
    finish: &StepFinish,
) -> Result<(), RepositoryError> {
    let Some(checkpoints) = checkpoints else { return repository.finish_step(owner, step, finish, None) };
    let changed = finish.context.as_ref().map(encode_context);
    let context = match checkpoints.settle(step, &finish.counters, changed) {
        Err(error) if !matches!(error, RepositoryError::Fenced { .. }) => {
            tracing::warn!(%error, "the end of a step is recorded without its last context");
            None
        }
        settled => settled?,
    };
    // A later start of the step would copy the skips too, but a complete step never starts again.
    match copy_skipped(repository, owner, checkpoints, step) {
        Err(error)
            if finish.status != BatchStatus::Completed
                && !matches!(error, RepositoryError::Fenced { .. }) =>
        {
            tracing::warn!(%error, "the end of a step is recorded without its last skips");
        }
        copied => copied?,
    }
    repository.finish_step(owner, step, finish, context.as_deref())
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
