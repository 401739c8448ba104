//! Finds executions, instances, and the items that they skipped.

#[cfg(feature = "cli")]
use jiff::Timestamp;

use super::{ExecutionDetails, JobOperator, OperatorError, details, unknown_job};
use crate::definition::ExecutionId;
use crate::repository::{ExecutionFilter, InstanceFilter, JobExecution, JobInstance, OwnerState, SkippedRow};

impl JobOperator {
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
}
