//! Runs a step with `partitions`: splits its input once, runs every partition, and merges their output.
//!
//! Each partition is a step execution of its own, such as `load:partition3`, and runs the step's own code. Only its
//! reader and its writer know that it is a partition. A [`PartitionHandler`] decides where it runs, and its result is
//! read from the repository.

mod aggregate;
mod claimed;
pub(super) mod handler;
mod merge;
pub(super) mod partitioned_run;
mod runner;

pub(crate) use claimed::{ClaimedRunner, PartitionOutcome, Secrets};
pub use handler::{PartitionHandler, PartitionWork, PartitionsError, Threads};
pub use partitioned_run::PartitionedRun;

use crate::definition::{Ended, Failure, Partitioned, Phase, StepListener as _};
use crate::engine::chunk::shared::halt;
use crate::engine::faults::all_skipped;
use crate::engine::faults::panic;
use crate::engine::phase::log_if_failed;
use crate::engine::profile::StepWatch;
use crate::engine::step::{Halt, StepEnd, StepOutcome};
use crate::observe::frames;
use crate::repository::work_queue::WORKER_LOST;
use crate::repository::{BatchStatus, Counters, PartitionExecution, Profile, RepositoryError, StepStart};
use merge::Merging;
use runner::PartitionRunner;

/// Runs a step with partitions.
#[must_use]
pub fn run_partitions<P: Partitioned>(step: &PartitionedRun<'_>) -> StepEnd {
    let mut watch = StepWatch::start(false);
    let opened = |panicked: Failure| Halt::Failed(panicked.during(Phase::Open));
    // These are the listeners of the whole step. Each partition opens its own listeners.
    let began = panic::catch(|| {
        let bound = P::listener(&step.run.scope);
        let mut listener = bound.map_err(|failure| Halt::Failed(step.opening(failure, "listener")))?;
        listener.before_step().map_err(Halt::Failed)?;
        Ok(listener)
    });
    let (listener, mut result) = match began.unwrap_or_else(|panicked| Err(opened(panicked))) {
        Ok(listener) => {
            let driven = panic::catch(|| frames::in_step::<P, _>(|| step.drive::<P>(&mut watch)));
            (Some(listener), driven.unwrap_or_else(|panicked| Err(opened(panicked))))
        }
        Err(halt) => (None, Err(halt)),
    };
    // The commits of the partitions count, no matter how the step ended.
    let counters = match step.partitions().and_then(|partitions| step.sum(&partitions)) {
        Ok(counters) => counters,
        Err(error) => {
            result = result.and(Err(Halt::Lost(error)));
            Counters::default()
        }
    };
    step.run.live.show(&counters, None);
    let profile = step.profile(&watch);
    if let Some(mut listener) = listener
        && !result.as_ref().is_err_and(Halt::is_fenced)
    {
        let failure = match &result {
            Err(Halt::Failed(failure)) => Some(failure),
            _ => None,
        };
        log_if_failed(panic::catch(|| listener.after_step(&counters, failure)).unwrap_or_else(Err));
    }
    let route = step.run.route;
    StepEnd {
        result: result.map(|output| StepOutcome {
            arm: route.map(|route| route.label(Box::new(Ended::Completed)).to_owned()),
            output,
            exit: None,
        }),
        counters,
        profile,
    }
}

/// The maximum number of failures that are reported: more of them would say nothing new.
const MAX_REPORTED: usize = 5;

