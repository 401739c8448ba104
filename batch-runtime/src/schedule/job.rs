//! A job with its schedule, and the parameters of its runs.

use jiff::Timestamp;

use super::{ScheduleError, ScheduledTime, Times};
use crate::definition::{
    JobInfo, Parameter, ParameterSpec, ParameterType as _, ParameterValue, Parameters, ParametersError,
    SCHEDULE_TIME, Schedule, resolve_parameters,
};
use crate::repository::{FireRow, job_key};
use crate::{Date, DateTime};

/// A job with its schedule.
#[derive(Debug, Clone)]
pub struct ScheduledJob {
    /// The job.
    pub job: &'static JobInfo,
    /// Its schedule.
    pub schedule: Schedule,
    /// The times of the schedule.
    pub times: Times,
}

/// A scheduled time of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fire {
    /// The value of the parameter that holds the scheduled time, as text. It identifies the time.
    pub scheduled: String,
    /// The instant.
    pub time: Timestamp,
    /// The key of the instance that runs for it.
    pub key: String,
}

impl From<&FireRow> for Fire {
    fn from(row: &FireRow) -> Self {
        Self { scheduled: row.scheduled.clone(), time: row.time, key: row.key.clone() }
    }
}

impl ScheduledJob {
    /// The job with its schedule.
    ///
    /// # Errors
    /// If the job has no schedule, or one that cannot be followed.
    pub fn of(job: &'static JobInfo) -> Result<Self, ScheduleError> {
        let schedule = job.options.schedule.ok_or_else(|| ScheduleError::NoSchedule(job.name.to_owned()))?;
        Ok(Self { job, schedule, times: Times::of(schedule.expression, schedule.zone)? })
    }

    /// The parameter that holds the scheduled time, if the job declares one.
    fn declared(&self) -> Option<&'static ParameterSpec> {
        self.job.parameters.iter().find(|spec| spec.scheduled)
    }

    /// The name of the parameter that holds the scheduled time.
    #[must_use]
    pub fn parameter(&self) -> &'static str {
        self.declared().map_or(SCHEDULE_TIME, |spec| spec.name)
    }

    /// The value of that parameter for a time.
    #[must_use]
    pub fn value(&self, time: ScheduledTime) -> ParameterValue {
        match self.declared().map(|spec| spec.ty.name) {
            Some(name) if name == Date::TYPE.name => ParameterValue::Date(time.local.date()),
            Some(name) if name == DateTime::TYPE.name => ParameterValue::DateTime(time.local),
            _ => ParameterValue::Timestamp(time.instant),
        }
    }

    /// The parameters of the run for a scheduled time, which is given as it is stored.
    ///
    /// # Errors
    /// If the text is not a time, or the parameters are refused.
    pub fn parameters(&self, scheduled: &str, given: &Parameters) -> Result<Parameters, ParametersError> {
        let name = self.parameter();
        let text = [(name, scheduled)];
        let parsed = crate::definition::parse_parameters(self.job, text)?;
        let mut all = given.clone();
        if let Some(Parameter { value, .. }) = parsed.get(name) {
            all.insert(name, Parameter { value: value.clone(), identifying: true, secret: false });
        }
        resolve_parameters(self.job, &all)
    }

    /// The time as a fire. Its key does not depend on secrets, which a run may lack.
    #[must_use]
    pub fn fire(&self, time: ScheduledTime) -> Fire {
        let value = self.value(time);
        let scheduled = value.to_string();
        let mut identity = Parameters::new().with(self.parameter(), value);
        for spec in self.job.parameters.iter().filter(|spec| spec.identifying && !spec.scheduled) {
            let default = spec.default.and_then(|default| default());
            if let Some(value) = default.and_then(|value| (spec.canonical)(&value).ok()) {
                identity = identity.with(spec.name, value);
            }
        }
        Fire { scheduled, time: time.instant, key: job_key(&identity) }
    }
}
