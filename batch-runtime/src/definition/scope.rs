//! Resolves the arguments of a component from the running job and step, and the bindings around the
//! component.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;

use super::context::{JobContext, StepContext};
use super::database::{Connection, Database, DatabaseHandle, Driver, Of};
use super::lazy_values::LazyValues;
use super::need::{Binding, BoundTo};
use super::output::{Output, Produces};
use super::partition::{Assigned, Partition};
use super::resource::ResourceDefinition;
use super::stop_signal::StopSignal;
use super::values::Values;
use super::{Failure, Given, ParameterType, ParameterValue};
#[cfg(feature = "async")]
use crate::engine::JobRuntime;
use crate::engine::{Lanes, Retrying};

/// The state of one job execution, shared by all its steps and their threads.
pub(crate) struct Environment {
    pub(crate) job: JobContext,
    /// The repository's own database, if components may use it.
    pub(crate) own: Option<DatabaseHandle>,
    shared: Arc<SharedState>,
}

/// The state shared by all branches of a split.
struct SharedState {
    resources: LazyValues<dyn Any + Send + Sync>,
    databases: Mutex<BTreeMap<&'static str, DatabaseHandle>>,
    /// The outputs of steps as JSON, by the ID of the step.
    outputs: Mutex<BTreeMap<String, String>>,
    /// The resources and databases that a test provides.
    given: Given,
    #[cfg(feature = "async")]
    runtime: JobRuntime,
}

impl Environment {
    pub(crate) fn new(job: JobContext, own: Option<DatabaseHandle>, given: &Given) -> Self {
        let shared = SharedState {
            resources: LazyValues::new(),
            databases: Mutex::new(given.databases().clone()),
            outputs: Mutex::new(BTreeMap::new()),
            given: given.clone(),
            #[cfg(feature = "async")]
            runtime: JobRuntime::default(),
        };
        Self { job, own, shared: Arc::new(shared) }
    }

    /// Sets the tokio runtime. Called before anything is shared.
    #[cfg(feature = "async")]
    pub(crate) fn in_runtime(mut self, runtime: Option<tokio::runtime::Handle>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.runtime = JobRuntime::new(runtime);
        }
        self
    }

    /// The environment for a branch of a split, whose values are its own until they are committed.
    pub(crate) fn branch(&self, stop: &StopSignal) -> Self {
        self.with(stop, self.job.values.branch())
    }

    /// The environment of the same execution with other values: its resources, databases and outputs are shared.
    pub(crate) fn with(&self, stop: &StopSignal, values: Values) -> Self {
        let job = JobContext {
            job: self.job.job.clone(),
            instance: self.job.instance,
            execution: self.job.execution,
            parameters: self.job.parameters.clone(),
            stop: stop.clone(),
            values,
        };
        Self { job, own: self.own.clone(), shared: Arc::clone(&self.shared) }
    }

    pub(crate) fn leave_output(&self, step: &str, json: String) {
        self.shared.outputs.lock().unwrap_or_else(PoisonError::into_inner).insert(step.to_owned(), json);
    }

    fn output(&self, step: &str) -> Option<String> {
        self.shared.outputs.lock().unwrap_or_else(PoisonError::into_inner).get(step).cloned()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("job", &self.job).finish_non_exhaustive()
    }
}

/// The state of one step execution, or one decision, on one thread.
pub(crate) struct StepEnvironment {
    /// `None` for a decider, which belongs to no step.
    pub(crate) context: Option<Arc<StepContext>>,
    /// `None` for a decider, which is not retried.
    pub(crate) retrying: Option<Retrying>,
    /// `None` unless this is a partition of a step.
    assigned: Option<Assigned>,
    /// Collects how the threads of the step spent their time.
    pub(crate) lanes: Arc<Lanes>,
    local: LazyValues<dyn Any>,
    /// The parameters that readers and writers borrow.
    parameters: LazyValues<dyn Any, (TypeId, Option<ParameterValue>)>,
}

impl StepEnvironment {
    pub(crate) fn new(context: Option<StepContext>, retrying: Option<Retrying>) -> Self {
        Self::with(context.map(Arc::new), retrying, Arc::default())
    }

    /// The same step on another thread, with its own connections.
    pub(crate) fn on_thread(context: Arc<StepContext>, retrying: Retrying, lanes: Arc<Lanes>) -> Self {
        Self::with(Some(context), Some(retrying), lanes)
    }

