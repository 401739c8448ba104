//! The operations on jobs for a person or a program: start, restart, stop, abandon, recover, list and show.
//! Prints nothing.

mod details;
mod error;
#[cfg(test)]
mod tests;

pub use crate::engine::RestartFrom;
pub use details::ExecutionDetails;
pub use error::OperatorError;

use std::sync::Arc;

#[cfg(feature = "cli")]
use jiff::Timestamp;

use crate::definition::{
    Durability, ExecutionId, JobInfo, Launch, Parameter, ParameterValue, Parameters, REPLAY, RUN_ID,
    StopSignal, nearest, resolve_beside, resolve_parameters,
};
use crate::engine::{self, RunOptions};
use crate::observe::{JobReport, Observer};
use crate::repository::{
    ExecutionFilter, InstanceFilter, JobExecution, JobInstance, OwnerState, Recovery, Repository,
    RepositoryError, SkippedRow, job_key,
};

/// Starts and manages jobs: everything that the generated command line does, as a library.
///
/// ```
/// use std::sync::Arc;
/// use batch_runtime::operator::{JobOperator, OperatorError};
/// use batch_runtime::repository::sqlite::SqliteRepository;
/// use batch_runtime::repository::{BatchStatus, ExecutionFilter, RepositoryError};
/// use batch_runtime::{JobInfo, JobOptions, Launch, Parameters};
///
/// // `#[job] fn nothing() {}` generates this constant, and `nothing()` the launch.
/// const NOTHING: &JobInfo = &JobInfo {
///     id: "demo::nothing",
///     name: "nothing",
///     doc: "",
///     parameters: &[],
///     flow: &[],
///     options: JobOptions::DEFAULT,
/// };
/// let nothing = || Launch { job: NOTHING, parameters: Parameters::new() };
///
/// let operator = JobOperator::new(Arc::new(SqliteRepository::temporary()?)).with_jobs(&[NOTHING]);
/// let report = operator.start(nothing())?;
/// assert_eq!(report.status, BatchStatus::Completed);
///
/// let again = operator.start_with("nothing", Parameters::new());
/// assert!(matches!(again, Err(OperatorError::Repository(RepositoryError::AlreadyComplete { .. }))));
///
/// let next = operator.start_next(nothing())?;
/// assert_eq!(operator.show(next.execution)?.execution.parameters[0].name, "run.id");
/// assert_eq!(operator.executions(&ExecutionFilter::default())?.len(), 2);
/// # Ok::<(), OperatorError>(())
/// ```
#[derive(Debug, Clone)]
pub struct JobOperator {
    repository: Arc<dyn Repository>,
    jobs: Vec<&'static JobInfo>,
    options: RunOptions,
}

impl JobOperator {
    /// An operator for the jobs recorded in `repository`.
    #[must_use]
    pub fn new(repository: Arc<dyn Repository>) -> Self {
        Self { repository, jobs: Vec::new(), options: RunOptions::default() }
    }

    /// Sets the jobs that it can start by name, as [`start_with`](Self::start_with) and
    /// [`restart`](Self::restart) do.
    #[must_use]
    pub fn with_jobs(mut self, jobs: &[&'static JobInfo]) -> Self {
        self.jobs.extend_from_slice(jobs);
        self
    }

    /// Sets what to do with a running execution of the instance whose owner may be dead.
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.options.recovery = recovery;
        self
    }

