//! The progress of a running step at one moment: in figures, and as a line.

use std::time::Duration;

use super::words;
use crate::definition::Progress;
#[cfg(feature = "cli")]
use crate::repository::{BatchStatus, Counters};
use crate::repository::{Reached, RunningStep};

/// The progress of a running step at one moment, in this process or another.
///
/// ```
/// use batch_runtime::observe::StepProgress;
/// use batch_runtime::repository::RunningStep;
///
/// /// `load: 40 %, 140,000 read, 15 s left, 14,000 items/s, 4,000 written`
/// fn line(step: &RunningStep) -> String {
///     StepProgress::from(step).line(&step.name)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepProgress {
    pub(super) read: u64,
    /// Items that earlier executions of the step have read.
    pub(super) before: u64,
    pub(super) written: u64,
    pub(super) skipped: u64,
    /// The time in which these items were counted.
    pub(super) elapsed: Duration,
    /// How much of the input has been read, and how long that took.
    pub(super) reached: Option<(Reached, Duration)>,
}

impl StepProgress {
    /// The part of the input that has been read, if the size of the input is known.
    pub(super) fn progress(&self) -> Option<Progress> {
        self.reached.map(|(Reached { done, total, .. }, _)| Progress { done, total })
    }

    /// The part of the input that has been read, from 0 to 100, if the size of the input is known.
    ///
    /// ```
    /// # fn shown(progress: &batch_runtime::observe::StepProgress) {
    /// assert!(progress.percent().is_none_or(|percent| percent <= 100));
    /// # }
    /// ```
    #[must_use]
    pub fn percent(&self) -> Option<u64> {
        let Progress { done, total } = self.progress()?;
        let percent = u128::from(done.min(total)) * 100 / u128::from(total.max(1));
        u64::try_from(percent).ok()
    }

    /// The items read per second since the step began; `None` if the step began too recently to tell.
    ///
    /// ```
    /// # fn shown(progress: &batch_runtime::observe::StepProgress) {
    /// let rate = progress.rate().unwrap_or_default();
    /// # }
    /// ```
    #[must_use]
    pub fn rate(&self) -> Option<u64> {
        words::rate(self.read, self.elapsed).filter(|rate| *rate > 0)
    }

    /// The remaining time, estimated from the time for each unit of the input in this execution of the step.
    ///
    /// ```
    /// # fn shown(progress: &batch_runtime::observe::StepProgress) {
    /// let is_soon_done = progress.left().is_some_and(|left| left.as_secs() < 60);
    /// # }
    /// ```
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        let (Reached { before, done, total }, took) = self.reached?;
        let advanced = done.checked_sub(before).filter(|advanced| *advanced > 0)?;
        let left = took.as_millis() * u128::from(total.saturating_sub(done)) / u128::from(advanced);
        u64::try_from(left).ok().map(Duration::from_millis)
    }

    /// The remaining time in words, in whole seconds.
    pub(crate) fn left_in_words(&self) -> Option<String> {
        let left = self.left()?;
        let seconds = Duration::from_secs(left.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX));
        Some(if seconds.as_secs() < 60 { format!("{} s", seconds.as_secs()) } else { words::time(seconds) })
    }

    /// The facts of the line. The most important come first, because a narrow terminal cuts off the end.
    pub(super) fn facts(&self) -> String {
        let mut facts = vec![match self.before {
            0 => format!("{} read", words::count(self.read)),
            before => format!("{} read ({} before)", words::count(self.read), words::count(before)),
        }];
        facts.extend(self.left_in_words().map(|left| format!("{left} left")));
        facts.extend(self.rate().map(|rate| format!("{} items/s", words::count(rate))));
        facts.push(format!("{} written", words::count(self.written)));
        if self.skipped > 0 {
            facts.push(format!("{} skipped", words::count(self.skipped)));
        }
        facts.join(", ")
    }

    /// The line for a step with that name.
    #[must_use]
    pub fn line(&self, name: &str) -> String {
        let percent = self.percent().map(|percent| format!("{percent} %, ")).unwrap_or_default();
        format!("{}: {percent}{}", words::line(name, 60), self.facts())
    }

    /// The line of a running step, with the partitions that are complete.
    #[cfg(feature = "cli")]
    pub(crate) fn line_of(step: &RunningStep) -> String {
        let line = Self::from(step).line(&step.name);
        match step.partitions {
            Some(of) => format!("{line}, {} of {} partitions complete", of.complete, of.total),
            None => line,
        }
    }
}

impl From<&RunningStep> for StepProgress {
    fn from(step: &RunningStep) -> Self {
        let since = |time| words::between(step.started, time);
        Self {
            read: step.counters.read,
            before: step.read_before,
            written: step.counters.write,
            skipped: step.counters.skips(),
            elapsed: since(step.updated),
            reached: step.reached.map(|(reached, seen)| (reached, since(seen))),
        }
    }
}

/// The line for a step that has ended.
#[cfg(feature = "cli")]
pub(crate) fn ended(name: &str, status: BatchStatus, elapsed: Duration, counters: &Counters) -> String {
    format!(
        "{} {} in {}: {} read, {} written",
        words::line(name, 60),
        status.as_str().to_lowercase(),
        words::time(elapsed),
        words::count(counters.read),
        words::count(counters.write)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(before: u64, done: u64) -> StepProgress {
        StepProgress {
            read: 140_000,
            before: 0,
            written: 4_000,
            skipped: 0,
            elapsed: Duration::from_secs(10),
            reached: Some((Reached { before, done, total: 1_000 }, Duration::from_secs(10))),
        }
    }

    #[test]
    fn a_line_shows_the_work_done_and_the_time_left() {
        assert_eq!(
            progress(0, 400).line("load"),
            "load: 40 %, 140,000 read, 15 s left, 14,000 items/s, 4,000 written"
        );
    }

    #[test]
    fn the_time_left_after_a_restart_is_estimated_from_this_execution() {
        assert_eq!(progress(300, 400).left(), Some(Duration::from_mins(1)));
        assert_eq!(progress(400, 400).left(), None);
    }

    #[test]
    fn an_input_of_unknown_size_has_no_percentage() {
        let progress = StepProgress { reached: None, before: 7, ..progress(0, 0) };
        assert_eq!(progress.line("load"), "load: 140,000 read (7 before), 14,000 items/s, 4,000 written");
    }

    #[test]
    fn an_input_that_grew_is_not_past_its_end() {
        assert_eq!(progress(0, 2_000).percent(), Some(100));
        assert_eq!(progress(0, 2_000).left(), Some(Duration::ZERO));
    }
}
