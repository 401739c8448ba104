//! Names the causes of a failure, each once.

use super::{StepLine, Summary};
use crate::observe::words;
use crate::repository::BatchStatus;

impl Summary {
    /// The failures and other noteworthy facts about steps, one line each.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        self.whole_causes().iter().map(|cause| words::line(cause, 2_500)).collect()
    }

    /// Like [`causes`](Self::causes), but keeps the line breaks of the errors.
    pub(crate) fn whole_causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = self
            .steps
            .iter()
            .filter(|step| step.status == BatchStatus::Failed && !step.exit.description.is_empty())
            .filter(|step| !self.is_reported_by_a_step_within(step))
            .map(|step| format!("{} failed: {}", step.name, step.exit.description))
            .collect();
        // The description of a completed step says what its counters do not show.
        causes.extend(
            self.steps
                .iter()
                .filter(|step| step.status == BatchStatus::Completed && !step.exit.description.is_empty())
                .map(|step| format!("{}: {}", step.name, step.exit.description)),
        );
        let reason = self.exit.description.as_str();
        let verb = match self.status {
            BatchStatus::Failed | BatchStatus::Unknown => "failed",
            BatchStatus::Stopped => "stopped",
            _ => "ended",
        };
        // The description of the job repeats the description of the failed step, which is reported already.
        let reported = self
            .steps
            .iter()
            .any(|step| !step.exit.description.is_empty() && reason.contains(&step.exit.description));
        let rest = if reported { self.remaining_description() } else { reason.to_owned() };
        if !rest.is_empty() {
            causes.push(format!("{} {verb}: {rest}", self.job));
        }
        causes
    }

    /// The part of the job's description that does not repeat the description of a step. There is such a part if
    /// branches of a split ended for several reasons.
    fn remaining_description(&self) -> String {
        let failed = self.steps.iter().filter(|step| step.status == BatchStatus::Failed);
        let mut reported: Vec<_> =
            failed.map(|step| format!("step `{}`: {}", step.name, step.exit.description)).collect();
        // Remove the longest descriptions first, because a nested job repeats the description of a step.
        reported.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let rest = reported.iter().fold(self.exit.description.clone(), |rest, text| rest.replace(text, ""));
        if rest == self.exit.description {
            return String::new();
        }
        rest.split("; ").filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// Returns whether a step within `nested` reports the same failure: a nested job repeats the description of the
    /// step that made it fail.
    fn is_reported_by_a_step_within(&self, nested: &StepLine) -> bool {
        self.steps.iter().any(|step| {
            step.name.strip_prefix(&nested.name).is_some_and(|rest| rest.starts_with('/'))
                && !step.exit.description.is_empty()
                && nested.exit.description.contains(&step.exit.description)
        })
    }
}
