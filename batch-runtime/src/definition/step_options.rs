//! The options of a step.

use std::time::Duration;

use super::faults::FaultRules;
use super::partition::Partitioning;
#[cfg(feature = "remote-chunks")]
use crate::engine::RemoteStep;

/// The options of `#[step(..)]`.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StepOptions {
    /// Items read for one commit.
    pub chunk: usize,
    /// Processing threads; 1 means the step's own thread only.
    pub threads: usize,
    /// The maximum number of starts of the step in one instance (in a loop: of one iteration).
    pub start_limit: Option<u32>,
    /// Whether a restart runs it again although it completed.
    pub allow_start_if_complete: bool,
    /// The rules that say which errors are skipped and which calls are retried.
    pub faults: &'static FaultRules,
    /// The time limit of a step execution, checked between chunks and before retries.
    pub timeout: Option<Duration>,
    /// The time after which a partly filled chunk is committed.
    pub chunk_time: Option<Duration>,
    /// The maximum number of items in a chunk, if a function decides where chunks end.
    pub groups: Option<usize>,
    /// Whether parts of a chunk may be written twice to find a bad item, if the writer cannot roll back.
    pub isolate: bool,
    /// The partitions in which its input is read.
    pub partitioning: Option<&'static Partitioning>,
    /// The sizes that parameters of the job set, in place of the numbers here.
    pub sized_by: SizedBy,
    /// The earlier names of the step in its jobs: a restart resumes an execution recorded under such a name.
    pub renamed_from: &'static [EarlierName],
    /// Whether it may complete although it skipped every record of its input.
    pub allow_all_skipped: bool,
    /// How workers process its chunks; `None` if they do not.
    #[cfg(feature = "remote-chunks")]
    pub remote: Option<RemoteStep>,
}

/// An earlier name of a step in its jobs: `renamed_from = "load"`, or `"load as load_eu"` if the job uses the
/// step under several names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlierName {
    /// The name.
    pub name: &'static str,
    /// The current name of the use that had the earlier name; `None` means any.
    pub of: Option<&'static str>,
}

impl EarlierName {
    /// Returns whether the use now called `name` had this name.
    pub(crate) fn is_of(&self, name: &str) -> bool {
        self.name != name && self.of.is_none_or(|of| of == name)
    }
}

/// The parameters that set the sizes of a step in place of numbers in the program: `chunk = chunk_size`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SizedBy {
    /// `chunk`
    pub chunk: Option<&'static str>,
    /// `threads`
    pub threads: Option<&'static str>,
    /// `partitions`
    pub partitions: Option<&'static str>,
}

impl SizedBy {
    /// All sizes are numbers in the program.
    pub const NOTHING: Self = Self { chunk: None, threads: None, partitions: None };
}

impl StepOptions {
    /// One item per chunk, no limits.
    pub const DEFAULT: Self = Self {
        chunk: 1,
        threads: 1,
        start_limit: None,
        allow_start_if_complete: false,
        faults: FaultRules::NONE,
        timeout: None,
        chunk_time: None,
        groups: None,
        isolate: false,
        partitioning: None,
        renamed_from: &[],
        allow_all_skipped: false,
        sized_by: SizedBy::NOTHING,
        #[cfg(feature = "remote-chunks")]
        remote: None,
    };

    /// Sets the number of items read for one commit.
    #[must_use]
    pub const fn chunk(mut self, items: usize) -> Self {
        self.chunk = items;
        self
    }

    /// Takes the number of items read for one commit from a parameter.
    #[must_use]
    pub const fn chunk_of(mut self, parameter: &'static str) -> Self {
        self.sized_by.chunk = Some(parameter);
        self
    }

    /// Takes the number of threads from a parameter. The threads process chunks, or run partitions.
    #[must_use]
    pub const fn threads_of(mut self, parameter: &'static str) -> Self {
        self.sized_by.threads = Some(parameter);
        self
    }

    /// Takes the approximate number of partitions from a parameter.
    #[must_use]
    pub const fn partitions_of(mut self, parameter: &'static str) -> Self {
        self.sized_by.partitions = Some(parameter);
        self
    }

    /// Sets the number of processing threads.
    #[must_use]
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the limit of starts.
    #[must_use]
    pub const fn start_limit(mut self, starts: u32) -> Self {
        self.start_limit = Some(starts);
        self
    }

    /// Sets the rules for faults.
    #[must_use]
    pub const fn faults(mut self, faults: &'static FaultRules) -> Self {
        self.faults = faults;
        self
    }

    /// Sets the time limit.
    #[must_use]
    pub const fn timeout(mut self, bound: Duration) -> Self {
        self.timeout = Some(bound);
        self
    }

    /// Sets the time limit for filling a chunk.
    #[must_use]
    pub const fn chunk_time(mut self, bound: Duration) -> Self {
        self.chunk_time = Some(bound);
        self
    }

    /// Lets a function decide where chunks end, with a maximum number of items.
    #[must_use]
    pub const fn groups(mut self, at_most: usize) -> Self {
        self.groups = Some(at_most);
        self
    }

    /// Consents to parts of a chunk being written twice.
    #[must_use]
    pub const fn isolate(mut self, yes: bool) -> Self {
        self.isolate = yes;
        self
    }

    /// Sets the partitions.
    #[must_use]
    pub const fn partitioning(mut self, partitioning: &'static Partitioning) -> Self {
        self.partitioning = Some(partitioning);
        self
    }

    /// Lets workers process its chunks.
    #[cfg(feature = "remote-chunks")]
    #[must_use]
    pub const fn remote(mut self, step: RemoteStep) -> Self {
        self.remote = Some(step);
        self
    }

    /// Sets the earlier names.
    #[must_use]
    pub const fn renamed_from(mut self, names: &'static [EarlierName]) -> Self {
        self.renamed_from = names;
        self
    }

    /// Returns whether items of a chunk must be handled one by one, because they may be skipped or retried, or
    /// because a chunk has a time limit.
    pub(crate) const fn is_careful(&self) -> bool {
        !self.faults.skip.is_empty() || !self.faults.retry.is_empty() || self.chunk_time.is_some()
    }

    /// Lets the step complete although it skipped every record of its input.
    #[must_use]
    pub const fn allow_all_skipped(mut self, yes: bool) -> Self {
        self.allow_all_skipped = yes;
        self
    }

    /// Lets every restart run the step again.
    #[must_use]
    pub const fn allow_start_if_complete(mut self, yes: bool) -> Self {
        self.allow_start_if_complete = yes;
        self
    }
}
