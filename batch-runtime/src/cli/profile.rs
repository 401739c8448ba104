//! `run --profile` and `profile diff`: the time and the memory of a run by function, and how two runs differ.

#[cfg(feature = "profile")]
mod diff;
#[cfg(not(feature = "profile"))]
mod refused;
#[cfg(feature = "profile")]
mod run;

#[cfg(not(feature = "profile-heap"))]
use crate::frontend::refusal::Refusal;
#[cfg(feature = "profile")]
use crate::observe::profile::CpuProfile;
#[cfg(feature = "profile-heap")]
use crate::observe::profile::heap::HeapProfile;

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

/// Says which feature the program lacks.
#[cfg(not(feature = "profile-heap"))]
fn missing_feature(what: &str, feature: &str) -> Refusal {
    Refusal::usage(format!(
        "{what} needs a program that can profile: build the program with the feature `{feature}` of batch-runtime"
    ))
}
