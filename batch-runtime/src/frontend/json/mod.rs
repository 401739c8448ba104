//! The JSON documents of jobs and their executions, which `--json` prints and the web page returns.
//!
//! Keys are stable and in `lower_snake_case`. Unknown values are `null`, and times are RFC 3339 in UTC. Durations are
//! in seconds, and the times of activities within a step in nanoseconds. No document contains a secret.

mod executions;
mod jobs;
mod report;
mod steps;
mod values;

use serde::Serialize;

use super::refusal::Refusal;

pub(crate) use executions::{Details, Executions, Recorded};
pub(crate) use jobs::Jobs;
pub(crate) use report::Report;

/// `show --compare`, and the page's times of a job: `{"executions": [..]}`
#[derive(Serialize)]
pub(crate) struct DetailsList<'a> {
    pub(crate) executions: Vec<Details<'a>>,
}

/// `graph`: the drawing as text.
#[derive(Serialize)]
pub(crate) struct Drawing<'a> {
    pub(crate) job: &'a str,
    pub(crate) format: &'static str,
    pub(crate) graph: &'a str,
}

/// Any refused command: `{"error": {"kind": "already_running", "message": "..", "exit": 4}}`
#[derive(Serialize)]
pub(crate) struct Refused {
    error: Error,
}

#[derive(Serialize)]
struct Error {
    kind: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    exit: u8,
}

impl From<&Refusal> for Refused {
    fn from(refusal: &Refusal) -> Self {
        let Refusal { kind, code, .. } = *refusal;
        let detail = refusal.detail.clone();
        Self { error: Error { kind, message: refusal.to_string(), detail, exit: code } }
    }
}
