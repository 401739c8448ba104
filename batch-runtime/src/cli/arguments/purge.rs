//! The options of `purge`.

use std::ffi::OsString;

use clap::ArgMatches;

use crate::frontend::times::TypedTime;
use crate::repository::BatchStatus;

/// The options of `purge`.
#[derive(Debug)]
pub(in crate::cli) struct PurgeArguments {
    pub(in crate::cli) older_than: TypedTime,
    pub(in crate::cli) job: Option<String>,
    pub(in crate::cli) keep: u32,
    pub(in crate::cli) statuses: Vec<BatchStatus>,
    pub(in crate::cli) archive: Option<OsString>,
    pub(in crate::cli) vacuum: bool,
    pub(in crate::cli) yes: bool,
}

impl PurgeArguments {
    pub(in crate::cli) fn of(matches: &ArgMatches) -> Self {
        Self {
            older_than: matches.get_one::<TypedTime>("older-than").copied().expect("clap requires it"),
            job: matches.get_one::<String>("job").cloned(),
            keep: matches.get_one::<u32>("keep").copied().unwrap_or(0),
            statuses: matches.get_many("status").into_iter().flatten().copied().collect(),
            archive: matches.get_one::<OsString>("archive").cloned(),
            vacuum: matches.get_flag("vacuum"),
            yes: matches.get_flag("yes"),
        }
    }
}
