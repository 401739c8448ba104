//! How a run has workers process the chunks of its steps with `remote`.

use std::sync::Arc;
use std::time::Duration;

use super::carrier::ChunkCarrier;
use super::fingerprint::{build, fingerprint, short_hash};
use crate::definition::JobInfo;
use crate::repository::Repository;

/// How long an answer may stay away before a chunk is sent again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Has workers process the chunks of steps with `remote`: a run sends them, and a [`Worker`](super::Worker) takes them.
///
/// Both sides must be the same executable, down to the last byte: what an item is in a message is nobody else's business.
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
#[derive(Debug, Clone)]
pub struct RemoteChunks {
    carrier: Arc<dyn ChunkCarrier>,
    patience: Duration,
    build: Option<String>,
}

impl RemoteChunks {
    /// Chunks that this carrier carries.
    #[must_use]
    pub fn over(carrier: Arc<dyn ChunkCarrier>) -> Self {
        Self { carrier, patience: PATIENCE, build: None }
    }

    /// Sets how long an answer to a chunk may stay away before it is sent again (default: 30 seconds). A worker that works on
    /// a chunk says so six times in that time, so a slow chunk is not sent twice. After twice that time without any answer
    /// the threads of the step process the chunk.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience.max(Duration::from_millis(1));
        self
    }

    /// Sets the name of the build, by which manager and workers find each other (default: a hash of the executable).
    #[must_use]
    pub fn build(mut self, name: impl Into<String>) -> Self {
        self.build = Some(name.into());
        self
    }

    pub(crate) fn patience_for_answers(&self) -> Duration {
        self.patience
    }

    pub(crate) fn build_name(&self) -> &str {
        self.build.as_deref().unwrap_or_else(|| build())
    }

    pub(crate) fn carrier(&self) -> &Arc<dyn ChunkCarrier> {
        &self.carrier
    }

    /// The queue for the chunks of a job. Programs that differ never meet in one.
    pub(crate) fn queue(&self, repository: &dyn Repository, job: &JobInfo) -> String {
        let repository = short_hash(repository.identity().as_bytes());
        format!("batch-chunks.{repository}.{}.{}", fingerprint(job), self.build_name())
    }
}
