//! Receives: nothing. Gives: the words in which the engine and the repository speak: statuses, counters,
//! executions, and the journal.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition::{Durability, ExecutionId, InstanceId, ParameterValue, StepExecutionId};

/// Where an execution stands, worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum BatchStatus {
    /// Its work is done.
    Completed,
    /// Created, not yet running.
    Starting,
    /// Running.
    Started,
    /// Asked to stop.
    Stopping,
    /// Stopped; may be started again.
    Stopped,
    /// Failed; may be started again.
    Failed,
    /// Given up for good: a person said so, or the control flow handled the failure.
    Abandoned,
    /// The outcome is not known: a person must look.
    Unknown,
}

impl BatchStatus {
    /// As the column `STATUS` holds it.
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

    /// True while the execution has an owner that works on it.
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
        [
            Self::Completed,
            Self::Starting,
            Self::Started,
            Self::Stopping,
            Self::Stopped,
            Self::Failed,
            Self::Abandoned,
            Self::Unknown,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or_else(|| format!("`{text}` is no batch status"))
    }
}

/// How an execution ended, in words: a code and a description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitStatus {
    /// `COMPLETED`, `FAILED`, `STOPPED`, `NOOP`, `OWNER_LOST`, `END_LOST`, or what `end!("CODE")` says.
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

    /// With a description.
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

/// What a step execution did, as committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Items that the reader handed out.
    pub read: u64,
    /// Items for which the processors returned nothing.
    pub filter: u64,
    /// Items that the writers were given.
    pub write: u64,
    /// Chunks.
    pub commit: u64,
    /// How often work was taken back: transactions that were rolled back, also those of attempts to write a chunk that was
    /// committed in the end, and chunks given up before their transaction began.
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

/// What was being done with an item when it was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SkipPhase {
    /// The reader could not make an item of the record.
    Read,
    /// A processor failed on the item.
    Process,
    /// A writer failed on the item.
    Write,
}

impl SkipPhase {
    /// As the column `PHASE` holds it.
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
            .ok_or_else(|| format!("`{text}` is no phase of a skip"))
    }
}

/// An item that was left out because it failed. Committed with the chunk whose checkpoint covers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedItem {
    /// What was being done with it.
    pub phase: SkipPhase,
    /// Where the reader finds it again: JSON, as `{"v":1,"at":<position of a commit>,"ahead":<records behind it>}`.
    pub position: String,
    /// The place for people, as `flights.csv, line 7`, where the reader knows it.
    pub location: Option<String>,
    /// Why it failed, with the causes; stored up to 2,500 characters.
    pub error: String,
    /// The item as JSON, where it was still in hand and serialises.
    pub item: Option<String>,
}

/// A skipped item as the repository holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedRow {
    /// The execution of the job that skipped it.
    pub execution: ExecutionId,
    /// The step execution that skipped it.
    pub step_execution: StepExecutionId,
    /// The step's name in the job.
    pub step: String,
    /// Counts the skipped items of the step execution from 1, in the order of the input.
    pub sequence: u64,
    /// What was skipped, and why.
    pub item: SkippedItem,
}

/// Where the time of a step went, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// In the reader.
    pub read: u64,
    /// In the processors.
    pub process: u64,
    /// In the writers.
    pub write: u64,
    /// In making a chunk durable and committing it.
    pub commit: u64,
}

/// What makes an instance: the job and its identifying parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobInstance {
    /// Its number.
    pub id: InstanceId,
    /// The job.
    pub job: String,
    /// `JOB_KEY`.
    pub key: String,
}

/// A parameter as stored with an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredParameter {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: ParameterValue,
    /// Does it identify the instance?
    pub identifying: bool,
}

/// Who owns an execution, or owned it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// Unique to the launch.
    pub uuid: String,
    /// Host name.
    pub host: String,
    /// Process id on that host.
    pub pid: u32,
    /// When that process started, in ticks of the kernel's clock, so that a reused pid is told apart.
    pub start_ticks: u64,
    /// Which boot of that host.
    pub boot_id: String,
}

