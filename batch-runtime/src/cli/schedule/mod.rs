//! The commands of schedules: `run --due`, `run --backfill`, `schedule` and its subcommands.

mod backfill;
mod changed;
mod document;
mod due;
mod export;
mod follow;
mod list;
mod runs;

use super::arguments::Globals;
use super::console::Console;
use super::invocation::ScheduleInvocation;
use super::output::done;
use super::repository::{self, Open};
use crate::definition::JobInfo;
use crate::frontend::refusal::{Refusal, exit};
use crate::frontend::schedule::scheduled;
use crate::operator::JobOperator;

pub(super) use backfill::backfill;
use document::PauseOrResume;
pub(super) use due::due;

/// The subcommands of `schedule`.
pub(super) fn run(
    invocation: &ScheduleInvocation,
    jobs: &[&'static JobInfo],
    globals: &Globals,
    program: &str,
    console: &Console,
) -> Result<u8, Refusal> {
    match invocation {
        ScheduleInvocation::Follow { most, options } => {
            let telemetry = options.telemetry.open(program, console)?;
            let ended = follow::follow(*most, options, jobs, globals, console);
            telemetry.finish(None, console);
            return ended;
        }
        ScheduleInvocation::List => list::list(jobs, globals, console)?,
        ScheduleInvocation::Pause { job, pause } => {
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
        ScheduleInvocation::Export { format, directory } => {
            export::export(*format, directory.as_deref(), &scheduled(jobs)?, globals, console)?;
        }
    }
    Ok(exit::COMPLETED)
}
