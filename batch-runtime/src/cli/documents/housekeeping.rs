//! The documents of the commands that keep a repository in order.

use jiff::Timestamp;
use serde::Serialize;

use crate::operator::{Finding, Purged};

/// `purge`: what was deleted, or would be.
#[derive(Serialize)]
pub(in crate::cli) struct Purge<'a> {
    /// False if nothing was deleted, because `--yes` was not given.
    purged: bool,
    instances: u64,
    executions: u64,
    jobs: Vec<PurgedJob<'a>>,
}

#[derive(Serialize)]
struct PurgedJob<'a> {
    job: &'a str,
    instances: u64,
    executions: u64,
    first_ended: Timestamp,
    last_ended: Timestamp,
}

impl<'a> Purge<'a> {
    pub(in crate::cli) fn of(found: &'a Purged, purged: bool) -> Self {
        let jobs = found.jobs.iter().map(|(name, job)| PurgedJob {
            job: name,
            instances: job.instances,
            executions: job.executions,
            first_ended: job.oldest,
            last_ended: job.newest,
        });
        Self { purged, instances: found.instances(), executions: found.executions(), jobs: jobs.collect() }
    }
}

/// `doctor`: `{"findings": [..]}`
#[derive(Serialize)]
pub(in crate::cli) struct Findings<'a> {
    findings: Vec<FindingDocument<'a>>,
}

#[derive(Serialize)]
struct FindingDocument<'a> {
    kind: &'a str,
    what: &'a str,
    remedy: &'a str,
}

impl<'a> Findings<'a> {
    pub(in crate::cli) fn of(findings: &'a [Finding]) -> Self {
        let found = |finding: &'a Finding| FindingDocument {
            kind: finding.kind,
            what: &finding.what,
            remedy: &finding.remedy,
        };
        Self { findings: findings.iter().map(found).collect() }
    }
}
