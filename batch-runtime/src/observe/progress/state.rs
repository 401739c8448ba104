//! The progress of a running step at one moment, as a bar or a line.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::definition::Progress;
use crate::observe::words;

/// The progress of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) read: u64,
    pub(super) before: u64,
    pub(super) written: u64,
    pub(super) skipped: u64,
    pub(super) elapsed: Duration,
    pub(super) progress: Option<Progress>,
    pub(super) first: (u64, Duration),
}

impl State {
    fn percent(&self) -> Option<u64> {
        let Progress { done, total } = self.progress?;
        let percent = u128::from(done.min(total)) * 100 / u128::from(total.max(1));
        u64::try_from(percent).ok()
    }

    /// Estimates the remaining time from the time per unit so far.
    fn left(&self) -> Option<Duration> {
        let Progress { done, total } = self.progress?;
        let (first, since) = self.first;
        let advanced = done.checked_sub(first).filter(|advanced| *advanced > 0)?;
        let took = self.elapsed.saturating_sub(since).as_millis();
        let left = took * u128::from(total.saturating_sub(done)) / u128::from(advanced);
        u64::try_from(left).ok().map(Duration::from_millis)
    }

    /// The most important first: a narrow terminal cuts off the end.
    fn facts(&self) -> String {
        let mut facts = vec![match self.before {
            0 => format!("{} read", words::count(self.read)),
            before => format!("{} read ({} before)", words::count(self.read), words::count(before)),
        }];
        if let Some(left) = self.left() {
            let seconds =
                Duration::from_secs(left.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX));
            let left = if seconds.as_secs() < 60 {
                format!("{} s", seconds.as_secs())
            } else {
                words::time(seconds)
            };
            facts.push(format!("{left} left"));
        }
        if let Some(rate) = words::rate(self.read, self.elapsed).filter(|rate| *rate > 0) {
            facts.push(format!("{} items/s", words::count(rate)));
        }
        facts.push(format!("{} written", words::count(self.written)));
        if self.skipped > 0 {
            facts.push(format!("{} skipped", words::count(self.skipped)));
        }
        facts.join(", ")
    }

    pub(super) fn line(&self, name: &str) -> String {
        let percent = self.percent().map(|percent| format!("{percent} %, ")).unwrap_or_default();
        format!("{}: {percent}{}", words::line(name, 60), self.facts())
    }

    pub(super) fn draw(&self, bar: &ProgressBar) {
        if let Some(Progress { done, total }) = self.progress {
            if bar.length().is_none() {
                bar.set_style(measured());
            }
            // In one update, since every setter draws.
            bar.update(|state| {
                state.set_len(total);
                state.set_pos(done.min(total));
            });
        } else {
            bar.tick();
        }
        bar.set_message(self.facts());
    }
}

fn measured() -> ProgressStyle {
    let style = ProgressStyle::with_template("{prefix} [{bar:20}] {percent:>3} % {wide_msg}");
    style.expect("the template is well-formed").progress_chars("=> ")
}

pub(super) fn spinner() -> ProgressStyle {
    let style = ProgressStyle::with_template("{prefix} {spinner} {wide_msg}");
    style.expect("the template is well-formed").tick_chars("-\\|/ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: (u64, Duration) = (0, Duration::ZERO);

    fn state(done: u64, first: (u64, Duration)) -> State {
        State {
            read: 140_000,
            before: 0,
            written: 4_000,
            skipped: 0,
            elapsed: Duration::from_secs(10),
            progress: Some(Progress { done, total: 1_000 }),
            first,
        }
    }

    #[test]
    fn a_line_shows_the_work_done_and_the_time_left() {
        assert_eq!(
            state(400, NEW).line("load"),
            "load: 40 %, 140,000 read, 15 s left, 14,000 items/s, 4,000 written"
        );
    }

    #[test]
    fn the_time_left_after_a_restart_is_estimated_from_this_execution() {
        assert_eq!(
            state(400, (300, Duration::from_secs(5))).left().map(words::time).as_deref(),
            Some("30.0 s")
        );
    }

    #[test]
    fn an_input_of_unknown_size_has_no_percentage() {
        let state = State { progress: None, before: 7, ..state(0, NEW) };
        assert_eq!(state.line("load"), "load: 140,000 read (7 before), 14,000 items/s, 4,000 written");
    }

    #[test]
    fn an_input_that_grew_is_not_past_its_end() {
        assert_eq!(state(2_000, NEW).percent(), Some(100));
        assert_eq!(state(2_000, NEW).left(), Some(Duration::ZERO));
    }
}