    /// Sets the crash that commits must survive.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = durability;
        self
    }

    /// Sets the signal that stops the jobs of this operator at their next chunk boundary.
    #[must_use]
    pub fn stop_signal(mut self, stop: StopSignal) -> Self {
        self.options.stop = stop;
        self
    }

    /// Sets the observer of the jobs that this operator runs.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.options.observer = Some(observer);
        self
    }

    /// Sets the tokio runtime for `async` processors, instead of a separate one for each job. Other threads
    /// must drive it, as in every multi-threaded runtime.
    #[cfg(feature = "async")]
    #[must_use]
    pub fn runtime(mut self, runtime: tokio::runtime::Handle) -> Self {
        self.options.runtime = Some(runtime);
        self
    }

    /// The jobs that it can start by name.
    #[must_use]
    pub fn jobs(&self) -> &[&'static JobInfo] {
        &self.jobs
    }

    /// The job of that name.
    ///
    /// # Errors
    /// [`OperatorError::UnknownJob`], with the name that was probably meant.
    pub fn job(&self, name: &str) -> Result<&'static JobInfo, OperatorError> {
        job_named(&self.jobs, name)
    }

    /// Runs a job to its end on this thread: a new instance, or the next execution of a failed or stopped
    /// one.
    ///
    /// # Errors
    /// If it cannot be launched, or the repository becomes unavailable on the way.
    pub fn start(&self, launch: Launch) -> Result<JobReport, OperatorError> {
        let Launch { job, parameters } = launch;
        self.run(job, &resolve_parameters(job, &parameters)?)
    }

    /// [`start`](Self::start) by the name of the job.
    ///
    /// # Errors
    /// As for [`start`](Self::start), and if there is no such job.
    pub fn start_with(&self, job: &str, parameters: Parameters) -> Result<JobReport, OperatorError> {
        self.start(Launch { job: self.job(job)?, parameters })
    }

    /// Runs a new instance of a job, regardless of earlier runs: with the given parameters, and an
    /// identifying `run.id` that no instance of the job has yet.
    ///
    /// # Errors
    /// As for [`start`](Self::start), and if `run.id` is among the parameters.
    pub fn start_next(&self, launch: Launch) -> Result<JobReport, OperatorError> {
        let Launch { job, parameters: given } = launch;
        if given.get(RUN_ID).is_some() {
            return Err(OperatorError::RunIdGiven);
        }
        let given = resolve_parameters(job, &given)?;
        let mut last = self.repository.last_run_id(job.name)?;
        loop {
            let next = last
                .unwrap_or(0)
                .checked_add(1)
                .ok_or_else(|| OperatorError::RunIdsUsedUp(job.name.to_owned()))?;
            let mut parameters = given.clone();
            let value = ParameterValue::Long(next);
            parameters.insert(RUN_ID, Parameter { value, identifying: true, secret: false });
            match self.run(job, &parameters) {
                // Another process may have taken the number meanwhile.
                Err(
                    error @ OperatorError::Repository(
                        RepositoryError::AlreadyRunning { .. } | RepositoryError::AlreadyComplete { .. },
                    ),
                ) => {
                    last = self.repository.last_run_id(job.name)?;
                    if last < Some(next) {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
    }

    /// Restarts the instance of an execution with the parameters stored in the repository.
    ///
    /// # Errors
    /// As for [`start`](Self::start); and if there is no such execution, its job is unknown here, or the job
    /// has a secret, which must be passed again: see [`restart_with`](Self::restart_with).
    pub fn restart(&self, execution: ExecutionId) -> Result<JobReport, OperatorError> {
        self.restart_with(execution, &Parameters::new())
    }

    /// [`restart`](Self::restart) with additional parameters: those that the repository does not store, such
    /// as secrets, and those that replace stored ones.
    ///
    /// # Errors
    /// As for [`restart`](Self::restart), and if the parameters identify another instance.
    pub fn restart_with(
        &self,
        execution: ExecutionId,
        given: &Parameters,
    ) -> Result<JobReport, OperatorError> {
        let (job, parameters) = self.parameters_of(execution, given)?;
        self.run(job, &parameters)
    }

    /// The job of an execution, and the parameters of its instance.
    fn parameters_of(
        &self,
        execution: ExecutionId,
        given: &Parameters,
    ) -> Result<(&'static JobInfo, Parameters), OperatorError> {
        let stored = self.execution(execution)?;
        let job = self.job(&stored.instance.job)?;
        let mut parameters = Parameters::new();
        for parameter in &stored.parameters {
            let name = parameter.name.as_str();
            if ![RUN_ID, REPLAY].contains(&name) && job.parameters.iter().all(|spec| spec.name != name) {
                if !parameter.identifying {
                    continue;
                }
                let (job, parameter) = (job.name.to_owned(), name.to_owned());
                return Err(OperatorError::ParameterGone { execution, job, parameter });
            }
            let value = parameter.value.clone();
            let identifying = parameter.identifying;
            parameters.insert(&parameter.name, Parameter { value, identifying, secret: false });
        }
        let parameters = resolve_beside(job, &parameters, given)?;
        if job_key(&parameters) != stored.instance.key {
            let parameter = difference(&stored, &parameters);
            return Err(OperatorError::OtherInstance { execution, job: job.name.to_owned(), parameter });
        }
        Ok((job, parameters))
    }

    /// [`restart_with`](Self::restart_with) from a step on: what is before it stands, and the step and all that comes after it run
    /// again in full, in order, also what is complete. What was decided after it is decided again.
    ///
    /// A step that runs again begins with nothing, as one with `allow_start_if_complete` does: its files are begun again, where
    /// the writer may overwrite one that is finished, and its rows are written once more. A nested job runs as a new instance. In a `split!`, the other branches stand as they are.
    ///
    /// # Errors
    /// As [`restart_with`](Self::restart_with); and when the job has no such step, the path that the instance took does not reach
    /// it, or steps before it are not complete, unless [`RestartFrom::force`] passes over them.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use batch_runtime::repository::sqlite::SqliteRepository;
    /// # use batch_runtime::Parameters;
    /// use batch_runtime::ExecutionId;
    /// use batch_runtime::operator::{JobOperator, RestartFrom};
    ///
    /// # let repository = Arc::new(SqliteRepository::temporary().unwrap());
    /// let operator = JobOperator::new(repository);
    /// let error = operator.restart_from(ExecutionId(7), &RestartFrom::step("report"), &Parameters::new()).unwrap_err();
    /// assert!(error.to_string().starts_with("there is no execution 7"));
    /// ```
    pub fn restart_from(
        &self,
        execution: ExecutionId,
        from: &RestartFrom,
        given: &Parameters,
    ) -> Result<JobReport, OperatorError> {
        let (job, parameters) = self.parameters_of(execution, given)?;
        Ok(engine::run_from(&self.repository, job, &parameters, &self.options, from)?)
    }

    /// Runs a new instance that reads the items an execution has skipped, through the same steps, with the
    /// parameters of the execution and the given ones.
    ///
    /// It begins at the first step of the execution that skipped anything, in a split in each branch. Earlier
    /// steps and their outputs are kept, so a table that was created is not created again. That step reads
    /// only the skipped items. All later steps run in full, as in any new instance. An interrupted replay
    /// resumes like any instance, and the items it skips can be replayed in turn.
    ///
    /// The records are found by their positions, so the input must be unchanged. Put corrected records into a
    /// separate input, and run the job on that.
    ///
    /// # Errors
    /// As for [`restart_with`](Self::restart_with), and if the execution skipped nothing, or skipped in a
    /// partition, or the job has changed so that it no longer finds the records.
    pub fn replay(&self, execution: ExecutionId, given: &Parameters) -> Result<JobReport, OperatorError> {
        let stored = self.execution(execution)?;
        let job = self.job(&stored.instance.job)?;
        let skipped = self.skipped(execution)?;
        if skipped.is_empty() {
            return Err(OperatorError::NothingSkipped(execution, job.name.to_owned()));
        }
        if let Some(row) = skipped.into_iter().find(|row| row.step.contains(":partition")) {
            return Err(OperatorError::SkippedInPartition { execution, step: row.step });
        }
        let mut parameters = Parameters::new();
        for parameter in &stored.parameters {
            if job.parameters.iter().any(|spec| spec.name == parameter.name) {
                let (value, identifying) = (parameter.value.clone(), parameter.identifying);
                parameters.insert(&parameter.name, Parameter { value, identifying, secret: false });
            }
        }
        let mut parameters = resolve_beside(job, &parameters, given)?;
        let value = ParameterValue::Long(execution.0);
        parameters.insert(REPLAY, Parameter { value, identifying: true, secret: false });
        self.run(job, &parameters)
    }

    /// Asks a running execution, in any process, to stop at its next chunk boundary. Other executions
    /// continue, and so does a later one of the same instance.
    ///
    /// # Errors
    /// If there is no such execution, or it is not running.
    pub fn stop(&self, execution: ExecutionId) -> Result<(), OperatorError> {
        Ok(self.repository.request_stop(execution)?)
    }

    /// Abandons an execution for good: its instance cannot be restarted.
    ///
    /// # Errors
    /// If there is no such execution, it is complete, or its owner is alive.
    pub fn abandon(&self, execution: ExecutionId) -> Result<(), OperatorError> {
        Ok(self.repository.abandon(execution)?)
    }

    /// Ends running executions whose owners are dead, so that they can be restarted, and returns them.
    ///
    /// # Errors
    /// If the repository cannot be written.
    pub fn recover(&self) -> Result<Vec<JobExecution>, OperatorError> {
        let recovered = self.repository.recover()?;
        Ok(recovered.into_iter().map(|id| self.repository.execution(id)).collect::<Result<_, _>>()?)
    }

    /// The executions, newest first. `limit` and `offset` select a page.
    ///
    /// # Errors
    /// [`OperatorError::UnknownJob`] if the filter names a job that neither this operator nor the repository
    /// knows; and if the repository cannot be read.
    pub fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<JobExecution>, OperatorError> {
        let found = self.repository.executions(filter)?;
        if found.is_empty() {
            self.check_known(filter.job.as_deref())?;
        }
        Ok(found)
    }

    /// The number of executions that match the filter, regardless of `limit` and `offset`.
    ///
    /// # Errors
    /// As for [`executions`](Self::executions).
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use batch_runtime::repository::sqlite::SqliteRepository;
    /// use batch_runtime::operator::JobOperator;
    /// use batch_runtime::repository::ExecutionFilter;
    ///
    /// let operator = JobOperator::new(Arc::new(SqliteRepository::temporary()?));
    /// assert_eq!(operator.count_executions(&ExecutionFilter::default())?, 0);
    /// # Ok::<(), batch_runtime::operator::OperatorError>(())
    /// ```
    pub fn count_executions(&self, filter: &ExecutionFilter) -> Result<u64, OperatorError> {
        let count = self.repository.count_executions(filter)?;
        if count == 0 {
            self.check_known(filter.job.as_deref())?;
        }
        Ok(count)
    }

    /// The instances, newest first. `limit` and `offset` select a page.
    ///
    /// # Errors
    /// [`OperatorError::UnknownJob`] if the filter names a job that neither this operator nor the repository
    /// knows; and if the repository cannot be read.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use batch_runtime::repository::sqlite::SqliteRepository;
    /// # use batch_runtime::{JobInfo, JobOptions, Launch, Parameters};
    /// # const NOTHING: &JobInfo = &JobInfo {
    /// #     id: "demo::nothing", name: "nothing", doc: "", parameters: &[], flow: &[], options: JobOptions::DEFAULT,
    /// # };
    /// use batch_runtime::operator::JobOperator;
    /// use batch_runtime::repository::InstanceFilter;
    ///
    /// # let repository = Arc::new(SqliteRepository::temporary()?);
    /// let operator = JobOperator::new(repository).with_jobs(&[NOTHING]);
    /// let report = operator.start(Launch { job: NOTHING, parameters: Parameters::new() })?;
    /// let instances = operator.instances(&InstanceFilter { job: Some("nothing".to_owned()), ..Default::default() })?;
    /// assert_eq!(instances[0].id, report.instance);
    /// assert_eq!(operator.count_instances("nothing")?, 1);
    /// let error = operator.count_instances("nothin").unwrap_err();
    /// assert_eq!(error.to_string(), "there is no job `nothin`; did you mean `nothing`?");
    /// # Ok::<(), batch_runtime::operator::OperatorError>(())
    /// ```
    pub fn instances(&self, filter: &InstanceFilter) -> Result<Vec<JobInstance>, OperatorError> {
        let found = self.repository.instances(filter)?;
        if found.is_empty() {
            self.check_known(filter.job.as_deref())?;
        }
        Ok(found)
    }

    /// The number of instances of a job.
    ///
    /// # Errors
    /// As for [`instances`](Self::instances).
    pub fn count_instances(&self, job: &str) -> Result<u64, OperatorError> {
        let count = self.repository.count_instances(Some(job))?;
        if count == 0 {
            self.check_known(Some(job))?;
        }
        Ok(count)
    }

    /// Refuses the name of a job that is neither known here nor recorded in the repository, which may hold
    /// jobs of other programs.
    fn check_known(&self, job: Option<&str>) -> Result<(), OperatorError> {
        let Some(job) = job else { return Ok(()) };
        let mut known = self.repository.job_names()?;
        known.extend(self.jobs.iter().map(|info| info.name.to_owned()));
        known.sort_unstable();
        known.dedup();
        if known.iter().any(|name| name == job) { Ok(()) } else { Err(unknown_job(job, known)) }
    }

    /// One execution.
    ///
    /// # Errors
    /// If there is no such execution, or the repository cannot be read.
    pub fn execution(&self, execution: ExecutionId) -> Result<JobExecution, OperatorError> {
        Ok(self.repository.execution(execution)?)
    }

    /// One execution with its steps, and the earlier ones of its instance.
    ///
    /// # Errors
    /// If there is no such execution, or the repository cannot be read.
    pub fn show(&self, execution: ExecutionId) -> Result<ExecutionDetails, OperatorError> {
        Ok(ExecutionDetails::of(&*self.repository, execution)?)
    }

    /// The items that the steps of an execution skipped, by step execution and in the order of the input.
    ///
    /// # Errors
    /// If there is no such execution, or the repository cannot be read.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use batch_runtime::repository::sqlite::SqliteRepository;
    /// use batch_runtime::ExecutionId;
    /// use batch_runtime::operator::JobOperator;
    ///
    /// # let repository = Arc::new(SqliteRepository::temporary().unwrap());
    /// let operator = JobOperator::new(repository);
    /// let error = operator.skipped(ExecutionId(7)).unwrap_err();
    /// assert!(error.to_string().starts_with("there is no execution 7"));
    /// ```
    pub fn skipped(&self, execution: ExecutionId) -> Result<Vec<SkippedRow>, OperatorError> {
        Ok(self.repository.skipped_items(execution)?)
    }

    /// All items that the instance of an execution has skipped so far, in any of its executions, oldest
    /// execution first. After a restart the skips of one input are spread over several executions.
    ///
    /// # Errors
    /// If there is no such execution, or the repository cannot be read.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use batch_runtime::repository::sqlite::SqliteRepository;
    /// use batch_runtime::ExecutionId;
    /// use batch_runtime::operator::JobOperator;
    ///
    /// # let repository = Arc::new(SqliteRepository::temporary().unwrap());
    /// let operator = JobOperator::new(repository);
    /// assert!(operator.skipped_in_instance(ExecutionId(7)).is_err());
    /// ```
    pub fn skipped_in_instance(&self, execution: ExecutionId) -> Result<Vec<SkippedRow>, OperatorError> {
        let execution = self.repository.execution(execution)?;
        let mut skipped = Vec::new();
        for execution in details::of_instance(&*self.repository, &execution)?.iter().rev() {
            skipped.extend(self.repository.skipped_items(execution.id)?);
        }
        Ok(skipped)
    }

    /// The time on the repository's clock.
    ///
    /// # Errors
    /// If the repository cannot be read.
    #[cfg(feature = "cli")]
    pub(crate) fn now(&self) -> Result<Timestamp, OperatorError> {
        Ok(self.repository.now()?)
    }

    /// The state of the owner of an execution; `None` if the execution is not running.
    ///
    /// # Errors
    /// If the repository cannot be read.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use batch_runtime::repository::sqlite::SqliteRepository;
    /// # use batch_runtime::{JobInfo, JobOptions, Launch, Parameters};
    /// # const NOTHING: &JobInfo = &JobInfo {
    /// #     id: "demo::nothing", name: "nothing", doc: "", parameters: &[], flow: &[], options: JobOptions::DEFAULT,
    /// # };
    /// use batch_runtime::operator::JobOperator;
    ///
    /// # let repository = Arc::new(SqliteRepository::temporary().unwrap());
    /// let operator = JobOperator::new(repository);
    /// let report = operator.start(Launch { job: NOTHING, parameters: Parameters::new() })?;
    /// let execution = operator.execution(report.execution)?;
    /// assert_eq!(operator.owner_state(&execution)?, None, "it has ended");
    /// # Ok::<(), batch_runtime::operator::OperatorError>(())
    /// ```
    pub fn owner_state(&self, execution: &JobExecution) -> Result<Option<OwnerState>, OperatorError> {
        Ok(details::owner_state(&*self.repository, execution)?)
    }

    fn run(&self, job: &'static JobInfo, parameters: &Parameters) -> Result<JobReport, OperatorError> {
        Ok(engine::run_resolved(&self.repository, job, parameters, &self.options)?)
    }
}

pub(crate) fn job_named(jobs: &[&'static JobInfo], name: &str) -> Result<&'static JobInfo, OperatorError> {
    jobs.iter()
        .copied()
        .find(|job| job.name == name)
        .ok_or_else(|| unknown_job(name, jobs.iter().map(|job| job.name.to_owned()).collect()))
}

fn unknown_job(name: &str, known: Vec<String>) -> OperatorError {
    OperatorError::UnknownJob {
        name: name.chars().take(100).collect(),
        nearest: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
        known,
    }
}

/// The first identifying parameter in which an execution and a launch differ.
fn difference(stored: &JobExecution, now: &Parameters) -> String {
    let held = |name: &str| {
        stored.parameters.iter().find(|parameter| parameter.identifying && parameter.name == name)
    };
    let differs = now
        .iter()
        .filter(|(_, parameter)| parameter.identifying)
        .find(|(name, parameter)| held(name).is_none_or(|held| held.value != parameter.value))
        .map(|(name, _)| name.to_owned());
    let gone = || {
        let still = |name: &str| now.get(name).is_some_and(|parameter| parameter.identifying);
        stored
            .parameters
            .iter()
            .find(|held| held.identifying && !still(&held.name))
            .map(|held| held.name.clone())
    };
    differs.or_else(gone).unwrap_or_else(|| "a parameter".to_owned())
}
