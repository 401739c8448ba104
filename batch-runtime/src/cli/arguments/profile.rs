//! The options of `run --profile` and `profile diff`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgMatches;

/// `--profile` and its options, as typed.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct ProfileArguments {
    pub(in crate::cli) cpu: bool,
    pub(in crate::cli) heap: bool,
    #[cfg_attr(not(feature = "profile"), expect(dead_code, reason = "nothing is profiled"))]
    pub(in crate::cli) folder: Option<OsString>,
    #[cfg_attr(not(feature = "profile"), expect(dead_code, reason = "nothing is profiled"))]
    pub(in crate::cli) hertz: Option<i32>,
}

impl ProfileArguments {
    pub(in crate::cli) fn of(matches: &ArgMatches) -> Self {
        let kinds: Vec<_> = matches.get_many::<String>("profile").into_iter().flatten().collect();
        Self {
            cpu: kinds.iter().any(|kind| *kind == "cpu"),
            heap: kinds.iter().any(|kind| *kind == "heap"),
            folder: matches.get_one::<OsString>("profile-folder").cloned(),
            hertz: matches.get_one::<i32>("profile-rate").copied(),
        }
    }

    /// Returns whether a profile is wanted.
    #[cfg(any(feature = "profile", feature = "schedule"))]
    pub(in crate::cli) fn is_given(&self) -> bool {
        self.cpu || self.heap
    }
}

/// `profile diff`, as typed.
#[derive(Debug)]
#[cfg_attr(not(feature = "profile"), expect(dead_code, reason = "nothing is compared"))]
pub(in crate::cli) struct ProfileDiff {
    pub(in crate::cli) before: PathBuf,
    pub(in crate::cli) after: PathBuf,
    pub(in crate::cli) svg: Option<PathBuf>,
}

impl ProfileDiff {
    pub(in crate::cli) fn of(matches: &ArgMatches) -> Self {
        let file = |name| matches.get_one::<OsString>(name).map(PathBuf::from);
        Self {
            before: file("before").expect("clap requires it"),
            after: file("after").expect("clap requires it"),
            svg: file("svg"),
        }
    }
}
