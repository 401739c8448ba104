//! The small parts that several pages share: statuses, times, numbers, links.

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

use crate::definition::{ExecutionId, StepExecutionId};
use crate::frontend::times::moment;
use crate::observe::words;
use crate::repository::{BatchStatus, JobExecution, OwnerState, StoredParameter};

/// The CSS class of a status.
pub(super) fn class(status: BatchStatus, owner: Option<OwnerState>) -> &'static str {
    match (status, owner) {
        (_, Some(OwnerState::Dead)) => "dead",
        (BatchStatus::Completed, _) => "completed",
        (BatchStatus::Starting | BatchStatus::Started, _) => "running",
        (BatchStatus::Stopping, _) => "stopping",
        (BatchStatus::Stopped, _) => "stopped",
        (BatchStatus::Failed, _) => "failed",
        (BatchStatus::Abandoned, _) => "abandoned",
        (BatchStatus::Unknown, _) => "unknown",
    }
}

/// A status as a sign and a word.
pub(super) fn status(status: BatchStatus, owner: Option<OwnerState>) -> Markup {
    let class = class(status, owner);
    let word = match class {
        "dead" => "process dead",
        "running" => "running",
        _ => &status.as_str().to_lowercase(),
    };
    html! { span.status.(class) { (word) } }
}

/// The status of an execution, with its exit code if that says more.
pub(super) fn status_of(execution: &JobExecution, owner: Option<OwnerState>) -> Markup {
    let code = execution.exit.code.as_str();
    let says_more =
        !code.is_empty() && code != execution.status.as_str() && code != "EXECUTING" && code != "UNKNOWN";
    html! {
        (status(execution.status, owner))
        @if says_more { " " span.soft { (words::line(code, 40)) } }
    }
}

pub(super) fn time(at: Option<Timestamp>) -> Markup {
    html! { @if let Some(at) = at { time datetime=(at) { (moment(at)) } } }
}

/// How long an execution took, or has been running.
pub(super) fn took(execution: &JobExecution, owner: Option<OwnerState>, now: Timestamp) -> Option<Duration> {
    let end = execution.ended.unwrap_or(match owner {
        Some(OwnerState::Dead) | None => execution.updated,
        Some(_) => now,
    });
    execution.started.map(|started| words::between(started, end))
}

pub(super) fn duration(duration: Option<Duration>) -> String {
    duration.map(words::time).unwrap_or_default()
}

/// A link to an execution by its number.
pub(super) fn execution(id: ExecutionId) -> Markup {
    html! { a href=(path(id)) { (id) } }
}

pub(super) fn path(id: ExecutionId) -> String {
    format!("/executions/{id}")
}

/// The address of the row of a step execution on the page of its execution.
pub(super) fn step(execution: ExecutionId, step: StepExecutionId) -> String {
    format!("{}#step-{step}", path(execution))
}

/// A name as a part of a path.
pub(super) fn encoded(name: &str) -> String {
    form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A text in which words between backticks are code.
pub(super) fn coded(text: &str) -> Markup {
    let mut pieces = text.split('`').peekable();
    let mut is_code = false;
    let mut parts = Vec::new();
    while let Some(piece) = pieces.next() {
        // A last, unpaired backtick is shown.
        let is_closed = !is_code || pieces.peek().is_some();
        parts.push((is_code && is_closed, is_code && !is_closed, piece));
        is_code = !is_code;
    }
    html! {
        @for (is_code, is_open, piece) in parts {
            @if is_code { code { (piece) } } @else { @if is_open { "`" } (piece) }
        }
    }
}

/// The parameters of a run on one line, identifying ones first.
pub(super) fn parameters(parameters: &[StoredParameter]) -> Markup {
    let (identifying, others): (Vec<_>, Vec<_>) = parameters.iter().partition(|it| it.identifying);
    html! {
        @for (of, is_soft) in [(identifying, false), (others, true)] {
            @for parameter in of {
                span.parameter.soft[is_soft] {
                    (words::line(&parameter.name, 60)) "=" b { (words::line(&parameter.value.to_string(), 100)) }
                }
                " "
            }
        }
    }
}
