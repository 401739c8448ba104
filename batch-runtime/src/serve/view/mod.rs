//! The pages. Each view is a function from what the repository says to HTML.

mod actions;
pub(super) mod execution;
pub(super) mod executions;
pub(super) mod form;
pub(super) mod frame;
pub(super) mod jobs;
mod parts;
#[cfg(feature = "schedule")]
pub(super) mod schedule;
mod steps;

use maud::Markup;

/// The entries at the head of every page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Jobs,
    Executions,
    #[cfg(feature = "schedule")]
    Schedule,
    /// None of them.
    Elsewhere,
}

/// A page without its frame.
pub(super) struct View {
    pub(super) title: String,
    pub(super) place: Place,
    /// What stays.
    pub(super) fixed: Markup,
    /// What changes by itself, below it.
    pub(super) live: Markup,
    /// Whether the browser asks for changes.
    pub(super) follows: bool,
}
