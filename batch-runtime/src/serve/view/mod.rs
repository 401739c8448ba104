//! The pages. Each view is a function from the repository's data to HTML.

mod actions;
#[cfg(feature = "schedule")]
pub(super) mod backfill;
mod chart;
pub(super) mod compare;
pub(super) mod execution;
pub(super) mod executions;
pub(super) mod form;
pub(super) mod frame;
pub(super) mod graph;
pub(super) mod jobs;
pub(super) mod log;
pub(super) mod login;
mod parts;
#[cfg(feature = "schedule")]
pub(super) mod schedule;
pub(super) mod skipped;
mod steps;
mod tabs;
pub(super) mod time;

use maud::Markup;

/// The entries at the head of every page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Jobs,
    Executions,
    #[cfg(feature = "schedule")]
    Schedule,
    /// A page without an entry of its own.
    Elsewhere,
}

/// A page without its frame.
pub(super) struct View {
    pub(super) title: String,
    pub(super) place: Place,
    /// The part that is never refreshed.
    pub(super) fixed: Markup,
    /// The part below the fixed one. The browser refreshes it if `follows` is true.
    pub(super) live: Markup,
    /// Whether the browser refreshes the live part.
    pub(super) follows: bool,
}
