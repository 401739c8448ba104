//! The options of `serve`.

use std::ffi::OsString;

use clap::ArgMatches;

use crate::serve::Listen;

/// `serve`, as typed.
#[derive(Debug)]
pub(in crate::cli) struct ServeArguments {
    pub(in crate::cli) listen: Listen,
    pub(in crate::cli) hosts: Vec<String>,
    pub(in crate::cli) token_file: Option<OsString>,
    /// The folder for the logs of jobs.
    pub(in crate::cli) log_folder: Option<OsString>,
    pub(in crate::cli) read_only: bool,
    pub(in crate::cli) allow_actions: bool,
}

impl ServeArguments {
    pub(in crate::cli) fn of(matches: &ArgMatches) -> Self {
        Self {
            listen: matches.get_one::<Listen>("listen").cloned().unwrap_or(Listen::DEFAULT),
            hosts: matches.get_many("host").into_iter().flatten().cloned().collect(),
            token_file: matches.get_one::<OsString>("token-file").cloned(),
            #[cfg(feature = "log")]
            log_folder: matches.get_one::<OsString>("log-folder").cloned(),
            #[cfg(not(feature = "log"))]
            log_folder: None,
            read_only: matches.get_flag("read-only"),
            allow_actions: matches.get_flag("allow-actions"),
        }
    }
}
