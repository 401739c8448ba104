//! Which address leads to which view or action.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Router, middleware};

use super::act::Run;
use super::query::Query;
use super::reply::{Asked, Trouble, answer, document, see};
use super::view::form::Form;
use super::{Page, guard, view};
use crate::cli::executions::Found;
use crate::cli::json;
use crate::definition::ExecutionId;
use crate::operator::OperatorError;

type Shared = State<Arc<Page>>;

/// All addresses, behind the guard.
pub(super) fn router(page: &Arc<Page>) -> Router {
    let router = Router::new()
        .route("/", get(jobs))
        .route("/jobs.json", get(jobs))
        .route("/executions", get(executions))
        .route("/executions.json", get(executions))
        .route("/executions/{id}", get(execution))
        .route("/executions/{id}/restart", get(restart_form).post(restart))
        .route("/executions/{id}/stop", post(stop))
        .route("/executions/{id}/abandon", post(abandon))
        .route("/executions/{id}/recover", post(recover))
        .route("/jobs/{job}/start", get(start_form).post(start))
        .route("/page.css", get(css))
        .route("/page.js", get(js))
        .route("/icon.svg", get(icon));
    #[cfg(feature = "schedule")]
    let router = router
        .route("/schedule", get(schedule))
        .route("/schedule.json", get(schedule))
        .route("/schedule/{job}/pause", post(pause))
        .route("/schedule/{job}/resume", post(resume));
    router
        .fallback(missing)
        .layer(middleware::from_fn_with_state(Arc::clone(page), guard::guard))
        .with_state(Arc::clone(page))
}

async fn css(asked: Asked) -> Response {
    asked.text("text/css; charset=utf-8", view::frame::CSS.to_owned())
}

async fn js(asked: Asked) -> Response {
    asked.text("text/javascript; charset=utf-8", view::frame::JS.to_owned())
}

async fn icon(asked: Asked) -> Response {
    asked.text("image/svg+xml", view::frame::icon().into_string())
}

async fn missing(State(page): Shared, asked: Asked) -> Response {
    Trouble::Missing.reply(&page, &asked)
}

async fn jobs(State(page): Shared, asked: Asked) -> Response {
    answer(page, asked, |page, asked| {
        if asked.json {
            return Ok(document(&json::Jobs::of(page.operator.jobs())));
        }
        Ok(asked.page(page, &view::jobs::show(page)?))
    })
    .await
}

async fn executions(State(page): Shared, asked: Asked) -> Response {
    answer(page, asked, |page, asked| {
        if asked.json {
            let now = page.operator.now()?;
            let wanted = view::executions::Wanted::of(&asked.query, now)?;
            let found = Found::of(&page.operator, wanted.filter, wanted.limit)?;
            return Ok(document(&found.json()));
        }
        Ok(asked.page(page, &view::executions::show(page, asked)?))
    })
    .await
}

async fn start_form(State(page): Shared, Path(job): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, asked| {
        let form = Form::Start(page.operator.job(&job)?);
        Ok(asked.page(page, &view::form::show(page, form, &asked.query, None)?))
    })
    .await
}

async fn start(State(page): Shared, Path(job): Path<String>, asked: Asked, body: String) -> Response {
    answer(page, asked, move |page, asked| {
        let job = page.operator.job(&job)?;
        launch(page, asked, Form::Start(job), &Query::of(Some(&body)))
    })
    .await
}

async fn restart_form(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, asked| {
        let form = restart_of(page, &id)?;
        Ok(asked.page(page, &view::form::show(page, form, &asked.query, None)?))
    })
    .await
}

async fn restart(State(page): Shared, Path(id): Path<String>, asked: Asked, body: String) -> Response {
    answer(page, asked, move |page, asked| {
        let form = restart_of(page, &id)?;
        launch(page, asked, form, &Query::of(Some(&body)))
    })
    .await
}

fn restart_of(page: &Page, id: &str) -> Result<Form, Trouble> {
    let id = number(id)?;
    let job = page.operator.job(&page.operator.execution(id)?.instance.job)?;
    Ok(Form::Restart(job, id))
}