    fn with(context: Option<Arc<StepContext>>, retrying: Option<Retrying>, lanes: Arc<Lanes>) -> Self {
        Self {
            context,
            retrying,
            assigned: None,
            lanes,
            local: LazyValues::new(),
            parameters: LazyValues::new(),
        }
    }

    /// Returns whether this is the step execution of a partition.
    pub(crate) fn is_partition(&self) -> bool {
        self.assigned.is_some()
    }

    pub(crate) fn of_partition(self, assigned: Option<Assigned>) -> Self {
        Self { assigned, ..self }
    }
}

/// The source of a component's arguments, for generated code.
#[derive(Clone)]
pub struct Scope<'s> {
    job: &'s Environment,
    step: Option<&'s StepEnvironment>,
    /// Outermost first: the bindings of a flow, of the step in its job, of the component in its step.
    bindings: Vec<&'s [Binding]>,
}

impl<'s> Scope<'s> {
    /// Collects how the threads of the step spent their time.
    pub(crate) fn lanes(&self) -> Arc<Lanes> {
        self.step.map(|step| Arc::clone(&step.lanes)).unwrap_or_default()
    }

    /// Decides whether calls of the step's components are retried.
    pub(crate) fn retrying(&self) -> &'s Retrying {
        self.step
            .and_then(|step| step.retrying.as_ref())
            .expect("a component of a step is bound in the step's scope")
    }

    /// The signal that asks the step to stop; outside a step, the one that asks the job.
    #[must_use]
    pub fn stop(&self) -> &'s StopSignal {
        let retrying = self.step.and_then(|step| step.retrying.as_ref());
        retrying.map_or(&self.job.job.stop, Retrying::stop)
    }

    /// The scope of a step on another thread.
    pub(crate) fn of_thread(
        job: &'s Environment,
        step: &'s StepEnvironment,
        bindings: Vec<&'s [Binding]>,
    ) -> Self {
        Self { job, step: Some(step), bindings }
    }

    /// The tokio runtime of the job.
    #[cfg(feature = "async")]
    pub(crate) fn runtime(&self) -> Result<tokio::runtime::Handle, Failure> {
        self.job.shared.runtime.handle()
    }

    pub(crate) fn of_job(job: &'s Environment) -> Self {
        Self { job, step: None, bindings: Vec::new() }
    }

    pub(crate) fn of_step(job: &'s Environment, step: &'s StepEnvironment) -> Self {
        Self { step: Some(step), ..Self::of_job(job) }
    }

    /// The bindings around the component, outermost first.
    pub(crate) fn bindings(&self) -> &[&'s [Binding]] {
        &self.bindings
    }

    /// The partition that the step execution works on.
    pub(crate) fn assigned(&self) -> Option<&'s Assigned> {
        self.step.and_then(|step| step.assigned.as_ref())
    }

    /// The partition that the step execution works on, with its range.
    ///
    /// # Errors
    /// If the step runs without partitions, as in its own test, or the range has another type.
    pub fn partition<T: DeserializeOwned>(&self) -> Result<Partition<T>, Failure> {
        self.assigned()
            .ok_or_else(|| Failure::new("the step runs without partitions, and a component asks for one"))?
            .partition()
    }

    /// As [`partition`](Self::partition), but kept by the step, so that a reader can borrow it.
    ///
    /// # Errors
    /// As [`partition`](Self::partition).
    pub fn kept_partition<T: DeserializeOwned + 'static>(&self) -> Result<&'s Partition<T>, Failure> {
        self.step()?.local.local::<Partition<T>, _, _>(|| self.partition())
    }

    /// Enters a step: the same scope, with the environment of that step.
    pub(crate) fn in_step<'t>(self, step: &'t StepEnvironment) -> Scope<'t>
    where
        's: 't,
    {
        Scope { step: Some(step), ..self }
    }

    /// The scope with the bindings of one more use added as the innermost ones.
    #[must_use]
    pub fn bound(&self, bindings: &'s [Binding]) -> Self {
        let mut inner = self.clone();
        if !bindings.is_empty() {
            inner.bindings.push(bindings);
        }
        inner
    }

    /// Returns the value of the argument `name`, and its name in the job.
    pub(crate) fn resolve(&self, name: &str) -> (Option<ParameterValue>, String) {
        let mut name = name;
        for bindings in self.bindings.iter().rev() {
            match bindings.iter().find(|binding| binding.argument == name) {
                None => {}
                Some(Binding { to: BoundTo::Parameter(outer), .. }) => name = outer,
                Some(Binding { to: BoundTo::Constant { value, .. }, .. }) => {
                    return (value(), name.to_owned());
                }
            }
        }
        (self.job.job.parameters.get(name).map(|parameter| parameter.value.clone()), name.to_owned())
    }

    /// The parameter for the argument `name`.
    ///
    /// # Errors
    /// If the argument has no value, or one that does not fit. The wiring of a job rules this out, unless its `JobInfo`
    /// was written by hand.
    pub fn parameter<T: ParameterType>(&self, name: &str) -> Result<T, Failure> {
        let (value, outer) = self.resolve(name);
        T::from_value(value.as_ref())
            .map_err(|expected| Failure::new(format!("parameter `{outer}`: {expected}")))
    }

    /// As [`parameter`](Self::parameter), but kept by the step, so that a reader or writer can borrow it.
    ///
    /// # Errors
    /// As [`parameter`](Self::parameter), and outside a step.
    pub fn kept_parameter<T: ParameterType + 'static>(&self, name: &str) -> Result<&'s T, Failure> {
        let (value, _) = self.resolve(name);
        self.step()?.parameters.of_key(value, || self.parameter(name))
    }

    /// The resource, built on first use and then shared by the whole job execution.
    ///
    /// # Errors
    /// The error of its function.
    pub fn resource<R: ResourceDefinition>(&self) -> Result<&'s R::Value, Failure> {
        let job = self.job;
        if let Some(given) = job.shared.given.of_resource::<R>() {
            return Ok(given);
        }
        job.shared
            .resources
            .shared::<R, R::Value, Failure>(|| R::build(&Scope::of_job(job)))
            .map_err(|failure| failure.in_component(R::NAME))
    }

    /// The output of a step.
    ///
    /// # Errors
    /// If the step has no output, or one of another type.
    pub fn output<S: Produces<Value: DeserializeOwned>>(&self) -> Result<&'s Output<S>, Failure> {
        self.optional_output::<S>()?
            .ok_or_else(|| Failure::new(format!("step `{}` has no output in this job instance", S::NAME)))
    }

    /// The output of a step, if the job passed through that step.
    ///
    /// # Errors
    /// If it has another type.
    pub fn optional_output<S: Produces<Value: DeserializeOwned>>(
        &self,
    ) -> Result<Option<&'s Output<S>>, Failure> {
        let Some(json) = self.job.output(S::ID) else { return Ok(None) };
        let read = || {
            serde_json::from_str(&json).map(Output::<S>::new).map_err(|error| {
                Failure::new(format!(
                    "the output of step `{}` does not fit its current type: {error}",
                    S::NAME
                ))
            })
        };
        self.step()?.local.local::<Output<S>, _, _>(read).map(Some)
    }

    /// The running step.
    ///
    /// # Errors
    /// If there is none: a decider belongs to no step.
    pub fn step_context(&self) -> Result<&'s StepContext, Failure> {
        self.step()?.context.as_deref().ok_or_else(|| Failure::new("a decider belongs to no step"))
    }

    /// The running job.
    #[must_use]
    pub fn job_context(&self) -> &'s JobContext {
        &self.job.job
    }

    /// The connection for reading, opened on first use.
    ///
    /// # Errors
    /// If the database cannot be opened, or is of another kind than the component asks for.
    pub fn connection<D: Database>(&self) -> Result<&'s Connection<D>, Failure> {
        self.step()?.local.local::<Connection<D>, _, _>(|| {
            let handle = self.database(Of::type_of::<D>())?;
            let driver = D::Driver::from_handle(&handle)
                .ok_or_else(|| Failure::new("the repository is not of the kind that the connection needs"))?;
            Connection::open(&driver)
        })
    }

    /// The database of a `#[database]` function, opened on first use, or the repository's own.
    pub(crate) fn database(&self, database: Of) -> Result<DatabaseHandle, Failure> {
        let Of::Named(info) = database else {
            return self
                .job
                .own
                .clone()
                .ok_or_else(|| Failure::new("there is no repository whose database could be used"));
        };
        let mut databases = self.job.shared.databases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = databases.get(info.id) {
            return Ok(handle.clone());
        }
        let handle =
            (info.open)(&Scope::of_job(self.job)).map_err(|failure| failure.in_component(info.name))?;
        databases.insert(info.id, handle.clone());
        Ok(handle)
    }

    fn step(&self) -> Result<&'s StepEnvironment, Failure> {
        self.step.ok_or_else(|| Failure::new("a resource belongs to the job, not to a step"))
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("job", &self.job).finish_non_exhaustive()
    }
}
