//! A call of `schedule` or one of its subcommands.

use std::ffi::OsString;

use clap::ArgMatches;

use crate::cli::arguments::{ChildOptions, job_named_or_only};
use crate::definition::JobInfo;
use crate::frontend::refusal::Refusal;
use crate::operator::OperatorError;
use crate::schedule::ScheduleError;
use crate::schedule::export::Format;

/// A command of `schedule`.
#[derive(Debug)]
pub(in crate::cli) enum ScheduleInvocation {
    Follow { most: usize, options: ChildOptions },
    List,
    Pause { job: &'static JobInfo, pause: bool },
    Export { format: Format, directory: Option<OsString> },
}

impl ScheduleInvocation {
    pub(in crate::cli) fn of(matches: &ArgMatches, jobs: &[&'static JobInfo]) -> Result<Self, Refusal> {
        Ok(match matches.subcommand() {
            Some(("list", _)) => Self::List,
            Some((word @ ("pause" | "resume"), matches)) => {
                let name = matches.get_one::<String>("job").map(String::as_str);
                let job = job_named_or_only(jobs, name, &format!("schedule {word}"))?;
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
