//! Receives: `#[step]` functions. Gives: what the attribute implements for their markers: the pipe of a chunk
//! step with its static types ([`Pipe`]), the call of a tasklet ([`Tasklet`]), and both as constants
//! ([`StepInfo`]).

use std::time::Duration;

use super::faults::Faults;
use super::kind::PositionKinds;
use super::listener::StepListener;
use super::need::ComponentUse;
use super::partition::Partitioning;
use super::sizes::SizedBy;
use super::{ChunkTransaction, Failure, Process, Reader, Scope, Writer};
use crate::engine::{StepEnd, StepRun};
use crate::repository::{BatchStatus, ExitStatus};

/// A step, as a constant.
#[derive(Debug)]
pub struct StepInfo {
    /// The module and name: what tells two steps of one name apart.
    pub id: &'static str,
    /// The function's name.
    pub name: &'static str,
    /// Its doc comment.
    pub doc: &'static str,
    /// Chunk step or tasklet.
    pub kind: StepKind,
    /// The attribute's options.
    pub options: StepOptions,
    /// Its components in the order of the pipe; a tasklet is its own single component.
    pub components: &'static [ComponentUse],
    /// The kinds of its reader and writer; `None` for a tasklet.
    pub kinds: Option<fn() -> PositionKinds>,
    /// Runs it: the one call through a pointer a step.
    pub run: fn(&StepRun<'_>) -> StepEnd,
}

/// What kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepKind {
    /// A pipe, committed chunk by chunk.
    Chunk,
    /// A function, committed as a whole.
    Tasklet,
}

/// The options of `#[step(..)]`.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StepOptions {
    /// Items read for one commit.
    pub chunk: usize,
    /// Threads that process; 1 for none but the step's own.
    pub threads: usize,
    /// How often the step may be started in one instance (in a loop: one iteration).
    pub start_limit: Option<u32>,
    /// Is it run again by a restart although it completed?
    pub allow_start_if_complete: bool,
    /// Which errors are skipped, and which calls repeated.
    pub faults: &'static Faults,
    /// How long a step execution may take: looked at between chunks, and before an attempt is repeated.
    pub timeout: Option<Duration>,
    /// How long a chunk is filled at most before what there is of it is committed.
    pub chunk_time: Option<Duration>,
    /// Does a function say how far a chunk goes, and how many items it has at most then?
    pub groups: Option<usize>,
    /// May parts of a chunk be written twice to find a bad item, where the writer cannot go back?
    pub isolate: bool,
    /// Is its input read in partitions?
    pub partitioning: Option<&'static Partitioning>,
    /// The sizes that parameters of the job give, in place of the numbers here.
    pub sized_by: SizedBy,
    /// The names that it had in its jobs before: a restart goes on where an execution under such a name was.
    pub renamed_from: &'static [EarlierName],
    /// May it complete although it skipped every record of its input?
    pub allow_all_skipped: bool,
}

/// A name that a step had in its jobs before: `renamed_from = "load"`, or `"load as load_eu"` where the job uses the step
/// under several names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlierName {
    /// The name.
    pub name: &'static str,
    /// Which of the step's uses had it, by its name today; any, where it is not said.
    pub of: Option<&'static str>,
}

impl EarlierName {
    /// Had the use that is called `name` today this name?
    pub(crate) fn is_of(&self, name: &str) -> bool {
        self.name != name && self.of.is_none_or(|of| of == name)
    }
}

impl StepOptions {
    /// One item a chunk, no limits.
    pub const DEFAULT: Self = Self {
        chunk: 1,
        threads: 1,
        start_limit: None,
        allow_start_if_complete: false,
        faults: Faults::NONE,
        timeout: None,
        chunk_time: None,
        groups: None,
        isolate: false,
        partitioning: None,
        renamed_from: &[],
        allow_all_skipped: false,
        sized_by: SizedBy::NOTHING,
    };

    /// With that many items read for one commit.
    #[must_use]
    pub const fn chunk(mut self, items: usize) -> Self {
        self.chunk = items;
        self
    }

