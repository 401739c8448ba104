//! Runs a job from its launch to its report.

use std::sync::Arc;
use std::time::Instant;

use crate::definition::{DatabaseKind, Environment, JobContext, JobEnd, JobInfo, Parameters, Values};
use crate::engine::error::JobError;
use crate::engine::faults::undeclared::warn_of_undeclared;
use crate::engine::flow::changed_job;
use crate::engine::flow::journal_walk::reopened;
use crate::engine::flow::listeners;
use crate::engine::flow::nested::RunAs;
use crate::engine::flow::replay::Replaying;
use crate::engine::flow::runner::{Halt, Runner};
use crate::engine::flow::steps::steps;
use crate::engine::flow::walk::walk;
use crate::engine::options::RunOptions;
use crate::graph::render_text;
use crate::observe::{JobReport, JobStarted, spans};
use crate::repository::{
    Again, BatchStatus, ExecutionFinish, ExitStatus, Holds, LaunchRequest, Launched, Outlook, Repository,
    RepositoryError, SoFar,
};

/// Launches the instance of `job` with these parameters and runs it.
#[expect(clippy::too_many_lines, reason = "one launch and its end, step by step")]
pub(crate) fn run(
    repository: &Arc<dyn Repository>,
    job: &'static JobInfo,
    parameters: &Parameters,
    options: &RunOptions,
    run_as: RunAs<'_>,
) -> Result<JobReport, JobError> {
    let (within, from) = match run_as {
        RunAs::Itself(from) => (None, from),
        RunAs::Step(name) => (Some(name), None),
    };
    let began = Instant::now();
    // A stop of this execution must not stop others that run with the same options, at the same time or later.
    let options = &RunOptions { stop: options.stop.of_execution(), ..options.clone() };
    check_databases(repository, job)?;
    warn_of_undeclared(job.name, &steps(job.flow));
    let replaying = Replaying::of(repository, job, parameters)?;
    let passed = replaying.as_ref().map_or(&[][..], Replaying::passed);
    let again = |so_far: &SoFar<'_>| match from {
        Some(from) => from.entries(job.flow, passed, so_far),
        None => Ok(Vec::new()),
    };
    let graph = render_text(job);
    let still_fits = |so_far: &SoFar<'_>| changed_job::check(job.flow, passed, so_far);
    let again = from.map(|_| &again as &Again<'_>);
    let request = request(job, parameters, options, &graph, &still_fits);
    let Launched { ownership, restarted_from, recovered, owner_may_live, journal, context, lock } =
        repository.launch(&LaunchRequest { again, ..request })?;
    let _inside = spans::job(job.name, ownership);
    tracing::info!("job started");
    if let (Some(observer), None) = (&options.observer, within) {
        observer.job_started(&JobStarted {
            job: job.name,
            instance: ownership.instance,
            execution: ownership.execution,
            restarted_from,
            recovered: recovered.as_ref(),
        });
    }

    let environment = Environment::new(
        JobContext {
            job: job.name.to_owned(),
            instance: ownership.instance,
            execution: ownership.execution,
            parameters: parameters.clone(),
            stop: options.stop.clone(),
            values: Values::new(context),
        },
        repository.database(),
        &options.given,
    );
    #[cfg(feature = "async")]
    let environment = environment.in_runtime(options.runtime.clone());
    let journal = reopened(job.flow, passed.iter().cloned().chain(journal));
    let mut runner = Runner {
        repository,
        ownership,
        owner_may_live,
        job,
        environment: &environment,
        options,
        journal: &journal,
        replaying: replaying.as_ref(),
        run_job: run,
        within,
        steps: Vec::new(),
        passed: Vec::new(),
    };
    let walked = match listeners::before(job, &environment) {
        Ok(()) => walk(job.flow, &mut runner),
        Err(failure) => Err(Halt::Failed(ExitStatus::code("FAILED").because(failure.to_string()))),
    };
    let Runner { steps, passed, .. } = runner;
    let (status, exit) = match walked {
        Ok(()) => (BatchStatus::Completed, ExitStatus::code("COMPLETED")),
        Err(Halt::Ended(exit)) => (BatchStatus::Completed, exit),
        Err(Halt::Stopped(exit)) => (BatchStatus::Stopped, exit),
        Err(Halt::Failed(exit)) => (BatchStatus::Failed, exit),
        Err(Halt::Lost(error)) => {
            tracing::error!(%error, "repository lost");
            // If this write fails too, the repository shows the owner as dead once the lock is free.
            let exit = ExitStatus::code("FAILED").because(error.to_string());
            spans::ended(BatchStatus::Failed, &exit, None);
            if !matches!(error, RepositoryError::Fenced { .. }) {
                let finish = ExecutionFinish { status: BatchStatus::Failed, exit, context: None };
                let _ = repository.finish(ownership, &finish);
            }
            return Err(error.into());
        }
    };
    let end = JobEnd { status, exit };
    listeners::after(job, &environment, &end);
    let JobEnd { status, exit } = end;
    let changed = environment.job.values.changes().values;
    let finish = ExecutionFinish { status, exit, context: (!changed.is_empty()).then_some(changed) };
    repository.finish(ownership, &finish)?;
    drop(lock);
    tracing::info!(%status, exit_code = finish.exit.code, "job ended");
    spans::ended(status, &finish.exit, None);
    let report = JobReport {
        job: job.name.to_owned(),
        instance: ownership.instance,
        execution: ownership.execution,
        restarted_from,
        recovered,
        status,
        exit: finish.exit,
        durability: options.durability,
        steps,
        passed,
        elapsed: began.elapsed(),
    };
    if let (Some(observer), None) = (&options.observer, within) {
        observer.job_ended(&report);
    }
    Ok(report)
}

