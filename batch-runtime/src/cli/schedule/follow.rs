//! `schedule`: follows the schedules until it is stopped.

use std::process::Command;

use super::changed::changed;
use crate::cli::arguments::{ChildOptions, Globals};
use crate::cli::console::Console;
use crate::cli::repository::{self, Open};
use crate::definition::JobInfo;
use crate::frontend::refusal::{Refusal, exit};
use crate::frontend::schedule::scheduled;
use crate::operator::JobOperator;
use crate::schedule::daemon::Daemon;

/// `schedule`
pub(super) fn follow(
    most: usize,
    options: &ChildOptions,
    jobs: &[&'static JobInfo],
    globals: &Globals,
    console: &Console,
) -> Result<u8, Refusal> {
    let of_schedules: Vec<&'static JobInfo> = scheduled(jobs)?.iter().map(|job| job.job).collect();
    let repository = repository::open(globals.repository.as_deref(), console, Open::OrCreate)?;
    let program = std::env::current_exe()
        .map_err(|error| Refusal::usage(format!("cannot find the path of this program: {error}")))?;
    let url = repository::absolute(globals.repository.as_deref(), console)?;
    let handed_on = options.arguments()?;
    let command = |job: &JobInfo| {
        let mut command = Command::new(&program);
        // A URL may hold a password, which everybody could read among the arguments.
        command.args(["run", job.name, "--due"]).args(&handed_on).env("BATCH_REPOSITORY", &url);
        if globals.quiet {
            command.arg("--quiet");
        }
        if globals.verbose {
            command.arg("--verbose");
        }
        command
    };
    let say = |line: &str| {
        if !globals.quiet {
            console.err.line(line);
        }
    };
    let daemon = Daemon {
        operator: JobOperator::new(repository).with_jobs(jobs),
        jobs: of_schedules,
        most,
        command: &command,
        changed: &changed,
        say: &say,
        stop: console.stop.clone(),
    };
    daemon.follow()?;
    Ok(exit::COMPLETED)
}
