//! The errors of a repository, each with what to do about it.

use super::BatchStatus;
use crate::definition::{BoxError, ExecutionId, Failure, InstanceId};

/// The reason why a chunk was not committed. In every case the whole chunk is rolled back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// The work inside the transaction failed.
    #[error(transparent)]
    Work(Failure),
    /// The database refused the commit because of the written rows, for example because of a deferred constraint.
    #[error(transparent)]
    Refused(Failure),
    /// The database lost the chunk to a broken connection or a deadlock, and is reachable again: the same chunk can be
    /// written once more.
    #[error(transparent)]
    Again(Failure),
    /// The partitions of the step have skipped so many items that there is no room for those of this chunk.
    #[error("the step has skipped {so_far} items, which leaves no room for those of this chunk")]
    SkipLimit {
        /// The skips that all partitions of the step have committed.
        so_far: u64,
    },
    /// The job was asked to stop while the chunk waited for a lock.
    #[error("the job was asked to stop while the chunk waited for a locked database")]
    Stopped,
    /// The repository, or the other database, failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

/// The reason why the repository refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// The instance has a running execution.
    #[error(
        "job `{job}` is already running as execution {execution} ({owner}); wait for it, stop it with `stop {execution}`, or run with other parameters"
    )]
    AlreadyRunning {
        /// The job.
        job: String,
        /// The running execution.
        execution: ExecutionId,
        /// Its owner in words: process and host.
        owner: String,
    },
    /// The outcome of the last execution is unknown.
    #[error(
        "execution {execution} of job `{job}` ended in status UNKNOWN: look at what it did, then `abandon {execution}`"
    )]
    NeedsRecovery {
        /// The job.
        job: String,
        /// The execution.
        execution: ExecutionId,
    },
    /// The owner died too often.
    #[error(
        "the process that ran instance {instance} of job `{job}` died {times} times in a row without a commit in between: find out what kills it, then start the job with `--recovery force`"
    )]
    TooManyRecoveries {
        /// The job.
        job: String,
        /// The instance.
        instance: InstanceId,
        /// The number of deaths.
        times: u32,
    },
    /// The instance is complete or abandoned.
    #[error(
        "job `{job}` with these parameters is already {status}: execution {execution}{}; run it with other parameters, or with `--next`",
        if *purged { ", whose record was purged" } else { "" }
    )]
    AlreadyComplete {
        /// The job.
        job: String,
        /// The execution that completed it.
        execution: ExecutionId,
        /// COMPLETED or ABANDONED.
        status: BatchStatus,
        /// True if the execution is no longer in the repository.
        purged: bool,
    },
    /// The job is not restartable.
    #[error(
        "job `{job}` is not restartable, and execution {execution} ended as {status}; run it with other parameters, or with `--next`"
    )]
    NotRestartable {
        /// The job.
        job: String,
        /// The previous execution.
        execution: ExecutionId,
        /// Its status at the end.
        status: BatchStatus,
    },
    /// The body of the job has changed so that the instance cannot continue.
    #[error(
        "job `{job}` has changed since execution {execution}: {what}; finish the instance with the program it began with, or run it with `--next`"
    )]
    GraphChanged {
        /// The job.
        job: String,
        /// The previous execution.
        execution: ExecutionId,
        /// The part that the graph no longer contains.
        what: String,
        /// The outline of the job when that execution began.
        was: Box<str>,
        /// The outline of the job now.
        is: Box<str>,
    },
    /// The restart cannot begin at the requested step.
    #[error("the restart of execution {execution} of job `{job}` cannot begin there: {what}")]
    CannotBegin {
        /// The job.
        job: String,
        /// The previous execution.
        execution: ExecutionId,
        /// The reason, and what to do.
        what: String,
    },
    /// The step was started too often.
    #[error(
        "step `{step}` was started {limit} times in this job instance, which is its `start_limit`; raise the limit, or run the job with `--next`"
    )]
    StartLimit {
        /// The step.
        step: String,
        /// The limit.
        limit: u32,
    },
    /// Another owner took the execution over.
    #[error(
        "execution {execution} was taken over by another process: this one stops and changes nothing more"
    )]
    Fenced {
        /// The execution.
        execution: ExecutionId,
    },
    /// The job was asked to stop while a step that was about to begin waited for a lock.
    #[error("the job was asked to stop while it waited for a locked database")]
    Stopped,
    /// There is no such execution.
    #[error("there is no execution {0}; `executions` lists them")]
    NoSuchExecution(ExecutionId),
    /// The execution is not running.
    #[error("execution {execution} is not running: it is {status}")]
    NotRunning {
        /// The execution.
        execution: ExecutionId,
        /// Its status.
        status: BatchStatus,
    },
    /// The repository is unusable in its current state.
    #[error("repository {place}: {what}")]
    Unusable {
        /// The file or server.
        place: String,
        /// The problem, and what to do.
        what: String,
    },
    /// A component ended the transaction that belongs to the engine, or continued after the database had
    /// rolled it back.
    #[error(
        "a component ended the transaction of the chunk, and nothing of the chunk is kept; leave `COMMIT` and `ROLLBACK` to the engine, and return the error of an `INSERT OR ROLLBACK`"
    )]
    TransactionEnded,
    /// The database failed.
    #[error("repository {place}: {source}")]
    Database {
        /// The file or server.
        place: String,
        /// The cause.
        source: BoxError,
    },
    /// Stored data cannot be understood.
    #[error("repository {place}: {what}")]
    Corrupt {
        /// The file or server.
        place: String,
        /// The unreadable data.
        what: String,
    },
}
