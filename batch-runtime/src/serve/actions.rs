//! Handles the buttons and forms of the page.

#[cfg(feature = "schedule")]
use std::ffi::OsString;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use maud::Markup;

use super::child::Run;
use super::page::Page;
use super::query::Query;
use super::reply::{Shared, answer, see, shown};
use super::request::{Asked, RequestError, number};
use super::view;
use super::view::View;
use super::view::form::{Form, Refused};
use crate::definition::ExecutionId;
#[cfg(feature = "schedule")]
use crate::definition::JobInfo;
#[cfg(feature = "schedule")]
use crate::frontend::refusal::Refusal;
use crate::operator::OperatorError;
use crate::repository::OperationKind;

/// The origin that the repository records for an operation of the page.
const PAGE: &str = "page";

pub(super) async fn start_form(State(page): Shared, Path(job): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, asked| {
        let form = Form::Start(page.operator.job(&job)?);
        Ok(shown(page, asked, &view::form::show(page, form, &asked.query, None)?))
    })
    .await
}

pub(super) async fn start(
    State(page): Shared,
    Path(job): Path<String>,
    asked: Asked,
    body: String,
) -> Response {
    answer(page, asked, move |page, asked| {
        let job = page.operator.job(&job)?;
        launch(page, asked, Form::Start(job), &Query::of(Some(&body)))
    })
    .await
}

pub(super) async fn restart_form(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, asked| {
        let form = restart_of(page, &id)?;
        Ok(shown(page, asked, &view::form::show(page, form, &asked.query, None)?))
    })
    .await
}

pub(super) async fn restart(
    State(page): Shared,
    Path(id): Path<String>,
    asked: Asked,
    body: String,
) -> Response {
    answer(page, asked, move |page, asked| {
        let form = restart_of(page, &id)?;
        launch(page, asked, form, &Query::of(Some(&body)))
    })
    .await
}

fn restart_of(page: &Page, id: &str) -> Result<Form, RequestError> {
    let id = number(id)?;
    let job = page.operator.job(&page.operator.execution(id)?.instance.job)?;
    Ok(Form::Restart(job, id))
}

/// Handles a form. Shows the form again if the user asked only for the check, or if the run is refused.
fn submit<T>(
    page: &Page,
    asked: &Asked,
    fields: &Query,
    outlook: impl FnOnce() -> Markup,
    show: impl FnOnce(Option<&Refused>) -> Result<View, RequestError>,
    run: impl FnOnce() -> Result<Result<T, Refused>, RequestError>,
    path_after: impl FnOnce(T) -> Result<String, RequestError>,
) -> Result<Response, RequestError> {
    if fields.get("do") == Some("check") {
        return Ok(if asked.is_fragment() {
            asked.html(outlook())
        } else {
            shown(page, asked, &show(None)?)
        });
    }
    let refused = match run() {
        Ok(Ok(started)) => return Ok(see(&path_after(started)?)),
        Ok(Err(refused)) => refused,
        Err(RequestError::Refused(refusal)) => Refused::from(refusal),
        Err(error @ RequestError::Missing) => return Err(error),
    };
    let mut response = shown(page, asked, &show(Some(&refused))?);
    *response.status_mut() = RequestError::Refused(refused.refusal).status();
    Ok(response)
}

/// Starts the run that a form describes.
fn launch(page: &Page, asked: &Asked, form: Form, fields: &Query) -> Result<Response, RequestError> {
    let next = fields.get("next").is_some();
    let outlook = |given: &[_]| form.outlook(page, given, next);
    let (job, words, did) = match form {
        Form::Start(job) => (job.name, vec!["run".into(), job.name.into()], OperationKind::Start),
        Form::Restart(job, id) => {
            (job.name, vec!["restart".into(), id.to_string().into()], OperationKind::Restart)
        }
    };
    let words = words.into_iter().chain(next.then(|| "--next".into())).collect();
    submit(
        page,
        asked,
        fields,
        || view::form::outlook(&outlook(&form.given(fields))),
        |refused| view::form::show(page, form, fields, refused),
        || {
            let given = form.given(fields);
            match outlook(&given) {
                Ok(_) => Run { job, words, given }.start(page).map(Ok),
                Err(refused) => Ok(Err(refused)),
            }
        },
        |started| record_start(page, job, started, did),
    )
}

/// Reports and records that a run was started, and returns the path of its page.
fn record_start(
    page: &Page,
    job: &str,
    execution: Option<ExecutionId>,
    did: OperationKind,
) -> Result<String, RequestError> {
    let Some(execution) = execution else {
        (page.say)(&format!("serve: started {job}"));
        return Ok(format!("/executions?job={job}"));
    };
    (page.say)(&format!("serve: started {job}, execution {execution}"));
    page.operator.did(execution, did, PAGE)?;
    Ok(format!("/executions/{execution}"))
}

/// Applies `act` to an execution, reports that, and redirects to the page of the execution.
async fn act(
    page: Arc<Page>,
    id: String,
    asked: Asked,
    what: &'static str,
    act: impl FnOnce(&Page, ExecutionId) -> Result<(), OperatorError> + Send + 'static,
) -> Response {
    answer(page, asked, move |page, _| {
        let id = number(&id)?;
        act(page, id)?;
        (page.say)(&format!("serve: {what} execution {id}"));
        Ok(see(&format!("/executions/{id}")))
    })
    .await
}

