//! The document of an execution that this process has run.

use serde::Serialize;

use super::steps::{Counted, Detailed, Failed, Step, Times};
use super::values::durability;
use crate::definition::{ExecutionId, InstanceId};
use crate::observe::JobReport;
#[cfg(feature = "profile")]
use crate::observe::profile::CpuProfile;
#[cfg(feature = "profile-heap")]
use crate::observe::profile::heap::HeapProfile;
use crate::repository::{BatchStatus, Owner};

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

#[cfg(feature = "profile")]
impl<'a> Report<'a> {
    pub(crate) fn with_cpu_profile(self, cpu_profile: Option<&'a CpuProfile>) -> Self {
        Self { cpu_profile, ..self }
    }

    #[cfg(feature = "profile-heap")]
    pub(crate) fn with_heap_profile(self, heap_profile: Option<&'a HeapProfile>) -> Self {
        Self { heap_profile, ..self }
    }
}