/// Returns what [`run`] would do, without running anything.
pub(crate) fn outlook(
    repository: &Arc<dyn Repository>,
    job: &'static JobInfo,
    parameters: &Parameters,
    options: &RunOptions,
) -> Result<Outlook, JobError> {
    check_databases(repository, job)?;
    let replaying = Replaying::of(repository, job, parameters)?;
    let passed = replaying.as_ref().map_or(&[][..], Replaying::passed);
    let still_fits = |so_far: &SoFar<'_>| changed_job::check(job.flow, passed, so_far);
    Ok(repository.outlook(&request(job, parameters, options, &render_text(job), &still_fits))?)
}

fn request<'a>(
    job: &'static JobInfo,
    parameters: &'a Parameters,
    options: &RunOptions,
    graph: &'a str,
    holds: &'a Holds<'a>,
) -> LaunchRequest<'a> {
    LaunchRequest {
        job: job.name,
        parameters,
        exclusive: job.options.exclusive,
        restartable: job.options.restartable,
        max_recoveries: job.options.max_recoveries,
        recovery: options.recovery,
        durability: options.durability,
        graph,
        holds,
        again: None,
    }
}

/// Fails if a step needs the repository's own database, but the repository has none, or one of another kind.
fn check_databases(repository: &Arc<dyn Repository>, job: &'static JobInfo) -> Result<(), JobError> {
    let kind = repository.database().map(|database| database.kind());
    let other = steps(job.flow).into_iter().find_map(|step| {
        step.own_database()
            .filter(|wants| !kind.is_some_and(|kind| *wants == kind || *wants == DatabaseKind::ANY))
            .map(|wants| (step, wants))
    });
    let Some((step, wants)) = other else { return Ok(()) };
    let has = match kind {
        Some(kind) => format!(
            "is {}: write `Transaction<'_, {}>`, or name a `#[database]`: `Transaction<'_, warehouse>`",
            kind.name, kind.ty
        ),
        None => "has none".to_owned(),
    };
    Err(JobError::WrongDatabase {
        job: job.name.to_owned(),
        step: step.name.to_owned(),
        wants: wants.name,
        repository: repository.url(),
        has,
    })
}
