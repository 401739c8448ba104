//! Receives: `#[job]`, `#[flow]` and `#[decider]` functions. Gives: what the attributes implement for their
//! markers, as constants.

use std::any::Any;

use super::job_listener::JobListener;
use super::need::Need;
use super::parameter::{Parameter, ParameterSpec, ParameterType, Parameters};
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
    /// May an instance that failed or was stopped be started again?
    pub restartable: bool,
    /// Is only one execution of the job allowed at a time, whatever the parameters?
    pub exclusive: bool,
    /// How often in a row one instance may lose its owner without having committed anything before a person must look.
    pub max_recoveries: u32,
    /// Who hears how it begins and ends, in the order in which they are written.
    pub listeners: &'static [JobListener],
}

impl JobOptions {
    /// Restartable, not exclusive, three recoveries.
    pub const DEFAULT: Self = Self { restartable: true, exclusive: false, max_recoveries: 3, listeners: &[] };

    /// May it be started again?
    #[must_use]
    pub const fn restartable(mut self, yes: bool) -> Self {
        self.restartable = yes;
        self
    }

    /// One execution at a time?
    #[must_use]
    pub const fn exclusive(mut self, yes: bool) -> Self {
        self.exclusive = yes;
        self
    }

    /// With listeners.
    #[must_use]
    pub const fn listeners(mut self, listeners: &'static [JobListener]) -> Self {
        self.listeners = listeners;
        self
    }

    /// With that many recoveries.
    #[must_use]
    pub const fn max_recoveries(mut self, times: u32) -> Self {
        self.max_recoveries = times;
        self
    }
}

/// What `#[job]` implements for the marker of the annotated function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job",
    label = "not a job",
    note = "put `#[job]` on the function of this name"
)]
pub trait JobDefinition: 'static {
    /// The job as a constant.
    const INFO: &'static JobInfo;
}

/// A job with its parameters, ready to be started: what calling the annotated function gives.
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

    /// With a value for the parameter of that name, stored and identifying as the job declares it. A value that is
    /// left out, `None`, is not given.
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

/// A `#[flow]`: a named piece of a body.
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
    /// What its arguments ask for.
    pub needs: &'static [Need],
    /// Calls it; the value is of the type [`Decides::Outcome`].
    pub decide: fn(&Scope<'_>) -> Result<Box<dyn Any>, Failure>,
}

/// Something a job can run by its name: a step, a flow, another job.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a step",
    label = "a job runs steps, flows and other jobs",
    note = "put `#[step]`, `#[flow]` or `#[job]` on the function of this name"
)]
pub trait Runs: 'static {
    /// What it is.
    const ACTIVITY: Activity;
}

/// Something a job can `match` on: a decider, or a step by how it ended or by the value it returned.
#[diagnostic::on_unimplemented(
    message = "a job cannot `match` on `{Self}`",
    label = "neither a decider nor a step",
    note = "put `#[decider]` on a function that returns an enum, or match on a step"
)]
pub trait Decides: 'static {
    /// What the arms are patterns of.
    type Outcome: 'static;
    /// What it is.
    const SUBJECT: Subject;
}
