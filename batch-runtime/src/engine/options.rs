//! The options of a run.

use std::sync::Arc;

use crate::definition::{Durability, Given, StopSignal};
use crate::engine::faults::pause::{Pause, Sleep};
use crate::engine::partitions::handler::{PartitionHandler, Threads};
use crate::observe::Observer;
use crate::repository::Recovery;
#[cfg(feature = "remote-chunks")]
use crate::workers::RemoteChunks;

/// How to run a job.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// When to take over an execution of the instance that is still marked as running.
    pub recovery: Recovery,
    /// The kind of crash that commits must survive.
    pub durability: Durability,
    /// Asks the job to stop at the next chunk boundary.
    pub stop: StopSignal,
    /// Is notified of what happens during the run.
    pub observer: Option<Arc<dyn Observer>>,
    /// Waits between the attempts of a retried call, and tells the time.
    pub pause: Arc<dyn Pause>,
    /// Replaces the results of `#[resource]` and `#[database]` functions, for tests.
    pub given: Given,
    /// Runs the partitions of steps.
    pub partitions: Arc<dyn PartitionHandler>,
    /// Has workers process the chunks of steps with `remote`, in addition to the threads of the step. If it is
    /// `None`, only the threads process them.
    #[cfg(feature = "remote-chunks")]
    pub chunks: Option<RemoteChunks>,
    /// The tokio runtime for `async` processors. Without one, the job starts its own when a step needs it. Steps do
    /// not drive the runtime; other threads must, as the threads of every multi-threaded runtime do.
    #[cfg(feature = "async")]
    pub runtime: Option<tokio::runtime::Handle>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            recovery: Recovery::default(),
            durability: Durability::default(),
            stop: StopSignal::default(),
            observer: None,
            pause: Arc::new(Sleep),
            given: Given::default(),
            partitions: Arc::new(Threads),
            #[cfg(feature = "remote-chunks")]
            chunks: None,
            #[cfg(feature = "async")]
            runtime: None,
        }
    }
}
