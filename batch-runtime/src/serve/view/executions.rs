//! The list of executions: filtered in the repository, and page by page.

use jiff::Timestamp;
use maud::{Markup, html};

use super::parts::{self, duration};
use super::{Place, View};
use crate::definition::ExecutionId;
use crate::frontend::executions::ExecutionPage;
use crate::frontend::refusal::Refusal;
use crate::frontend::times;
use crate::repository::{BatchStatus, Between, ExecutionFilter};
use crate::serve::page::Page;
use crate::serve::query::Query;
use crate::serve::request::{Asked, RequestError};

/// The number of executions on a page if the address names no limit.
const PAGE: u32 = 50;
/// The most executions on a page.
const MOST: u32 = 1_000;

/// The list that an address describes.
pub(in crate::serve) struct Wanted {
    pub(in crate::serve) filter: ExecutionFilter,
    pub(in crate::serve) limit: u32,
}

impl Wanted {
    pub(in crate::serve) fn of(query: &Query, now: Timestamp) -> Result<Self, Refusal> {
        let wrong = |name: &str, why: String| Refusal::usage(format!("`{name}`: {why}"));
        let time = |name: &str| {
            let typed = query.get(name).map(|text| times::time(text.trim()));
            let typed = typed.transpose().map_err(|why| wrong(name, why))?;
            Ok::<_, Refusal>(typed.map(|typed| typed.at(now)))
        };
        let number = |name: &str| {
            let number = query.get(name).map(str::parse::<i64>).transpose();
            number.map_err(|_| wrong(name, "expected a number".to_owned()))
        };
        let mut statuses = Vec::new();
        for status in query.all("status").flat_map(|text| text.split(',')) {
            let status = status.to_uppercase().parse::<BatchStatus>();
            statuses.push(status.map_err(|why| wrong("status", why))?);
        }
        let limit = number("limit")?.unwrap_or(i64::from(PAGE));
        Ok(Self {
            filter: ExecutionFilter {
                job: query.get("job").map(str::to_owned),
                running: query.get("running").is_some(),
                statuses,
                ended: Between { from: time("since")?, until: time("until")? },
                parameter: query.get("parameter").map(str::to_owned),
                after: number("after")?.map(ExecutionId),
                ..ExecutionFilter::default()
            },
            limit: u32::try_from(limit).unwrap_or(PAGE).clamp(1, MOST),
        })
    }
}

pub(in crate::serve) fn show(page: &Page, asked: &Asked) -> Result<View, RequestError> {
    let operator = &page.operator;
    let query = &asked.query;
    let now = operator.now()?;
    let wanted = Wanted::of(query, now);
    let (live, follows) = match wanted {
        Ok(wanted) => {
            let is_first = wanted.filter.after.is_none();
            let found = ExecutionPage::of(operator, wanted.filter, wanted.limit)?;
            (list(&found, asked, now), is_first)
        }
        Err(refusal) => (html! { p.cause role="alert" { (parts::coded(&refusal.to_string())) } }, false),
    };
    let job = query.get("job");
    let mut names: Vec<String> = operator.repository().job_names()?;
    names.extend(operator.jobs().iter().map(|job| job.name.to_owned()));
    names.sort_unstable();
    names.dedup();
    let fixed = html! {
        h1 { @if let Some(job) = job { (job) } @else { "Executions" } }
        (form(query, &names))
    };
    let title = job.unwrap_or("Executions").to_owned();
    Ok(View { title, place: Place::Executions, fixed, live, follows })
}

fn form(query: &Query, jobs: &[String]) -> Markup {
    let job = query.get("job");
    let is_chosen = |status: &str| {
        query.all("status").flat_map(|text| text.split(',')).any(|chosen| chosen.eq_ignore_ascii_case(status))
    };
    let text = |name: &str, label: &str, hint: &str| {
        html! {
            label { span { (label) } input name=(name) value=[query.get(name)] placeholder=(hint) size="14"; }
        }
    };
    html! {
        form.filter method="get" action="/executions" {
            label {
                span { "Job" }
                select name="job" {
                    option value="" { "all jobs" }
                    @for name in jobs { option selected[job == Some(name)] { (name) } }
                }
            }
            fieldset {
                legend { "Status" }
                @for status in BatchStatus::ALL.map(|status| status.as_str().to_lowercase()) {
                    @if !matches!(status.as_str(), "starting" | "unknown") || is_chosen(&status) {
                        label.check { input type="checkbox" name="status" value=(status) checked[is_chosen(&status)]; (status) }
                    }
                }
            }
            (text("since", "Ended since", "2h or 2026-11-28"))
            (text("until", "until", "7d or 2026-11-28"))
            (text("parameter", "Parameter contains", "year=2026"))
            div.send {
                button { "Filter" }
                @if query.iter().any(|(_, value)| !value.is_empty()) { a href="/executions" { "Clear" } }
            }
        }
    }
}

fn list(found: &ExecutionPage, asked: &Asked, now: Timestamp) -> Markup {
    let has_job = asked.query.get("job").is_some();
    let last = found.executions.last().filter(|_| found.more);
    let is_first = asked.query.get("after").is_none();
    html! {
        @if found.executions.is_empty() {
            p.empty { @if is_first { "No execution matches." } @else { "There are no older executions." } }
        } @else {
            div.table {
                table.cards {
                    thead {
                        tr {
                            th.number { "ID" }
                            @if !has_job { th { "Job" } }
                            th { "Status" } th { "Started" } th { "Ended" } th.number { "Took" } th.wide { "Parameters" }
                        }
                    }
                    tbody {
                        @for (execution, owner) in found.executions.iter().zip(&found.owners) {
                            tr {
                                td.number { (parts::execution(execution.id)) }
                                @if !has_job {
                                    td {
                                        a href=(asked.address(&asked.query.with("job", &*execution.instance.job).without("after"))) {
                                            (execution.instance.job)
                                        }
                                    }
                                }
                                td { (parts::status_of(execution, *owner)) }
                                td { (parts::time(execution.started)) }
                                td.ended { (parts::time(execution.ended)) }
                                td.number { (duration(parts::took(execution, *owner, now))) }
                                td.wide { (parts::parameters(&execution.parameters)) }
                            }
                        }
                    }
                }
            }
        }
        p.pager {
            @if !is_first { a href=(asked.address(&asked.query.without("after"))) { "Newest" } " " }
            @if let Some(last) = last {
                a rel="next" href=(asked.address(&asked.query.with("after", last.id.to_string()))) { "Older" }
            }
        }
    }
}
