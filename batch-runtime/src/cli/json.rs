//! The JSON documents that `--json` prints, one for each command.
//!
//! Keys are stable and in `lower_snake_case`. Unknown values are `null`, and times are RFC 3339 in UTC. Durations are
//! in seconds, and the times of activities within a step in nanoseconds. No document contains a secret.

mod executions;
mod housekeeping;

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::parameter;
use super::profile::RunProfile;
use super::refusal::Refusal;
use crate::definition::{
    Durability, ExecutionId, InstanceId, JobInfo, ParameterValue, Phase, StepExecutionId,
};
#[cfg(feature = "profile")]
use crate::observe::profile::CpuProfile;
#[cfg(feature = "profile-heap")]
use crate::observe::profile::heap::HeapProfile;
use crate::observe::{JobReport, StepFailure};
use crate::repository::work_queue::{WorkerId, WorkerRow};
use crate::repository::{
    Advice, BatchStatus, ComponentTime, Counters, Followed, JobExecution, Owner, OwnerState, Profile,
    StepUsage,
};

pub(crate) use executions::{Details, Executions, Recorded};
pub(super) use housekeeping::{Findings, Purge};

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

/// `run`, `restart`: the execution after it ended.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    job: &'a str,
    instance: InstanceId,
    execution: ExecutionId,
    continues: Option<ExecutionId>,
    recovered_from: Option<&'a Owner>,
    status: BatchStatus,
    exit_code: &'a str,
    exit_description: &'a str,
    durability: &'static str,
    elapsed_seconds: f64,
    steps: Vec<Step<'a>>,
    already_complete: &'a [String],
    /// Only with `--profile`.
    #[cfg(feature = "profile")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_profile: Option<&'a CpuProfile>,
    /// Only with `--profile=heap`.
    #[cfg(feature = "profile-heap")]
    #[serde(skip_serializing_if = "Option::is_none")]
    heap_profile: Option<&'a HeapProfile>,
}

#[derive(Serialize)]
struct Step<'a> {
    name: &'a str,
    id: StepExecutionId,
    status: BatchStatus,
    exit_code: &'a str,
    exit_description: &'a str,
    failure: Option<Failed<'a>>,
    /// The work of this execution of the step.
    counters: Counted,
    /// The work of its earlier executions in the instance.
    before: Counted,
    /// The time per activity, summed over all threads.
    time_nanoseconds: Option<Times>,
    /// Where the time went in detail: times in nanoseconds, memory in bytes.
    profile: Option<Detailed<'a>>,
    elapsed_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Timestamp>,
}

#[derive(Serialize)]
struct Times {
    read: u64,
    process: u64,
    write: u64,
    commit: u64,
}

impl Times {
    fn of(profile: &Profile) -> Self {
        let Profile { read, process, write, commit, .. } = *profile;
        Self { read, process, write, commit }
    }
}

#[derive(Serialize)]
struct Detailed<'a> {
    components: &'a [ComponentTime],
    usage: Option<&'a StepUsage>,
    /// The setting that would make the step faster.
    advice: Option<&'a Advice>,
    /// How the time compares with the prediction of earlier advice.
    followed: Option<Followed>,
}

impl<'a> Detailed<'a> {
    fn of(profile: &'a Profile) -> Self {
        let Profile { components, usage, advice, followed, .. } = profile;
        Self { components, usage: usage.as_ref(), advice: advice.as_ref(), followed: *followed }
    }
}

/// Why a step failed, part by part. The repository stores only the text, so `show` has no parts.
#[derive(Serialize)]
struct Failed<'a> {
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
struct Counted {
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

impl<'a> From<&'a JobReport> for Report<'a> {
    fn from(report: &'a JobReport) -> Self {
        let steps = report.steps.iter().map(|step| Step {
            name: &step.name,
            id: step.id,
            status: step.status,
            exit_code: &step.exit.code,
            exit_description: &step.exit.description,
            failure: step.failure.as_ref().map(Failed::from),
            counters: Counted::from(&step.counters),
            before: Counted::from(&step.before),
            time_nanoseconds: step.profile.as_ref().map(Times::of),
            profile: step.profile.as_ref().map(Detailed::of),
            elapsed_seconds: Some(step.elapsed.as_secs_f64()),
            started: None,
            ended: None,
        });
        Self {
            job: &report.job,
            instance: report.instance,
            execution: report.execution,
            continues: report.restarted_from,
            recovered_from: report.recovered.as_ref(),
            status: report.status,
            exit_code: &report.exit.code,
            exit_description: &report.exit.description,
            durability: durability(report.durability),
            elapsed_seconds: report.elapsed.as_secs_f64(),
            steps: steps.collect(),
            already_complete: &report.passed,
            #[cfg(feature = "profile")]
            cpu_profile: None,
            #[cfg(feature = "profile-heap")]
            heap_profile: None,
        }
    }
}

