//! The jobs, each with its last executions and its next scheduled time.

use maud::{Markup, html};

use super::parts::{self, class, duration, encoded};
use super::{Place, View};
use crate::frontend::executions::ExecutionPage;
use crate::frontend::parameter::first_paragraph;
use crate::observe::words;
use crate::operator::OperatorError;
use crate::repository::{ExecutionFilter, OwnerState};
use crate::serve::page::Page;

/// The number of executions that are drawn.
const LAST: u32 = 20;
/// The width of one execution in their picture, and the height of the picture.
const WIDE: usize = 9;
const HIGH: usize = 34;

/// A job, and its last executions.
struct Job<'a> {
    name: &'a str,
    about: String,
    /// Whether the job is one of this program.
    is_ours: bool,
    found: ExecutionPage,
    /// The next scheduled time, and its zone.
    next: Option<(String, &'static str)>,
}

pub(in crate::serve) fn show(page: &Page) -> Result<View, OperatorError> {
    let operator = &page.operator;
    let ours = operator.jobs();
    let recorded = operator.repository().job_names()?;
    let others = recorded.iter().map(String::as_str).filter(|name| ours.iter().all(|job| job.name != *name));
    let now = operator.now()?;
    let found = |name: &str| {
        let filter = ExecutionFilter { job: Some(name.to_owned()), ..ExecutionFilter::default() };
        ExecutionPage::of(operator, filter, LAST)
    };
    let mut jobs = Vec::new();
    for job in ours {
        jobs.push(Job {
            name: job.name,
            about: first_paragraph(job.doc),
            is_ours: true,
            found: found(job.name)?,
            next: next(page, job.name)?,
        });
    }
    for name in others {
        let about = "a job of another program".to_owned();
        jobs.push(Job { name, about, is_ours: false, found: found(name)?, next: None });
    }
    let has_next = jobs.iter().any(|job| job.next.is_some());
    let row = |job: &Job<'_>| {
        let last = job.found.executions.first().zip(job.found.owners.first());
        let name = encoded(job.name);
        html! {
            tr.soft[!job.is_ours] {
                th scope="row" {
                    a href={ "/executions?job=" (name) } { (job.name) }
                    @if !job.about.is_empty() { p.about { (words::line(&job.about, 200)) } }
                }
                td.chart { (bars(&job.found, now)) }
                @if let Some((last, owner)) = last {
                    td { (parts::status_of(last, *owner)) }
                    td.number { (parts::execution(last.id)) }
                    td { (parts::time(last.started)) }
                    td.number { (duration(parts::took(last, *owner, now))) }
                } @else {
                    td.soft colspan="4" { "never run" }
                }
                @if has_next {
                    td.next.number-left { @if let Some((next, zone)) = &job.next { (next) p.about { (zone) } } }
                }
                td.actions {
                    @if job.is_ours {
                        a href={ "/jobs/" (name) "/graph" } { "Graph" } " "
                        a href={ "/jobs/" (name) "/time" } { "Time" } " "
                        a.button href={ "/jobs/" (name) "/start" } { "Start…" }
                    }
                }
            }
        }
    };
    let live = html! {
        @if jobs.is_empty() {
            p.empty { "This program has no jobs." }
        } @else {
            div.table {
                table.cards {
                    thead {
                        tr {
                            th { "Job" } th { "Last " (LAST) }
                            th { "Status" } th.number { "ID" } th { "Started" } th.number { "Took" }
                            @if has_next { th { "Next" } }
                            td {}
                        }
                    }
                    tbody { @for job in &jobs { (row(job)) } }
                }
            }
        }
    };
    let fixed = html! { h1 { "Jobs" } };
    Ok(View { title: "Jobs".to_owned(), place: Place::Jobs, fixed, live, follows: true })
}

/// The last executions, oldest first: the height of each is its time.
fn bars(found: &ExecutionPage, now: jiff::Timestamp) -> Markup {
    let all = found.executions.iter().zip(&found.owners);
    let times: Vec<u128> = all
        .clone()
        .map(|(execution, owner)| parts::took(execution, *owner, now).map_or(0, |took| took.as_millis()))
        .collect();
    let longest = times.iter().copied().max().unwrap_or(0).max(1);
    let places = usize::try_from(LAST).unwrap_or(0);
    let width = places * WIDE;
    let bar = |at: usize, execution: &crate::repository::JobExecution, owner: Option<OwnerState>| {
        let share = usize::try_from(times[at] * HIGH as u128 / longest).unwrap_or(HIGH);
        let height = share.clamp(3, HIGH);
        let (x, y) = (width - (at + 1) * WIDE, HIGH - height);
        let class = class(execution.status, owner);
        let title = format!("{}: {class}, {}", execution.id, duration(parts::took(execution, owner, now)));
        html! {
            a href=(parts::path(execution.id)) {
                title { (title) }
                rect.whole x=(x) y="0" width=(WIDE) height=(HIGH) {}
                rect.(class) x=(x) y=(y) width=(WIDE - 2) height=(height) rx="1.5" {}
            }
        }
    };
    html! {
        svg.bars width=(width) height=(HIGH) viewBox={ "0 0 " (width) " " (HIGH) } role="group" aria-label="Last executions" {
            line x1="0" y1=(HIGH) x2=(width) y2=(HIGH) {}
            @for (at, (execution, owner)) in all.enumerate() { (bar(at, execution, *owner)) }
        }
    }
}

#[cfg(feature = "schedule")]
fn next(page: &Page, job: &str) -> Result<Option<(String, &'static str)>, OperatorError> {
    super::schedule::next(page, job)
}

#[cfg(not(feature = "schedule"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature `schedule` it asks the repository")]
fn next(_: &Page, _: &str) -> Result<Option<(String, &'static str)>, OperatorError> {
    Ok(None)
}
