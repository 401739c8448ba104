//! The options of schedules.

use std::ffi::OsString;

use clap::ArgMatches;

use super::TelemetryArguments;
use crate::frontend::refusal::Refusal;
use crate::frontend::schedule::Dates;

/// `run --backfill 2026-01-05..2026-03-30`
#[derive(Debug)]
pub(in crate::cli) struct Backfill {
    pub(in crate::cli) range: Dates,
    pub(in crate::cli) failed_only: bool,
    pub(in crate::cli) at_once: usize,
    pub(in crate::cli) yes: bool,
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
    pub(in crate::cli) telemetry: TelemetryArguments,
    /// Names of options and their values.
    words: Vec<(&'static str, String)>,
}

impl ChildOptions {
    pub(in crate::cli) fn of(matches: &ArgMatches) -> Self {
        let word = |name| Some((name, matches.get_one::<String>(name)?.clone()));
        Self {
            telemetry: TelemetryArguments::of(matches),
            words: ["durability", "recovery", "on-end"].into_iter().filter_map(word).collect(),
        }
    }

    /// As arguments of `run`.
    pub(in crate::cli) fn arguments(&self) -> Result<Vec<OsString>, Refusal> {
        let mut arguments = self.telemetry.of_child()?;
        arguments
            .extend(self.words.iter().flat_map(|(name, value)| [format!("--{name}").into(), value.into()]));
        Ok(arguments)
    }
}
