//! Says what a launch would do, and whether an execution may be stopped or abandoned, but does none of it.

use super::{JobOperator, OperatorError};
#[cfg(feature = "serve")]
use crate::definition::resolve_without_secrets;
use crate::definition::{
    ExecutionId, JobInfo, Launch, Parameter, Parameters, ParametersError, resolve_parameters,
};
use crate::engine;
#[cfg(feature = "serve")]
use crate::repository::{BatchStatus, OwnerState, RepositoryError};
use crate::repository::{JobExecution, Outlook};

impl JobOperator {
    /// Says what [`start`](Self::start) would do now: begin a new instance, or resume one. Makes the same checks, and
    /// changes nothing.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use batch_runtime::repository::sqlite::SqliteRepository;
    /// # use batch_runtime::{JobInfo, JobOptions, Launch};
    /// # const NOTHING: &JobInfo = &JobInfo {
    /// #     id: "demo::nothing", name: "nothing", doc: "", parameters: &[], flow: &[], options: JobOptions::DEFAULT,
    /// # };
    /// use batch_runtime::operator::JobOperator;
    /// use batch_runtime::repository::Outlook;
    ///
    /// let operator = JobOperator::new(Arc::new(SqliteRepository::temporary()?)).with_jobs(&[NOTHING]);
    /// assert_eq!(operator.resolve(&Launch::new(NOTHING))?, Outlook::Begins);
    ///
    /// operator.start(Launch::new(NOTHING))?;
    /// let error = operator.resolve(&Launch::new(NOTHING)).unwrap_err();
    /// assert!(error.to_string().contains("already COMPLETED"));
    /// # Ok::<(), batch_runtime::operator::OperatorError>(())
    /// ```
    ///
    /// # Errors
    /// The error with which [`start`](Self::start) would refuse the launch.
    pub fn resolve(&self, launch: &Launch) -> Result<Outlook, OperatorError> {
        self.outlook(launch.job, &resolve_parameters(launch.job, &launch.parameters)?)
    }

    /// As [`resolve`](Self::resolve), but secrets may be missing.
    #[cfg(feature = "serve")]
    pub(crate) fn resolve_without_secrets(&self, launch: &Launch) -> Result<Outlook, OperatorError> {
        self.outlook(launch.job, &resolve_without_secrets(launch.job, &launch.parameters)?)
    }

    /// Says what [`restart_with`](Self::restart_with) would do now. Makes the same checks, and changes nothing.
    /// Secrets may be missing, because they do not identify an instance.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use batch_runtime::repository::sqlite::SqliteRepository;
    /// use batch_runtime::operator::JobOperator;
    /// use batch_runtime::{ExecutionId, Parameters};
    ///
    /// # let repository = Arc::new(SqliteRepository::temporary().unwrap());
    /// let operator = JobOperator::new(repository);
    /// let error = operator.resolve_restart(ExecutionId(7), &Parameters::new()).unwrap_err();
    /// assert!(error.to_string().starts_with("there is no execution 7"));
    /// ```
    ///
    /// # Errors
    /// The error with which [`restart_with`](Self::restart_with) would refuse the restart.
    pub fn resolve_restart(
        &self,
        execution: ExecutionId,
        given: &Parameters,
    ) -> Result<Outlook, OperatorError> {
        let (job, parameters) = match self.parameters_of(execution, given) {
            Err(OperatorError::Parameters(ParametersError::Missing { secret: true, .. })) => {
                let stored = self.execution(execution)?;
                (self.job(&stored.instance.job)?, identity(&stored))
            }
            resolved => resolved?,
        };
        self.outlook(job, &parameters)
    }

    fn outlook(&self, job: &'static JobInfo, parameters: &Parameters) -> Result<Outlook, OperatorError> {
        Ok(engine::outlook(&self.repository, job, parameters, &self.options)?)
    }
}

/// The stored parameters of an execution, which include all that identify its instance.
fn identity(stored: &JobExecution) -> Parameters {
    let mut parameters = Parameters::new();
    for parameter in &stored.parameters {
        let (value, identifying) = (parameter.value.clone(), parameter.identifying);
        parameters.insert(&parameter.name, Parameter { value, identifying, secret: false });
    }
    parameters
}

/// Returns the error with which [`JobOperator::stop`] would fail, if it would.
#[cfg(feature = "serve")]
pub(crate) fn check_stop(execution: &JobExecution) -> Result<(), RepositoryError> {
    let (id, status) = (execution.id, execution.status);
    if status.is_running() { Ok(()) } else { Err(RepositoryError::NotRunning { execution: id, status }) }
}

/// Returns the error with which [`JobOperator::abandon`] would fail, if it would.
#[cfg(feature = "serve")]
pub(crate) fn check_abandon(
    execution: &JobExecution,
    owner: Option<OwnerState>,
) -> Result<(), RepositoryError> {
    let job = || execution.instance.job.clone();
    match execution.status {
        status @ (BatchStatus::Completed | BatchStatus::Abandoned) => {
            let execution = execution.id;
            Err(RepositoryError::AlreadyComplete { job: job(), execution, status, purged: false })
        }
        status if status.is_running() && owner != Some(OwnerState::Dead) => {
            let owner = crate::repository::owner_in_words(execution.owner.as_ref());
            Err(RepositoryError::AlreadyRunning { job: job(), execution: execution.id, owner })
        }
        _ => Ok(()),
    }
}
