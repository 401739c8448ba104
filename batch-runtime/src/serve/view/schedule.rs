//! The schedules: their next times, the last outcome, and a button that pauses them.

use maud::{Markup, html};

use super::parts::{self, encoded};
use super::{Place, View};
use crate::cli::schedule::list::{NEXT, ScheduleState, shown};
use crate::cli::schedule::scheduled;
use crate::operator::OperatorError;
use crate::repository::{FireOutcome, FireRow};
use crate::schedule::ScheduledJob;
use crate::serve::page::Page;
use crate::serve::request::RequestError;

/// The outcomes that are counted.
const COUNTS: [&str; 4] = ["Waiting", "Missed", "Skipped", "Held"];

pub(in crate::serve) fn show(page: &Page) -> Result<View, RequestError> {
    let jobs = scheduled(page.operator.jobs())?;
    let now = page.operator.now()?;
    let mut rows = Vec::new();
    for job in &jobs {
        let found = ScheduleState::of(job, page.operator.repository())?;
        let next: Vec<String> = job.times.after(now).take(NEXT).map(shown).collect();
        rows.push(row(page, job, &found, &next));
    }
    let live = html! {
        @if jobs.is_empty() {
            p.empty { "No job of this program has a schedule." }
        } @else {
            div.table {
                table.cards {
                    thead {
                        tr {
                            th { "Job" } th { "Runs" } th { "Next" } th { "Last" }
                            @for label in COUNTS { th.number { (label) } }
                            td {}
                        }
                    }
                    tbody { @for row in &rows { (row) } }
                }
            }
        }
    };
    let fixed = html! { h1 { "Schedule" } };
    Ok(View { title: "Schedule".to_owned(), place: Place::Schedule, fixed, live, follows: true })
}

fn row(page: &Page, job: &ScheduledJob, found: &ScheduleState, next: &[String]) -> Markup {
    let name = encoded(job.job.name);
    let is_paused = found.row.as_ref().is_some_and(|row| row.paused.is_some());
    let (word, label) = if is_paused { ("resume", "Resume") } else { ("pause", "Pause") };
    html! {
        tr {
            th scope="row" { a href={ "/executions?job=" (name) } { (job.job.name) } }
            td { (job.times.words()) p.about { code { (job.schedule.expression) } " in " (job.schedule.zone) } }
            td.next.number-left data-label="Next" {
                @if is_paused {
                    span.status.stopped { "paused" }
                } @else {
                    @for (at, time) in next.iter().enumerate() { p.about[at > 0] { (time) } }
                }
            }
            td data-label="Last" { @if let Some(last) = &found.last { (outcome(last)) } @else { span.soft { "none" } } }
            @for (label, count) in COUNTS.iter().zip(found.counts) {
                td.number.soft[count == 0] data-label=(label) { (count) }
            }
            td.actions {
                form method="post" action={ "/schedule/" (name) "/" (word) } {
                    button #{ "schedule-" (job.job.name) } disabled[page.guard.is_read_only()] { (label) }
                }
            }
        }
    }
}

/// How the last scheduled time ended.
fn outcome(row: &FireRow) -> Markup {
    html! {
        @match (row.outcome, row.run) {
            (FireOutcome::Missed | FireOutcome::Skipped, None) => { (row.outcome.as_str().to_lowercase()) }
            (_, None) => { "waits" }
            (_, Some(run)) => { (parts::status(run.status, None)) " " (parts::execution(run.execution)) }
        }
        p.about { (row.scheduled) }
    }
}

/// The next time of a job that has a schedule, and the zone that it is in.
pub(super) fn next(page: &Page, name: &str) -> Result<Option<(String, &'static str)>, OperatorError> {
    let operator = &page.operator;
    let Some(job) = operator.jobs().iter().find(|job| job.name == name && job.options.schedule.is_some())
    else {
        return Ok(None);
    };
    let job = ScheduledJob::of(job)?;
    let is_paused = operator.repository().schedule(name)?.is_some_and(|row| row.paused.is_some());
    let next = job.times.after(operator.now()?).next().map(shown);
    Ok(if is_paused { Some(("paused".to_owned(), "")) } else { next.map(|next| (next, job.schedule.zone)) })
}
