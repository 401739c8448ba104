//! The options for the log and the trace of a process.

use std::ffi::OsString;

use clap::ArgMatches;

use super::LogArguments;
use crate::frontend::refusal::Refusal;

/// `--log`, `--log-filter` and `--otlp`, as typed.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct TelemetryArguments {
    pub(in crate::cli) log: LogArguments,
    pub(in crate::cli) otlp: Option<String>,
}

impl TelemetryArguments {
    pub(in crate::cli) fn of(matches: &ArgMatches) -> Self {
        Self { log: LogArguments::of(matches), otlp: matches.get_one::<String>("otlp").cloned() }
    }

    /// The arguments that give a child process on this machine the same telemetry.
    pub(in crate::cli) fn of_child(&self) -> Result<Vec<OsString>, Refusal> {
        let mut arguments = self.log.of_child()?;
        arguments.extend(self.otlp.iter().flat_map(|url| ["--otlp".into(), url.into()]));
        Ok(arguments)
    }
}
