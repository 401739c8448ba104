//! Runs, restarts or replays a job, shows its progress, and prints the summary.

use std::sync::Arc;

use serde::Serialize;

use super::arguments::{Globals, RunArguments};
use super::console::Console;
use super::on_end::{self, Ended};
use super::output::print_json;
use super::profile::RunProfile;
use super::workers::with_workers;
use crate::definition::{ExecutionId, JobInfo, Launch, Parameters, parse_parameters, resolve_parameters};
use crate::frontend::json;
use crate::frontend::refusal::{Refusal, exit};
use crate::observe::progress::Show;
use crate::observe::{JobReport, Progress, Remedy, Summary};
use crate::operator::{JobOperator, OperatorError, RestartFrom};
use crate::repository::BatchStatus;

/// The launch that the arguments describe, checked before a repository is opened.
pub(super) fn launch(
    job: &'static JobInfo,
    run: &RunArguments,
    console: &Console,
) -> Result<Launch, Refusal> {
    parse_parameters(job, run.all_parameters(job, console)?)
        .and_then(|given| resolve_parameters(job, &given).map(|_| Launch { job, parameters: given }))
        .map_err(|error| Refusal::of_parameters(&error, job, false))
}

/// `run`
pub(super) fn run(
    operator: JobOperator,
    launch: Launch,
    next: bool,
    arguments: &RunArguments,
    globals: &Globals,
    console: &Console,
) -> Result<u8, Refusal> {
    watched(operator, launch.job, arguments, globals, console, |operator| {
        if next { operator.start_next(launch) } else { operator.start(launch) }
    })
}

/// `restart`
pub(super) fn restart(
    operator: JobOperator,
    execution: ExecutionId,
    from: Option<&RestartFrom>,
    arguments: &RunArguments,
    globals: &Globals,
    console: &Console,
) -> Result<u8, Refusal> {
    as_before(operator, execution, arguments, globals, console, |operator, execution, given| match from {
        Some(from) => operator.restart_from(execution, from, given),
        None => operator.restart_with(execution, given),
    })
}

/// `run --replay`
pub(super) fn replay(
    operator: JobOperator,
    execution: ExecutionId,
    job: Option<&'static JobInfo>,
    arguments: &RunArguments,
    globals: &Globals,
    console: &Console,
) -> Result<u8, Refusal> {
    let of = operator.execution(execution)?.instance.job;
    if let Some(job) = job.filter(|job| job.name != of) {
        let said = format!("execution {execution} belongs to job `{of}`, not to `{}`", job.name);
        return Err(Refusal::usage(format!("{said}: use `run {of} --replay {execution}`")));
    }
    as_before(operator, execution, arguments, globals, console, JobOperator::replay)
}

/// Runs the job of an execution with its stored parameters and the given ones.
fn as_before(
    operator: JobOperator,
    execution: ExecutionId,
    arguments: &RunArguments,
    globals: &Globals,
    console: &Console,
    run: impl FnOnce(&JobOperator, ExecutionId, &Parameters) -> Result<JobReport, OperatorError>,
) -> Result<u8, Refusal> {
    let name = operator.execution(execution)?.instance.job;
    let job = operator.job(&name)?;
    let given = parse_parameters(job, arguments.all_parameters(job, console)?)
        .map_err(|error| Refusal::of_parameters(&error, job, true))?;
    watched(operator, job, arguments, globals, console, |operator| run(operator, execution, &given))
}

fn watched(
    operator: JobOperator,
    job: &'static JobInfo,
    arguments: &RunArguments,
    globals: &Globals,
    console: &Console,
    run: impl FnOnce(&JobOperator) -> Result<JobReport, OperatorError>,
) -> Result<u8, Refusal> {
    let profiling = arguments.profile.start(job, console);
    let ran = observed(operator, job, arguments, globals, console, run);
    let profile = profiling.stop(ran.as_ref().ok(), console);
    let report = ran?;
    if globals.json {
        print_json(&profile.add_to(json::Report::from(&report)), console);
    }
    print_report(&report, &profile, job, arguments, globals, console);
    Ok(code_of(report.status))
}

