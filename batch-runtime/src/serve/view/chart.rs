//! Draws times as bars, split by the work of a step.

use std::time::Duration;

use maud::{Markup, html};

use super::parts;
use crate::definition::ExecutionId;
use crate::observe::summary::shares::{Part, parts as parts_of};
use crate::observe::words;
use crate::repository::Profile;

/// The size of a chart, and of one of its columns.
const HIGH: u64 = 120;
const WIDE: usize = 14;
/// The width of the bar of one execution.
const BAR: u64 = 400;

/// The time of a step in one execution.
pub(super) struct Column<'a> {
    pub(super) execution: ExecutionId,
    pub(super) took: Duration,
    pub(super) profile: Option<&'a Profile>,
}

/// The roles, as colours and words.
const ROLES: [(&str, &str); 5] = [
    ("reader", "reading"),
    ("processor", "processing"),
    ("writer", "writing"),
    ("commit", "committing"),
    ("rest", "waiting and other"),
];

fn class(part: &Part) -> &'static str {
    match part.role.as_str() {
        "reader" => "reader",
        "processor" | "classifier" => "processor",
        "writer" => "writer",
        "commit" => "commit",
        _ => "rest",
    }
}

/// Says what each colour means.
pub(super) fn legend() -> Markup {
    html! { p.legend { @for (class, word) in ROLES { span.(class) { (word) } " " } } }
}

/// Sizes in proportion to the times of the parts. The sizes add up to `whole`, even if the times of several threads
/// exceed it.
fn sizes(parts: &[Part], whole: u64) -> Vec<u64> {
    let sum: u128 = parts.iter().map(|part| u128::from(part.time)).sum();
    let mut until = 0_u128;
    let mut drawn = 0_u64;
    let mut sizes = Vec::with_capacity(parts.len());
    for part in parts {
        until += u128::from(part.time);
        let end = u64::try_from(until * u128::from(whole) / sum.max(1)).unwrap_or(whole);
        sizes.push(end - drawn);
        drawn = end;
    }
    sizes
}

/// The last executions side by side: the height is the time.
pub(super) fn chart(columns: &[Column<'_>]) -> Markup {
    let longest = columns.iter().map(|column| column.took.as_nanos()).max().unwrap_or(0).max(1);
    let width = (columns.len() * WIDE).max(WIDE);
    let one = |at: usize, column: &Column<'_>| {
        let height =
            u64::try_from(column.took.as_nanos() * u128::from(HIGH) / longest).unwrap_or(HIGH).max(2);
        let parts = column.profile.and_then(parts_of).unwrap_or_default();
        let split: Vec<String> =
            parts.iter().map(|part| format!("{} {} %", part.name, part.percent)).collect();
        let title = format!("{}: {}\n{}", column.execution, words::time(column.took), split.join(", "));
        let mut y = HIGH;
        let sizes = sizes(&parts, height);
        let pieces: Vec<_> = parts
            .iter()
            .zip(sizes)
            .map(|(part, size)| {
                y -= size;
                (class(part), y, size)
            })
            .collect();
        html! {
            a href={ (parts::path(column.execution)) "/time" } {
                title { (title) }
                rect.whole x=(at * WIDE) y="0" width=(WIDE) height=(HIGH) {}
                @for (class, y, size) in pieces {
                    rect.(class) x=(at * WIDE + 1) y=(y) width=(WIDE - 3) height=(size) {}
                }
            }
        }
    };
    html! {
        svg.bars width=(width) height=(HIGH) viewBox={ "0 0 " (width) " " (HIGH) } role="group" aria-label="Time" {
            line x1="0" y1=(HIGH) x2=(width) y2=(HIGH) {}
            @for (at, column) in columns.iter().enumerate() { (one(at, column)) }
        }
        p.soft.number { "highest: " (words::time(Duration::from_nanos(u64::try_from(longest).unwrap_or(u64::MAX)))) }
    }
}

/// The parts of a step's time as one bar, and in words.
pub(super) fn split(profile: &Profile) -> Markup {
    let parts = parts_of(profile).unwrap_or_default();
    let mut x = 0;
    let pieces: Vec<_> = parts
        .iter()
        .zip(sizes(&parts, BAR))
        .map(|(part, size)| {
            let at = x;
            x += size;
            (class(part), at, size)
        })
        .collect();
    html! {
        svg.split viewBox={ "0 0 " (BAR) " 10" } preserveAspectRatio="none" aria-hidden="true" {
            @for (class, x, size) in pieces { rect.(class) x=(x) y="0" width=(size) height="10" {} }
        }
        p.split {
            @for part in &parts {
                span.(class(part)) { (part.name) " " b.number { (part.percent) " %" } (part.remark) } " "
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_fill_the_bar_whatever_they_add_up_to() {
        let part = |time| Part { name: String::new(), role: String::new(), time, percent: 0, remark: "" };
        for times in [vec![1, 1, 1], vec![0, 7], vec![u64::MAX, u64::MAX, 1]] {
            let parts: Vec<Part> = times.into_iter().map(part).collect();
            assert_eq!(sizes(&parts, 400).iter().sum::<u64>(), 400);
        }
        assert_eq!(sizes(&[part(0)], 400), [0]);
        assert_eq!(sizes(&[], 400), [0_u64; 0]);
    }
}
