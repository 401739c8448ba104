//! Maps addresses to views and actions.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};

use super::page::Page;
use super::reply::{Shared, answer, document, refused, shown};
use super::request::{Asked, RequestError, number};
use super::{actions, guard, view};
use crate::definition::ExecutionId;
use crate::frontend::executions::ExecutionPage;
use crate::frontend::refusal::Refusal;
use crate::frontend::{json, skipped};
use crate::graph::{GraphFormat, render};

/// All addresses. The guard sees each request first.
pub(super) fn router(page: &Arc<Page>) -> Router {
    let router = Router::new()
        .route("/", get(jobs))
        .route("/jobs.json", get(jobs))
        .route("/executions", get(executions))
        .route("/executions.json", get(executions))
        .route("/executions/{id}", get(execution))
        .route("/executions/{id}/restart", get(actions::restart_form).post(actions::restart))
        .route("/executions/{id}/graph", get(graph_of))
        .route("/executions/{id}/graph.json", get(graph_of))
        .route("/executions/{id}/skipped", get(skipped))
        .route("/executions/{id}/skipped.json", get(skipped))
        .route("/executions/{id}/skipped.csv", get(skipped_csv))
        .route("/executions/{id}/replay", post(actions::replay))
        .route("/executions/{id}/time", get(time_of))
        .route("/executions/{id}/time.json", get(time_of))
        .route("/executions/{id}/compare", get(compare))
        .route("/executions/{id}/compare.json", get(compare))
        .route("/executions/{id}/log", get(log))
        .route("/executions/{id}/log.json", get(log))
        .route("/executions/{id}/stop", post(actions::stop))
        .route("/executions/{id}/abandon", post(actions::abandon))
        .route("/executions/{id}/recover", post(actions::recover))
        .route("/jobs/{job}/graph", get(graph))
        .route("/jobs/{job}/graph.json", get(graph))
        .route("/jobs/{job}/time", get(time))
        .route("/jobs/{job}/time.json", get(time))
        .route("/jobs/{job}/start", get(actions::start_form).post(actions::start))
        .route("/page.css", get(css))
        .route("/graph.css", get(graph_css))
        .route("/page.js", get(js))
        .route("/icon.svg", get(icon));
    #[cfg(feature = "schedule")]
    let router = router
        .route("/schedule", get(schedule))
        .route("/schedule.json", get(schedule))
        .route("/schedule/{job}/trigger", post(actions::trigger))
        .route("/schedule/{job}/backfill", get(actions::backfill_form).post(actions::backfill))
        .route("/schedule/{job}/pause", post(actions::pause))
        .route("/schedule/{job}/resume", post(actions::resume));
    router
        .fallback(missing)
        .layer(middleware::from_fn_with_state(Arc::clone(&page.guard), guard::guard))
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
    refused(&page, &asked, &RequestError::Missing)
}

async fn jobs(State(page): Shared, asked: Asked) -> Response {
    answer(page, asked, |page, asked| {
        if asked.json {
            return Ok(document(&json::Jobs::of(page.operator.jobs())));
        }
        Ok(shown(page, asked, &view::jobs::show(page)?))
    })
    .await
}

async fn executions(State(page): Shared, asked: Asked) -> Response {
    answer(page, asked, |page, asked| {
        if asked.json {
            let now = page.operator.now()?;
            let wanted = view::executions::Wanted::of(&asked.query, now)?;
            let found = ExecutionPage::of(&page.operator, wanted.filter, wanted.limit)?;
            return Ok(document(&found.json()));
        }
        Ok(shown(page, asked, &view::executions::show(page, asked)?))
    })
    .await
}

async fn graph_css(asked: Asked) -> Response {
    asked.text("text/css; charset=utf-8", view::graph::css())
}

/// The format in an address.
fn format_in(asked: &Asked) -> Result<GraphFormat, RequestError> {
    let format = asked.query.get("format").map(str::parse::<GraphFormat>).transpose();
    Ok(format.map_err(|error| Refusal::usage(error.to_string()))?.unwrap_or_default())
}

