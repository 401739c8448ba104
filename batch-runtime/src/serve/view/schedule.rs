//! The schedules: their next times, the last outcome, and the buttons that start the next run, run past days, or pause.

use maud::{Markup, html};

use super::parts::{self, encoded};
use super::{Place, View};
use crate::definition::{JobInfo, Launch, parse_parameters};
use crate::frontend::refusal::Refusal;
use crate::frontend::schedule::{NEXT, ScheduleState, format_time, scheduled};
use crate::operator::OperatorError;
use crate::repository::{FireOutcome, FireRow};
use crate::schedule::{Fire, ScheduledJob, ScheduledTime};
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
        let next: Vec<ScheduledTime> = job.times.after(now).take(NEXT).collect();
        rows.push(row(page, job, &found, &next));
    }
    let live = html! {
        @if jobs.is_empty() {
            p.empty { "No job of this program has a schedule." }
        } @else {
            div.table {
                table.cards.schedule {
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

/// The next scheduled time of a job. A button starts its run at once.
pub(in crate::serve) struct Next {
    pub(in crate::serve) fire: Fire,
    /// The parameter that holds the time.
    pub(in crate::serve) parameter: &'static str,
    time: ScheduledTime,
}

impl Next {
    /// The first time after now.
    pub(in crate::serve) fn of(page: &Page, job: &'static JobInfo) -> Result<Self, RequestError> {
        let job = ScheduledJob::of(job).map_err(OperatorError::from)?;
        let time = job.times.after(page.operator.now()?).next();
        time.map(|time| Self::at(&job, time)).ok_or_else(|| {
            Refusal::refused("no_next_time", format!("{} has no further scheduled time", job.job.name)).into()
        })
    }

    fn at(job: &ScheduledJob, time: ScheduledTime) -> Self {
        Self { fire: job.fire(time), parameter: job.parameter(), time }
    }

    /// Checks whether a launch for that time would be refused. Secrets may be missing here.
    pub(in crate::serve) fn check(&self, page: &Page, job: &'static JobInfo) -> Result<(), OperatorError> {
        let parameters = parse_parameters(job, [(self.parameter, self.fire.scheduled.as_str())])?;
        page.operator.resolve_without_secrets(&Launch { job, parameters }).map(|_| ())
    }
}

fn row(page: &Page, job: &ScheduledJob, found: &ScheduleState, next: &[ScheduledTime]) -> Markup {
    let name = encoded(job.job.name);
    let is_paused = found.row.as_ref().is_some_and(|row| row.paused.is_some());
    let (word, label) = if is_paused { ("resume", "Resume") } else { ("pause", "Pause") };
    let first = next.first().map(|time| Next::at(job, *time));
    let checked = first.as_ref().map(|first| first.check(page, job.job));
    let why_not = checked.and_then(Result::err).map(|error| Refusal::of(&error).to_string());
    html! {
        tr {
            th scope="row" { a href={ "/executions?job=" (name) } { (job.job.name) } }
            td { (job.times.words()) p.about { code { (job.schedule.expression) } " in " (job.schedule.zone) } }
            td.next.number-left data-label="Next" {
                @if is_paused {
                    span.status.stopped { "paused" }
                } @else {
                    @for (at, time) in next.iter().enumerate() { p.about[at > 0] { (format_time(*time)) } }
                }
                @if let Some(why_not) = &why_not { p.why { b { "Run next now" } ": " (parts::coded(why_not)) } }
            }
            td data-label="Last" { @if let Some(last) = &found.last { (outcome(last)) } @else { span.soft { "none" } } }
            @for (label, count) in COUNTS.iter().zip(found.counts) {
                td.number.soft[count == 0] data-label=(label) { (count) }
            }
            td.actions {
                @if let Some(first) = &first { (trigger(page, job, first, why_not.is_none())) }
                a.button #{ "backfill-" (job.job.name) } href={ "/schedule/" (name) "/backfill" } { "Backfill…" }
                form method="post" action={ "/schedule/" (name) "/" (word) } {
                    button #{ "schedule-" (job.job.name) } disabled[page.guard.is_read_only()] { (label) }
                }
            }
        }
    }
}

/// The button that starts the next run now. The form names its scheduled time, so that a stale page cannot start
/// another run.
fn trigger(page: &Page, job: &ScheduledJob, next: &Next, is_possible: bool) -> Markup {
    let name = job.job.name;
    let time = format_time(next.time);
    let hint = format!("runs {name} for {time} now; the schedule does not run it again for that time");
    let ask = format!("Run {name} for {time} now? The schedule does not run it again for that time.");
    html! {
        form method="post" action={ "/schedule/" (encoded(name)) "/trigger" } {
            input type="hidden" name="scheduled" value=(next.fire.scheduled);
            button #{ "trigger-" (name) } title=(hint) data-ask=(ask)
                disabled[page.guard.is_read_only() || !is_possible] { "Run next now" }
        }
    }
}

/// The outcome of the last scheduled time.
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
    let next = job.times.after(operator.now()?).next().map(format_time);
    Ok(if is_paused { Some(("paused".to_owned(), "")) } else { next.map(|next| (next, job.schedule.zone)) })
}
