//! Refuses profiles in a program without the feature `profile`.

use super::{Profiling, RunProfile};
use crate::cli::arguments::{Globals, ProfileArguments, ProfileDiff};
use crate::cli::console::Console;
use crate::definition::JobInfo;
use crate::frontend::json;
use crate::frontend::refusal::Refusal;
use crate::observe::JobReport;

impl ProfileArguments {
    /// Refuses every kind of profile.
    pub(in crate::cli) fn prepare(&self) -> Result<(), Refusal> {
        match (self.cpu, self.heap) {
            (_, true) => Err(super::missing_feature("`--profile=heap`", "profile-heap")),
            (true, false) => Err(super::missing_feature("`--profile`", "profile")),
            (false, false) => Ok(()),
        }
    }

    #[expect(clippy::unused_self, reason = "with the feature, `self` says which profiles to take")]
    pub(in crate::cli) fn start(&self, _: &'static JobInfo, _: &Console) -> Profiling {
        Profiling::default()
    }
}

impl Profiling {
    #[expect(clippy::unused_self, reason = "with the feature, `self` holds the profilers to stop")]
    pub(in crate::cli) fn stop(self, _: Option<&JobReport>, _: &Console) -> RunProfile {
        RunProfile::default()
    }
}

impl RunProfile {
    #[expect(clippy::unused_self, reason = "with the feature, `self` holds the profiles")]
    pub(in crate::cli) fn text(&self) -> Option<String> {
        None
    }

    #[expect(clippy::unused_self, reason = "with the feature, `self` holds the profiles")]
    pub(in crate::cli) fn add_to<'a>(&'a self, report: json::Report<'a>) -> json::Report<'a> {
        report
    }
}

impl ProfileDiff {
    #[expect(clippy::unused_self, reason = "with the feature, `self` names the files")]
    pub(in crate::cli) fn show(
        &self,
        _: &[&'static JobInfo],
        _: &Globals,
        _: &Console,
    ) -> Result<(), Refusal> {
        Err(super::missing_feature("`profile diff`", "profile"))
    }
}