    /// With as many items read for one commit as that parameter says.
    #[must_use]
    pub const fn chunk_of(mut self, parameter: &'static str) -> Self {
        self.sized_by.chunk = Some(parameter);
        self
    }

    /// With as many threads as that parameter says: that process, or that run partitions.
    #[must_use]
    pub const fn threads_of(mut self, parameter: &'static str) -> Self {
        self.sized_by.threads = Some(parameter);
        self
    }

    /// With about as many partitions as that parameter says.
    #[must_use]
    pub const fn partitions_of(mut self, parameter: &'static str) -> Self {
        self.sized_by.partitions = Some(parameter);
        self
    }

    /// With so many threads that process.
    #[must_use]
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// With a limit of starts.
    #[must_use]
    pub const fn start_limit(mut self, starts: u32) -> Self {
        self.start_limit = Some(starts);
        self
    }

    /// With rules for what fails.
    #[must_use]
    pub const fn faults(mut self, faults: &'static Faults) -> Self {
        self.faults = faults;
        self
    }

    /// With a bound on how long it may take.
    #[must_use]
    pub const fn timeout(mut self, bound: Duration) -> Self {
        self.timeout = Some(bound);
        self
    }

    /// With a bound on how long a chunk is filled.
    #[must_use]
    pub const fn chunk_time(mut self, bound: Duration) -> Self {
        self.chunk_time = Some(bound);
        self
    }

    /// With chunks that go as far as a function says, and have so many items at most.
    #[must_use]
    pub const fn groups(mut self, at_most: usize) -> Self {
        self.groups = Some(at_most);
        self
    }

    /// With the consent to parts that are written twice.
    #[must_use]
    pub const fn isolate(mut self, yes: bool) -> Self {
        self.isolate = yes;
        self
    }

    /// With partitions.
    #[must_use]
    pub const fn partitioning(mut self, partitioning: &'static Partitioning) -> Self {
        self.partitioning = Some(partitioning);
        self
    }

    /// With the names that it had before.
    #[must_use]
    pub const fn renamed_from(mut self, names: &'static [EarlierName]) -> Self {
        self.renamed_from = names;
        self
    }

    /// Does an item of a chunk have to be told from the others, because it may be skipped, or because time counts?
    pub(crate) const fn is_careful(&self) -> bool {
        !self.faults.skip.is_empty() || !self.faults.retry.is_empty() || self.chunk_time.is_some()
    }

    /// Complete although it skipped every record of its input.
    #[must_use]
    pub const fn allow_all_skipped(mut self, yes: bool) -> Self {
        self.allow_all_skipped = yes;
        self
    }

    /// Run again by every restart.
    #[must_use]
    pub const fn allow_start_if_complete(mut self, yes: bool) -> Self {
        self.allow_start_if_complete = yes;
        self
    }
}

/// What `#[step]` implements for the marker of the annotated function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a step",
    label = "not a step",
    note = "put `#[step(chunk = ..)]` or `#[step]` on the function of this name"
)]
pub trait StepDefinition: 'static {
    /// The step as a constant.
    const INFO: &'static StepInfo;
}

/// The pipe of a chunk step, with its types.
pub trait Pipe: StepDefinition {
    /// What is read.
    type In;
    /// What is written.
    type Out;

    /// Opens the reader.
    ///
    /// # Errors
    /// What the component returned.
    fn reader<'s>(scope: &Scope<'s>) -> Result<impl Reader<Item = Self::In> + 's + use<'s, Self>, Failure>;

    /// Binds the processors, joined into one.
    ///
    /// # Errors
    /// When an argument cannot be had.
    fn processor<'s>(
        scope: &Scope<'s>,
    ) -> Result<impl Process<Self::In, Out = Self::Out> + 's + use<'s, Self>, Failure>;

    /// Binds the writer.
    ///
    /// # Errors
    /// What the component returned.
    fn writer<'s>(scope: &Scope<'s>) -> Result<impl Writer<Item = Self::Out> + 's + use<'s, Self>, Failure>;

    /// Binds the listeners, joined into one.
    ///
    /// # Errors
    /// When an argument cannot be had.
    fn listener<'s>(
        _scope: &Scope<'s>,
    ) -> Result<impl StepListener<Self::In, Self::Out> + 's + use<'s, Self>, Failure> {
        Ok(())
    }

    /// An item that cannot be written as JSON, where its type serialises: kept with the record of the skip.
    fn item_json(_item: &Self::Out) -> Option<String> {
        None
    }

    /// The same of an item that was read and cannot be processed.
    fn read_json(_item: &Self::In) -> Option<String> {
        None
    }
}

