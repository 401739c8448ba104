//! The options and arguments of the commands, as typed values.

mod executions;
mod log;
mod profile;
mod purge;
mod run;
#[cfg(feature = "schedule")]
mod schedule;
#[cfg(feature = "serve")]
mod serve;
mod telemetry;
mod workers;

use std::ffi::OsString;

use clap::ArgMatches;

use crate::definition::JobInfo;
use crate::frontend::refusal::Refusal;
use crate::operator::job_named;

pub(super) use executions::ExecutionsArguments;
pub(super) use log::LogArguments;
#[cfg(feature = "log")]
pub(super) use log::absolute_log;
pub(super) use profile::{ProfileArguments, ProfileDiff};
pub(super) use purge::PurgeArguments;
pub(super) use run::{RunArguments, given_by_param};
#[cfg(feature = "schedule")]
pub(super) use schedule::{Backfill, ChildOptions};
#[cfg(feature = "serve")]
pub(super) use serve::ServeArguments;
pub(super) use telemetry::TelemetryArguments;
pub(super) use workers::Workers;

/// The options of every command.
#[derive(Debug)]
pub(super) struct Globals {
    pub(super) repository: Option<OsString>,
    pub(super) json: bool,
    pub(super) quiet: bool,
    pub(super) verbose: bool,
}

impl Globals {
    pub(super) fn of(matches: &ArgMatches) -> Self {
        Self {
            repository: matches.get_one::<OsString>("repository").cloned(),
            json: matches.get_flag("json"),
            quiet: matches.get_flag("quiet"),
            verbose: matches.get_flag("verbose"),
        }
    }
}

/// Returns the job with this name. If no name is given, the program must have only one job.
pub(super) fn job_named_or_only(
    jobs: &[&'static JobInfo],
    name: Option<&str>,
    command: &str,
) -> Result<&'static JobInfo, Refusal> {
    match (name, jobs) {
        (Some(name), _) => Ok(job_named(jobs, name)?),
        (None, [only]) => Ok(only),
        (None, _) => Err(Refusal::usage(format!("`{command}` needs the name of a job; `jobs` lists them"))),
    }
}
