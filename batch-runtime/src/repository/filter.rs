//! Selects what queries return: which rows, and which page of them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::BatchStatus;
use crate::definition::{ExecutionId, InstanceId, StepExecutionId};

/// A range of time; unbounded by default.
///
/// A time that has not come yet, such as the end of a running execution, counts as later than every other.
///
/// ```
/// use batch_runtime::repository::Between;
///
/// let november = Between { from: Some("2026-11-01T00:00:00Z".parse()?), until: Some("2026-12-01T00:00:00Z".parse()?) };
/// assert!(november.holds(Some("2026-11-01T00:00:00Z".parse()?)));
/// assert!(!november.holds(Some("2026-12-01T00:00:00Z".parse()?)));
/// assert!(!november.holds(None));
/// assert!(Between { until: None, ..november }.holds(None));
/// # Ok::<(), jiff::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Between {
    /// The first moment of the range.
    pub from: Option<Timestamp>,
    /// The first moment after the range.
    pub until: Option<Timestamp>,
}

impl Between {
    /// Returns whether the time is in the range.
    #[must_use]
    pub fn holds(&self, time: Option<Timestamp>) -> bool {
        let is_late_enough = time.is_none_or(|time| self.from.is_none_or(|from| from <= time));
        let is_early_enough = self.until.is_none_or(|until| time.is_some_and(|time| time < until));
        is_late_enough && is_early_enough
    }
}

/// Selects the executions to list; all by default. An execution is listed if it meets every condition.
///
/// Executions are listed newest first. To read the next page, set [`after`](Self::after) to the last execution of the
/// previous page: no execution is then left out or listed twice, whatever is launched in the meantime.
///
/// ```
/// use batch_runtime::repository::sqlite::SqliteRepository;
/// use batch_runtime::repository::{BatchStatus, ExecutionFilter, Repository};
///
/// let repository = SqliteRepository::temporary()?;
/// let mut filter = ExecutionFilter {
///     statuses: vec![BatchStatus::Failed, BatchStatus::Stopped],
///     parameter: Some("year=2026".to_owned()),
///     limit: Some(50),
///     ..ExecutionFilter::default()
/// };
/// loop {
///     let page = repository.executions(&filter)?;
///     let Some(last) = page.last() else { break };
///     filter.after = Some(last.id);
/// }
/// # Ok::<(), batch_runtime::repository::RepositoryError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ExecutionFilter {
    /// Only those of this job.
    pub job: Option<String>,
    /// Only those of this instance.
    pub instance: Option<InstanceId>,
    /// Only running ones.
    pub running: bool,
    /// Only those with one of these statuses; with any status if this is empty.
    pub statuses: Vec<BatchStatus>,
    /// Only those that started in this time.
    pub started: Between,
    /// Only those that ended in this time.
    pub ended: Between,
    /// Only those with a parameter that contains this text, case-sensitively. A parameter reads `name=value`.
    pub parameter: Option<String>,
    /// Only those that are older than this one, for the next page of a list.
    pub after: Option<ExecutionId>,
    /// The maximum number, newest first.
    pub limit: Option<u32>,
    /// The number to skip. Prefer [`after`](Self::after): executions that are added in the meantime shift the
    /// pages.
    pub offset: u64,
}

/// Selects the instances to list; all by default.
#[derive(Debug, Clone, Default)]
pub struct InstanceFilter {
    /// Only those of this job.
    pub job: Option<String>,
    /// The maximum number, newest first.
    pub limit: Option<u32>,
    /// The number to skip, for the next page of a list.
    pub offset: u64,
}

/// Selects the skipped items to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedFilter {
    /// The executions that skipped them.
    pub of: SkippedOf,
    /// Only those after this one, for the next page of a list.
    pub after: Option<SkippedKey>,
    /// The maximum number.
    pub limit: Option<u32>,
}

impl SkippedFilter {
    /// All items that these executions skipped.
    ///
    /// ```
    /// use batch_runtime::ExecutionId;
    /// use batch_runtime::repository::{SkippedFilter, SkippedOf};
    ///
    /// let first_page = SkippedFilter { limit: Some(100), ..SkippedFilter::of(SkippedOf::InstanceOf(ExecutionId(7))) };
    /// assert_eq!(first_page.after, None);
    /// ```
    #[must_use]
    pub const fn of(of: SkippedOf) -> Self {
        Self { of, after: None, limit: None }
    }
}

/// The executions whose skipped items are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkippedOf {
    /// Those of this execution.
    Execution(ExecutionId),
    /// Those of all executions of the instance that this execution belongs to. After a restart the skips of one input
    /// are spread over several executions.
    InstanceOf(ExecutionId),
}

impl SkippedOf {
    /// The named execution.
    #[must_use]
    pub const fn execution(self) -> ExecutionId {
        match self {
            Self::Execution(execution) | Self::InstanceOf(execution) => execution,
        }
    }
}

/// Identifies a skipped item by its number in its step execution. As text, it is `STEP_EXECUTION:SEQUENCE`.
///
/// ```
/// use batch_runtime::StepExecutionId;
/// use batch_runtime::repository::SkippedKey;
///
/// let key = SkippedKey { step_execution: StepExecutionId(12), sequence: 300 };
/// assert_eq!(key.to_string(), "12:300");
/// assert_eq!("12:300".parse(), Ok(key));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SkippedKey {
    /// The step execution.
    pub step_execution: StepExecutionId,
    /// The number of the item.
    pub sequence: u64,
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.step_execution, self.sequence)
    }
}

impl FromStr for SkippedKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once(':')
            .and_then(|(step, sequence)| Some((step.parse().ok()?, sequence.parse().ok()?)));
        let (step, sequence) =
            parsed.ok_or("expected a step execution and the number of an item in it, such as 12:300")?;
        Ok(Self { step_execution: StepExecutionId(step), sequence })
    }
}
