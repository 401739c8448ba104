//! A parsed request, and the reasons why it cannot be answered.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::extract::FromRequestParts;
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use axum::http::{StatusCode, request::Parts};
use axum::response::{IntoResponse as _, Response};
use maud::Markup;

use super::query::Query;
use crate::definition::ExecutionId;
use crate::frontend::refusal::{Refusal, exit};
use crate::operator::OperatorError;

/// A parsed request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The path without `.json`.
    pub(super) path: String,
    pub(super) query: Query,
    /// Whether the JSON document of the command line is wanted.
    pub(super) json: bool,
    /// Whether only the live part of the page is wanted.
    fragment: bool,
    /// The tag of the client's copy.
    known: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let path = parts.uri.path();
        let stem = path.strip_suffix(".json");
        let known = parts.headers.get(IF_NONE_MATCH).and_then(|known| known.to_str().ok()).map(str::to_owned);
        Ok(Self {
            path: stem.unwrap_or(path).to_owned(),
            query: Query::of(parts.uri.query()),
            json: stem.is_some(),
            fragment: parts.headers.contains_key("x-fragment"),
            known,
        })
    }
}

/// Why a request cannot be answered.
#[derive(Debug)]
pub(super) enum RequestError {
    /// The same refusal as on the command line.
    Refused(Refusal),
    /// There is no such page.
    Missing,
}

impl From<Refusal> for RequestError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<OperatorError> for RequestError {
    fn from(error: OperatorError) -> Self {
        Self::Refused(Refusal::of(&error))
    }
}

impl From<crate::repository::RepositoryError> for RequestError {
    fn from(error: crate::repository::RepositoryError) -> Self {
        Self::Refused(error.into())
    }
}

impl RequestError {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Missing => StatusCode::NOT_FOUND,
            Self::Refused(refusal) => match (refusal.kind, refusal.code) {
                ("no_such_execution" | "unknown_job", _) => StatusCode::NOT_FOUND,
                ("repository", _) => StatusCode::SERVICE_UNAVAILABLE,
                (_, exit::USAGE) => StatusCode::BAD_REQUEST,
                (_, exit::REFUSED) => StatusCode::CONFLICT,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }
}

impl Asked {
    pub(super) fn is_fragment(&self) -> bool {
        self.fragment
    }

    /// The answer with a part of a page.
    pub(super) fn html(&self, html: Markup) -> Response {
        self.text("text/html; charset=utf-8", html.into_string())
    }

    /// The answer with a text, or 304 if the client has it already.
    pub(super) fn text(&self, of: &'static str, text: String) -> Response {
        let mut hash = DefaultHasher::new();
        text.hash(&mut hash);
        let tag = format!("\"{:016x}\"", hash.finish());
        let is_known = self.known.as_ref().is_some_and(|known| *known == tag);
        let mut response = if is_known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(CONTENT_TYPE, HeaderValue::from_static(of))], text).into_response()
        };
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }

    /// The address of this page with another query.
    pub(super) fn address(&self, query: &Query) -> String {
        let query = query.to_string();
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }
}

/// The number in a path such as `/executions/7.json`.
pub(super) fn number(id: &str) -> Result<ExecutionId, RequestError> {
    id.strip_suffix(".json").unwrap_or(id).parse().map(ExecutionId).map_err(|_| RequestError::Missing)
}
