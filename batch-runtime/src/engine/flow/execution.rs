//! Begins a step or nested job in the repository and runs it to its end. The caller records how it ended.

use std::cell::RefCell;
use std::fmt::Write;
use std::sync::Arc;

use crate::definition::resolve_beside;
use crate::definition::{
    Assigned, DatabaseHandle, DatabaseInfo, Environment, Failure, JobInfo, Mark, NeedKind, Of, Parameter,
    ParameterValue, Parameters, Scope, Sizes, StepContext, StepEnvironment, StepExecutionId, StepInfo,
    Values,
};
use crate::engine::chunk::checkpoint::Checkpoint;
use crate::engine::faults::retry::Retrying;
use crate::engine::faults::skip_count::SkipCount;
use crate::engine::flow::form::Form;
use crate::engine::flow::job;
use crate::engine::flow::renames::earlier_paths;
use crate::engine::partitions::PartitionedRun;
use crate::engine::step::{Done, Halt, Route, StepEnd, StepRun};
use crate::engine::{JobError, RunOptions};
use crate::graph::Activity;
use crate::observe::{StepLive, StepReport};
use crate::repository::{
    BatchStatus, BegunStep, Checkpoints, Counters, Ownership, PartitionExecution, Recovery, Repository,
    RepositoryError, StepStart, begin_step,
};

/// A step or nested job to execute, and everything it needs.
pub(crate) struct Request<'r> {
    pub(crate) repository: &'r Arc<dyn Repository>,
    pub(crate) ownership: Ownership,
    pub(crate) environment: &'r Environment,
    pub(crate) options: &'r RunOptions,
    /// Its place in the job.
    pub(crate) path: &'r str,
    /// Its name as users see it.
    pub(crate) name: &'r str,
    pub(crate) activity: Activity,
    /// The job's scope with the bindings of this use.
    pub(crate) scope: Scope<'r>,
    pub(crate) route: Option<Route>,
    /// The number of times it completed in earlier executions.
    pub(crate) completions: u32,
    /// In a replay, the places of the records that it reads. It reads no others.
    pub(crate) replayed: Option<&'r [String]>,
    /// The partition, if the request is for one partition of a step.
    pub(crate) partition: Option<Share<'r>>,
}

/// A partition, and what it shares with the other partitions of its step.
pub(crate) struct Share<'r> {
    pub(crate) partition: &'r PartitionExecution,
    pub(crate) retrying: &'r Retrying,
    /// The skips of the step, across all its partitions.
    pub(crate) skipped: &'r SkipCount,
    /// The live state of the step.
    pub(crate) live: &'r Arc<StepLive>,
}

/// A step execution that has ended, before its end is recorded.
pub(crate) struct Begun {
    pub(crate) id: StepExecutionId,
    pub(crate) before: Counters,
    pub(crate) live: Arc<StepLive>,
    pub(crate) end: StepEnd,
    /// The steps of a nested job.
    pub(crate) nested: Vec<StepReport>,
    /// Its checkpoints, if its chunks are committed in another database.
    pub(crate) checkpoints: Option<Arc<dyn Checkpoints>>,
}

pub(crate) fn execute(request: &Request<'_>) -> Result<Begun, RepositoryError> {
    match request.activity {
        Activity::Step(step) => execute_step(request, step),
        Activity::Job(nested) => execute_job(request, nested),
        Activity::Flow(_) | Activity::Decider(_) | Activity::Text(_) => {
            unreachable!("the walk handles flows, deciders and texts itself")
        }
    }
}

fn execute_step(request: &Request<'_>, step: &'static StepInfo) -> Result<Begun, RepositoryError> {
    let elsewhere = elsewhere(step).map(|info| (info, request.scope.database(Of::Named(info))));
    let limit = step.options.start_limit;
    // If a database of the user's cannot be opened, the step fails, and that failure is recorded.
    let (begun, unopened) = match &elsewhere {
        None => (begin(request, limit, None)?, None),
        Some((_, Err(failure))) => (begin(request, limit, None)?, Some(failure.to_string())),
        Some((info, Ok(handle))) => match begin(request, limit, Some((info.name, handle))) {
            Ok(begun) => (begun, None),
            Err(
                error @ (RepositoryError::Fenced { .. }
                | RepositoryError::StartLimit { .. }
                | RepositoryError::Stopped),
            ) => return Err(error),
            Err(error) => (begin(request, limit, None)?, Some(error.to_string())),
        },
    };
    let BegunStep { id, starts, mut context, before, chunks, checkpoints } = begun;
    let share = request.partition.as_ref();
    let live = match share {
        None => StepLive::new(request.name.to_owned(), before),
        Some(share) => StepLive::of_partition(request.name.to_owned(), before, share.live),
    };
    let live = Arc::new(live);
    if let (Some(observer), None) = (&request.options.observer, share) {
        observer.step_started(&live);
    }
    let inherited = match unopened {
        Some(why) => Err(Failure::new(why)),
        None => Checkpoint::take(&mut context)
            .and_then(|inherited| Ok((inherited, Sizes::of(&step.options, &request.scope)?))),
    };
    let end = match inherited {
        Err(failure) => failed(failure),
        Ok((inherited, sizes)) => {
            let step_context = StepContext {
                step: request.path.to_owned(),
                id,
                execution: request.ownership.execution,
                starts,
                stop: request.options.stop.clone(),
                values: Values::new(context),
            };
            let RunOptions { pause, stop: signal, .. } = request.options;
            let retrying = match share {
                None => Retrying::new(&step.options, Arc::clone(pause), signal.clone()),
                Some(share) => share.retrying.of_partition(signal.clone(), share.skipped.clone()),
            };
            let assigned = share.map(|share| Assigned {
                number: share.partition.number,
                name: share.partition.name.clone(),
                part: share.partition.part.clone(),
            });
            let own = StepEnvironment::new(Some(step_context), Some(retrying)).of_partition(assigned);
            let run = StepRun {
                info: step,
                environment: request.environment,
                own: &own,
                scope: request.scope.clone().in_step(&own),
                sizes,
                store: RefCell::new(chunks),
                inherited,
                durability: request.options.durability,
                before,
                mark: mark(request),
                forced: request.options.recovery == Recovery::Force,
                replayed: request.replayed.map(<[_]>::to_vec),
                live: Arc::clone(&live),
                route: request.route,
            };
            match (step.options.partitioning, share) {
                (Some(partitioning), None) => (partitioning.run)(&PartitionedRun { request, run: &run }),
                _ => (step.run)(&run),
            }
        }
    };
    Ok(Begun { id, before, live, end, nested: Vec::new(), checkpoints })
}

