//! The options of the log.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::ArgMatches;

use crate::frontend::refusal::Refusal;

/// `--log` and `--log-filter`, as typed.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct LogArguments {
    pub(in crate::cli) file: Option<OsString>,
    pub(in crate::cli) filter: Option<String>,
}

impl LogArguments {
    pub(in crate::cli) fn of(matches: &ArgMatches) -> Self {
        Self {
            file: matches.get_one::<OsString>("log").cloned(),
            filter: matches.get_one::<String>("log-filter").cloned(),
        }
    }

    /// Returns whether a log is to be written.
    #[cfg(feature = "log")]
    pub(in crate::cli) fn is_given(&self) -> bool {
        self.file.is_some()
    }

    /// The arguments that make a child process on this machine write to the same file.
    pub(in crate::cli) fn of_child(&self) -> Result<Vec<OsString>, Refusal> {
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let file = absolute_log(file)?;
        let filter = self.filter.iter().flat_map(|filter| ["--log-filter".into(), filter.into()]);
        Ok(["--log".into(), file.into()].into_iter().chain(filter).collect())
    }
}

/// The path of the log, from the root.
pub(in crate::cli) fn absolute_log(file: &OsStr) -> Result<PathBuf, Refusal> {
    if file.is_empty() {
        return Err(Refusal::usage("`--log` needs the path of a file, such as `--log batch.jsonl`"));
    }
    std::path::absolute(file)
        .map_err(|error| Refusal::usage(format!("the folder of the log is unknown: {error}")))
}