async fn graph(State(page): Shared, Path(job): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, asked| {
        if asked.json {
            let (job, format) = (page.operator.job(&job)?, format_in(asked)?);
            let graph = render(job, format);
            return Ok(document(&json::Drawing { job: job.name, format: format.name(), graph: &graph }));
        }
        Ok(shown(page, asked, &view::graph::of_job(page, &job)?))
    })
    .await
}

async fn graph_of(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, asked| {
        let id = number(&id)?;
        if asked.json {
            let format = format_in(asked)?;
            let graph = page.operator.graph(id, format)?;
            let job = &page.operator.execution(id)?.instance.job;
            return Ok(document(&json::Drawing { job, format: format.name(), graph: &graph }));
        }
        Ok(shown(page, asked, &view::graph::of_execution(page, id)?))
    })
    .await
}

async fn skipped(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, asked| {
        let id = number(&id)?;
        if asked.json {
            let found = skipped::SkippedPage::of(&page.operator, &view::skipped::wanted(asked, id))?;
            return Ok(document(&found.json(id)));
        }
        Ok(shown(page, asked, &view::skipped::show(page, asked, id)?))
    })
    .await
}

async fn skipped_csv(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, _| {
        let id = number(&id)?;
        let job = page.operator.execution(id)?.instance.job;
        let name = format!("attachment; filename=\"{job}-{id}-skipped.csv\"");
        let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, name)];
        Ok((headers, view::skipped::csv(page.operator.clone(), id)).into_response())
    })
    .await
}

async fn time(State(page): Shared, Path(job): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, asked| {
        if asked.json {
            let executions = view::time::executions(page, &job)?;
            let shown = executions.iter().map(|execution| page.operator.show(execution.id));
            let shown = shown.collect::<Result<Vec<_>, _>>()?;
            return Ok(document(&json::DetailsList {
                executions: shown.iter().map(json::Details::from).collect(),
            }));
        }
        Ok(shown(page, asked, &view::time::of_job(page, &job)?))
    })
    .await
}

async fn time_of(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, asked| {
        let id = number(&id)?;
        if asked.json {
            return Ok(document(&json::Details::from(&page.operator.show(id)?)));
        }
        Ok(shown(page, asked, &view::time::of_execution(page, id)?))
    })
    .await
}

async fn compare(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, asked| {
        let one = number(&id)?;
        let other = asked.query.get("with").and_then(|id| id.parse().ok()).map(ExecutionId);
        let other = other.ok_or_else(|| {
            Refusal::usage("the execution to compare with is missing: add it to the address, as in `?with=7`")
        })?;
        if asked.json {
            let (one, other) = (page.operator.show(one)?, page.operator.show(other)?);
            let executions = vec![json::Details::from(&one), json::Details::from(&other)];
            return Ok(document(&json::DetailsList { executions }));
        }
        Ok(shown(page, asked, &view::compare::show(page, one, other)?))
    })
    .await
}

async fn log(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, asked| {
        let id = number(&id)?;
        if asked.json {
            return Ok(document(&view::log::document(page, id)?));
        }
        Ok(shown(page, asked, &view::log::show(page, id)?))
    })
    .await
}

async fn execution(State(page): Shared, Path(id): Path<String>, asked: Asked) -> Response {
    answer(page, asked, move |page, asked| {
        let id = number(&id)?;
        if asked.json {
            return Ok(document(&json::Details::from(&page.operator.show(id)?)));
        }
        Ok(shown(page, asked, &view::execution::show(page, id)?))
    })
    .await
}

#[cfg(feature = "schedule")]
async fn schedule(State(page): Shared, asked: Asked) -> Response {
    use crate::frontend::schedule::{ScheduleState, scheduled};

    answer(page, asked, |page, asked| {
        if !asked.json {
            return Ok(shown(page, asked, &view::schedule::show(page)?));
        }
        let jobs = scheduled(page.operator.jobs())?;
        let repository = page.operator.repository();
        let found =
            jobs.iter().map(|job| ScheduleState::of(job, repository)).collect::<Result<Vec<_>, _>>()?;
        Ok(document(&crate::frontend::schedule::document(&jobs, &found, page.operator.now()?)))
    })
    .await
}
