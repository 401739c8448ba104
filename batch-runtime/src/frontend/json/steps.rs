//! The part of a document that describes a step.

use jiff::Timestamp;
use serde::Serialize;

use crate::definition::{Phase, StepExecutionId};
use crate::observe::StepFailure;
use crate::repository::{Advice, BatchStatus, ComponentTime, Counters, Followed, Profile, StepUsage};

#[derive(Serialize)]
pub(super) struct Step<'a> {
    pub(super) name: &'a str,
    pub(super) id: StepExecutionId,
    pub(super) status: BatchStatus,
    pub(super) exit_code: &'a str,
    pub(super) exit_description: &'a str,
    pub(super) failure: Option<Failed<'a>>,
    /// The work of this execution of the step.
    pub(super) counters: Counted,
    /// The work of its earlier executions in the instance.
    pub(super) before: Counted,
    /// The time per activity, summed over all threads.
    pub(super) time_nanoseconds: Option<Times>,
    /// Where the time went in detail: times in nanoseconds, memory in bytes.
    pub(super) profile: Option<Detailed<'a>>,
    pub(super) elapsed_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) started: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<Timestamp>,
}

#[derive(Serialize)]
pub(super) struct Times {
    read: u64,
    process: u64,
    write: u64,
    commit: u64,
}

impl Times {
    pub(super) fn of(profile: &Profile) -> Self {
        let Profile { read, process, write, commit, .. } = *profile;
        Self { read, process, write, commit }
    }
}

#[derive(Serialize)]
pub(super) struct Detailed<'a> {
    components: &'a [ComponentTime],
    usage: Option<&'a StepUsage>,
    /// The setting that would make the step faster.
    advice: Option<&'a Advice>,
    /// How the time compares with the prediction of earlier advice.
    followed: Option<Followed>,
}

impl<'a> Detailed<'a> {
    pub(super) fn of(profile: &'a Profile) -> Self {
        let Profile { components, usage, advice, followed, .. } = profile;
        Self { components, usage: usage.as_ref(), advice: advice.as_ref(), followed: *followed }
    }
}

/// Why a step failed, part by part. The repository stores only the text, so `show` has no parts.
#[derive(Serialize)]
pub(super) struct Failed<'a> {
    component: Option<&'a str>,
    phase: Option<Phase>,
    location: Option<&'a str>,
    error: &'a str,
    panicked: bool,
    record: Option<&'a str>,
}

impl<'a> From<&'a StepFailure> for Failed<'a> {
    fn from(failure: &'a StepFailure) -> Self {
        Self {
            component: failure.component.as_deref(),
            phase: failure.phase,
            location: failure.location.as_deref(),
            error: &failure.error,
            panicked: failure.panicked,
            record: failure.record.as_deref(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Counted {
    read: u64,
    filtered: u64,
    written: u64,
    skipped: u64,
    read_skips: u64,
    process_skips: u64,
    write_skips: u64,
    commits: u64,
    rollbacks: u64,
}

impl From<&Counters> for Counted {
    fn from(counters: &Counters) -> Self {
        Self {
            read: counters.read,
            filtered: counters.filter,
            written: counters.write,
            skipped: counters.skips(),
            read_skips: counters.read_skip,
            process_skips: counters.process_skip,
            write_skips: counters.write_skip,
            commits: counters.commit,
            rollbacks: counters.rollback,
        }
    }
}
