//! The graph of a job, with the states of an execution if there is one.

use maud::{Markup, PreEscaped, html};

use super::parts::{self, encoded};
use super::tabs::head;
use super::{Place, View};
use crate::definition::ExecutionId;
use crate::graph::{GraphFormat, render, styles};
use crate::serve::page::Page;
use crate::serve::request::RequestError;

/// The graph of an execution.
pub(in crate::serve) fn of_execution(page: &Page, id: ExecutionId) -> Result<View, RequestError> {
    let details = page.operator.show(id)?;
    let execution = &details.execution;
    let is_ours = page.operator.jobs().iter().any(|job| job.name == execution.instance.job);
    let live = if is_ours {
        picture(&page.operator.linked_graph(id, parts::step)?)
    } else {
        html! { p.empty { "This program does not have the job, so it cannot draw it." } }
    };
    Ok(View {
        title: format!("Graph of {} {id}", execution.instance.job),
        place: Place::Elsewhere,
        fixed: head(page, &details, "graph"),
        live,
        follows: execution.status.is_running(),
    })
}

/// The graph of a job.
pub(in crate::serve) fn of_job(page: &Page, job: &str) -> Result<View, RequestError> {
    let job = page.operator.job(job)?;
    let fixed = html! {
        h1 { "Graph of " a href={ "/executions?job=" (encoded(job.name)) } { (job.name) } }
    };
    let live = picture(&render(job, GraphFormat::Svg));
    let title = format!("Graph of {}", job.name);
    Ok(View { title, place: Place::Elsewhere, fixed, live, follows: false })
}

/// The picture without its own styles, which the page's policy forbids: those of `graph.css` replace them.
fn picture(svg: &str) -> Markup {
    let bare = svg.split_once("<style>").and_then(|(before, rest)| {
        let (_, after) = rest.split_once("</style>")?;
        Some(format!("{before}{after}"))
    });
    html! { div.graph { (PreEscaped(bare.unwrap_or_else(|| svg.to_owned()))) } }
}

/// The styles of the pictures, which apply only within `.graph`.
pub(in crate::serve) fn css() -> String {
    format!(".graph {{\n{}}}\n", styles())
}
