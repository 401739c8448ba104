//! Puts advice into one line.

use std::time::Duration;

use crate::observe::words;
use crate::repository::{Advice, Followed, Lever};

/// Says what would make a step faster.
pub(crate) fn advice(advice: &Advice) -> String {
    let Advice { lever, component, setting, elapsed, predicted, .. } = advice;
    let (elapsed, predicted) = (time(*elapsed), time(*predicted));
    let component = component.as_deref().map(|name| words::line(name, 40)).unwrap_or_default();
    let number = grouped(*setting);
    match lever {
        Lever::Chunk => format!(
            "`chunk = {number}` would cut {elapsed} to about {predicted} (after a crash, up to {number} items are processed again)"
        ),
        Lever::Threads => format!("`threads = {number}` would cut {elapsed} to about {predicted}"),
        Lever::Concurrency => format!(
            "`{component}` mostly waits: `concurrency = {number}` on it would cut {elapsed} to about {predicted}, if the \
             other side can take {number} calls at once"
        ),
        Lever::Writer => format!(
            "writing in `{component}` takes most of the time: without it, the step would take {predicted} instead of \
             {elapsed}. Write a chunk in one statement (`Table`), and create indexes after the load"
        ),
        Lever::Reader => format!(
            "reading in `{component}` takes most of the time: without it, the step would take {predicted} instead of \
             {elapsed}. Read the input in `partitions`, if it can be split"
        ),
    }
}

/// Says whether the prediction of earlier advice came true.
pub(crate) fn followed(followed: Followed) -> String {
    let Followed { predicted, took } = followed;
    let (more, less) = (took.saturating_sub(predicted), predicted.saturating_sub(took));
    let percent = |part: u64| part / (predicted / 100).max(1);
    let verdict = match (percent(more), percent(less)) {
        (0, 0) => "as predicted".to_owned(),
        (0, less) => format!("{less} % less"),
        (more, _) => format!("{more} % more"),
    };
    format!("the last advice predicted {}; the step took {} ({verdict})", time(predicted), time(took))
}

fn time(nanos: u64) -> String {
    words::time(Duration::from_nanos(nanos))
}

/// A number as it is written in Rust: `5_000`.
fn grouped(number: u64) -> String {
    words::count(number).replace(',', "_")
}
