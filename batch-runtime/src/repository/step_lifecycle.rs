//! Begins and ends the steps of all jobs, wherever the rows of a step go.

use std::sync::Arc;

use super::chunks::ChunkStore;
use super::mirror::Mirror;
use super::other_database::{Checkpoint, CheckpointRequest, Checkpoints, LockWait, copy_skipped};
use super::{
    BatchStatus, ContextMap, Counters, Ownership, Repository, RepositoryError, StepFinish, StepRow,
    StepStart, encode_context,
};
use crate::definition::StepExecutionId;

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
    /// Commits its chunks.
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
            let key = CheckpointRequest {
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

/// Adds the name of the `#[database]` function to the place that an error names.
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
/// If the other database fails, the end of the step is recorded anyway: the database may be the reason why the step
/// failed.
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
