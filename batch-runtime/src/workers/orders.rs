//! The lines that pass between a manager and the workers that it starts, over standard input and output.
//!
//! The manager writes JSON. The first line holds the settings. They may contain passwords, which other users could
//! see in arguments and environments. Every further line makes the worker look for work at once; the line may carry
//! secrets that the worker will need. The end of the input makes the worker drain.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::definition::ExecutionId;

/// A worker writes this line to standard output when it takes a partition. Apart from the lines named here, its output
/// is that of the job.
pub(super) const CLAIMED: &str = "batch-worker: claimed";
/// A worker writes this when it has joined, followed by its number in the repository.
pub(super) const JOINED: &str = "batch-worker: joined ";
/// A worker writes this when it has ended a partition.
pub(super) const ENDED: &str = "batch-worker: ended";

/// The settings of a worker that a manager starts.
#[derive(Clone, Serialize, Deserialize)]
pub struct WorkerSettings {
    /// The repository, as a path or a URL.
    pub repository: String,
    /// The token of the manager. The worker takes partitions only from this manager.
    pub token: String,
    /// The identity of that repository, because another machine may have another repository with the same name.
    pub identity: String,
    /// The number of partitions that the worker runs at the same time.
    pub slots: u32,
    /// The number of the worker, for messages.
    pub number: u32,
    /// The URL of the broker that carries chunks of steps with `remote`, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<String>,
    /// The span of the manager, as the headers of W3C Trace Context; empty if the manager keeps no trace.
    #[serde(default, skip_serializing_if = "HashMap::is_empty")]
    pub trace: HashMap<String, String>,
}

impl fmt::Debug for WorkerSettings {
    // The repository may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerSettings").field("number", &self.number).finish_non_exhaustive()
    }
}

/// An order to a worker to look for work.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Order {
    /// The secret parameters of an execution, as strings by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secrets: Option<Secrets>,
}

/// The secret parameters of an execution.
#[derive(Serialize, Deserialize)]
pub(crate) struct Secrets {
    pub(crate) execution: ExecutionId,
    pub(crate) values: BTreeMap<String, String>,
}
