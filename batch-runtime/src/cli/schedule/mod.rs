//! The commands of schedules: `run --due`, `run --backfill`, `schedule` and its subcommands.

mod arguments;
pub(crate) mod backfill;
mod document;
mod export;
mod follow;
pub(crate) mod list;

use crate::cli::arguments::{Globals, RunArguments};
use crate::cli::console::Console;
use crate::cli::profile::RunProfile;
use crate::cli::refusal::{Refusal, exit};
use crate::cli::repository::{self, Open};
use crate::cli::run::{code_of, observed, print_report};
use crate::cli::{done, print_json};
use crate::definition::{JobInfo, Parameters, parse_parameters};
use crate::observe::JobReport;
use crate::observe::words::line;
use crate::operator::JobOperator;
use crate::schedule::ScheduledJob;

#[cfg(feature = "serve")]
pub(crate) use arguments::Dates;
pub(super) use arguments::{Backfill, Invocation, command, is_used, of_run};
pub(super) use backfill::backfill;
use document::{PauseOrResume, Ran, Waits};

/// The runs of a command, and the scheduled times whose runs were refused, each with its refusal.
#[derive(Default)]
struct Runs {
    reports: Vec<JobReport>,
    refused: Vec<(String, Refusal)>,
}

impl Runs {
    /// The exit code: that of the worst run.
    fn code(&self) -> u8 {
        let codes = self.reports.iter().map(|report| code_of(report.status));
        let codes = codes.chain(self.refused.iter().map(|(_, refusal)| refusal.code));
        let badness = |code: &u8| match *code {
            exit::COMPLETED => 0,
            exit::STOPPED => 1,
            exit::REFUSED => 2,
            exit::USAGE => 3,
            _ => 4,
        };
        codes.max_by_key(badness).unwrap_or(exit::COMPLETED)
    }

    /// Adds a run, and prints its summary.
    fn add(
        &mut self,
        scheduled: &str,
        ran: Result<Option<JobReport>, Refusal>,
        job: &JobInfo,
        run: &RunArguments,
        globals: &Globals,
        console: &Console,
    ) {
        match ran {
            Ok(Some(report)) => {
                print_report(&report, &RunProfile::default(), job, run, globals, console);
                self.reports.push(report);
            }
            Ok(None) => {}
            Err(refusal) => {
                console.err.line(format_args!("{} for {scheduled}: {refusal}", job.name));
                self.refused.push((scheduled.to_owned(), refusal));
            }
        }
    }
}

/// The parameters in addition to the scheduled time: those that are not identifying, and secrets.
fn extra_parameters(
    job: &'static JobInfo,
    run: &RunArguments,
    console: &Console,
) -> Result<Parameters, Refusal> {
    let given = parse_parameters(job, run.all_parameters(job, console)?)
        .map_err(|error| Refusal::of_parameters(&error, job, false))?;
    if let Some((name, _)) = given.iter().find(|(_, parameter)| parameter.identifying) {
        return Err(Refusal::usage(format!(
            "`{name}` identifies a run, and a scheduled run takes the value that the job declares: leave the parameter out, or run the job without `--due` and `--backfill`"
        )));
    }
    Ok(given)
}

/// `run JOB --due`
pub(super) fn due(
    operator: &JobOperator,
    job: &'static JobInfo,
    run: &RunArguments,
    globals: &Globals,
    console: &Console,
) -> Result<u8, Refusal> {
    let given = extra_parameters(job, run, console)?;
    let mut runs = Runs::default();
    let waits = loop {
        let due = operator.due(job)?;
        if let Some(other) = due.instead_of.as_ref().filter(|_| !globals.quiet) {
            console.err.line(changed(job, other));
        }
        let waits = Waits { waits_for: due.waits_for, held_by: due.held_by };
        let mut has_run = false;
        for fire in due.start {
            // Pass over a time whose run was refused. If another process has begun the run of a time meanwhile, `ran`
            // is `Ok(None)`, and the loop goes on to the next time.
            if runs.refused.iter().any(|(scheduled, _)| *scheduled == fire.scheduled) {
                continue;
            }
            let ran = observed(operator.clone(), job, run, globals, console, |operator| {
                operator.start_fire(job, &fire, &given)
            });
            has_run = !matches!(ran, Ok(None));
            runs.add(&fire.scheduled, ran, job, run, globals, console);
            if has_run {
                break;
            }
        }
        if !has_run || console.stop.is_raised() {
            break waits;
        }
    };
    if globals.json {
        print_json(&Ran::of(job, &runs, waits), console);
    } else if !globals.quiet && runs.reports.is_empty() && runs.refused.is_empty() {
        console.out.line(match (waits.waits_for, waits.held_by) {
            (Some(execution), _) => format!("{} waits for execution {execution}, which is running", job.name),
            (None, Some(execution)) => format!(
                "{} waits for execution {execution}, which failed or was stopped: `restart {execution}` resumes it, and `abandon {execution}` gives it up",
                job.name
            ),
            (None, None) => format!("nothing is due for {}", job.name),
        });
    }
    Ok(runs.code())
}

/// Says that the job has followed another schedule until now, that of another program or version.
fn changed(job: &JobInfo, (expression, zone): &(String, String)) -> String {
    let (name, ours) = (job.name, job.options.schedule);
    let ours = ours.map(|ours| format!("`{}` ({})", ours.expression, ours.zone)).unwrap_or_default();
    format!(
        "{name} runs at {ours} from now on; until now it followed another schedule, `{}` ({})",
        line(expression, 100),
        line(zone, 100)
    )
}

/// The subcommands of `schedule`.
pub(super) fn run(
    invocation: &Invocation,
    jobs: &[&'static JobInfo],
    globals: &Globals,
    program: &str,
    console: &Console,
) -> Result<u8, Refusal> {
    match invocation {
        Invocation::Follow { most, options } => {
            let telemetry = options.telemetry.open(program, console)?;
            let ended = follow::follow(*most, options, jobs, globals, console);
            telemetry.finish(None, console);
            return ended;
        }
        Invocation::List => list::list(jobs, globals, console)?,
        Invocation::Pause { job, pause } => {
            let repository = repository::open(globals.repository.as_deref(), console, Open::OrCreate)?;
            let changed = JobOperator::new(repository).pause_schedule(job, *pause)?;
            let is = if *pause { "paused" } else { "running" };
            let text = match (changed, *pause) {
                (true, true) => {
                    format!("the schedule of {0} is paused; `schedule resume {0}` resumes it", job.name)
                }
                (true, false) => {
                    format!(
                        "the schedule of {} is resumed; the job does not run for times within the pause",
                        job.name
                    )
                }
                (false, _) => format!("the schedule of {} is already {is}", job.name),
            };
            done(&PauseOrResume { job: job.name, paused: *pause, changed }, &text, globals, console);
        }
        Invocation::Export { format, directory } => {
            let jobs: Vec<ScheduledJob> = scheduled(jobs)?;
            export::export(*format, directory.as_deref(), &jobs, globals, console)?;
        }
    }
    Ok(exit::COMPLETED)
}

/// The jobs that have a schedule.
pub(crate) fn scheduled(jobs: &[&'static JobInfo]) -> Result<Vec<ScheduledJob>, Refusal> {
    let with_one = jobs.iter().filter(|job| job.options.schedule.is_some());
    with_one
        .map(|job| {
            ScheduledJob::of(job).map_err(|error| Refusal::from(crate::operator::OperatorError::from(error)))
        })
        .collect()
}
