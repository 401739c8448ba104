//! The form that runs a job for the scheduled times of some days, and the list of these times.

use maud::{Markup, html};

use super::parts::{self, encoded};
use super::{Place, View};
use crate::definition::JobInfo;
use crate::frontend::refusal::Refusal;
use crate::frontend::schedule::{Dates, fires};
use crate::operator::OperatorError;
use crate::schedule::{Fire, ScheduledJob};
use crate::serve::page::Page;
use crate::serve::query::Query;
use crate::serve::request::RequestError;

/// The most scheduled times that a form takes. Each is looked up, and nobody could read a longer list.
const MOST: usize = 1_000;

/// The days of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve) struct Days {
    pub(in crate::serve) dates: Dates,
    /// Whether only times whose run has failed or stopped are wanted.
    pub(in crate::serve) failed_only: bool,
}

impl Days {
    /// The days in the fields of a form; `None` if it is not filled in.
    pub(in crate::serve) fn of(fields: &Query) -> Result<Option<Self>, Refusal> {
        let (first, last) = match (fields.get("first"), fields.get("last")) {
            (None, None) => return Ok(None),
            (Some(first), Some(last)) => (first, last),
            _ => return Err(Refusal::usage("a backfill needs two dates, the first day and the last one")),
        };
        let dates = format!("{first}..{last}").parse().map_err(Refusal::usage)?;
        Ok(Some(Self { dates, failed_only: fields.get("failed_only").is_some() }))
    }

    /// The scheduled times that the job would run for, oldest first.
    pub(in crate::serve) fn times(self, page: &Page, job: &'static JobInfo) -> Result<Vec<Fire>, Refusal> {
        let scheduled = ScheduledJob::of(job).map_err(OperatorError::from)?;
        let Dates { first, last } = self.dates;
        let now = page.operator.now()?;
        let all = scheduled.times.between_dates(first, last);
        let all =
            all.map_err(|error| Refusal::usage(format!("the job cannot be run for these days: {error}")))?;
        if all.take_while(|time| time.instant <= now).nth(MOST).is_some() {
            return Err(Refusal::usage(format!(
                "{} has more than {} scheduled times on these days: choose fewer days, or use `run {0} --backfill {}`",
                job.name,
                crate::observe::words::count(MOST as u64),
                self.dates
            )));
        }
        let fires = fires(&page.operator, job, self.dates, self.failed_only)?;
        if fires.is_empty() {
            let what = format!("there is nothing to run for {} on these days", job.name);
            return Err(Refusal::refused("nothing_to_run", what));
        }
        Ok(fires)
    }
}

/// The form, with the values that were typed into it, and why they are refused.
pub(in crate::serve) fn show(
    page: &Page,
    job: &'static JobInfo,
    fields: &Query,
    refused: Option<&Refusal>,
) -> Result<View, RequestError> {
    let scheduled = ScheduledJob::of(job).map_err(OperatorError::from)?;
    let is_read_only = page.guard.is_read_only();
    let title = format!("Backfill {}", job.name);
    let field = |name: &str, label: &str| {
        let id = format!("field-{name}");
        html! {
            div.field {
                label for=(id) { (label) span.needed title="needed" { " *" } }
                input #(id) name=(name) type="date" required value=(fields.get(name).unwrap_or_default());
            }
        }
    };
    let fixed = html! {
        h1 { (title) }
        p.doc {
            "This job runs " (scheduled.times.words()) " (" (scheduled.schedule.zone) "). A backfill runs it for the scheduled times of "
            "some days, oldest first and one after the other. It leaves out a time whose run is complete, abandoned or still running, "
            "and times in the future."
        }
        form.start method="post" action={ "/schedule/" (encoded(job.name)) "/backfill" } data-check {
            (field("first", "First day"))
            (field("last", "Last day"))
            label.check {
                input type="checkbox" name="failed_only" value="1" checked[fields.get("failed_only").is_some()];
                span { "Only times whose run has failed or stopped (" code { "--failed-only" } ")" }
            }
            div #outlook role="status" {
                @match refused {
                    Some(refused) => (bad(refused)),
                    None => (outlook(page, job, fields)),
                }
            }
            div.send {
                button.main name="do" value="start" disabled[is_read_only] { "Run them" }
                button name="do" value="check" disabled[is_read_only] { "Check" }
                @if is_read_only { span.soft { "The page is read-only." } }
            }
        }
    };
    Ok(View { title, place: Place::Schedule, fixed, live: html! {}, follows: false })
}

/// The times that the fields ask for, or why there are none.
pub(in crate::serve) fn outlook(page: &Page, job: &'static JobInfo, fields: &Query) -> Markup {
    let times = match Days::of(fields) {
        Ok(None) => return html! {},
        Ok(Some(days)) => days.times(page, job),
        Err(refused) => Err(refused),
    };
    match times {
        Ok(times) => html! {
            p.outlook.good {
                "runs " (job.name) " for " (times.len()) @if times.len() == 1 { " scheduled time:" } @else { " scheduled times:" }
            }
            ul.times { @for fire in &times { li { (fire.scheduled) } } }
        },
        Err(refused) => bad(&refused),
    }
}

fn bad(refused: &Refusal) -> Markup {
    html! { p.outlook.bad { (parts::coded(&refused.to_string())) } }
}