/// The mark of the output. A partition has the mark of its step.
fn mark(request: &Request<'_>) -> Mark {
    let path = match &request.partition {
        Some(share) => {
            let number = format!(":partition{}", share.partition.number);
            request.path.strip_suffix(&number).unwrap_or(request.path)
        }
        None => request.path,
    };
    let job = &request.environment.job;
    Mark::new(&[&request.repository.identity(), &job.job, &job.instance.to_string(), path])
}

fn begin(
    request: &Request<'_>,
    start_limit: Option<u32>,
    elsewhere: Option<(&str, &DatabaseHandle)>,
) -> Result<BegunStep, RepositoryError> {
    tracing::info!(step = request.name, execution = request.ownership.execution.0, "step started");
    let form = request.partition.is_none().then(|| Form::of(request.activity)).flatten();
    let form = form.as_ref().map(Form::text);
    let was = match request.activity {
        Activity::Step(step) => earlier_paths(step, request.path),
        _ => Vec::new(),
    };
    let start = StepStart {
        name: request.path,
        start_limit,
        form: form.as_deref(),
        was: &was,
        elsewhere,
        durability: request.options.durability,
        stop: &request.options.stop,
    };
    let created = request.partition.as_ref().map(|share| share.partition.id);
    begin_step(request.repository, request.ownership, &start, created)
}

fn failed(failure: Failure) -> StepEnd {
    StepEnd { result: Err(Halt::Failed(failure)), counters: Counters::default(), profile: None }
}

/// The other database whose transaction the step's components use. The macros allow at most one.
pub(crate) fn elsewhere(step: &StepInfo) -> Option<&'static DatabaseInfo> {
    step.components.iter().flat_map(|component| component.needs).find_map(|need| match need.kind {
        NeedKind::Transaction(Of::Named(database)) => Some(database),
        _ => None,
    })
}

/// The parameter that ties an instance of a nested job to its place in this instance of the outer job.
const PARENT: &str = "batch.parent";

fn execute_job(request: &Request<'_>, nested: &'static JobInfo) -> Result<Begun, RepositoryError> {
    let BegunStep { id, before, .. } = begin(request, None, None)?;
    let live = Arc::new(StepLive::new(request.name.to_owned(), before));
    let ran = nested_parameters(request, nested).and_then(|parameters| {
        job::run(request.repository, nested, &parameters, request.options, job::As::Step(request.name))
    });
    let mut steps = Vec::new();
    let result = match ran {
        Ok(report) => {
            steps = report.steps;
            match report.status {
                BatchStatus::Completed => Ok(completed(request)),
                BatchStatus::Stopped => Err(Halt::Stopped),
                _ => Err(Halt::Failed(Failure::new(report.exit.description))),
            }
        }
        // It completed, but the process died before that was recorded here.
        Err(JobError::Repository(RepositoryError::AlreadyComplete {
            status: BatchStatus::Completed,
            ..
        })) => Ok(completed(request)),
        Err(JobError::Repository(error @ RepositoryError::Fenced { .. })) => Err(Halt::Lost(error)),
        Err(error) => Err(Halt::Failed(Failure::new(error))),
    };
    Ok(Begun {
        id,
        before,
        live,
        end: StepEnd { result, counters: Counters::default(), profile: None },
        nested: steps,
        checkpoints: None,
    })
}

fn completed(request: &Request<'_>) -> Done {
    let arm =
        request.route.map(|route| route.label(Box::new(crate::definition::Ended::Completed)).to_owned());
    Done { arm, ..Done::default() }
}

fn nested_parameters(request: &Request<'_>, nested: &'static JobInfo) -> Result<Parameters, JobError> {
    let job = &request.environment.job;
    let (mut resolved, mut given) = (Parameters::new(), Parameters::new());
    for spec in nested.parameters {
        if let (Some(value), outer) = request.scope.resolve(spec.name) {
            let of_the_job = job.parameters.get(&outer).is_some_and(|outer| outer.value == value);
            let parameters = if of_the_job { &mut resolved } else { &mut given };
            parameters
                .insert(spec.name, Parameter { value, identifying: spec.identifying, secret: spec.secret });
        }
    }
    let parameters = resolve_beside(nested, &resolved, &given)?;
    let mut parent = format!("{}:{}:{}", job.job, job.instance, request.path);
    if request.completions > 0 {
        // It completed in an arm that was left, so it runs as a new instance.
        let _ = write!(parent, "#{}", request.completions + 1);
    }
    Ok(parameters.with(PARENT, ParameterValue::String(parent)))
}
