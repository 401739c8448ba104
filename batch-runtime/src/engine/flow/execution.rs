//! Begins a step in the repository and runs it to its end. The caller records how it ended.

use std::cell::RefCell;
use std::sync::Arc;

use crate::definition::{
    Assigned, DatabaseHandle, Failure, Mark, Of, Sizes, StepContext, StepEnvironment, StepInfo, Values,
};
use crate::engine::chunk::checkpoint::Checkpoint;
use crate::engine::faults::panic;
use crate::engine::faults::retry::Retrying;
use crate::engine::flow::form::Form;
use crate::engine::flow::renames::earlier_paths;
use crate::engine::flow::request::{Begun, Request};
use crate::engine::options::RunOptions;
#[cfg(feature = "remote-chunks")]
use crate::engine::partitions::handler::secrets;
use crate::engine::partitions::partitioned_run::PartitionedRun;
use crate::engine::step::{Halt, StepEnd, StepRun};
#[cfg(feature = "remote-chunks")]
use crate::engine::threads::remote::RemoteRun;
use crate::graph::Activity;
use crate::observe::StepLive;
use crate::repository::{BegunStep, Counters, RepositoryError, StepStart, begin_step};

/// Executes a step, or a partition of one.
pub(crate) fn execute(request: &Request<'_>, step: &'static StepInfo) -> Result<Begun, RepositoryError> {
    let open = |info| panic::catch(|| request.scope.database(Of::Named(info))).and_then(|opened| opened);
    let elsewhere = step.other_database().map(|info| (info, open(info)));
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
    let BegunStep { id, starts, mut context, before, chunks, checkpoints, contested } = begun;
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
                owner_may_live: contested || request.owner_may_live,
                replayed: request.replayed.map(<[_]>::to_vec),
                live: Arc::clone(&live),
                route: request.route,
                #[cfg(feature = "remote-chunks")]
                remote: remote(request, step),
            };
            match (step.options.partitioning, share) {
                (Some(partitioning), None) => (partitioning.run)(&PartitionedRun { request, run: &run }),
                _ => (step.run)(&run),
            }
        }
    };
    Ok(Begun { id, before, live, end, nested: Vec::new(), checkpoints })
}

/// The way to workers that process the chunks of the step.
#[cfg(feature = "remote-chunks")]
fn remote<'r>(request: &'r Request<'_>, step: &StepInfo) -> Option<RemoteRun<'r>> {
    let chunks = request.options.chunks.as_ref().filter(|_| step.options.remote.is_some())?;
    let (observer, name) = (request.options.observer.clone(), request.name.to_owned());
    let tell = move |what: &str| {
        tracing::info!(step = name, "{what}");
        if let Some(observer) = &observer {
            observer.noted(&name, what);
        }
    };
    Some(RemoteRun {
        repository: &**request.repository,
        ownership: request.ownership,
        job: request.job,
        chunks,
        secrets: secrets(&request.environment.job.parameters),
        tell: Arc::new(tell),
    })
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

/// Begins a step or nested job in the repository.
pub(super) fn begin(
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
