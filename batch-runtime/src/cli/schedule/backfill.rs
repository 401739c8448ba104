//! `run JOB --backfill FIRST..LAST`: runs the job for the scheduled times of past days, except those whose run is
//! complete, abandoned or still running.

use std::io::{BufRead as _, IsTerminal as _};
use std::sync::{Mutex, PoisonError};

use super::document::{Offered, Ran, Waits};
use super::runs::{Runs, extra_parameters};
use crate::cli::arguments::{Backfill, Globals, RunArguments};
use crate::cli::console::Console;
use crate::cli::output::print_json;
use crate::cli::run::observed;
use crate::definition::JobInfo;
use crate::frontend::refusal::{Refusal, exit};
use crate::frontend::schedule::{Time, fires};
use crate::observe::spans::carried;
use crate::operator::JobOperator;
use crate::schedule::Fire;

/// `run --backfill`
pub(in crate::cli) fn backfill(
    operator: &JobOperator,
    job: &'static JobInfo,
    backfill: &Backfill,
    run: &RunArguments,
    globals: &Globals,
    console: &Console,
) -> Result<u8, Refusal> {
    let given = extra_parameters(job, run, console)?;
    let fires = fires(operator, job, backfill.range, backfill.failed_only)?;
    if fires.is_empty() {
        if globals.json {
            print_json(&Ran::of(job, &Runs::default(), Waits::default()), console);
        } else if !globals.quiet {
            console.out.line(format_args!("there is nothing to run for {} on these days", job.name));
        }
        return Ok(exit::COMPLETED);
    }
    if !agreed(&fires, job, backfill, globals, console) {
        return Ok(exit::COMPLETED);
    }
    let runs = Mutex::new(Runs::default());
    let left = Mutex::new(fires.iter());
    // Bars of several runs would draw over each other.
    let quiet = Globals { repository: None, quiet: true, ..*globals };
    let shown = if backfill.at_once > 1 { &quiet } else { globals };
    std::thread::scope(|scope| {
        for _ in 0..backfill.at_once.min(fires.len()) {
            scope.spawn(carried(|| {
                loop {
                    let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(fire) = next.filter(|_| !console.stop.is_raised()) else { break };
                    let ran = observed(operator.clone(), job, run, shown, console, |operator| {
                        operator.start_fire(job, fire, &given)
                    });
                    let mut runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
                    runs.add(&fire.scheduled, ran, job, run, globals, console);
                }
            }));
        }
    });
    let runs = runs.into_inner().unwrap_or_else(PoisonError::into_inner);
    if globals.json {
        print_json(&Ran::of(job, &runs, Waits::default()), console);
    }
    Ok(runs.code())
}

/// Shows the times, and asks whether to run the job for them.
fn agreed(fires: &[Fire], job: &JobInfo, backfill: &Backfill, globals: &Globals, console: &Console) -> bool {
    if backfill.yes && (globals.quiet || globals.json) {
        return true;
    }
    if globals.json {
        print_json(&Offered { job: job.name, times: fires.iter().map(Time::from).collect() }, console);
        return false;
    }
    let times = if fires.len() == 1 { "time" } else { "times" };
    console.out.line(format_args!("{} runs for {} scheduled {times}:", job.name, fires.len()));
    for fire in fires {
        console.out.line(format_args!("  {}", fire.scheduled));
    }
    if backfill.yes {
        return true;
    }
    if !console.is_terminal() || !std::io::stdin().is_terminal() {
        console.out.line("nothing was run: add `--yes` to run them");
        return false;
    }
    console.out.put("run them? [y/N] ");
    let mut answer = String::new();
    let is_read = std::io::stdin().lock().read_line(&mut answer).is_ok();
    is_read && matches!(answer.trim(), "y" | "Y" | "yes")
}
