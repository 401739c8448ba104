//! Starts, restarts and replays jobs.

use super::{JobOperator, OperatorError, RestartFrom};
use crate::definition::{
    ExecutionId, JobInfo, Launch, Parameter, ParameterValue, Parameters, REPLAY, RUN_ID, is_of_ours,
    resolve_beside, resolve_parameters,
};
use crate::engine;
use crate::observe::JobReport;
use crate::repository::{JobExecution, RepositoryError, job_key};

impl JobOperator {
    /// Runs a job to its end on this thread: a new instance, or the next execution of a failed or stopped
    /// one.
    ///
    /// # Errors
    /// If the job cannot be launched, or the repository becomes unavailable during the run.
    pub fn start(&self, launch: Launch) -> Result<JobReport, OperatorError> {
        let Launch { job, parameters } = launch;
        self.run(job, &resolve_parameters(job, &parameters)?)
    }

    /// As [`start`](Self::start), by the name of the job.
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
                // Another process may have taken the `run.id` meanwhile.
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
    /// As for [`start`](Self::start), and if there is no such execution, its job is unknown here, or the job has a
    /// secret, which must be passed again with [`restart_with`](Self::restart_with).
    pub fn restart(&self, execution: ExecutionId) -> Result<JobReport, OperatorError> {
        self.restart_with(execution, &Parameters::new())
    }

    /// As [`restart`](Self::restart), with additional parameters. Pass those that the repository does not store, such
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
    pub(super) fn parameters_of(
        &self,
        execution: ExecutionId,
        given: &Parameters,
    ) -> Result<(&'static JobInfo, Parameters), OperatorError> {
        let stored = self.execution(execution)?;
        let job = self.job(&stored.instance.job)?;
        let mut parameters = Parameters::new();
        for parameter in &stored.parameters {
            let name = parameter.name.as_str();
            if !is_of_ours(name) && job.parameters.iter().all(|spec| spec.name != name) {
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

    /// As [`restart_with`](Self::restart_with), beginning at a step. That step and everything after it run again in
    /// full and in order, even if they are complete, and decisions after it are made again. Everything before it is
    /// kept.
    ///
    /// A step that runs again starts from the beginning, as one with `allow_start_if_complete` does. It writes its
    /// rows once more, and its files from scratch if the writer may overwrite finished files. A nested job runs as a
    /// new instance. In a `split!`, the other branches are kept as they are.
    ///
    /// # Errors
    /// As for [`restart_with`](Self::restart_with), and if the job has no such step, if the path that the instance took does
    /// not reach it, or if steps before it are not complete and [`RestartFrom::force`] does not pass over them.
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

    /// Runs a new instance that reads the items that an execution skipped, and passes them through the same steps. It
    /// has the parameters of the execution and the given ones.
    ///
    /// It begins at the first step that skipped anything; in a split, at the first such step of each branch. Earlier
    /// steps and their outputs are kept, so a table that was created is not created again. The step at which it
    /// begins reads only the skipped items. All later steps run in full, as in any new instance. An interrupted
    /// replay resumes like any instance, and the items that it skips can be replayed in turn.
    ///
    /// The records are found by their positions, so the input must be unchanged. Put corrected records into a
    /// separate input, and run the job on that.
    ///
    /// # Errors
    /// As for [`restart_with`](Self::restart_with), and if the execution skipped nothing, if it skipped items in a
    /// partition, or if the job has changed so that it no longer finds the records.
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

    pub(crate) fn run(
        &self,
        job: &'static JobInfo,
        parameters: &Parameters,
    ) -> Result<JobReport, OperatorError> {
        Ok(engine::run_resolved(&self.repository, job, parameters, &self.options)?)
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