impl<'a> Report<'a> {
    /// Adds the profiles of the run, if there are any.
    #[cfg_attr(not(feature = "profile"), expect(unused_mut, reason = "there is no profile to add"))]
    pub(super) fn profiled(mut self, profile: &'a RunProfile) -> Self {
        #[cfg(feature = "profile")]
        {
            self.cpu_profile = profile.cpu();
        }
        #[cfg(feature = "profile-heap")]
        {
            self.heap_profile = profile.heap();
        }
        #[cfg(not(feature = "profile"))]
        let _ = profile;
        self
    }
}

/// `stop`, `abandon`: the execution and the request.
#[derive(Serialize)]
pub(crate) struct Asked {
    pub(crate) execution: ExecutionId,
    pub(crate) asked: &'static str,
}

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

/// `metrics`: the text, and the file that it was written to.
#[derive(Serialize)]
pub(crate) struct Metrics<'a> {
    pub(crate) textfile: Option<&'a str>,
    pub(crate) metrics: &'a str,
}

/// `serve`: the line that says where the page is.
#[cfg(feature = "serve")]
#[derive(Serialize)]
pub(super) struct Served<'a> {
    pub(super) link: &'a str,
}

/// `recover`: `{"recovered": [..]}`
#[derive(Serialize)]
pub(crate) struct Recovered<'a> {
    recovered: Vec<Recorded<'a>>,
}

impl<'a> Recovered<'a> {
    pub(crate) fn of(executions: &'a [JobExecution]) -> Self {
        Self { recovered: executions.iter().map(|execution| Recorded::of(execution, None, &[])).collect() }
    }
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

fn elapsed(started: Option<Timestamp>, ended: Option<Timestamp>) -> Option<Duration> {
    Some(crate::observe::words::between(started?, ended?))
}

fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Machine => "machine",
        Durability::Process => "process",
    }
}

/// A value in JSON's own types. A double that JSON cannot represent becomes text.
fn plain(value: &ParameterValue) -> serde_json::Value {
    match value {
        ParameterValue::Long(number) => (*number).into(),
        ParameterValue::Boolean(flag) => (*flag).into(),
        ParameterValue::Double(number) if number.is_finite() => (*number).into(),
        ParameterValue::List(texts) => texts.clone().into(),
        other => other.to_string().into(),
    }
}

/// `workers`: `{"workers": [..]}`
#[derive(Serialize)]
pub(crate) struct Workers<'a> {
    workers: Vec<WorkerDocument<'a>>,
}

#[derive(Serialize)]
struct WorkerDocument<'a> {
    worker: WorkerId,
    host: &'a str,
    pid: u32,
    /// `idle`, `busy`, `drains`, `dead` or `unknown`.
    status: &'static str,
    slots: u32,
    started: Timestamp,
    holds: &'a [String],
    queues: &'a [String],
    declined: Option<&'a str>,
}

impl<'a> Workers<'a> {
    pub(crate) fn of(workers: &'a [WorkerRow]) -> Self {
        let of = |worker: &'a WorkerRow| WorkerDocument {
            worker: worker.id,
            host: &worker.owner.host,
            pid: worker.owner.pid,
            status: worker_status(worker),
            slots: worker.slots,
            started: worker.started,
            holds: &worker.holds,
            queues: &worker.queues,
            declined: worker.declined.as_deref(),
        };
        Self { workers: workers.iter().map(of).collect() }
    }
}

/// `workers drain`
#[derive(Serialize)]
pub(crate) struct Drained {
    pub(crate) worker: WorkerId,
    pub(crate) asked: &'static str,
}

/// The status of a worker as one word.
pub(crate) fn worker_status(worker: &WorkerRow) -> &'static str {
    match (worker.state, worker.drains, worker.holds.is_empty()) {
        (OwnerState::Dead, ..) => "dead",
        (OwnerState::Unknown, ..) => "unknown",
        (_, true, _) => "drains",
        (_, false, true) => "idle",
        (_, false, false) => "busy",
    }
}
