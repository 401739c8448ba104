//! Runs a stored partition on the caller's thread and records how it ended.

use std::sync::Arc;

use super::claimed::ClaimedStep;
use super::handler::{PartitionWork, RunPartition};
use crate::definition::{Binding, Changes, Environment, Failure, JobInfo, Scope, StepInfo, StopSignal};
use crate::engine::faults::retry::Retrying;
use crate::engine::faults::skip_count::SkipCount;
use crate::engine::flow::execution;
use crate::engine::flow::request::{Executed, Request, Share};
use crate::engine::options::RunOptions;
use crate::engine::step::{Halt, StepEnd, StepRun};
use crate::graph::Activity;
use crate::observe::{StepLive, spans};
use crate::readers::FilesError;
use crate::repository::work_queue::{Claim, HANDED_BACK};
use crate::repository::{
    BatchStatus, ExitStatus, Ownership, PartitionExecution, Repository, RepositoryError, StepFinish,
    finish_step,
};

/// Runs the partitions of a step, and holds everything that they share.
pub(super) struct PartitionRunner<'w> {
    repository: &'w Arc<dyn Repository>,
    ownership: Ownership,
    owner_may_live: bool,
    environment: &'w Environment,
    options: RunOptions,
    job: &'static JobInfo,
    info: &'static StepInfo,
    at_once: Option<usize>,
    path: &'w str,
    bindings: Vec<&'w [Binding]>,
    retrying: Retrying,
    skipped: SkipCount,
    live: &'w Arc<StepLive>,
    drain: Option<&'w StopSignal>,
    is_from_elsewhere: bool,
}

impl<'w> PartitionRunner<'w> {
    pub(super) fn new(request: &Request<'w>, run: &'w StepRun<'_>) -> Self {
        let stop = request.options.stop.of_branches();
        Self {
            repository: request.repository,
            ownership: request.ownership,
            owner_may_live: request.owner_may_live,
            environment: request.environment,
            options: RunOptions { stop, ..request.options.clone() },
            job: request.job,
            info: run.info,
            at_once: run.sizes.at_once,
            path: request.path,
            bindings: request.scope.bindings().to_vec(),
            retrying: run.retrying().clone(),
            skipped: SkipCount::new(run.before.skips()),
            live: &run.live,
            drain: None,
            is_from_elsewhere: false,
        }
    }

    /// The runner of a partition that was claimed from a queue.
    pub(super) fn of_claim(
        repository: &'w Arc<dyn Repository>,
        claim: &'w Claim,
        step: &'w ClaimedStep,
        environment: &'w Environment,
        options: RunOptions,
        drain: &'w StopSignal,
        is_from_elsewhere: bool,
    ) -> Self {
        let ClaimedStep { job, info, bindings, skipped, live } = step;
        Self {
            repository,
            ownership: claim.ownership,
            // The row of the partition tells whether a previous owner may be alive, and `execute` reads it.
            owner_may_live: false,
            environment,
            job,
            info,
            at_once: None,
            path: &claim.step,
            bindings: bindings.clone(),
            retrying: Retrying::new(&info.options, Arc::clone(&options.pause), options.stop.clone())
                .begun_before(claim.step_age),
            skipped: skipped.clone(),
            live,
            drain: Some(drain),
            is_from_elsewhere,
            options,
        }
    }

