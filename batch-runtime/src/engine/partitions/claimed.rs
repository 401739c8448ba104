//! Runs a partition that this process has claimed from the queue of a repository. Everything comes from the rows of
//! the repository: the name of the job, the journal that leads to the step, the parameters and the context.

#[cfg(feature = "remote-chunks")]
mod chunks;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::runner::PartitionRunner;
use crate::definition::{
    Binding, Environment, ExecutionId, JobContext, JobInfo, Parameter, Parameters, ParametersError, StepInfo,
    StopSignal, Values, resolve_beside,
};
use crate::engine::faults::panic;
use crate::engine::faults::skip_count::SkipCount;
use crate::engine::flow::journal::Journal;
use crate::engine::flow::replay::Replaying;
use crate::engine::flow::seek::{Found, seek};
use crate::engine::flow::steps::jobs_by_name;
use crate::engine::options::RunOptions;
use crate::observe::{StepLive, spans};
use crate::repository::work_queue::Claim;
use crate::repository::{Counters, ExecutionFilter, Ownership, Repository, RepositoryError};

/// The maximum number of executions whose resources are kept for further partitions.
const MAX_KNOWN: usize = 8;

/// The result of running a claimed partition.
#[derive(Debug)]
pub(crate) enum PartitionOutcome {
    /// The partition ended, and its end is recorded.
    Ended,
    /// The partition has not begun, because the job was asked to stop.
    NotBegun,
    /// Something panicked outside the step, and the end of the partition is not recorded.
    Panicked(String),
    /// This process cannot run partitions of this execution; the text says why.
    Declined(String),
}

/// Supplies the secret parameters of a job in an execution. No repository stores them.
pub(crate) type Secrets = Arc<dyn Fn(&JobInfo, ExecutionId) -> Parameters + Send + Sync>;

/// Runs claimed partitions. The threads of a worker share one runner.
pub(crate) struct ClaimedRunner {
    repository: Arc<dyn Repository>,
    /// The jobs of the program by name, with those that are nested in them.
    jobs: BTreeMap<&'static str, &'static JobInfo>,
    options: RunOptions,
    secrets: Secrets,
    /// The executions whose partitions ran here most recently, the latest last.
    known: Mutex<VecDeque<Arc<Known>>>,
}

/// An execution whose partitions this process runs.
struct Known {
    ownership: Ownership,
    job: &'static JobInfo,
    /// Holds the resources and databases that all partitions of the execution share.
    environment: Environment,
    /// Whether this is the first execution of the instance, so that the input is unchanged since it was split.
    is_first: bool,
    /// The steps whose partitions have run here.
    steps: Mutex<BTreeMap<String, Arc<ClaimedStep>>>,
}

/// The state that the claimed partitions of a step share.
pub(super) struct ClaimedStep {
    pub(super) job: &'static JobInfo,
    pub(super) info: &'static StepInfo,
    /// The bindings around the step, outermost first.
    pub(super) bindings: Vec<&'static [Binding]>,
    pub(super) skipped: SkipCount,
    pub(super) live: Arc<StepLive>,
}

impl ClaimedRunner {
    pub(crate) fn new(
        repository: Arc<dyn Repository>,
        jobs: &[&'static JobInfo],
        options: RunOptions,
        secrets: Secrets,
    ) -> Self {
        Self { repository, jobs: jobs_by_name(jobs), options, secrets, known: Mutex::default() }
    }

    /// Runs a claimed partition to its end, or to its next chunk boundary once `stop` is raised. The worker
    /// raises `stop` when it drains, or when the job was asked to stop.
    ///
    /// # Errors
    /// When the repository or the worker is lost. The end of the partition is then not recorded.
    pub(crate) fn run(
        &self,
        claim: &Claim,
        stop: &StopSignal,
        drain: &StopSignal,
    ) -> Result<PartitionOutcome, RepositoryError> {
        let _job = spans::job(&claim.job, claim.ownership);
        let _step = spans::step(&claim.step);
        panic::catch(|| self.run_uncaught(claim, stop, drain))
            .unwrap_or_else(|panicked| Ok(PartitionOutcome::Panicked(panicked.to_string())))
    }

    /// Closes the resources of executions that have no running partition here.
    pub(crate) fn forget_ended(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|known| Arc::strong_count(known) > 1);
    }

