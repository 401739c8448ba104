//! The options of the commands that run a job.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use clap::ArgMatches;

use super::{ProfileArguments, TelemetryArguments, Workers};
use crate::cli::console::Console;
use crate::cli::parameters_file;
use crate::definition::{Durability, JobInfo};
use crate::frontend::parameter;
use crate::frontend::refusal::Refusal;
use crate::repository::Recovery;

/// The options of the commands that run a job.
#[derive(Debug)]
pub(in crate::cli) struct RunArguments {
    /// The parameters as typed: a file name need not be valid UTF-8.
    pub(in crate::cli) given: Vec<(String, OsString)>,
    pub(in crate::cli) durability: Durability,
    pub(in crate::cli) recovery: Recovery,
    /// The workers for partitions; `None` for threads of this process.
    pub(in crate::cli) workers: Option<Workers>,
    /// The largest number of workers that a command without hosts starts.
    pub(in crate::cli) most_workers: u32,
    /// The number of partitions that a worker runs at the same time.
    pub(in crate::cli) worker_slots: u32,
    /// The time after which a step fails if no worker has run any of its partitions; `None` waits for ever.
    pub(in crate::cli) workers_wait: Option<Duration>,
    /// The URL of the server that wakes workers, as typed.
    pub(in crate::cli) broker: Option<String>,
    /// Whether the server of `broker` also wakes the manager.
    pub(in crate::cli) replies: bool,
    pub(in crate::cli) telemetry: TelemetryArguments,
    pub(in crate::cli) profile: ProfileArguments,
    /// The file with further parameters.
    pub(in crate::cli) parameters: Option<OsString>,
    /// The command to run after the end.
    pub(in crate::cli) on_end: Option<String>,
}

impl RunArguments {
    pub(in crate::cli) fn of(matches: &ArgMatches, given: Vec<(String, OsString)>) -> Result<Self, Refusal> {
        let word = |name| matches.get_one::<String>(name).map(String::as_str);
        let workers = word("workers").map(|text| Workers::of(text, word("hosts"))).transpose()?;
        Ok(Self {
            workers,
            most_workers: matches.get_one::<u32>("most-workers").copied().unwrap_or(1),
            worker_slots: matches.get_one::<u32>("worker-slots").copied().unwrap_or(1),
            workers_wait: matches.get_one::<Duration>("workers-wait").copied(),
            broker: word("broker").map(str::to_owned),
            replies: word("replies") != Some("off"),
            telemetry: TelemetryArguments::of(matches),
            profile: ProfileArguments::of(matches),
            parameters: matches.get_one::<OsString>("parameters").cloned(),
            on_end: word("on-end").map(str::to_owned),
            given,
            durability: match word("durability") {
                Some("process") => Durability::Process,
                _ => Durability::Machine,
            },
            recovery: match word("recovery") {
                Some("strict") => Recovery::Strict,
                Some("force") => Recovery::Force,
                _ => Recovery::Detect,
            },
        })
    }

    /// Returns the given parameters, the parameters that only the file of `--parameters` has, and the secrets that only
    /// the environment has.
    pub(in crate::cli) fn all_parameters(
        &self,
        job: &JobInfo,
        console: &Console,
    ) -> Result<Vec<(String, OsString)>, Refusal> {
        let mut given = self.given.clone();
        if let Some(file) = &self.parameters {
            let mut of_file = parameters_file::read(file, console)?;
            let plain = |name: &str| name.replace('-', "_");
            of_file.retain(|(name, _)| !given.iter().any(|(flag, _)| plain(flag) == plain(name)));
            given.append(&mut of_file);
        }
        for (secret, text) in parameter::secrets(job, console.environment) {
            if !given.iter().any(|(name, _)| name.replace('-', "_") == secret) {
                given.push((secret.to_owned(), text));
            }
        }
        Ok(given)
    }
}

/// The parameters that are passed as `--param NAME=VALUE`.
pub(in crate::cli) fn given_by_param(matches: &ArgMatches) -> Result<Vec<(String, OsString)>, Refusal> {
    let split = |given: &OsString| {
        let mut parts = given.as_bytes().splitn(2, |byte| *byte == b'=');
        match (parts.next().map(str::from_utf8), parts.next()) {
            (Some(Ok(name)), Some(value)) => Ok((name.to_owned(), OsStr::from_bytes(value).to_owned())),
            // The message does not repeat the text: it may be a secret.
            _ => {
                Err(Refusal::usage("`--param` needs a name and a value, such as `--param input=flights.csv`"))
            }
        }
    };
    matches.get_many::<OsString>("param").into_iter().flatten().map(split).collect()
}
