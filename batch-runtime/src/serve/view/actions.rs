//! The buttons of an execution, each allowed or with the reason why it is not.

use maud::{Markup, html};

use super::parts;
use crate::definition::Parameters;
use crate::frontend::parameter::is_required;
use crate::frontend::refusal::Refusal;
use crate::operator::{ExecutionDetails, check_abandon, check_stop};
use crate::repository::{Outlook, OwnerState};
use crate::serve::page::Page;

/// Says what a launch would do.
pub(super) fn outlook_in_words(outlook: Outlook) -> String {
    match outlook {
        Outlook::Begins => "begins a new instance".to_owned(),
        Outlook::Resumes(execution) => format!("resumes execution {execution} after its last commit"),
        Outlook::TakesOver(execution) => {
            format!(
                "takes over from execution {execution}, whose process is dead, and resumes it after its last commit"
            )
        }
    }
}

/// A button.
struct Button {
    label: &'static str,
    /// The last part of the button's address.
    to: &'static str,
    /// The question that the browser asks first.
    ask: Option<&'static str>,
    /// Why the button does nothing; `None` if it works.
    why_not: Option<String>,
    /// The effect of the button.
    hint: Option<String>,
}

pub(super) fn buttons(page: &Page, details: &ExecutionDetails) -> Markup {
    let execution = &details.execution;
    let path = parts::path(execution.id);
    let restart = page.operator.resolve_restart(execution.id, &Parameters::new());
    let why = |refused: Result<(), crate::repository::RepositoryError>| {
        refused.err().map(|error| Refusal::from(error).to_string())
    };
    let mut buttons = vec![
        Button {
            label: "Restart",
            to: "restart",
            ask: None,
            hint: restart.as_ref().ok().map(|outlook| outlook_in_words(*outlook)),
            why_not: restart.as_ref().err().map(|error| Refusal::of(error).to_string()),
        },
        Button {
            label: "Stop",
            to: "stop",
            ask: None,
            hint: Some("stops it after its current chunk".to_owned()),
            why_not: why(check_stop(execution)),
        },
        Button {
            label: "Abandon",
            to: "abandon",
            ask: Some("Abandon this execution for good? Its instance cannot be restarted."),
            hint: Some("ends it for good: its instance cannot be restarted".to_owned()),
            why_not: why(check_abandon(execution, details.owner_state)),
        },
    ];
    if details.owner_state == Some(OwnerState::Dead) {
        buttons.push(Button {
            label: "Recover",
            to: "recover",
            ask: None,
            hint: Some("ends it, and all others whose process is dead, as failed".to_owned()),
            why_not: None,
        });
    }
    let is_read_only = page.guard.is_read_only();
    let job = page.operator.jobs().iter().find(|job| job.name == execution.instance.job);
    let needs_secret = job.is_some_and(|job| job.parameters.iter().any(|it| it.secret && is_required(it)));
    let may_change = job.is_some_and(|job| job.parameters.iter().any(|it| it.secret || !it.identifying));
    let has_form = !is_read_only && may_change && restart.is_ok();
    let is_form_only = |button: &Button| button.to == "restart" && needs_secret && restart.is_ok();
    html! {
        div.buttons {
            @for button in &buttons {
                @if !(has_form && is_form_only(button)) {
                    form method="post" action={ (path) "/" (button.to) } {
                        button #{ "button-" (button.to) } title=[button.hint.as_deref()] data-ask=[button.ask]
                            disabled[is_read_only || button.why_not.is_some()] { (button.label) }
                    }
                }
                @if has_form && button.to == "restart" {
                    a.button #button-restart-with href={ (path) "/restart" } { "Restart with…" }
                }
            }
            @if job.is_some() {
                a.button href={ "/jobs/" (parts::encoded(&execution.instance.job)) "/start?like=" (execution.id) } { "Start another…" }
            }
        }
        @if is_read_only {
            p.why { "The page is read-only, so its buttons do nothing." }
        } @else {
            @for (labels, why_not) in reasons(&buttons) {
                p.why { b { (labels.join(", ")) } ": " (parts::coded(why_not)) }
            }
        }
    }
}

/// The reasons why buttons do nothing, each with the labels of its buttons.
fn reasons(buttons: &[Button]) -> Vec<(Vec<&'static str>, &str)> {
    let mut reasons: Vec<(Vec<&str>, &str)> = Vec::new();
    for button in buttons {
        let Some(why_not) = button.why_not.as_deref() else { continue };
        match reasons.iter_mut().find(|(_, why)| *why == why_not) {
            Some((labels, _)) => labels.push(button.label),
            None => reasons.push((vec![button.label], why_not)),
        }
    }
    reasons
}
