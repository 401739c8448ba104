//! The model shared by the engine and the repository: statuses, counters, executions and the journal.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Profile, SkippedKey};
use crate::definition::{Durability, ExecutionId, InstanceId, ParameterValue, StepExecutionId};

/// The status of an execution, ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum BatchStatus {
    /// Its work is done.
    Completed,
    /// Created but not running yet.
    Starting,
    /// Running.
    Started,
    /// Asked to stop.
    Stopping,
    /// Stopped; may be restarted.
    Stopped,
    /// Failed; may be restarted.
    Failed,
    /// Abandoned for good: a person abandoned it, or the control flow handled the failure.
    Abandoned,
    /// The outcome is unknown: a person must look.
    Unknown,
}

impl BatchStatus {
    /// Every status, from best to worst.
    ///
    /// ```
    /// use batch_runtime::repository::BatchStatus;
    ///
    /// assert!(BatchStatus::ALL.is_sorted());
    /// ```
    pub const ALL: [Self; 8] = [
        Self::Completed,
        Self::Starting,
        Self::Started,
        Self::Stopping,
        Self::Stopped,
        Self::Failed,
        Self::Abandoned,
        Self::Unknown,
    ];

    /// The value of the column `STATUS`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "COMPLETED",
            Self::Starting => "STARTING",
            Self::Started => "STARTED",
            Self::Stopping => "STOPPING",
            Self::Stopped => "STOPPED",
            Self::Failed => "FAILED",
            Self::Abandoned => "ABANDONED",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// True while the execution has an owner that is working on it.
    #[must_use]
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Starting | Self::Started | Self::Stopping)
    }
}

impl fmt::Display for BatchStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for BatchStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a batch status"))
    }
}

/// The end of an execution in words: a code and a description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitStatus {
    /// `COMPLETED`, `FAILED`, `STOPPED`, `NOOP`, `OWNER_LOST`, `END_LOST`, or the code of `end!("CODE")`.
    pub code: String,
    /// The reason, or empty.
    pub description: String,
}

impl ExitStatus {
    /// A code without a description.
    #[must_use]
    pub fn code(code: impl Into<String>) -> Self {
        Self { code: code.into(), description: String::new() }
    }

    /// Adds a description.
    #[must_use]
    pub fn because(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    fn severity(&self) -> u8 {
        match self.code.as_str() {
            "EXECUTING" => 0,
            "COMPLETED" => 1,
            "NOOP" => 2,
            "STOPPED" => 3,
            "FAILED" => 4,
            "UNKNOWN" => 5,
            _ => 6,
        }
    }

    /// The worse of the two codes, with both descriptions.
    ///
    /// ```
    /// use batch_runtime::repository::ExitStatus;
    ///
    /// let both = ExitStatus::code("COMPLETED").because("a").and(&ExitStatus::code("FAILED").because("b"));
    /// assert_eq!((both.code.as_str(), both.description.as_str()), ("FAILED", "a; b"));
    /// ```
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let worse = if other.severity() > self.severity() { other } else { self };
        let description = match (self.description.as_str(), other.description.as_str()) {
            ("", text) | (text, "") => text.to_owned(),
            (first, second) if first == second => first.to_owned(),
            (first, second) => format!("{first}; {second}"),
        };
        Self { code: worse.code.clone(), description }
    }
}

/// The committed work of a step execution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Items that the reader returned.
    pub read: u64,
    /// Items for which the processors returned nothing.
    pub filter: u64,
    /// Items passed to the writers.
    pub write: u64,
    /// Committed chunks.
    pub commit: u64,
    /// The number of rolled-back transactions, including those of failed attempts at a chunk that was
    /// committed in the end, plus the number of chunks dropped before their transaction began.
    pub rollback: u64,
    /// Records skipped while reading.
    pub read_skip: u64,
    /// Items skipped while processing.
    pub process_skip: u64,
    /// Items skipped while writing.
    pub write_skip: u64,
}

