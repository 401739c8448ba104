//! The traits that `#[job]`, `#[flow]` and `#[decider]` implement for the markers of their functions, and the
//! constants they hold.

use std::any::Any;

use super::job_listener::JobListener;
use super::need::Need;
use super::parameter::{Parameter, ParameterSpec, ParameterType, Parameters};
use super::schedule::Schedule;
use super::{Failure, Scope};
use crate::graph::{Activity, Node, Subject};

/// A job, as a constant.
#[derive(Debug)]
pub struct JobInfo {
    /// The module and name.
    pub id: &'static str,
    /// The function's name: `JOB_NAME`.
    pub name: &'static str,
    /// Its doc comment.
    pub doc: &'static str,
    /// Its arguments.
    pub parameters: &'static [ParameterSpec],
    /// Its body.
    pub flow: &'static [Node],
    /// The attribute's options.
    pub options: JobOptions,
}

/// The options of `#[job(..)]`.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct JobOptions {
    /// Whether a failed or stopped instance can be started again.
    pub restartable: bool,
    /// Whether only one execution of the job may run at a time, whatever its parameters.
    pub exclusive: bool,
    /// How many times in a row an instance may lose its owner without a commit in between. After that a
    /// person must decide.
    pub max_recoveries: u32,
    /// The listeners for its start and end, in the order of the source.
    pub listeners: &'static [JobListener],
    /// When it runs by itself.
    pub schedule: Option<Schedule>,
}

impl JobOptions {
    /// Restartable, not exclusive, three recoveries, no schedule.
    pub const DEFAULT: Self =
        Self { restartable: true, exclusive: false, max_recoveries: 3, listeners: &[], schedule: None };

    /// Sets whether a failed or stopped instance can be started again.
    #[must_use]
    pub const fn restartable(mut self, yes: bool) -> Self {
        self.restartable = yes;
        self
    }

    /// Sets whether only one execution may run at a time.
    #[must_use]
    pub const fn exclusive(mut self, yes: bool) -> Self {
        self.exclusive = yes;
        self
    }

    /// Sets the listeners.
    #[must_use]
    pub const fn listeners(mut self, listeners: &'static [JobListener]) -> Self {
        self.listeners = listeners;
        self
    }

    /// Sets when the job runs by itself.
    #[must_use]
    pub const fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// Sets the number of recoveries.
    #[must_use]
    pub const fn max_recoveries(mut self, times: u32) -> Self {
        self.max_recoveries = times;
        self
    }
}

/// Implemented by `#[job]` for the marker of the annotated function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job",
    label = "not a job",
    note = "put `#[job]` on the function of this name"
)]
pub trait JobDefinition: 'static {
    /// The job as a constant.
    const INFO: &'static JobInfo;
}

/// A job with its parameters, ready to start: the result of calling the annotated function.
#[derive(Debug, Clone)]
#[must_use = "a launch does nothing until an operator starts it"]
pub struct Launch {
    /// The job.
    pub job: &'static JobInfo,
    /// Its parameters as given, without defaults.
    pub parameters: Parameters,
}

impl Launch {
    /// A launch without parameters.
    pub const fn new(job: &'static JobInfo) -> Self {
        Self { job, parameters: Parameters::new() }
    }

    /// Sets a parameter. The job declares whether it identifies the instance. `None` leaves the parameter out.
    #[expect(clippy::needless_pass_by_value, reason = "the annotated function owns its arguments")]
    pub fn with<T: ParameterType>(mut self, name: &str, value: T) -> Self {
        if let Some(value) = value.to_value() {
            let spec = self.job.parameters.iter().find(|spec| spec.name == name);
            let identifying = spec.is_none_or(|spec| spec.identifying);
            let secret = spec.is_some_and(|spec| spec.secret);
            self.parameters.insert(name, Parameter { value, identifying, secret });
        }
        self
    }
}

/// A `#[flow]`: a named part of a job's body.
#[derive(Debug)]
pub struct FlowInfo {
    /// The module and name.
    pub id: &'static str,
    /// The function's name.
    pub name: &'static str,
    /// Its doc comment.
    pub doc: &'static str,
    /// Its body.
    pub nodes: &'static [Node],
}

/// A `#[decider]`.
#[derive(Debug)]
pub struct DeciderInfo {
    /// The module and name.
    pub id: &'static str,
    /// The function's name.
    pub name: &'static str,
    /// The needs of its arguments.
    pub needs: &'static [Need],
    /// Calls it. The value has the type [`Decides::Outcome`].
    pub decide: fn(&Scope<'_>) -> Result<Box<dyn Any>, Failure>,
}

/// Something that a job can run by name: a step, a flow, another job.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a step",
    label = "a job runs steps, flows and other jobs",
    note = "put `#[step]`, `#[flow]` or `#[job]` on the function of this name"
)]
pub trait Runs: 'static {
    /// The kind of activity, with its constant.
    const ACTIVITY: Activity;
}

/// Something that a job can `match` on: a decider, or a step by its exit or its returned value.
#[diagnostic::on_unimplemented(
    message = "a job cannot `match` on `{Self}`",
    label = "neither a decider nor a step",
    note = "put `#[decider]` on a function that returns an enum, or match on a step"
)]
pub trait Decides: 'static {
    /// The type that the patterns of the arms match.
    type Outcome: 'static;
    /// The kind of subject, with its constant.
    const SUBJECT: Subject;
}
