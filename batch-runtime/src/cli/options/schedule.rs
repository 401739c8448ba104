//! The command `schedule`, and the options of `run` for schedules.

use std::ffi::OsString;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command};

use super::shared::{durability, on_end, option, recovery, telemetry};
use crate::frontend::schedule::Dates;
use crate::schedule::export::Format;

/// The options of `run` for schedules.
pub(super) fn of_run() -> [Arg; 5] {
    [
        option("due", 1)
            .action(ArgAction::SetTrue)
            .conflicts_with_all(["next", "replay"])
            .help("Runs the job for each scheduled time that is due, and ends with 0 if none is"),
        option("backfill", 1)
            .value_name("FIRST..LAST")
            .value_parser(|text: &str| text.parse::<Dates>())
            .conflicts_with_all(["next", "replay", "due"])
            .help("Runs the job for the scheduled times of these days, such as 2026-01-05..2026-03-30, oldest first; leaves out a time whose run is complete, abandoned or still running"),
        option("failed-only", 1)
            .action(ArgAction::SetTrue)
            .requires("backfill")
            .help("With `--backfill`: runs the job only for times whose run has failed or stopped"),
        option("at-once", 1)
            .value_name("N")
            .requires("backfill")
            .value_parser(clap::value_parser!(u32).range(1..=64))
            .help("With `--backfill`: runs the job for up to N scheduled times in parallel [default: 1]"),
        option("yes", 1)
            .action(ArgAction::SetTrue)
            .requires("backfill")
            .help("With `--backfill`: runs the job without asking first"),
    ]
    .map(|arg| arg.global(true))
}

/// `schedule`
pub(super) fn schedule(command: Command) -> Command {
    let job = || Arg::new("job").value_name("JOB").help("The job; optional if the program has only one");
    command
        .about("Runs jobs at their scheduled times, until it is stopped")
        .long_about(
            "Runs jobs at their scheduled times, each as a process of its own, until it is stopped. On Ctrl-C or SIGTERM the \
             running jobs stop after their current chunks, and the next `schedule` resumes them.\n\n\
             Several `schedule` processes, on one machine or on several, and `run JOB --due` may use the same repository: no \
             job runs twice for the same scheduled time.",
        )
        .disable_help_subcommand(true)
        .arg(
            option("max-running", 1)
                .value_name("N")
                .default_value("4")
                .value_parser(clap::value_parser!(u32).range(1..))
                .help("Runs at most N jobs at the same time"),
        )
        .args([durability(), recovery(), on_end()])
        .args(telemetry())
        .args_conflicts_with_subcommands(true)
        .subcommands([
            Command::new("list").about("Lists the schedules: their next times, the last outcome, and what was missed"),
            Command::new("pause")
                .about("Pauses the schedule of a job, which then never runs the job for a time within the pause")
                .arg(job()),
            Command::new("resume").about("Resumes the schedule of a job").arg(job()),
            Command::new("export")
                .about("Prints the units with which another scheduler calls `run JOB --due`")
                .arg(
                    option("format", 1)
                        .value_name("systemd|crontab|kubernetes")
                        .required(true)
                        .value_parser(PossibleValuesParser::new(Format::ALL.map(Format::name)))
                        .hide_possible_values(true)
                        .help("The scheduler"),
                )
                .arg(
                    option("directory", 2)
                        .value_name("DIRECTORY")
                        .value_parser(clap::value_parser!(OsString))
                        .help("Writes files into this directory instead of printing them"),
                ),
        ])
}