impl Counters {
    /// All skips.
    #[must_use]
    pub const fn skips(&self) -> u64 {
        self.read_skip + self.process_skip + self.write_skip
    }
}

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.filter += other.filter;
        self.write += other.write;
        self.commit += other.commit;
        self.rollback += other.rollback;
        self.read_skip += other.read_skip;
        self.process_skip += other.process_skip;
        self.write_skip += other.write_skip;
    }
}

/// The phase in which an item was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SkipPhase {
    /// The reader could not turn the record into an item.
    Read,
    /// A processor failed on the item.
    Process,
    /// A writer failed on the item.
    Write,
}

impl SkipPhase {
    /// The value of the column `PHASE`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Process => "PROCESS",
            Self::Write => "WRITE",
        }
    }
}

impl fmt::Display for SkipPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SkipPhase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Read, Self::Process, Self::Write]
            .into_iter()
            .find(|phase| phase.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a skip phase"))
    }
}

/// An item that was skipped because it failed, committed with the chunk whose checkpoint covers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedItem {
    /// The phase in which it was skipped.
    pub phase: SkipPhase,
    /// Where the reader finds it again: JSON of the form
    /// `{"v":1,"at":<position of a commit>,"ahead":<records after it>}`.
    pub position: String,
    /// The place for people, such as `flights.csv, line 7`, if the reader knows it.
    pub location: Option<String>,
    /// The reason why it failed, with its causes; stored up to 2,500 characters.
    pub error: String,
    /// The item as JSON, if it was still available and serialises.
    pub item: Option<String>,
}

/// A skipped item as stored in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedRow {
    /// The execution of the job that skipped it.
    pub execution: ExecutionId,
    /// The step execution that skipped it.
    pub step_execution: StepExecutionId,
    /// The step's name in the job.
    pub step: String,
    /// The number of the item among the skipped items of the step execution, from 1, in the order of the
    /// input.
    pub sequence: u64,
    /// The item and the reason.
    pub item: SkippedItem,
}

impl SkippedRow {
    /// Its key: pass that of the last row as `after` to get the next page of a list.
    ///
    /// ```
    /// use batch_runtime::repository::{SkippedFilter, SkippedRow};
    ///
    /// fn next(filter: SkippedFilter, page: &[SkippedRow]) -> Option<SkippedFilter> {
    ///     Some(SkippedFilter { after: Some(page.last()?.key()), ..filter })
    /// }
    /// ```
    #[must_use]
    pub const fn key(&self) -> SkippedKey {
        SkippedKey { step_execution: self.step_execution, sequence: self.sequence }
    }
}

/// An instance: a job with its identifying parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobInstance {
    /// Its ID.
    pub id: InstanceId,
    /// The job.
    pub job: String,
    /// `JOB_KEY`.
    pub key: String,
}

/// A parameter stored with an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredParameter {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: ParameterValue,
    /// True if it identifies the instance.
    pub identifying: bool,
}

/// The current or former owner of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// The unique ID of the launch. It signs the messages of the execution, so it is never printed.
    #[serde(skip)]
    pub uuid: String,
    /// Host name.
    pub host: String,
    /// Process id on that host.
    pub pid: u32,
    /// The start time of that process in ticks of the kernel's clock, to detect a reused pid.
    pub start_ticks: u64,
    /// The ID of the host's boot.
    pub boot_id: String,
}

/// Whether the owner of a running execution is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OwnerState {
    /// It holds the execution's lock in `SQLite`, or a lease in `PostgreSQL` that has not expired. A process stopped by
    /// SIGSTOP is alive.
    Alive,
    /// A launch takes the execution over: nobody holds the lock, the process is gone from this host, or its lease has
    /// expired. A process whose lease has expired may be paused or cut off, and is fenced.
    Dead,
    /// The repository cannot tell, or another program owns the execution.
    Unknown,
}

