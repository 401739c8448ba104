//! The answers: a page, a part of it, a document, or an error.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::page::Page;
use super::request::{Asked, RequestError};
use super::view::{View, frame};
use crate::frontend::json;
use crate::frontend::refusal::Refusal;

/// The state that handlers get.
pub(super) type Shared = State<Arc<Page>>;

/// The answer with a page or its live part, or 304 if the client has it already.
pub(super) fn shown(page: &Page, asked: &Asked, view: &View) -> Response {
    asked.html(if asked.is_fragment() { view.live.clone() } else { frame::page(page, asked, view) })
}

/// The answer that says why a request is refused.
pub(super) fn refused(page: &Page, asked: &Asked, error: &RequestError) -> Response {
    let missing = Refusal::refused("no_such_page", "there is no such page");
    let refusal = match error {
        RequestError::Refused(refusal) => refusal,
        RequestError::Missing => &missing,
    };
    let mut response = if asked.json {
        document(&json::Refused::from(refusal))
    } else {
        shown(page, asked, &frame::trouble(refusal))
    };
    *response.status_mut() = error.status();
    response
}

/// The answer with the JSON document that the command line prints, byte for byte.
pub(super) fn document(document: &impl Serialize) -> Response {
    match serde_json::to_string_pretty(document) {
        Ok(mut text) => {
            text.push('\n');
            ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
        }
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("the answer cannot be shown as JSON: {error}\n"))
                .into_response()
        }
    }
}

/// Redirects the browser to a page after a change.
pub(super) fn see(path: &str) -> Response {
    let mut response = (StatusCode::SEE_OTHER, Body::empty()).into_response();
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, path);
    }
    response
}

/// Makes an answer on a thread that may block.
pub(super) async fn answer(
    page: Arc<Page>,
    asked: Asked,
    make: impl FnOnce(&Page, &Asked) -> Result<Response, RequestError> + Send + 'static,
) -> Response {
    let answered = tokio::task::spawn_blocking(move || {
        make(&page, &asked).unwrap_or_else(|error| refused(&page, &asked, &error))
    });
    // A panic is reported on standard error, and the server goes on.
    answered.await.unwrap_or_else(|_| {
        (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made; the server's log says why\n")
            .into_response()
    })
}