impl PartitionedRun<'_> {
    /// Runs the partitions and merges their output. Returns the value of the aggregator as JSON.
    fn drive<P: Partitioned>(&self, watch: &mut StepWatch) -> Result<Option<String>, Halt> {
        let Self { request, run } = self;
        let (repository, owner, path) = (request.repository, request.ownership, request.path);
        let writer =
            P::merger(&run.scope).map_err(|failure| Halt::Failed(self.opening(failure, "writer")))?;
        let merging = Merging::open(run, writer).map_err(Halt::Failed)?;

        let partitions = self.begin::<P>()?;
        let complete = partitions.iter().filter(|partition| is_complete(partition)).count();
        run.live.begin_partitions(partitions.len() as u64, complete as u64);
        let left: Vec<_> = partitions.into_iter().filter(|partition| !is_complete(partition)).collect();
        if !left.is_empty() {
            let runner = PartitionRunner::new(request, run);
            watch.opened();
            let handled = request.options.partitions.handle(&runner.work(), &left);
            watch.ended();
            match handled {
                Ok(()) => {}
                Err(PartitionsError::Repository(error)) => return Err(Halt::Lost(error)),
                Err(PartitionsError::Failed(failure)) => {
                    repository.end_partitions(owner, path).map_err(Halt::Lost)?;
                    return Err(Halt::Failed(failure));
                }
            }
        }
        drop(left);

        let partitions = self.partitions().map_err(Halt::Lost)?;
        if !partitions.iter().all(is_complete) {
            repository.end_partitions(owner, path).map_err(Halt::Lost)?;
            return Err(self.worst(&partitions));
        }
        let counters = self.sum(&partitions).map_err(Halt::Lost)?;
        self.refuse_if_all_is_skipped(&partitions, counters)?;
        // Call the aggregator before the output is merged, so that the aggregator can still refuse the output.
        let output = self.aggregated(&partitions)?;
        merging.finish(run, counters, &partitions, |partition| {
            repository.partition_context(owner, partition.id)
        })?;
        Ok(output)
    }

    /// Fails if no partition could read any record, because then the input is at fault.
    fn refuse_if_all_is_skipped(
        &self,
        partitions: &[PartitionExecution],
        counters: Counters,
    ) -> Result<(), Halt> {
        let mut all = Counters::default();
        for partition in partitions {
            all += partition.counters;
        }
        let skipped = all.read_skip;
        // A lost worker may have read some records.
        all += counters;
        // A partition may have read its records in an earlier execution.
        if self.request.completions == 0 {
            all += self.run.before;
        }
        if all_skipped::are_all(&all) && all_skipped::fails(self.run) {
            return Err(Halt::Failed(all_skipped::of_partitions(skipped)));
        }
        Ok(())
    }

    /// Returns the partitions, with a new step execution for each that is not complete.
    fn begin<P: Partitioned>(&self) -> Result<Vec<PartitionExecution>, Halt> {
        let Self { request, run } = self;
        let (repository, owner, path) = (request.repository, request.ownership, request.path);
        let stored = self.partitions().map_err(Halt::Lost)?;
        let new = if stored.is_empty() {
            let wanted = run.sizes.partitions.unwrap_or_else(handler::cores);
            let made = panic::catch(|| P::split(&run.scope, wanted)).and_then(|made| made);
            Some(made.map_err(|failure| halt(self.opening(failure, "reader")))?)
        } else {
            None
        };
        let start = StepStart {
            name: path,
            start_limit: None,
            form: None,
            earlier_names: &[],
            elsewhere: None,
            durability: request.options.durability,
            stop: &request.options.stop,
        };
        repository.begin_partitions(owner, &start, new.as_deref()).map_err(|error| match error {
            RepositoryError::Stopped => Halt::Stopped,
            error => Halt::Lost(error),
        })
    }

    /// Where the time of the step and of its partitions went.
    fn profile(&self, watch: &StepWatch) -> Option<Profile> {
        let execution = self.request.ownership.execution;
        let partitions = self.request.repository.partition_profiles(execution, self.request.path).ok()?;
        Some(watch.profile_over(self.run.info, partitions))
    }

    fn partitions(&self) -> Result<Vec<PartitionExecution>, RepositoryError> {
        self.request.repository.partitions(self.request.ownership, self.request.path)
    }

    /// The committed work of the partitions in this execution, including that of lost workers.
    fn sum(&self, partitions: &[PartitionExecution]) -> Result<Counters, RepositoryError> {
        let (owner, path) = (self.request.ownership, self.request.path);
        if let Some(queue) = self.request.repository.work_queue() {
            return queue.counters(owner, path);
        }
        let execution = owner.execution;
        let mut sum = Counters::default();
        for partition in partitions.iter().filter(|partition| partition.execution == execution) {
            sum += partition.counters;
        }
        Ok(sum)
    }

    fn opening(&self, failure: Failure, role: &'static str) -> Failure {
        self.run.of_role(failure, role).during(Phase::Open)
    }

    /// The result of the step if not all partitions are complete.
    fn worst(&self, partitions: &[PartitionExecution]) -> Halt {
        // A partition whose worker was lost during a stop counts as stopped, not as failed.
        let is_stopped =
            |partition: &PartitionExecution| self.run.is_stopping() && partition.exit.code == WORKER_LOST;
        let failed: Vec<_> = partitions
            .iter()
            .filter(|partition| partition.status == BatchStatus::Failed && !is_stopped(partition))
            .collect();
        if failed.is_empty() && self.run.is_stopping() {
            return Halt::Stopped;
        }
        let mut reported: Vec<String> = failed
            .iter()
            .take(MAX_REPORTED)
            .map(|partition| format!("{}: {}", shown(partition), partition.exit.description))
            .collect();
        if failed.len() > MAX_REPORTED {
            reported.push(format!("and {} more", failed.len() - MAX_REPORTED));
        }
        if reported.is_empty() {
            let left = partitions.iter().filter(|partition| !is_complete(partition)).count();
            reported.push(format!("{left} of {} partitions did not complete", partitions.len()));
        }
        Halt::Failed(Failure::new(reported.join("; ")))
    }
}

fn is_complete(partition: &PartitionExecution) -> bool {
    partition.status == BatchStatus::Completed
}

fn shown(partition: &PartitionExecution) -> String {
    match &partition.name {
        Some(name) => format!("partition {} `{name}`", partition.number),
        None => format!("partition {}", partition.number),
    }
}