/// One attempt to run an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct JobExecution {
    /// Its ID.
    pub id: ExecutionId,
    /// Its instance.
    pub instance: JobInstance,
    /// Its status.
    pub status: BatchStatus,
    /// Its exit code and description.
    pub exit: ExitStatus,
    /// The time of its creation.
    pub created: Timestamp,
    /// The time of its start.
    pub started: Option<Timestamp>,
    /// The time of its end.
    pub ended: Option<Timestamp>,
    /// The time of its last write. While it is running, this includes the commits of its steps.
    pub updated: Timestamp,
    /// Its parameters, without secrets.
    pub parameters: Vec<StoredParameter>,
    /// Increased by every launch and takeover.
    pub epoch: u64,
    /// Its owner.
    pub owner: Option<Owner>,
    /// The crash that its commits survive.
    pub durability: Durability,
}

/// One attempt to run a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepExecution {
    /// Its ID.
    pub id: StepExecutionId,
    /// Its name in the job, with the iteration if it is in a loop, as in `page[3]`.
    pub name: String,
    /// The job execution.
    pub execution: ExecutionId,
    /// Its status.
    pub status: BatchStatus,
    /// Its exit code and description.
    pub exit: ExitStatus,
    /// The time of its creation.
    pub created: Timestamp,
    /// The time of its start.
    pub started: Option<Timestamp>,
    /// The time of its end.
    pub ended: Option<Timestamp>,
    /// The time of the last write.
    pub updated: Timestamp,
    /// Its counters.
    pub counters: Counters,
    /// Where its time went, known after its end.
    pub profile: Option<Profile>,
    /// Its context, including the checkpoint. If another program has written one that is not JSON, its only entry is
    /// `batch.unreadable`, and says why.
    pub context: ContextMap,
}

/// A part of a step's input, to become a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartition {
    /// Its name for people, if it has one.
    pub name: Option<String>,
    /// The part, as JSON.
    pub part: String,
}

/// A partition of a step, with its last step execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionExecution {
    /// The number of the partition in the step, from 0, in the order of the input.
    pub number: u32,
    /// The name of its step executions: `load:partition3`.
    pub step: String,
    /// Its name for people, if it has one.
    pub name: Option<String>,
    /// The part of the input, as JSON.
    pub part: String,
    /// Its last step execution.
    pub id: StepExecutionId,
    /// The job execution of that step execution.
    pub execution: ExecutionId,
    /// The status of that step execution.
    pub status: BatchStatus,
    /// Its exit code and description.
    pub exit: ExitStatus,
    /// Its counters.
    pub counters: Counters,
}

/// An execution context: plain JSON values by key.
pub type ContextMap = BTreeMap<String, Value>;

/// A step that an instance has begun but not completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedStep {
    /// Its name in the job, with the iteration in a loop.
    pub step: String,
    /// Its [form](super::StepStart::form) when it last began; `None` if an earlier version of the framework
    /// began it.
    pub form: Option<String>,
    /// The number of commits of all its executions in the instance.
    pub commits: u64,
    /// The number of items that these executions wrote.
    pub written: u64,
    /// True if it has committed something that its next execution starts from.
    pub has_committed: bool,
}

/// A step whose name in the job differs from its recorded name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The recorded name.
    pub from: String,
    /// The name in the job.
    pub to: String,
}

/// A place that a job's control flow has passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// The node and its iterations, such as `page[3]` or `match quality`.
    pub path: String,
    /// The outcome: the label of the arm, `COMPLETED` or `FAILED`.
    pub outcome: String,
    /// The exit of the step there, if any: it decides what follows in a replay of the journal.
    pub exit: Option<ExitStatus>,
    /// The output of a tasklet: the ID of its step, and the value as JSON.
    pub output: Option<(String, String)>,
}

impl JournalEntry {
    /// The entry for a place where no step ended.
    pub(crate) fn at(path: &str, outcome: &str) -> Self {
        Self { path: path.to_owned(), outcome: outcome.to_owned(), exit: None, output: None }
    }
}