/// Runs a job and shows its progress.
pub(super) fn observed<T>(
    operator: JobOperator,
    job: &'static JobInfo,
    arguments: &RunArguments,
    globals: &Globals,
    console: &Console,
    run: impl FnOnce(&JobOperator) -> Result<T, OperatorError>,
) -> Result<T, Refusal> {
    let show = match (globals.json || globals.quiet, console.bars) {
        (true, _) => Show::Nothing,
        (false, true) => Show::Bars,
        (false, false) => Show::Lines,
    };
    let lines = Box::new(console.err.clone());
    let progress = Arc::new(Progress::new(show, globals.verbose, console.stop.clone(), lines));
    let operator = with_workers(operator, job, arguments, globals, console)?;
    let operator = operator
        .recovery(arguments.recovery)
        .durability(arguments.durability)
        .stop_signal(console.stop.clone())
        .observer(progress.clone());
    let ran = run(&operator);
    progress.finish();
    ran.map_err(|error| match &error {
        OperatorError::Parameters(wrong) => Refusal::of_parameters(wrong, job, true),
        other if progress.job_began() => {
            let refusal = Refusal::of_begun(other);
            // The repository could not record the end, but the command of `--on-end` should still run.
            let ended = Ended { job: job.name, execution: None, status: "UNKNOWN", exit_code: refusal.kind };
            run_command(arguments, &ended, &json::Refused::from(&refusal), console);
            refusal
        }
        other => Refusal::of(other),
    })
}

/// Runs the command of `--on-end`.
fn run_command(arguments: &RunArguments, ended: &Ended<'_>, document: &impl Serialize, console: &Console) {
    let command = arguments.on_end.as_deref();
    on_end::run_command(command, ended, document, console.environment, &console.err);
}

/// The exit code for an execution that has ended.
pub(super) fn code_of(status: BatchStatus) -> u8 {
    match status {
        BatchStatus::Completed => exit::COMPLETED,
        BatchStatus::Stopped => exit::STOPPED,
        _ => exit::FAILED,
    }
}

/// Prints the summary, and to standard error why the job failed and what to do. Then runs the command of `--on-end`.
pub(super) fn print_report(
    report: &JobReport,
    profile: &RunProfile,
    job: &JobInfo,
    arguments: &RunArguments,
    globals: &Globals,
    console: &Console,
) {
    let summary = Summary::from(report);
    if !globals.json && !globals.quiet {
        console.out.line(summary.headline());
        let tables = summary.tables();
        if !tables.is_empty() {
            console.out.put(format_args!("\n{tables}"));
        }
        if let Some(text) = profile.text() {
            console.out.put(format_args!("\n{text}"));
        }
    }
    for cause in summary.causes() {
        console.err.line(cause);
    }
    if let (Some(next), false) = (remedy(report, job), globals.quiet) {
        console.err.line(next);
    }
    let ended = Ended {
        job: &report.job,
        execution: Some(report.execution),
        status: report.status.as_str(),
        exit_code: &report.exit.code,
    };
    run_command(arguments, &ended, &json::Report::from(report), console);
}

fn remedy(report: &JobReport, job: &JobInfo) -> Option<&'static str> {
    match (report.status, job.options.restartable) {
        (BatchStatus::Failed, true) => match remedy_of_steps(report) {
            Remedy::Place => Some(
                "put the input there and run the same command again to resume after the last commit; \
                 if the path is wrong, run the job with the right one",
            ),
            // The cause itself says what to do.
            Remedy::Restore => None,
            Remedy::Fix => Some("fix it and run the same command again to resume after the last commit"),
        },
        (BatchStatus::Stopped, true) => Some("run the same command again to resume after the last commit"),
        (BatchStatus::Failed | BatchStatus::Stopped, false) => {
            Some("the job is not restartable: run it with other parameters or with `--next`")
        }
        _ => None,
    }
}

/// The remedy that all failed steps have in common; [`Remedy::Fix`] if they differ.
fn remedy_of_steps(report: &JobReport) -> Remedy {
    let failed = || report.steps.iter().filter(|step| step.status == BatchStatus::Failed);
    // A nested job fails because one of its steps does.
    let is_reported_within = |name: &str| {
        failed().any(|step| step.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('/')))
    };
    let mut remedies = failed().filter(|step| !is_reported_within(&step.name)).filter_map(|step| step.remedy);
    let first = remedies.next().unwrap_or_default();
    if remedies.all(|other| other == first) { first } else { Remedy::Fix }
}
