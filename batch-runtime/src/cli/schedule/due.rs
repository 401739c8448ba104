//! `run JOB --due`: runs the job for its scheduled times that are due.

use super::changed::changed;
use super::document::{Ran, Waits};
use super::runs::{Runs, extra_parameters};
use crate::cli::arguments::{Globals, RunArguments};
use crate::cli::console::Console;
use crate::cli::output::print_json;
use crate::cli::run::observed;
use crate::definition::JobInfo;
use crate::frontend::refusal::Refusal;
use crate::operator::JobOperator;

/// `run JOB --due`
pub(in crate::cli) fn due(
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
