//! The runs of `run --due` and `run --backfill`.

use crate::cli::arguments::{Globals, RunArguments};
use crate::cli::console::Console;
use crate::cli::profile::RunProfile;
use crate::cli::run::{code_of, print_report};
use crate::definition::{JobInfo, Parameters, parse_parameters};
use crate::frontend::refusal::{Refusal, exit};
use crate::observe::JobReport;

/// The runs of a command, and the scheduled times whose runs were refused, each with its refusal.
#[derive(Default)]
pub(super) struct Runs {
    pub(super) reports: Vec<JobReport>,
    pub(super) refused: Vec<(String, Refusal)>,
}

impl Runs {
    /// The exit code: that of the worst run.
    pub(super) fn code(&self) -> u8 {
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
    pub(super) fn add(
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
pub(super) fn extra_parameters(
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
