//! The operations on jobs that a person or a program needs: start, restart, stop, abandon, recover, list and show.
//! This module prints nothing.

mod details;
mod doctor;
mod error;
mod find;
mod purge;
mod resolve;
mod start;
#[cfg(test)]
mod tests;

pub use crate::engine::RestartFrom;
pub use details::ExecutionDetails;
pub use doctor::Finding;
pub use error::OperatorError;
pub use purge::{Archive, Purge, Purged, PurgedJob};
#[cfg(feature = "serve")]
pub(crate) use resolve::{check_abandon, check_stop};

use std::sync::Arc;

use crate::definition::{Durability, ExecutionId, JobInfo, StopSignal, nearest};
use crate::engine::{PartitionHandler, RunOptions};
use crate::observe::Observer;
use crate::repository::{JobExecution, Recovery, Repository};
#[cfg(feature = "remote-chunks")]
use crate::workers::RemoteChunks;

/// Starts and manages jobs: everything that the generated command line does, as a library.
///
/// ```
/// use std::sync::Arc;
/// use batch_runtime::operator::{JobOperator, OperatorError};
/// use batch_runtime::repository::sqlite::SqliteRepository;
/// use batch_runtime::repository::{BatchStatus, ExecutionFilter, RepositoryError};
/// use batch_runtime::{JobInfo, JobOptions, Launch, Parameters};
///
/// // `#[job] fn nothing() {}` generates this constant, and `nothing()` the launch.
/// const NOTHING: &JobInfo = &JobInfo {
///     id: "demo::nothing",
///     name: "nothing",
///     doc: "",
///     parameters: &[],
///     flow: &[],
///     options: JobOptions::DEFAULT,
/// };
/// let nothing = || Launch { job: NOTHING, parameters: Parameters::new() };
///
/// let operator = JobOperator::new(Arc::new(SqliteRepository::temporary()?)).with_jobs(&[NOTHING]);
/// let report = operator.start(nothing())?;
/// assert_eq!(report.status, BatchStatus::Completed);
///
/// let again = operator.start_with("nothing", Parameters::new());
/// assert!(matches!(again, Err(OperatorError::Repository(RepositoryError::AlreadyComplete { .. }))));
///
/// let next = operator.start_next(nothing())?;
/// assert_eq!(operator.show(next.execution)?.execution.parameters[0].name, "run.id");
/// assert_eq!(operator.executions(&ExecutionFilter::default())?.len(), 2);
/// # Ok::<(), OperatorError>(())
/// ```
#[derive(Debug, Clone)]
pub struct JobOperator {
    pub(crate) repository: Arc<dyn Repository>,
    jobs: Vec<&'static JobInfo>,
    pub(crate) options: RunOptions,
}

impl JobOperator {
    /// An operator for the jobs recorded in `repository`.
    #[must_use]
    pub fn new(repository: Arc<dyn Repository>) -> Self {
        Self { repository, jobs: Vec::new(), options: RunOptions::default() }
    }

    #[cfg(feature = "cli")]
    pub(crate) fn repository(&self) -> &dyn Repository {
        &*self.repository
    }

    /// Sets the jobs that the operator knows by name, which [`start_with`](Self::start_with) and
    /// [`restart`](Self::restart) need.
    #[must_use]
    pub fn with_jobs(mut self, jobs: &[&'static JobInfo]) -> Self {
        self.jobs.extend_from_slice(jobs);
        self
    }

    /// Sets what a launch does if the instance has a running execution whose owner may be dead.
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.options.recovery = recovery;
        self
    }

    /// Sets the kind of crash that commits must survive.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = durability;
        self
    }

    /// Sets the signal that stops the jobs of this operator at their next chunk boundary.
    #[must_use]
    pub fn stop_signal(mut self, stop: StopSignal) -> Self {
        self.options.stop = stop;
        self
    }

    /// Sets the observer of the jobs that this operator runs.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.options.observer = Some(observer);
        self
    }

    /// Sets the handler that runs the partitions of steps. By default, they run on threads of this process.
    #[must_use]
    pub fn partitions(mut self, handler: Arc<dyn PartitionHandler>) -> Self {
        self.options.partitions = handler;
        self
    }

    /// Lets workers process the chunks of steps with `remote`, in addition to the threads of the step.
    #[cfg(feature = "remote-chunks")]
    #[must_use]
    pub fn chunks(mut self, chunks: RemoteChunks) -> Self {
        self.options.chunks = Some(chunks);
        self
    }

    /// Sets the tokio runtime for `async` processors. By default, each job has a separate one. Other threads
    /// must drive the runtime, as those of a multi-threaded runtime do.
    #[cfg(feature = "async")]
    #[must_use]
    pub fn runtime(mut self, runtime: tokio::runtime::Handle) -> Self {
        self.options.runtime = Some(runtime);
        self
    }

    /// The jobs that the operator can start by name.
    #[must_use]
    pub fn jobs(&self) -> &[&'static JobInfo] {
        &self.jobs
    }

    /// The job with that name.
    ///
    /// # Errors
    /// [`OperatorError::UnknownJob`], with the name that was probably meant.
    pub fn job(&self, name: &str) -> Result<&'static JobInfo, OperatorError> {
        job_named(&self.jobs, name)
    }

    /// Asks a running execution, in any process, to stop at its next chunk boundary. Other executions
    /// continue, and the request does not stop a later execution of the same instance.
    ///
    /// # Errors
    /// If there is no such execution, or it is not running.
    pub fn stop(&self, execution: ExecutionId) -> Result<(), OperatorError> {
        Ok(self.repository.request_stop(execution)?)
    }

    /// Abandons an execution for good: its instance cannot be restarted.
    ///
    /// # Errors
    /// If there is no such execution, the execution is complete, or its owner is alive.
    pub fn abandon(&self, execution: ExecutionId) -> Result<(), OperatorError> {
        Ok(self.repository.abandon(execution)?)
    }

    /// Ends running executions whose owners are [`Dead`](crate::repository::OwnerState::Dead), so that they can be
    /// restarted, and returns them.
    ///
    /// # Errors
    /// If the repository cannot be written.
    pub fn recover(&self) -> Result<Vec<JobExecution>, OperatorError> {
        let recovered = self.repository.recover()?;
        Ok(recovered.into_iter().map(|id| self.repository.execution(id)).collect::<Result<_, _>>()?)
    }
}

pub(crate) fn job_named(jobs: &[&'static JobInfo], name: &str) -> Result<&'static JobInfo, OperatorError> {
    jobs.iter()
        .copied()
        .find(|job| job.name == name)
        .ok_or_else(|| unknown_job(name, jobs.iter().map(|job| job.name.to_owned()).collect()))
}

fn unknown_job(name: &str, known: Vec<String>) -> OperatorError {
    OperatorError::UnknownJob {
        name: name.chars().take(100).collect(),
        nearest: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
        known,
    }
}