    /// The part of the runner that a handler sees.
    pub(super) fn work(&self) -> PartitionWork<'_> {
        PartitionWork {
            step: self.path,
            job: self.job,
            repository: &**self.repository,
            environment: self.environment,
            ownership: self.ownership,
            at_once: self.at_once,
            stop: &self.options.stop,
            live: self.live,
            owner_may_live: self.owner_may_live,
            observer: self.options.observer.as_deref(),
            runner: self,
        }
    }

    /// The exit of a partition that stopped. A worker that drains hands the partition back, unless the job itself was
    /// asked to stop.
    fn stopped(&self) -> Result<ExitStatus, RepositoryError> {
        let hands_back = self.drain.is_some_and(StopSignal::is_raised)
            && !self.repository.stop_requested(self.ownership)?;
        Ok(if hands_back {
            ExitStatus::code(HANDED_BACK).because("its worker was drained")
        } else {
            ExitStatus::code("STOPPED")
        })
    }

    /// Adds a remedy if a file of the partition, or its folder, is missing on this machine.
    fn with_remedy(&self, failure: Failure) -> Failure {
        let finds_none = matches!(
            failure.find::<FilesError>(),
            Some(FilesError::NoFile { .. } | FilesError::Folder { .. })
        );
        if self.is_from_elsewhere && finds_none {
            failure.with_note(
                "the manager found files there: give the worker the same folder under that path, for example on a shared file system",
            )
        } else {
            failure
        }
    }

    fn end(&self, executed: Executed, environment: &Environment) -> Result<BatchStatus, RepositoryError> {
        let checkpoints = executed.checkpoints.as_deref();
        let StepEnd { result, counters, profile } = executed.end;
        let values = &environment.job.values;
        let (status, exit, lost) = match result {
            Ok(_) => (BatchStatus::Completed, ExitStatus::code("COMPLETED"), None),
            Err(Halt::Stopped) => {
                values.revert();
                (BatchStatus::Stopped, self.stopped()?, None)
            }
            Err(Halt::Failed(failure)) => {
                let failure = self.with_remedy(failure);
                values.revert();
                tracing::error!(%failure, "partition failed");
                (BatchStatus::Failed, ExitStatus::code("FAILED").because(failure.to_string()), None)
            }
            Err(Halt::Lost(error @ RepositoryError::Fenced { .. })) => return Err(error),
            // The worker gives the partition up, and another worker resumes it after its last commit.
            Err(Halt::Lost(error)) if self.drain.is_some() => return Err(error),
            Err(Halt::Lost(error)) => {
                values.revert();
                let exit = ExitStatus::code("FAILED").because(error.to_string());
                (BatchStatus::Failed, exit, Some(error))
            }
        };
        let Changes { values: changed, until } = values.changes();
        let finish = StepFinish {
            status,
            exit,
            counters,
            profile,
            journal: Vec::new(),
            context: None,
            job_context: (!changed.is_empty()).then_some(changed),
        };
        let finished = finish_step(&**self.repository, self.ownership, executed.id, checkpoints, &finish);
        if let Some(error) = lost {
            return Err(error);
        }
        finished?;
        values.settle(until);
        tracing::info!(%status, read = counters.read, written = counters.write, "partition ended");
        spans::ended(status, &finish.exit, Some(&counters));
        Ok(status)
    }
}

impl RunPartition for PartitionRunner<'_> {
    fn run(&self, partition: &PartitionExecution) -> Result<BatchStatus, RepositoryError> {
        Ok(self.run_if_wanted(partition)?.unwrap_or(BatchStatus::Stopped))
    }
}

impl PartitionRunner<'_> {
    /// Runs a partition to its end and returns its status; `None` if the job was asked to stop before the partition
    /// began.
    pub(super) fn run_if_wanted(
        &self,
        partition: &PartitionExecution,
    ) -> Result<Option<BatchStatus>, RepositoryError> {
        let _inside = spans::partition(partition);
        let environment = self.environment.branch(&self.options.stop);
        let scope = self.bindings.iter().fold(Scope::of_job(&environment), |scope, b| scope.bound(b));
        let request = Request {
            repository: self.repository,
            ownership: self.ownership,
            owner_may_live: self.owner_may_live,
            job: self.job,
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
                is_from_elsewhere: self.is_from_elsewhere,
            }),
        };
        match execution::execute(&request, self.info) {
            Ok(executed) => self.end(executed, &environment).map(Some),
            Err(RepositoryError::Stopped) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
