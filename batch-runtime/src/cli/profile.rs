//! `run --profile` and `profile diff`: the time and the memory of a run by function, and how two runs differ.

#[cfg(feature = "profile")]
mod diff;
#[cfg(not(feature = "profile"))]
mod refused;
#[cfg(feature = "profile")]
mod run;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgMatches;

#[cfg(not(feature = "profile-heap"))]
use super::refusal::Refusal;
#[cfg(feature = "profile")]
use crate::observe::profile::CpuProfile;
#[cfg(feature = "profile-heap")]
use crate::observe::profile::heap::HeapProfile;

/// `--profile` and its options, as typed.
#[derive(Debug, Clone, Default)]
pub(super) struct ProfileArguments {
    cpu: bool,
    heap: bool,
    #[cfg_attr(not(feature = "profile"), expect(dead_code, reason = "nothing is profiled"))]
    folder: Option<OsString>,
    #[cfg_attr(not(feature = "profile"), expect(dead_code, reason = "nothing is profiled"))]
    hertz: Option<i32>,
}

impl ProfileArguments {
    pub(super) fn of(matches: &ArgMatches) -> Self {
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
    pub(super) fn is_given(&self) -> bool {
        self.cpu || self.heap
    }
}

/// A run that may be profiled.
#[derive(Default)]
pub(super) struct Profiling {
    #[cfg(feature = "profile")]
    running: Option<run::Running>,
}

/// The profiles of a run that were asked for and could be taken.
#[derive(Default)]
pub(super) struct RunProfile {
    #[cfg(feature = "profile")]
    cpu: Option<CpuProfile>,
    #[cfg(feature = "profile-heap")]
    heap: Option<HeapProfile>,
}

/// `profile diff`, as typed.
#[derive(Debug)]
#[cfg_attr(not(feature = "profile"), expect(dead_code, reason = "nothing is compared"))]
pub(super) struct ProfileDiff {
    before: PathBuf,
    after: PathBuf,
    svg: Option<PathBuf>,
}

impl ProfileDiff {
    pub(super) fn of(matches: &ArgMatches) -> Self {
        let file = |name| matches.get_one::<OsString>(name).map(PathBuf::from);
        Self {
            before: file("before").expect("clap requires it"),
            after: file("after").expect("clap requires it"),
            svg: file("svg"),
        }
    }
}

/// Says which feature the program lacks.
#[cfg(not(feature = "profile-heap"))]
fn missing_feature(what: &str, feature: &str) -> Refusal {
    Refusal::usage(format!(
        "{what} needs a program that can profile: build the program with the feature `{feature}` of batch-runtime"
    ))
}