pub(super) async fn stop(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    act(page, id, asked, "asked to stop", |page, id| {
        page.operator.stop(id)?;
        page.operator.did(id, OperationKind::Stop, PAGE)
    })
    .await
}

pub(super) async fn abandon(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    act(page, id, asked, "abandoned", |page, id| {
        page.operator.abandon(id)?;
        page.operator.did(id, OperationKind::Abandon, PAGE)
    })
    .await
}

/// Recovers every execution whose owner is dead, and redirects to the execution with this ID.
pub(super) async fn recover(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, _| {
        let id = number(&id)?;
        let recovered = page.operator.recover()?;
        if recovered.is_empty() {
            (page.say)("serve: found no execution to recover");
        }
        for execution in &recovered {
            page.operator.did(execution.id, OperationKind::Recover, PAGE)?;
            (page.say)(&format!("serve: recovered execution {}", execution.id));
            (page.on_end)(page.operator.show(execution.id)?);
        }
        Ok(see(&format!("/executions/{id}")))
    })
    .await
}

pub(super) async fn replay(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, _| {
        let id = number(&id)?;
        let job = page.operator.job(&page.operator.execution(id)?.instance.job)?;
        let words = ["run".into(), job.name.into(), "--replay".into(), id.to_string().into()].to_vec();
        let started = Run { job: job.name, words, given: Vec::new() }.start(page)?;
        Ok(see(&record_start(page, job.name, started, OperationKind::Replay)?))
    })
    .await
}

#[cfg(feature = "schedule")]
pub(super) async fn pause(State(page): Shared, Path(job): Path<String>, asked: Asked) -> Response {
    set_paused(page, job, asked, true).await
}

#[cfg(feature = "schedule")]
pub(super) async fn resume(State(page): Shared, Path(job): Path<String>, asked: Asked) -> Response {
    set_paused(page, job, asked, false).await
}

/// Runs a job at once for its next scheduled time. The schedule does not run the job for that time again.
#[cfg(feature = "schedule")]
pub(super) async fn trigger(
    State(page): Shared,
    Path(job): Path<String>,
    asked: Asked,
    body: String,
) -> Response {
    answer(page, asked, move |page, _| {
        let job = page.operator.job(&job)?;
        let next = view::schedule::Next::of(page, job)?;
        let scheduled = next.fire.scheduled.as_str();
        if Query::of(Some(&body)).get("scheduled").is_some_and(|shown| shown != scheduled) {
            let what =
                format!("the next scheduled time of {} is now {scheduled}: load the page again", job.name);
            return Err(Refusal::refused("other_time", what).into());
        }
        next.check(page, job)?;
        let given = vec![(next.parameter.to_owned(), scheduled.to_owned())];
        let started = Run { job: job.name, words: vec!["run".into(), job.name.into()], given }.start(page)?;
        Ok(see(&record_start(page, job.name, started, OperationKind::Start)?))
    })
    .await
}

#[cfg(feature = "schedule")]
pub(super) async fn backfill_form(State(page): Shared, Path(job): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, asked| {
        let job = page.operator.job(&job)?;
        Ok(shown(page, asked, &view::backfill::show(page, job, &asked.query, None)?))
    })
    .await
}

/// Runs a job for the scheduled times of some days, in one process, unless the user asked only for the check.
#[cfg(feature = "schedule")]
pub(super) async fn backfill(
    State(page): Shared,
    Path(job): Path<String>,
    asked: Asked,
    body: String,
) -> Response {
    answer(page, asked, move |page, asked| {
        let (job, fields) = (page.operator.job(&job)?, Query::of(Some(&body)));
        submit(
            page,
            asked,
            &fields,
            || view::backfill::outlook(page, job, &fields),
            |refused| view::backfill::show(page, job, &fields, refused.map(|refused| &refused.refusal)),
            || run_days(page, job, &fields).map(Ok),
            |()| Ok(format!("/executions?job={}", job.name)),
        )
    })
    .await
}

#[cfg(feature = "schedule")]
fn run_days(page: &Page, job: &'static JobInfo, fields: &Query) -> Result<(), RequestError> {
    let days = view::backfill::Days::of(fields)?
        .ok_or_else(|| Refusal::usage("a backfill needs two dates, the first day and the last one"))?;
    days.times(page, job)?;
    let range = days.dates.to_string();
    let failed_only = days.failed_only.then(|| "--failed-only".into());
    let words = ["run", job.name, "--backfill", &range, "--yes"].map(OsString::from);
    let words = words.into_iter().chain(failed_only).collect();
    let started = Run { job: job.name, words, given: Vec::new() }.start(page)?;
    (page.say)(&format!("serve: started a backfill of {}, {range}", job.name));
    if let Some(first) = started {
        page.operator.did(first, OperationKind::Start, PAGE)?;
    }
    Ok(())
}

#[cfg(feature = "schedule")]
async fn set_paused(page: Arc<Page>, job: String, asked: Asked, pause: bool) -> Response {
    answer(page, asked, move |page, _| {
        page.operator.pause_schedule(page.operator.job(&job)?, pause)?;
        let what = if pause { "paused" } else { "resumed" };
        (page.say)(&format!("serve: {what} the schedule of {job}"));
        Ok(see("/schedule"))
    })
    .await
}
