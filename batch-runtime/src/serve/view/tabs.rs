//! The head of every page about an execution: its title, and links to the other pages.

use maud::{Markup, html};

use super::parts;
use crate::observe::words;
use crate::operator::ExecutionDetails;
use crate::repository::Counters;
use crate::serve::page::Page;

/// The title of an execution, and links to its other pages.
pub(super) fn head(page: &Page, details: &ExecutionDetails, here: &str) -> Markup {
    let execution = &details.execution;
    let path = parts::path(execution.id);
    let job = &execution.instance.job;
    let tab = |name: &str, to: &str, label: Markup| {
        html! { a href=(to) aria-current=[(here == name).then_some("page")] { (label) } }
    };
    let skips = skips(details);
    html! {
        h1 {
            a href={ "/executions?job=" (parts::encoded(job)) } { (job) } " "
            span.number { (execution.id) }
        }
        nav.tabs aria-label="Execution" {
            (tab("steps", &path, html! { "Steps" }))
            (tab("graph", &format!("{path}/graph"), html! { "Graph" }))
            (tab("skipped", &format!("{path}/skipped"), html! {
                "Skipped" @if skips > 0 { " " span.count { (words::count(skips)) } }
            }))
            (tab("time", &format!("{path}/time"), html! { "Time" }))
            @if page.logs.is_some() { (tab("log", &format!("{path}/log"), html! { "Log" })) }
        }
    }
}

/// The items that the instance has skipped.
fn skips(details: &ExecutionDetails) -> u64 {
    let before: u64 = details.before.values().map(Counters::skips).sum();
    before + details.steps.iter().map(|step| step.counters.skips()).sum::<u64>()
}