/// Checks the fields of a form, and starts the run unless only the check was wanted.
fn launch(page: &Page, asked: &Asked, form: Form, fields: &Query) -> Result<Response, Trouble> {
    let given = form.given(fields);
    let next = fields.get("next").is_some();
    let outlook = form.outlook(page, &given, next);
    if fields.get("do") == Some("check") {
        if asked.is_fragment() {
            return Ok(asked.html(view::form::outlook(&outlook)));
        }
        return Ok(asked.page(page, &view::form::show(page, form, fields, None)?));
    }
    let (job, words) = match form {
        Form::Start(job) => (job.name, vec!["run".into(), job.name.into()]),
        Form::Restart(job, id) => (job.name, vec!["restart".into(), id.to_string().into()]),
    };
    let words = words.into_iter().chain(next.then(|| "--next".into())).collect();
    let started = match outlook {
        Ok(_) => Run { job, words, given }.start(page),
        Err(refusal) => Err(refusal.into()),
    };
    if let Ok(execution) = &started {
        let number = execution.map(|execution| format!(", execution {execution}")).unwrap_or_default();
        (page.say)(&format!("serve: started {job}{number}"));
    }
    match started {
        Ok(Some(execution)) => Ok(see(&format!("/executions/{execution}"))),
        Ok(None) => Ok(see(&format!("/executions?job={job}"))),
        Err(Trouble::Refused(refusal)) => {
            let trouble = Trouble::Refused(refusal);
            let mut response = match &trouble {
                Trouble::Refused(refusal) => {
                    asked.page(page, &view::form::show(page, form, fields, Some(refusal))?)
                }
                Trouble::Missing => return Err(trouble),
            };
            *response.status_mut() = trouble.status();
            Ok(response)
        }
        Err(trouble) => Err(trouble),
    }
}

/// Does something to an execution, and leads back to it.
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

async fn stop(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    act(page, id, asked, "asked to stop", |page, id| page.operator.stop(id)).await
}

async fn abandon(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    act(page, id, asked, "abandoned", |page, id| page.operator.abandon(id)).await
}

async fn recover(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    act(page, id, asked, "recovered", |page, _| page.operator.recover().map(|_| ())).await
}

/// The number in a path such as `/executions/7.json`.
fn number(id: &str) -> Result<ExecutionId, Trouble> {
    id.strip_suffix(".json").unwrap_or(id).parse().map(ExecutionId).map_err(|_| Trouble::Missing)
}

async fn execution(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, asked| {
        let id = number(&id)?;
        if asked.json {
            return Ok(document(&json::Details::from(&page.operator.show(id)?)));
        }
        Ok(asked.page(page, &view::execution::show(page, id)?))
    })
    .await
}

#[cfg(feature = "schedule")]
async fn schedule(State(page): Shared, asked: Asked) -> Response {
    use crate::cli::schedule::{list, scheduled};

    answer(page, asked, |page, asked| {
        if !asked.json {
            return Ok(asked.page(page, &view::schedule::show(page)?));
        }
        let jobs = scheduled(page.operator.jobs())?;
        let repository = page.operator.repository();
        let found = jobs.iter().map(|job| list::Found::of(job, repository)).collect::<Result<Vec<_>, _>>()?;
        Ok(document(&list::document(&jobs, &found, page.operator.now()?)))
    })
    .await
}

#[cfg(feature = "schedule")]
async fn pause(State(page): Shared, Path(job): Path<String>, asked: Asked) -> Response {
    set_paused(page, job, asked, true).await
}

#[cfg(feature = "schedule")]
async fn resume(State(page): Shared, Path(job): Path<String>, asked: Asked) -> Response {
    set_paused(page, job, asked, false).await
}

#[cfg(feature = "schedule")]
async fn set_paused(page: Arc<Page>, job: String, asked: Asked, pause: bool) -> Response {
    answer(page, asked, move |page, _| {
        page.operator.pause_schedule(page.operator.job(&job)?, pause)?;
        Ok(see("/schedule"))
    })
    .await
}
