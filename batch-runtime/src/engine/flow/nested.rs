//! Runs a job that is a step of another job.

use std::fmt::Write;
use std::sync::Arc;

use crate::definition::resolve_beside;
use crate::definition::{Ended, Failure, JobInfo, Parameter, ParameterValue, Parameters};
use crate::engine::error::JobError;
use crate::engine::flow::execution::begin;
use crate::engine::flow::request::{Executed, Request};
use crate::engine::flow::restart_from::RestartFrom;
use crate::engine::options::RunOptions;
use crate::engine::step::{Halt, StepEnd, StepOutcome};
use crate::observe::{JobReport, StepLive};
use crate::repository::{BatchStatus, BegunStep, Counters, Repository, RepositoryError};

/// Whether a job runs by itself or as a step of another job.
#[derive(Clone, Copy)]
pub(crate) enum RunAs<'a> {
    /// By itself. A restart may begin at a step.
    Itself(Option<&'a RestartFrom>),
    /// As a step of another job, under that name.
    Step(&'a str),
}

/// A function that runs a job. The runner of the outer job gets a pointer to it, and calls it for each nested job.
pub(crate) type RunJob = fn(
    &Arc<dyn Repository>,
    &'static JobInfo,
    &Parameters,
    &RunOptions,
    RunAs<'_>,
) -> Result<JobReport, JobError>;

/// The parameter that ties an instance of a nested job to its place in an instance of the outer job.
const PARENT: &str = "batch.parent";

/// Executes a nested job by calling `run`.
pub(crate) fn execute(
    request: &Request<'_>,
    nested: &'static JobInfo,
    run: RunJob,
) -> Result<Executed, RepositoryError> {
    let BegunStep { id, before, .. } = begin(request, None, None)?;
    let live = Arc::new(StepLive::new(request.name.to_owned(), before));
    let ran = nested_parameters(request, nested).and_then(|parameters| {
        run(request.repository, nested, &parameters, request.options, RunAs::Step(request.name))
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
        // The nested job completed, but the process died before the outer job recorded that.
        Err(JobError::Repository(RepositoryError::AlreadyComplete {
            status: BatchStatus::Completed,
            ..
        })) => Ok(completed(request)),
        Err(JobError::Repository(error @ RepositoryError::Fenced { .. })) => Err(Halt::Lost(error)),
        Err(error) => Err(Halt::Failed(Failure::new(error))),
    };
    Ok(Executed {
        id,
        before,
        live,
        end: StepEnd { result, counters: Counters::default(), profile: None },
        nested: steps,
        checkpoints: None,
    })
}

fn completed(request: &Request<'_>) -> StepOutcome {
    let arm = request.route.map(|route| route.label(Box::new(Ended::Completed)).to_owned());
    StepOutcome { arm, ..StepOutcome::default() }
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
        // The nested job has completed at this place before, or `restart --from` begins it again, so it runs as a new
        // instance.
        let _ = write!(parent, "#{}", request.completions + 1);
    }
    Ok(parameters.with(PARENT, ParameterValue::String(parent)))
}
