//! Finds executions, instances, and the items that they skipped.

#[cfg(feature = "cli")]
use crate::repository::OperationKind;
#[cfg(feature = "cli")]
use jiff::Timestamp;

use super::{ExecutionDetails, JobOperator, OperatorError, details, unknown_job};
#[cfg(feature = "serve")]
use crate::definition::StepExecutionId;
use crate::definition::{ExecutionId, JobInfo};
#[cfg(feature = "serve")]
use crate::graph::render_linked;
use crate::graph::status::ExecutionProgress;
use crate::graph::{GraphFormat, render_progress};
use crate::repository::{
    ExecutionFilter, InstanceFilter, JobExecution, JobInstance, Operation, OwnerState, RunningStep,
    SkippedFilter, SkippedOf, SkippedRow,
};

impl JobOperator {
    /// The executions that match the filter, newest first. `limit` and `after` select a page.
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

    /// The number of executions that match the filter, regardless of its page.
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

    /// Refuses the name of a job that is neither known to this operator nor recorded in the repository, which may
    /// also hold jobs of other programs.
    pub(super) fn check_known(&self, job: Option<&str>) -> Result<(), OperatorError> {
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

    /// One execution with its steps, and the totals of the earlier executions of its instance.
    ///
    /// # Errors
    /// If there is no such execution, or the repository cannot be read.
    pub fn show(&self, execution: ExecutionId) -> Result<ExecutionDetails, OperatorError> {
        Ok(ExecutionDetails::of(&*self.repository, execution)?)
    }

    /// Draws the job of an execution with the state and the counters of each step. A text or an SVG image also shows
    /// the paths that the execution and the earlier executions of its instance took; a Mermaid flowchart or a
    /// Graphviz graph does not.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use batch_runtime::graph::GraphFormat;
    /// use batch_runtime::operator::{JobOperator, OperatorError};
    /// use batch_runtime::repository::sqlite::SqliteRepository;
    /// use batch_runtime::{JobInfo, JobOptions, Parameters};
    ///
    /// const NOTHING: &JobInfo = &JobInfo {
    ///     id: "demo::nothing",
    ///     name: "nothing",
    ///     doc: "",
    ///     parameters: &[],
    ///     flow: &[],
    ///     options: JobOptions::DEFAULT,
    /// };
    ///
    /// let operator = JobOperator::new(Arc::new(SqliteRepository::temporary()?)).with_jobs(&[NOTHING]);
    /// let report = operator.start_with("nothing", Parameters::new())?;
    /// assert!(operator.graph(report.execution, GraphFormat::Svg)?.starts_with("<svg "));
    /// # Ok::<(), OperatorError>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such execution, this operator does not know its job, or the repository cannot be read.
    pub fn graph(&self, execution: ExecutionId, format: GraphFormat) -> Result<String, OperatorError> {
        let (job, seen, title) = self.progress(execution)?;
        Ok(render_progress(job, format, &seen, &title))
    }

    /// As [`graph`](Self::graph) in SVG, but each step that has begun is a link to its `address`.
    #[cfg(feature = "serve")]
    pub(crate) fn linked_graph(
        &self,
        execution: ExecutionId,
        address: fn(ExecutionId, StepExecutionId) -> String,
    ) -> Result<String, OperatorError> {
        let (job, seen, title) = self.progress(execution)?;
        Ok(render_linked(job, &seen, &title, address))
    }

    /// A job, the progress of its execution and of the earlier ones of the instance, and a title for the drawing.
    fn progress(
        &self,
        execution: ExecutionId,
    ) -> Result<(&'static JobInfo, ExecutionProgress, String), OperatorError> {
        let repository = &*self.repository;
        let found = repository.execution(execution)?;
        let job = self.job(&found.instance.job)?;
        let mut earlier: Vec<ExecutionId> = details::of_instance(repository, &found)?
            .into_iter()
            .map(|of_instance| of_instance.id)
            .filter(|id| *id < execution)
            .collect();
        earlier.sort_unstable();
        let mut before = Vec::new();
        for id in earlier {
            before.extend(repository.steps(id)?);
        }
        let steps = repository.steps(execution)?;
        let is_alive =
            details::owner_state(repository, &found)?.is_some_and(|state| state != OwnerState::Dead);
        let running = if is_alive { repository.running_steps(&[execution])? } else { Vec::new() };
        let journal = repository.journal(execution)?;
        let seen = ExecutionProgress::of(found.status, is_alive, &before, &steps, &running, journal);
        let title = format!(
            "Execution {execution} of the job {}: {}",
            job.name,
            found.status.as_str().to_lowercase()
        );
        Ok((job, seen, title))
    }

    /// The running step executions of these executions, in this process or another, with their progress.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use batch_runtime::repository::sqlite::SqliteRepository;
    /// use batch_runtime::ExecutionId;
    /// use batch_runtime::observe::StepProgress;
    /// use batch_runtime::operator::JobOperator;
    ///
    /// # let repository = Arc::new(SqliteRepository::temporary().unwrap());
    /// let operator = JobOperator::new(repository);
    /// for step in operator.running_steps(&[ExecutionId(7)])? {
    ///     println!("{}", StepProgress::from(&step).line(&step.name));
    /// }
    /// # Ok::<(), batch_runtime::operator::OperatorError>(())
    /// ```
    ///
    /// # Errors
    /// If the repository cannot be read.
    pub fn running_steps(&self, executions: &[ExecutionId]) -> Result<Vec<RunningStep>, OperatorError> {
        Ok(self.repository.running_steps(executions)?)
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

    /// All items that the instance of an execution has skipped so far, in any of its executions, oldest execution
    /// first. After a restart, the skips of one input are spread over several executions.
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
        self.skipped_page(&SkippedFilter::of(SkippedOf::InstanceOf(execution)))
    }

    /// A page of the skipped items of an execution or its instance.
    ///
    /// # Errors
    /// If there is no such execution, or the repository cannot be read.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use batch_runtime::repository::sqlite::SqliteRepository;
    /// use batch_runtime::ExecutionId;
    /// use batch_runtime::operator::JobOperator;
    /// use batch_runtime::repository::{SkippedFilter, SkippedOf};
    ///
    /// # let repository = Arc::new(SqliteRepository::temporary().unwrap());
    /// let operator = JobOperator::new(repository);
    /// let page = SkippedFilter { limit: Some(100), ..SkippedFilter::of(SkippedOf::Execution(ExecutionId(7))) };
    /// assert!(operator.skipped_page(&page).is_err());
    /// ```
    pub fn skipped_page(&self, filter: &SkippedFilter) -> Result<Vec<SkippedRow>, OperatorError> {
        Ok(self.repository.skipped_page(filter)?)
    }

    /// The operations that people have carried out on an execution, through the web page or the command line, oldest
    /// first. Operations that a program carries out through this operator are not recorded.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use batch_runtime::repository::sqlite::SqliteRepository;
    /// use batch_runtime::ExecutionId;
    /// use batch_runtime::operator::JobOperator;
    ///
    /// # let repository = Arc::new(SqliteRepository::temporary().unwrap());
    /// let operator = JobOperator::new(repository);
    /// assert_eq!(operator.operations(ExecutionId(7))?, []);
    /// # Ok::<(), batch_runtime::operator::OperatorError>(())
    /// ```
    ///
    /// # Errors
    /// If the repository cannot be read.
    pub fn operations(&self, execution: ExecutionId) -> Result<Vec<Operation>, OperatorError> {
        Ok(self.repository.operations(execution)?)
    }

    /// Records an operation of a person on an execution.
    #[cfg(feature = "cli")]
    pub(crate) fn did(
        &self,
        execution: ExecutionId,
        what: OperationKind,
        via: &str,
    ) -> Result<(), OperatorError> {
        Ok(self.repository.add_operation(execution, what, via)?)
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
}
