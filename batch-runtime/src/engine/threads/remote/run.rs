//! The connection of a step with `remote` to its run.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::definition::JobInfo;
use crate::repository::{Ownership, Repository};
use crate::workers::RemoteChunks;

/// The parts of a run that a step needs to send its chunks to workers.
pub(crate) struct RemoteRun<'r> {
    pub(crate) repository: &'r dyn Repository,
    pub(crate) ownership: Ownership,
    pub(crate) job: &'static JobInfo,
    pub(crate) chunks: &'r RemoteChunks,
    /// The secret parameters of the job, as strings by name.
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) tell: Arc<dyn Fn(&str) + Send + Sync>,
}

impl fmt::Debug for RemoteRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteRun").field("job", &self.job.name).finish_non_exhaustive()
    }
}
