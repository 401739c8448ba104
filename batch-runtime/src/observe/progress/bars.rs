//! Draws the progress of a running step as a bar.

use indicatif::{ProgressBar, ProgressStyle};

use crate::definition::Progress;
use crate::observe::StepProgress;

pub(super) fn draw(step: &StepProgress, bar: &ProgressBar) {
    if let Some(Progress { done, total }) = step.progress() {
        if bar.length().is_none() {
            bar.set_style(measured());
        }
        // Change everything in one update, because every setter draws the bar.
        bar.update(|state| {
            state.set_len(total);
            state.set_pos(done.min(total));
        });
    } else {
        bar.tick();
    }
    bar.set_message(step.facts());
}

fn measured() -> ProgressStyle {
    let style = ProgressStyle::with_template("{prefix} [{bar:20}] {percent:>3} % {wide_msg}");
    style.expect("the template is well-formed").progress_chars("=> ")
}

pub(super) fn spinner() -> ProgressStyle {
    let style = ProgressStyle::with_template("{prefix} {spinner} {wide_msg}");
    style.expect("the template is well-formed").tick_chars("-\\|/ ")
}
