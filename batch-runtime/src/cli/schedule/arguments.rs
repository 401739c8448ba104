//! The command line of schedules.

use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::Date;
use crate::cli::arguments::job_named_or_only;
use crate::cli::command::{durability, on_end, recovery, telemetry};
use crate::cli::refusal::Refusal;
use crate::cli::telemetry::TelemetryArguments;
use crate::definition::JobInfo;
use crate::operator::OperatorError;
use crate::schedule::ScheduleError;
use crate::schedule::export::Format;

const OPTIONS: &str = "Options";

/// Returns whether any job has a schedule. Without a scheduled job, the program has no commands for schedules.
pub(in crate::cli) fn is_used(jobs: &[&'static JobInfo]) -> bool {
    jobs.iter().any(|job| job.options.schedule.is_some())
}

/// `run --backfill 2026-01-05..2026-03-30`
#[derive(Debug)]
pub(in crate::cli) struct Backfill {
    pub(super) range: Dates,
    pub(super) failed_only: bool,
    pub(super) at_once: usize,
    pub(super) yes: bool,
}

/// The first and the last date of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dates {
    pub(crate) first: Date,
    pub(crate) last: Date,
}

impl fmt::Display for Dates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.last)
    }
}

impl FromStr for Dates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let date = |text: &str| text.trim_start_matches('=').parse::<Date>().ok();
        let dates = match text.split_once("..") {
            Some((first, last)) => date(first).zip(date(last)),
            None => date(text).map(|only| (only, only)),
        };
        let expected = "expected two dates, the first and the last, such as 2026-01-05..2026-03-30";
        let (first, last) = dates.ok_or(expected)?;
        if last < first {
            return Err(format!("the first date is later than the last; {expected}"));
        }
        Ok(Self { first, last })
    }
}

impl Backfill {
    pub(in crate::cli) fn of(matches: &ArgMatches) -> Option<Self> {
        Some(Self {
            range: *matches.get_one::<Dates>("backfill")?,
            failed_only: matches.get_flag("failed-only"),
            at_once: matches
                .get_one::<u32>("at-once")
                .map_or(1, |number| usize::try_from(*number).unwrap_or(1)),
            yes: matches.get_flag("yes"),
        })
    }
}

/// The options that `schedule` hands on to the processes of its jobs.
#[derive(Debug)]
pub(in crate::cli) struct ChildOptions {
    pub(super) telemetry: TelemetryArguments,
    /// Names of options and their values.
    words: Vec<(&'static str, String)>,
}

impl ChildOptions {
    fn of(matches: &ArgMatches) -> Self {
        let word = |name| Some((name, matches.get_one::<String>(name)?.clone()));
        Self {
            telemetry: TelemetryArguments::of(matches),
            words: ["durability", "recovery", "on-end"].into_iter().filter_map(word).collect(),
        }
    }

    /// As arguments of `run`.
    pub(super) fn arguments(&self) -> Result<Vec<OsString>, Refusal> {
        let mut arguments = self.telemetry.of_child()?;
        arguments
            .extend(self.words.iter().flat_map(|(name, value)| [format!("--{name}").into(), value.into()]));
        Ok(arguments)
    }
}

/// A command of `schedule`.
#[derive(Debug)]
pub(in crate::cli) enum Invocation {
    Follow { most: usize, options: ChildOptions },
    List,
    Pause { job: &'static JobInfo, pause: bool },
    Export { format: Format, directory: Option<OsString> },
}

impl Invocation {
    pub(in crate::cli) fn of(matches: &ArgMatches, jobs: &[&'static JobInfo]) -> Result<Self, Refusal> {
        Ok(match matches.subcommand() {
            Some(("list", _)) => Self::List,
            Some((word @ ("pause" | "resume"), matches)) => {
                let name = matches.get_one::<String>("job").map(String::as_str);
                let job = job_named_or_only(jobs, name, "schedule pause")?;
                if job.options.schedule.is_none() {
                    let error = ScheduleError::NoSchedule(job.name.to_owned());
                    return Err(OperatorError::from(error).into());
                }
                Self::Pause { job, pause: word == "pause" }
            }
            Some(("export", matches)) => Self::Export {
                format: matches
                    .get_one::<String>("format")
                    .and_then(|name| Format::named(name))
                    .unwrap_or(Format::Systemd),
                directory: matches.get_one::<OsString>("directory").cloned(),
            },
            _ => Self::Follow {
                most: matches
                    .get_one::<u32>("max-running")
                    .map_or(1, |number| usize::try_from(*number).unwrap_or(1)),
                options: ChildOptions::of(matches),
            },
        })
    }
}

fn option(name: &'static str, order: usize) -> Arg {
    Arg::new(name).long(name).help_heading(OPTIONS).display_order(order)
}

/// The options of `run` for schedules.
pub(in crate::cli) fn of_run() -> [Arg; 5] {
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
            .help("With `--backfill`: only for times whose run has failed or stopped"),
        option("at-once", 1)
            .value_name("N")
            .requires("backfill")
            .value_parser(clap::value_parser!(u32).range(1..=64))
            .help("With `--backfill`: runs the job for N times in parallel [default: 1]"),
        option("yes", 1)
            .action(ArgAction::SetTrue)
            .requires("backfill")
            .help("With `--backfill`: runs the job without asking first"),
    ]
    .map(|arg| arg.global(true))
}

/// `schedule`
pub(in crate::cli) fn command() -> Command {
    let job = || Arg::new("job").value_name("JOB").help("The job; optional if the program has only one");
    Command::new("schedule")
        .about("Runs jobs at their scheduled times, until it is stopped")
        .long_about(
            "Runs jobs at their scheduled times, each as a process of its own, until it is stopped. On Ctrl-C or SIGTERM the \
             running jobs stop after their current chunks, and the next `schedule` resumes them.\n\n\
             Several `schedule` processes, on one machine or on several, and `run JOB --due` may use the same repository: a \
             job runs once for each scheduled time.",
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
                .about("Pauses the schedule of a job: the job never runs for a time within the pause")
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
