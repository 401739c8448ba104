//! Runs a stored partition on the caller's thread and records how it ended.

use std::fmt;
use std::sync::Arc;
use std::thread;

use super::super::RunOptions;
use crate::definition::{Binding, Environment, Scope, StepInfo};
use crate::engine::faults::retry::Retrying;
use crate::engine::faults::skip_count::SkipCount;
use crate::engine::flow::execution::{self, Begun, Request, Share};
use crate::engine::step::{Halt, StepEnd, StepRun};
use crate::graph::Activity;
use crate::observe::StepLive;
use crate::repository::{
    BatchStatus, ExitStatus, Ownership, PartitionExecution, Repository, RepositoryError, StepFinish,
    finish_step,
};

/// The number of threads that this machine can run in parallel.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Everything that the partitions of a step need to run. Several threads may use it at the same time.
pub struct PartitionWork<'w> {
    repository: &'w Arc<dyn Repository>,
    ownership: Ownership,
    environment: &'w Environment,
    options: RunOptions,
    info: &'static StepInfo,
    at_once: Option<usize>,
    path: &'w str,
    bindings: Vec<&'w [Binding]>,
    retrying: Retrying,
    skipped: SkipCount,
    live: &'w Arc<StepLive>,
}

impl fmt::Debug for PartitionWork<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionWork").field("step", &self.path).finish_non_exhaustive()
    }
}

impl<'w> PartitionWork<'w> {
    pub(super) fn new(request: &Request<'w>, run: &'w StepRun<'_>) -> Self {
        let stop = request.options.stop.of_branches();
        Self {
            repository: request.repository,
            ownership: request.ownership,
            environment: request.environment,
            options: RunOptions { stop, ..request.options.clone() },
            info: run.info,
            at_once: run.sizes.at_once,
            path: request.path,
            bindings: request.scope.bindings().to_vec(),
            retrying: run.retrying().clone(),
            skipped: SkipCount::new(run.before.skips()),
            live: &run.live,
        }
    }

    /// The step's name in its job.
    #[must_use]
    pub fn step(&self) -> &str {
        self.path
    }

    /// The ownership that every write for the partitions must carry.
    #[must_use]
    pub fn ownership(&self) -> Ownership {
        self.ownership
    }

    /// The number of partitions that may run at the same time: the step's `threads`, or else the number of cores.
    #[must_use]
    pub fn at_once(&self) -> usize {
        self.at_once.unwrap_or_else(cores).max(1)
    }

    /// Returns whether the job was asked to stop. From then on no further partition begins.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.options.stop.is_raised()
    }

    /// Stops the partitions of the step and nothing else: the repository is lost, so they could not commit anything.
    pub(super) fn give_up(&self) {
        self.options.stop.give_up();
    }

    /// Runs a partition to its end on this thread and records how it ended.
    ///
    /// # Errors
    /// When the repository is lost. A partition that failed is not an error.
    pub fn run(&self, partition: &PartitionExecution) -> Result<BatchStatus, RepositoryError> {
        let environment = self.environment.branch(&self.options.stop);
        let scope = self.bindings.iter().fold(Scope::of_job(&environment), |scope, b| scope.bound(b));
        let begun = execution::execute(&Request {
            repository: self.repository,
            ownership: self.ownership,
            environment: &environment,
            options: &self.options,
            path: &partition.step,
            name: &partition.step,
            activity: Activity::Step(self.info),
            scope,
            route: None,
            completions: 0,
            replayed: None,
            partition: Some(Share {
                partition,
                retrying: &self.retrying,
                skipped: &self.skipped,
                live: self.live,
            }),
        });
        match begun {
            Ok(begun) => self.end(partition, begun, &environment),
            Err(RepositoryError::Stopped) => Ok(BatchStatus::Stopped),
            Err(error) => Err(error),
        }
    }

    fn end(
        &self,
        partition: &PartitionExecution,
        begun: Begun,
        environment: &Environment,
    ) -> Result<BatchStatus, RepositoryError> {
        let checkpoints = begun.checkpoints.as_deref();
        let StepEnd { result, counters, profile } = begun.end;
        let values = &environment.job.values;
        let (status, exit, lost) = match result {
            Ok(_) => (BatchStatus::Completed, ExitStatus::code("COMPLETED"), None),
            Err(Halt::Stopped) => (BatchStatus::Stopped, ExitStatus::code("STOPPED"), None),
            Err(Halt::Failed(failure)) => {
                values.revert();
                tracing::error!(step = partition.step, %failure, "partition failed");
                (BatchStatus::Failed, ExitStatus::code("FAILED").because(failure.to_string()), None)
            }
            Err(Halt::Lost(error @ RepositoryError::Fenced { .. })) => return Err(error),
            Err(Halt::Lost(error)) => {
                values.revert();
                let exit = ExitStatus::code("FAILED").because(error.to_string());
                (BatchStatus::Failed, exit, Some(error))
            }
        };
        let finish = StepFinish {
            status,
            exit,
            counters,
            profile,
            journal: Vec::new(),
            context: None,
            job_context: values.changed().then(|| values.changes()),
        };
        let finished = finish_step(&**self.repository, self.ownership, begun.id, checkpoints, &finish);
        if let Some(error) = lost {
            return Err(error);
        }
        finished?;
        values.settle();
        tracing::info!(step = partition.step, %status, read = counters.read, written = counters.write, "partition ended");
        Ok(status)
    }
}
