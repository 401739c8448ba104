//! Two executions side by side.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::tabs::head;
use super::{Place, View, parts};
use crate::definition::ExecutionId;
use crate::observe::words;
use crate::operator::ExecutionDetails;
use crate::repository::StepExecution;
use crate::serve::page::Page;
use crate::serve::request::RequestError;

pub(in crate::serve) fn show(
    page: &Page,
    one: ExecutionId,
    other: ExecutionId,
) -> Result<View, RequestError> {
    let both = [page.operator.show(one)?, page.operator.show(other)?];
    let live = html! {
        div.table {
            table {
                thead {
                    tr {
                        td {}
                        @for details in &both { th { "Execution " (parts::execution(details.execution.id)) } }
                    }
                }
                tbody {
                    (row("Job", &both, &|it| html! { (it.execution.instance.job) }))
                    (row("Status", &both, &|it| parts::status_of(&it.execution, it.owner_state)))
                    (row("Started", &both, &|it| parts::time(it.execution.started)))
                    (row("Took", &both, &|it| {
                        html! { (parts::duration(parts::took(&it.execution, it.owner_state, it.seen))) }
                    }))
                    @for name in differing(&both) {
                        (row(name, &both, &|it| {
                            let found = it.execution.parameters.iter().find(|parameter| parameter.name == name);
                            html! { @if let Some(found) = found { code { (found.value) } } }
                        }))
                    }
                }
            }
        }
        h2 { "Steps" }
        (steps(&both))
    };
    Ok(View {
        title: format!("{one} and {other}"),
        place: Place::Elsewhere,
        fixed: head(page, &both[0], "time"),
        live,
        follows: false,
    })
}

fn row(name: &str, both: &[ExecutionDetails; 2], fact: &dyn Fn(&ExecutionDetails) -> Markup) -> Markup {
    html! { tr { th scope="row" { (name) } @for details in both { td.number-left { (fact(details)) } } } }
}

/// The names of the parameters that differ.
fn differing(both: &[ExecutionDetails; 2]) -> Vec<&str> {
    let all = both.iter().flat_map(|details| &details.execution.parameters);
    let names: BTreeSet<&str> = all.map(|parameter| parameter.name.as_str()).collect();
    let value = |at: usize, name: &str| {
        let found = both[at].execution.parameters.iter().find(|parameter| parameter.name == name);
        found.map(|parameter| parameter.value.clone())
    };
    names.into_iter().filter(|name| value(0, name) != value(1, name)).collect()
}

fn steps(both: &[ExecutionDetails; 2]) -> Markup {
    let mut names: Vec<&str> = Vec::new();
    for step in both.iter().flat_map(|details| &details.steps) {
        if !names.contains(&step.name.as_str()) && !step.name.contains(":partition") {
            names.push(&step.name);
        }
    }
    let find = |name: &str| [0, 1].map(|at: usize| both[at].steps.iter().find(|step| step.name == name));
    let cells = |found: [Option<&StepExecution>; 2], fact: &dyn Fn(&StepExecution) -> String| {
        html! { @for step in found { td.number { @if let Some(step) = step { (fact(step)) } } } }
    };
    html! {
        div.table {
            table {
                thead {
                    tr {
                        th { "Step" }
                        @for name in ["Read", "Written", "Took"] {
                            @for details in both { th.number { (name) " " (details.execution.id) } }
                        }
                        th.number { "Change" }
                    }
                }
                tbody {
                    @for name in names {
                        @let found = find(name);
                        tr {
                            th scope="row" { (name) }
                            (cells(found, &|step| words::count(step.counters.read)))
                            (cells(found, &|step| words::count(step.counters.write)))
                            (cells(found, &|step| parts::duration(took(step))))
                            td.number { (change(found)) }
                        }
                    }
                }
            }
        }
    }
}

fn took(step: &StepExecution) -> Option<std::time::Duration> {
    Some(words::between(step.started?, step.ended?))
}

/// How much longer the step took in the first execution than in the second, in percent.
fn change([one, other]: [Option<&StepExecution>; 2]) -> String {
    match (one.and_then(took), other.and_then(took)) {
        (Some(one), Some(other)) if !other.is_zero() => {
            format!("{:+.0} %", (one.as_secs_f64() / other.as_secs_f64() - 1.0) * 100.0)
        }
        _ => String::new(),
    }
}