/// A step whose pipe is `P`.
///
/// The pipe is a type of its own beside the step's: a `pub` step may be made of private components and items.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a chunk step",
    label = "has no pipe",
    note = "name a step with `#[step(chunk = ..)]`"
)]
pub trait Piped<P: Pipe>: StepDefinition {}

/// How a step ended, as `match step { Completed => .., Failed => .. }` sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It did its work.
    Completed,
    /// Its own code failed; matching on it handles the failure.
    Failed,
}

/// What a tasklet returns to be called again, each time in a transaction of its own.
///
/// ```
/// use batch_runtime::Repeat;
///
/// fn clean_up(left: u32) -> Repeat {
///     if left == 0 { Repeat::Done } else { Repeat::Again }
/// }
/// assert_eq!(clean_up(0), Repeat::Done);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Repeat {
    /// Commit, then call again.
    Again,
    /// Commit; the step is complete.
    Done,
}

/// What a tasklet returns that completes its step with an exit code of its own, and says why.
///
/// Code and description are stored with the step execution, as `EXIT_CODE` and `EXIT_MESSAGE`, and shown by `show`. The step is
/// COMPLETED whatever the code says: one that failed returns an error.
///
/// ```
/// use batch_runtime::Exit;
///
/// fn collect(files: &[String]) -> Exit {
///     match files.len() {
///         0 => Exit::code("NOTHING_TO_DO").because("there are no new files"),
///         count => Exit::completed().because(format!("{count} files")),
///     }
/// }
/// assert_ne!(collect(&[]), Exit::completed());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Exit(pub(crate) ExitStatus);

impl Exit {
    /// COMPLETED, the code of a step that says nothing else.
    pub fn completed() -> Self {
        Self::code(BatchStatus::Completed.as_str())
    }

    /// That code. An empty one is COMPLETED; more than 2,500 characters are cut.
    pub fn code(code: impl Into<String>) -> Self {
        let code = Some(code.into()).filter(|code| !code.is_empty());
        Self(ExitStatus::code(code.unwrap_or_else(|| BatchStatus::Completed.as_str().to_owned())))
    }

    /// The same code, with a description.
    pub fn because(self, why: impl Into<String>) -> Self {
        Self(self.0.because(why))
    }
}

/// How one call of a tasklet ended.
#[derive(Debug)]
pub enum TaskletCall<V> {
    /// With its value.
    Done(V),
    /// With an exit of its own, and the value that a `match` routes by.
    Exited(Exit, V),
    /// It wants to be called again in the next transaction.
    Again,
}

/// What `#[step]` implements for a tasklet.
pub trait Tasklet: StepDefinition {
    /// Its `#[state]`; `()` without.
    type State: super::State;
    /// What it returns, and a `match` routes by: `Ended` where the function returns nothing.
    type Value: 'static;
    /// Does it ask for the transaction? If not, none is held open while it works.
    const TRANSACTIONAL: bool;

    /// Calls the function once.
    ///
    /// # Errors
    /// What the function returned.
    fn call(
        scope: &Scope<'_>,
        tx: &ChunkTransaction<'_>,
        state: &mut Self::State,
    ) -> Result<TaskletCall<Self::Value>, Failure>;

    /// Binds the listeners, joined into one.
    ///
    /// # Errors
    /// When an argument cannot be had.
    fn listener<'s>(_scope: &Scope<'s>) -> Result<impl StepListener<(), ()> + 's + use<'s, Self>, Failure> {
        Ok(())
    }

    /// The value as JSON, where its type is a serde type: what `&Output<step>` reads.
    ///
    /// # Errors
    /// When it does not serialise.
    fn output(value: &Self::Value) -> Result<Option<String>, Failure>;
}
