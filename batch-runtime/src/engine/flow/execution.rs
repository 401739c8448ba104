//! Begins a step in the repository and runs it to its end. The caller records how it ended.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::definition::{
    Assigned, DatabaseHandle, Failure, Mark, Of, Sizes, StepContext, StepEnvironment, StepInfo, Values,
};
use crate::engine::chunk::checkpoint::Checkpoint;
use crate::engine::faults::panic;
use crate::engine::faults::retry::Retrying;
use crate::engine::flow::renames::earlier_paths;
use crate::engine::flow::request::{Executed, Request};
use crate::engine::flow::step_form::Form;
use crate::engine::options::RunOptions;
#[cfg(feature = "remote-chunks")]
use crate::engine::partitions::handler::secrets;
use crate::engine::partitions::partitioned_run::PartitionedRun;
use crate::engine::step::{Halt, StepEnd, StepRun};
#[cfg(feature = "remote-chunks")]
use crate::engine::threads::remote::run::RemoteRun;
use crate::graph::Activity;
use crate::observe::advice::{self, Settings};
use crate::observe::{StepLive, spans};
use crate::repository::{BegunStep, Counters, RepositoryError, StepStart, begin_step};

/// Executes a step, or a partition of one.
pub(crate) fn execute(request: &Request<'_>, step: &'static StepInfo) -> Result<Executed, RepositoryError> {
    let open = |info| panic::catch(|| request.scope.database(Of::Named(info))).and_then(|opened| opened);
    let elsewhere = step.other_database().map(|info| (info, open(info)));
    let limit = step.options.start_limit;
    let before_begin = Instant::now();
    // If one of the user's databases cannot be opened, the step fails, and that failure is recorded.
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
    // If the chunks commit in another database, the time of this commit says nothing about theirs.
    let empty_commit = if elsewhere.is_some() { Duration::ZERO } else { before_begin.elapsed() };
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
                is_from_elsewhere: share.is_from_elsewhere,
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
            let mut end = match (step.options.partitioning, share) {
                (Some(partitioning), None) => (partitioning.run)(&PartitionedRun { request, run: &run }),
                _ => (step.run)(&run),
            };
            advise(request, step, sizes, empty_commit, &mut end);
            end
        }
    };
    Ok(Executed { id, before, live, end, nested: Vec::new(), checkpoints })
}

/// The link to the workers that process chunks of the step; `None` if this run has none.
#[cfg(feature = "remote-chunks")]
fn remote<'r>(request: &'r Request<'_>, step: &StepInfo) -> Option<RemoteRun<'r>> {
    let chunks = request.options.chunks.as_ref().filter(|_| step.options.remote.is_some())?;
    let (observer, name) = (request.options.observer.clone(), request.name.to_owned());
    let tell = move |what: &str| {
        tracing::info!("{what}");
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
    let form = request.partition.is_none().then(|| Form::of(request.activity)).flatten();
    let form = form.as_ref().map(Form::text);
    let earlier_names = match request.activity {
        Activity::Step(step) => earlier_paths(step, request.path),
        _ => Vec::new(),
    };
    let start = StepStart {
        name: request.path,
        start_limit,
        form: form.as_deref(),
        earlier_names: &earlier_names,
        elsewhere,
        durability: request.options.durability,
        stop: &request.options.stop,
    };
    let created = request.partition.as_ref().map(|share| share.partition.id);
    let begun = begin_step(request.repository, request.ownership, &start, created)?;
    spans::step_has_begun(begun.id);
    tracing::info!("{} started", if request.partition.is_some() { "partition" } else { "step" });
    Ok(begun)
}

/// Adds advice to the profile of a step that completed, and records the effect of earlier advice that the step has
/// followed.
fn advise(request: &Request<'_>, step: &StepInfo, sizes: Sizes, empty_commit: Duration, end: &mut StepEnd) {
    let StepEnd { result: Ok(_), counters, profile: Some(profile) } = end else { return };
    let options = &step.options;
    if options.partitioning.is_some() || request.replayed.is_some() {
        return;
    }
    let Some(usage) = profile.usage.as_ref().filter(|usage| usage.elapsed >= advice::WORTH_A_LOOK) else {
        return;
    };
    let settings = Settings {
        chunk: sizes.chunk as u64,
        threads: sizes.threads as u64,
        is_concurrent: sizes.threads == 1 && usage.wait > 0,
        has_state: step.has_state(),
        has_own_ends: options.groups.is_some() || options.chunk_time.is_some(),
        empty_commit: u64::try_from(empty_commit.as_nanos()).unwrap_or(u64::MAX),
    };
    // The step does not fail if earlier advice cannot be read.
    let earlier = request.repository.advice(request.job.name, request.path).ok().flatten();
    profile.followed = earlier.and_then(|advice| advice::follow(&advice, profile, &settings, counters.read));
    profile.advice = advice::advise(profile, &settings, counters.read, counters.commit);
}

fn failed(failure: Failure) -> StepEnd {
    StepEnd { result: Err(Halt::Failed(failure)), counters: Counters::default(), profile: None }
}