/// Whether the owner of a running execution still lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OwnerState {
    /// It holds the execution's lock. A process that is stopped (SIGSTOP) lives.
    Alive,
    /// Nobody holds the lock: the process is gone, and a launch takes the execution over.
    Dead,
    /// The repository cannot tell, or another program owns the execution.
    Unknown,
}

/// One attempt to run an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct JobExecution {
    /// Its number.
    pub id: ExecutionId,
    /// Of which instance.
    pub instance: JobInstance,
    /// Where it stands.
    pub status: BatchStatus,
    /// How it ended.
    pub exit: ExitStatus,
    /// When it was created.
    pub created: Timestamp,
    /// When it began to run.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The last write.
    pub updated: Timestamp,
    /// Its parameters, secrets left out.
    pub parameters: Vec<StoredParameter>,
    /// Raised by every launch and takeover.
    pub epoch: u64,
    /// Who owns it.
    pub owner: Option<Owner>,
    /// What its commits survive.
    pub durability: Durability,
}

/// One attempt to run a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepExecution {
    /// Its number.
    pub id: StepExecutionId,
    /// Its name in the job; in a loop with the iteration, as `page[3]`.
    pub name: String,
    /// The job execution.
    pub execution: ExecutionId,
    /// Where it stands.
    pub status: BatchStatus,
    /// How it ended.
    pub exit: ExitStatus,
    /// When it was created.
    pub created: Timestamp,
    /// When it began to run.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The last write.
    pub updated: Timestamp,
    /// What it did.
    pub counters: Counters,
    /// Where its time went; known when it has ended.
    pub profile: Option<Profile>,
    /// Its context, checkpoint included.
    pub context: ContextMap,
}

/// A part of a step's input, to be made a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartition {
    /// What people call it, where it has a name.
    pub name: Option<String>,
    /// The part, as JSON.
    pub part: String,
}

/// A partition of a step, with its last step execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionExecution {
    /// Counts the partitions of the step from 0, in the order of the input.
    pub number: u32,
    /// The name of its step executions: `load:partition3`.
    pub step: String,
    /// What people call it, where it has a name.
    pub name: Option<String>,
    /// The part of the input, as JSON.
    pub part: String,
    /// Its last step execution.
    pub id: StepExecutionId,
    /// The job execution of that.
    pub execution: ExecutionId,
    /// Where that stands.
    pub status: BatchStatus,
    /// How that ended.
    pub exit: ExitStatus,
    /// What that did.
    pub counters: Counters,
}

/// An execution context: plain JSON values by key.
pub type ContextMap = BTreeMap<String, Value>;

/// A step that an instance has begun and not completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedStep {
    /// Its name in the job, with the iteration in a loop.
    pub step: String,
    /// Its [form](super::StepStart::form) when it last began; `None` where an earlier version of the framework began it.
    pub form: Option<String>,
    /// The commits of all its executions in the instance.
    pub commits: u64,
    /// The items that those wrote.
    pub written: u64,
    /// Is anything of it committed that the next execution of the step begins with?
    pub has_committed: bool,
}

/// A step that has another name in the job than in what is recorded of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The name that is recorded.
    pub from: String,
    /// The name that the job has for it.
    pub to: String,
}

/// One place of a job's control flow that was passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// The node and its iterations, as `page[3]` or `match quality`.
    pub path: String,
    /// What happened there: the arm's label, `COMPLETED`, `FAILED`.
    pub outcome: String,
    /// How the step there ended, where there was one: it drives what follows on a replay.
    pub exit: Option<ExitStatus>,
    /// What a tasklet left behind, as its id and JSON.
    pub output: Option<(String, String)>,
}

impl JournalEntry {
    /// What happened at a place where no step ended.
    pub(crate) fn at(path: &str, outcome: &str) -> Self {
        Self { path: path.to_owned(), outcome: outcome.to_owned(), exit: None, output: None }
    }
}
