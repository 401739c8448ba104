//! The document of the jobs of a program.

use serde::Serialize;

use super::values::plain;
use crate::definition::JobInfo;
use crate::frontend::parameter;

/// `jobs`: `{"jobs": [..]}`
#[derive(Serialize)]
pub(crate) struct Jobs<'a> {
    jobs: Vec<Job<'a>>,
}

#[derive(Serialize)]
struct Job<'a> {
    name: &'a str,
    description: String,
    restartable: bool,
    exclusive: bool,
    parameters: Vec<Declared<'a>>,
}

#[derive(Serialize)]
struct Declared<'a> {
    name: &'a str,
    description: String,
    r#type: String,
    required: bool,
    /// `null` for a secret.
    default: Option<serde_json::Value>,
    values: &'a [&'a str],
    identifying: bool,
    secret: bool,
}

impl<'a> Jobs<'a> {
    pub(crate) fn of(jobs: &[&'a JobInfo]) -> Self {
        let declared = |job: &'a JobInfo| {
            job.parameters.iter().map(|spec| Declared {
                name: spec.name,
                description: parameter::plain(spec.doc),
                r#type: spec.ty.to_string(),
                required: parameter::is_required(spec),
                default: spec
                    .default
                    .filter(|_| !spec.secret)
                    .and_then(|default| default())
                    .map(|value| plain(&value)),
                values: spec.values,
                identifying: spec.identifying && !spec.secret,
                secret: spec.secret,
            })
        };
        let jobs = jobs.iter().map(|job| Job {
            name: job.name,
            description: parameter::plain(job.doc),
            restartable: job.options.restartable,
            exclusive: job.options.exclusive,
            parameters: declared(job).collect(),
        });
        Self { jobs: jobs.collect() }
    }
}
