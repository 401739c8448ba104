//! The decisions of a launch, the same in every kind of repository. Each kind has its own SQL statements before and
//! after them.

use super::{
    BatchStatus, JournalEntry, LaunchRequest, Outlook, Owner, Recovery, Renamed, RepositoryError, SoFar,
    owner,
};
use super::{OWNER_LOST, UnfinishedStep};
use crate::definition::{ExecutionId, InstanceId};

/// The ended executions of an instance.
#[derive(Debug)]
pub(super) struct EndedExecutions {
    /// The last one whose outcome is unknown.
    pub(super) unknown: Option<ExecutionId>,
    /// The last one that is complete or abandoned.
    pub(super) complete: Option<(ExecutionId, BatchStatus)>,
    /// The last one of all.
    pub(super) last: Option<LastExecution>,
}

impl EndedExecutions {
    /// Returns the ended executions as they would be if the running one, which is the last, were taken over from its
    /// dead owner.
    pub(super) fn lost(mut self, running: ExecutionId, recoveries: u32) -> Self {
        let exit_code = Some(OWNER_LOST.to_owned());
        self.last = Some(LastExecution { id: running, status: BatchStatus::Failed, exit_code, recoveries });
        self
    }
}

/// The last execution of an instance.
#[derive(Debug)]
pub(super) struct LastExecution {
    pub(super) id: ExecutionId,
    pub(super) status: BatchStatus,
    pub(super) exit_code: Option<String>,
    pub(super) recoveries: u32,
}

/// Decides whether the instance may be restarted. Returns its last execution.
pub(super) fn check_restart(
    request: &LaunchRequest<'_>,
    instance: InstanceId,
    ended: EndedExecutions,
) -> Result<Option<LastExecution>, RepositoryError> {
    let job = || request.job.to_owned();
    if let Some(execution) = ended.unknown {
        return Err(RepositoryError::NeedsRecovery { job: job(), execution });
    }
    if let Some((execution, status)) = ended.complete {
        return Err(RepositoryError::AlreadyComplete { job: job(), execution, status, purged: false });
    }
    let Some(last) = ended.last else { return Ok(None) };
    if !request.restartable {
        return Err(RepositoryError::NotRestartable { job: job(), execution: last.id, status: last.status });
    }
    let owner_was_lost = last.exit_code.as_deref() == Some(OWNER_LOST);
    if owner_was_lost && last.recoveries > request.max_recoveries && request.recovery != Recovery::Force {
        let times = last.recoveries;
        return Err(RepositoryError::TooManyRecoveries { job: job(), instance, times });
    }
    Ok(Some(last))
}

/// Returns the outlook of a launch, given the execution that it would take over from and the last one of the instance.
pub(super) fn outlook(dead: Option<ExecutionId>, last: Option<&LastExecution>) -> Outlook {
    match (dead, last) {
        (Some(dead), _) => Outlook::TakesOver(dead),
        (None, Some(last)) => Outlook::Resumes(last.id),
        (None, None) => Outlook::Begins,
    }
}

/// The refusal of a launch because the record of the instance was purged: only complete instances are purged.
pub(super) fn purged(job: &str, (execution, status): (ExecutionId, BatchStatus)) -> RepositoryError {
    RepositoryError::AlreadyComplete { job: job.to_owned(), execution, status, purged: true }
}

/// The number of takeovers without a commit that the new execution inherits.
pub(super) fn inherited_recoveries(request: &LaunchRequest<'_>, last: Option<&LastExecution>) -> u32 {
    match last {
        Some(last) if request.recovery != Recovery::Force => last.recoveries,
        _ => 0,
    }
}

/// Decides which steps of the instance have other names now.
pub(super) fn renamed(
    request: &LaunchRequest<'_>,
    last: ExecutionId,
    so_far: &SoFar<'_>,
) -> Result<Vec<Renamed>, RepositoryError> {
    (request.holds)(so_far).map_err(|what| RepositoryError::GraphChanged {
        job: request.job.to_owned(),
        execution: last,
        what,
        was: so_far.graph.into(),
        is: request.graph.into(),
    })
}

/// Decides which places the restart runs again, if it was asked to begin at a step.
pub(super) fn taken_back(
    request: &LaunchRequest<'_>,
    last: ExecutionId,
    journal: &[JournalEntry],
    unfinished: &[UnfinishedStep],
) -> Result<Vec<JournalEntry>, RepositoryError> {
    let Some(again) = request.again else { return Ok(Vec::new()) };
    again(&SoFar { journal, unfinished, graph: request.graph }).map_err(|what| RepositoryError::CannotBegin {
        job: request.job.to_owned(),
        execution: last,
        what,
    })
}

/// The refusal of a launch because of a running execution.
pub(super) fn already_running(job: &str, execution: ExecutionId, owner: Option<&Owner>) -> RepositoryError {
    RepositoryError::AlreadyRunning { job: job.to_owned(), execution, owner: owner::in_words(owner) }
}
