//! Configures how workers process the chunks of steps with `remote`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::chunk_carrier::ChunkCarrier;
use super::fingerprint::{build, fingerprint};
use super::fleet::{Fleet, Step};
use super::manager::Manager;
use super::orders::Secrets;
use crate::definition::{Failure, JobInfo};
use crate::repository::Repository;

/// How long to wait for an answer before a chunk is sent again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lets workers process the chunks of steps with `remote`: a run sends chunks, and a [`Worker`](super::Worker) takes
/// them.
///
/// Both sides must be the same executable, byte for byte: no other program can read an item from a message.
///
/// ```no_run
/// use std::sync::Arc;
/// use batch_runtime::engine::RunOptions;
/// use batch_runtime::workers::{ChunkCarrier, RemoteChunks};
///
/// fn options(broker: Arc<dyn ChunkCarrier>) -> RunOptions {
///     RunOptions { chunks: Some(RemoteChunks::over(broker)), ..RunOptions::default() }
/// }
/// ```
#[derive(Clone)]
pub struct RemoteChunks {
    carrier: Arc<dyn ChunkCarrier>,
    patience: Duration,
    build: Option<String>,
    most_wait: Option<Duration>,
    /// The workers that are started for the chunks of a step.
    fleet: Option<Arc<Mutex<Fleet>>>,
}

impl fmt::Debug for RemoteChunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteChunks").field("carrier", &self.carrier).finish_non_exhaustive()
    }
}

impl RemoteChunks {
    /// Uses a carrier for the chunks.
    #[must_use]
    pub fn over(carrier: Arc<dyn ChunkCarrier>) -> Self {
        Self { carrier, patience: PATIENCE, build: None, most_wait: None, fleet: None }
    }

    /// Sets how long to wait for an answer to a chunk before the chunk is sent again (default: 30 seconds). A worker
    /// reports six times in that time that it is still processing a chunk, so a slow chunk is not sent twice. After
    /// twice that time without any answer, the threads of the step process the chunk.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience.max(Duration::from_millis(1));
        self
    }

    /// Sets the name of the build, by which manager and workers find each other (default: a checksum of the
    /// executable).
    #[must_use]
    pub fn build(mut self, name: impl Into<String>) -> Self {
        self.build = Some(name.into());
        self
    }

    /// Fails a step if a chunk whose worker was lost has waited for another worker for that long (default: the chunk
    /// waits as long as it takes). The manager never processes such a chunk itself, because the chunk might end the
    /// manager too.
    #[must_use]
    pub fn wait_at_most(mut self, most: Duration) -> Self {
        self.most_wait = Some(most);
        self
    }

    /// Lets a manager start its workers when a step has chunks for them, and end them with the job. The workers need
    /// the same carrier: `Manager::broker`, for example, sets it. The manager's `wait_at_most` also applies to chunks.
    #[must_use]
    pub fn started_by(mut self, manager: &Manager) -> Self {
        self.fleet = manager.fleet();
        self.most_wait = manager.most_wait().or(self.most_wait);
        self
    }

    /// Starts workers for a step if some are missing. The step calls this method repeatedly while it is running.
    ///
    /// # Errors
    /// If workers end again and again before they can work.
    pub(crate) fn ensure_workers(&self, step: &Step) -> Result<(), Failure> {
        match &self.fleet {
            Some(fleet) => {
                fleet.lock().unwrap_or_else(PoisonError::into_inner).ensure_workers_for_chunks(step)
            }
            None => Ok(()),
        }
    }

    /// Sends the repository's identity and the execution's secrets to the workers.
    pub(crate) fn share(&self, identity: String, secrets: Secrets) {
        if let Some(fleet) = &self.fleet {
            let mut fleet = fleet.lock().unwrap_or_else(PoisonError::into_inner);
            fleet.set_identity(identity);
            fleet.share(secrets);
        }
    }

    /// Notes that a step has no more chunks.
    pub(crate) fn release(&self, step: &Step) {
        if let Some(fleet) = &self.fleet {
            fleet.lock().unwrap_or_else(PoisonError::into_inner).release(step);
        }
    }

    pub(crate) fn patience_for_answers(&self) -> Duration {
        self.patience
    }

    pub(crate) fn most_wait(&self) -> Option<Duration> {
        self.most_wait
    }

    pub(crate) fn build_name(&self) -> &str {
        self.build.as_deref().unwrap_or_else(|| build())
    }

    pub(crate) fn carrier(&self) -> &Arc<dyn ChunkCarrier> {
        &self.carrier
    }

    /// The queue for the chunks of a job. Different builds of a program use different queues.
    pub(crate) fn queue(&self, repository: &dyn Repository, job: &JobInfo) -> String {
        let repository = repository.identity();
        let repository = repository.get(..8).unwrap_or(&repository);
        format!("batch.{repository}.chunks.{}.{}", fingerprint(job), self.build_name())
    }
}