    fn run_uncaught(
        &self,
        claim: &Claim,
        stop: &StopSignal,
        drain: &StopSignal,
    ) -> Result<PartitionOutcome, RepositoryError> {
        let known = match self.known(claim.ownership, &claim.job)? {
            Ok(known) => known,
            Err(why) => return Ok(PartitionOutcome::Declined(why)),
        };
        let has_partitions = |info: &StepInfo| info.options.partitioning.is_some();
        let claimed = match self.step(&known, &claim.step, has_partitions)? {
            Ok(claimed) => claimed,
            Err(why) => return Ok(PartitionOutcome::Declined(why)),
        };
        // Without skip rules nothing is skipped, so there is no need to count. Counting takes longer than all other
        // reads of a claim together.
        if !claimed.info.options.faults.skip.is_empty()
            && let Some(queue) = self.repository.work_queue()
        {
            claimed.skipped.raise_to(queue.skipped(claim.ownership, &claim.step)?);
        }
        let environment = known.environment.with(stop, Values::new(claim.job_context.clone()));
        let options = RunOptions { stop: stop.clone(), durability: claim.durability, ..self.options.clone() };
        let runner = PartitionRunner::of_claim(
            &self.repository,
            claim,
            &claimed,
            &environment,
            options,
            drain,
            known.is_first,
        );
        Ok(runner
            .run_if_wanted(&claim.partition)?
            .map_or(PartitionOutcome::NotBegun, |_| PartitionOutcome::Ended))
    }

    /// The execution with its resources, or the reason why this process cannot run any part of it.
    fn known(&self, ownership: Ownership, name: &str) -> Result<Result<Arc<Known>, String>, RepositoryError> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = all.iter().position(|known| known.ownership == ownership)
            && let Some(known) = all.remove(at)
        {
            all.push_back(Arc::clone(&known));
            return Ok(Ok(known));
        }
        let Some(job) = self.jobs.get(name) else {
            return Ok(Err(format!("this program has no job `{name}`")));
        };
        let parameters = match self.parameters(job, ownership.execution)? {
            Ok(parameters) => parameters,
            Err(why) => return Ok(Err(why)),
        };
        let of_instance =
            ExecutionFilter { instance: Some(ownership.instance), ..ExecutionFilter::default() };
        let is_first = self.repository.count_executions(&of_instance)? <= 1;
        let context = JobContext {
            job: name.to_owned(),
            instance: ownership.instance,
            execution: ownership.execution,
            parameters,
            stop: StopSignal::new(),
            values: Values::default(),
        };
        let environment = Environment::new(context, self.repository.database(), &self.options.given);
        #[cfg(feature = "async")]
        let environment = environment.in_runtime(self.options.runtime.clone());
        let known = Arc::new(Known { ownership, job, environment, is_first, steps: Mutex::default() });
        all.push_back(Arc::clone(&known));
        if all.len() > MAX_KNOWN {
            all.pop_front();
        }
        Ok(Ok(known))
    }

    /// The parameters of an execution: the stored ones, and the secrets of this process.
    fn parameters(
        &self,
        job: &'static JobInfo,
        execution: ExecutionId,
    ) -> Result<Result<Parameters, String>, RepositoryError> {
        let stored = self.repository.execution(execution)?.parameters;
        let (mut declared, mut ours) = (Parameters::new(), Vec::new());
        for parameter in stored {
            let is_declared = job.parameters.iter().any(|spec| spec.name == parameter.name);
            let (value, identifying) = (parameter.value, parameter.identifying);
            let whole = Parameter { value, identifying, secret: false };
            if is_declared {
                declared.insert(&parameter.name, whole);
            } else {
                ours.push((parameter.name, whole));
            }
        }
        Ok(match resolve_beside(job, &declared, &(self.secrets)(job, execution)) {
            Ok(mut parameters) => {
                for (name, parameter) in ours {
                    parameters.insert(&name, parameter);
                }
                Ok(parameters)
            }
            Err(error @ ParametersError::Missing { secret: true, .. }) => Err(format!(
                "{error}; a worker takes the parameter from its environment, as in `BATCH_PARAM_NAME=VALUE`"
            )),
            Err(error) => Err(error.to_string()),
        })
    }

    /// Finds the step at that place by following what the instance has passed, and puts the outputs of the steps on
    /// the way into the environment. The partitions of a step share the result of the first search.
    fn step(
        &self,
        known: &Known,
        path: &str,
        is_right: impl Fn(&StepInfo) -> bool,
    ) -> Result<Result<Arc<ClaimedStep>, String>, RepositoryError> {
        let mut steps = known.steps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(step) = steps.get(path) {
            return Ok(Ok(Arc::clone(step)));
        }
        let (job, environment) = (known.job, &known.environment);
        let replaying = match Replaying::of(&self.repository, job, &environment.job.parameters) {
            Ok(replaying) => replaying,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let passed = replaying.as_ref().map_or(&[][..], Replaying::passed).iter().cloned();
        let journal = Journal::new(passed.chain(self.repository.journal(known.ownership.execution)?));
        let lacks = || format!("job `{}` of this program does not reach step `{path}`", job.name);
        Ok(match seek(job.flow, &journal, path) {
            Some(Found { step: Some(info), bindings, outputs }) if is_right(info) => {
                for (step, json) in outputs {
                    environment.leave_output(&step, json);
                }
                let step = Arc::new(ClaimedStep {
                    job,
                    info,
                    bindings,
                    skipped: SkipCount::of_processes(path),
                    live: Arc::new(StepLive::new(path.to_owned(), Counters::default())),
                });
                steps.insert(path.to_owned(), Arc::clone(&step));
                Ok(step)
            }
            _ => Err(lacks()),
        })
    }
}
