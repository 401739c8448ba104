//! One execution: why it failed, its steps, the chain of its restarts, and its buttons.

use maud::{Markup, html};

use super::actions;
use super::log::Elsewhere;
use super::parts;
use super::steps;
use super::tabs::head;
use super::{Place, View};
use crate::definition::ExecutionId;
use crate::observe::{Summary, words};
use crate::operator::ExecutionDetails;
use crate::repository::{BatchStatus, ExecutionFilter, JobExecution, Operation, OperationKind, OwnerState};
use crate::serve::page::Page;
use crate::serve::request::RequestError;

pub(in crate::serve) fn show(page: &Page, id: ExecutionId) -> Result<View, RequestError> {
    let details = page.operator.show(id)?;
    let execution = &details.execution;
    let filter = ExecutionFilter {
        instance: Some(execution.instance.id),
        limit: Some(50),
        ..ExecutionFilter::default()
    };
    let mut chain = page.operator.executions(&filter)?;
    chain.reverse();
    let causes = Summary::from(&details).whole_causes();
    let is_quiet = !matches!(execution.status, BatchStatus::Failed | BatchStatus::Unknown);
    let live = html! {
        p.lead {
            (parts::status_of(execution, details.owner_state))
            span.number { (parts::duration(parts::took(execution, details.owner_state, details.seen))) }
            (owner(&details))
        }
        @if !causes.is_empty() {
            div.causes { @for cause in &causes { p.cause.quiet[is_quiet] { (parts::coded(cause)) } } }
        }
        (actions::buttons(page, &details))
        (steps::table(&details))
        (chain_of(&chain, &details))
        (facts(&details, &page.operator.operations(id)?))
    };
    let title = format!("{} {id}", execution.instance.job);
    let fixed = head(page, &details, "steps");
    Ok(View { title, place: Place::Elsewhere, fixed, live, follows: execution.status.is_running() })
}

fn owner(details: &ExecutionDetails) -> Markup {
    let owner = details.execution.owner.as_ref();
    let process = owner.map(|owner| format!("process {} on {}", owner.pid, words::line(&owner.host, 100)));
    html! {
        @if let (Some(state), Some(process)) = (details.owner_state, process) {
            span.soft {
                @match state {
                    OwnerState::Alive => { (process) " is alive" }
                    OwnerState::Dead => { (process) " is dead: it could not record an end" }
                    OwnerState::Unknown => { (process) ", if it is alive" }
                }
            }
        }
    }
}

/// The executions of the instance, oldest first.
fn chain_of(chain: &[JobExecution], details: &ExecutionDetails) -> Markup {
    html! {
        @if chain.len() > 1 {
            h2 { "Restarts of this run" }
            ol.chain {
                @for execution in chain {
                    @let is_here = execution.id == details.execution.id;
                    li aria-current=[is_here.then_some("true")] {
                        (parts::execution(execution.id)) " "
                        (parts::status(execution.status, details.owner_state.filter(|_| is_here)))
                    }
                }
            }
        }
    }
}

/// The label of an operation that a person did.
fn did(what: OperationKind) -> &'static str {
    match what {
        OperationKind::Start => "Start",
        OperationKind::Restart => "Restart",
        OperationKind::Replay => "Replay",
        OperationKind::Stop => "Stop",
        OperationKind::Abandon => "Abandon",
        OperationKind::Recover => "Recover",
    }
}

fn via(via: &str) -> &str {
    match via {
        "page" => "this page",
        "cli" => "the command line",
        other => other,
    }
}

fn facts(details: &ExecutionDetails, operations: &[Operation]) -> Markup {
    let execution = &details.execution;
    let parameters = &execution.parameters;
    html! {
        h2 { "Facts" }
        dl.facts {
            @for parameter in parameters {
                dt { (parameter.name) }
                dd {
                    code { (parameter.value) }
                    @if !parameter.identifying { " " span.soft { "does not identify the run" } }
                }
            }
            dt.own { "Started" } dd { (parts::time(execution.started)) }
            @match execution.ended {
                Some(ended) => { dt.own { "Ended" } dd { (parts::time(Some(ended))) } }
                None => { dt.own { "Last commit" } dd { (parts::time(Some(execution.updated))) } }
            }
            @if let Some(owner) = &execution.owner {
                dt.own { "Process" } dd { (owner.pid) " on " (owner.host) }
            }
            @if let Some(elsewhere @ (Elsewhere::File(_) | Elsewhere::Stderr)) = Elsewhere::of(execution) {
                dt.own { "Log" } dd { (elsewhere) }
            }
            @for operation in operations {
                dt.own { (did(operation.what)) }
                dd { (parts::time(Some(operation.done))) " " span.soft { "by " (via(&operation.via)) } }
            }
            dt.own { "Instance" } dd { (execution.instance.id) " " span.soft { "key " (execution.instance.key) } }
        }
    }
}
