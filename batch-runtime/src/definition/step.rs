//! The traits that `#[step]` implements for the marker of a function: the statically typed pipe of a chunk
//! step ([`Pipe`]) or the call of a tasklet ([`Tasklet`]), and both as constants ([`StepInfo`]).

use super::listener::StepListener;
use super::need::{ComponentUse, NeedKind};
use super::position_kinds::PositionKinds;
use super::step_options::StepOptions;
use super::{ChunkTransaction, DatabaseInfo, DatabaseKind, Failure, Of, Process, Reader, Scope, Writer};
use crate::engine::{StepEnd, StepRun};
use crate::repository::{BatchStatus, ExitStatus};

/// A step, as a constant.
#[derive(Debug)]
pub struct StepInfo {
    /// The module and name, which distinguish steps with the same name.
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
    /// Runs the step: the only call through a pointer per step.
    pub run: fn(&StepRun<'_>) -> StepEnd,
}

impl StepInfo {
    /// Returns whether a processor keeps something from item to item, so that the items must come to it one by one.
    pub(crate) fn has_state(&self) -> bool {
        let mut needs = self.components.iter().flat_map(|component| component.needs);
        needs.any(|need| matches!(need.kind, NeedKind::State(_) | NeedKind::Keeps(_)))
    }

    /// The kind of the repository's own database that its components ask for. The macros allow at most one kind.
    pub(crate) fn own_database(&self) -> Option<DatabaseKind> {
        self.components.iter().flat_map(|component| component.needs).find_map(|need| match need.kind {
            NeedKind::Transaction(Of::Own(kind)) | NeedKind::Connection(Of::Own(kind)) => Some(kind),
            _ => None,
        })
    }

    /// Fails if the writer writes to another database and no component is known to use a transaction of that database.
    /// A function that returns `impl Writer` hides where its writer writes.
    pub(crate) fn check_writer(&self, writes_in: Option<Of>) -> Result<(), Failure> {
        match writes_in {
            Some(Of::Named(database))
                if self.other_database().is_none_or(|known| known.id != database.id) =>
            {
                Err(Failure::new(format!(
                    "the writer writes into the database `{0}`, which its function hides: let the function return the type of the writer itself, such as `Table<Row, {0}>`, and not `impl Writer`",
                    database.name
                )))
            }
            _ => Ok(()),
        }
    }

    /// The other database whose transaction its components use. The macros allow at most one.
    pub(crate) fn other_database(&self) -> Option<&'static DatabaseInfo> {
        self.components.iter().flat_map(|component| component.needs).find_map(|need| match need.kind {
            NeedKind::Transaction(Of::Named(database)) => Some(database),
            _ => None,
        })
    }
}

/// The kind of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepKind {
    /// A pipe, committed chunk by chunk.
    Chunk,
    /// A function, committed as a whole.
    Tasklet,
}

/// Implemented by `#[step]` for the marker of the annotated function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a step",
    label = "not a step",
    note = "put `#[step(chunk = ..)]` or `#[step]` on the function of this name"
)]
pub trait StepDefinition: 'static {
    /// The step as a constant.
    const INFO: &'static StepInfo;

    /// Does the work in a function that has the name of the step, so that a profile recognises the step on the stack.
    /// Returns true.
    #[cfg(feature = "profile")]
    fn in_frame(work: &mut dyn FnMut()) -> bool {
        work();
        true
    }
}

/// The pipe of a chunk step, with its types.
pub trait Pipe: StepDefinition {
    /// The type of the items read.
    type In;
    /// The type of the items written.
    type Out;

    /// Opens the reader.
    ///
    /// # Errors
    /// The error of the component.
    fn reader<'s>(scope: &Scope<'s>) -> Result<impl Reader<Item = Self::In> + 's + use<'s, Self>, Failure>;

    /// Binds the processors, joined into one.
    ///
    /// # Errors
    /// If an argument is unavailable.
    fn processor<'s>(
        scope: &Scope<'s>,
    ) -> Result<impl Process<Self::In, Out = Self::Out> + 's + use<'s, Self>, Failure>;

    /// Binds the writer.
    ///
    /// # Errors
    /// The error of the component.
    fn writer<'s>(scope: &Scope<'s>) -> Result<impl Writer<Item = Self::Out> + 's + use<'s, Self>, Failure>;

    /// Binds the listeners, joined into one.
    ///
    /// # Errors
    /// If an argument is unavailable.
    fn listener<'s>(
        _scope: &Scope<'s>,
    ) -> Result<impl StepListener<Self::In, Self::Out> + 's + use<'s, Self>, Failure> {
        Ok(())
    }

    /// An item that failed in writing, as JSON, if its type can be serialised. It is kept with the record of the
    /// skip.
    fn item_json(_item: &Self::Out) -> Option<String> {
        None
    }

    /// The same for an item that was read but failed in processing.
    fn read_json(_item: &Self::In) -> Option<String> {
        None
    }
}

/// A step whose pipe is `P`.
///
/// The pipe is a separate type, so that a `pub` step may consist of private components and items.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a chunk step",
    label = "has no pipe",
    note = "name a step with `#[step(chunk = ..)]`"
)]
pub trait Piped<P: Pipe>: StepDefinition {}

/// The end of a step, as `match step { Completed => .., Failed => .. }` sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It did its work.
    Completed,
    /// Its own code failed. Matching on this handles the failure.
    Failed,
}

/// The return value of a tasklet that is called repeatedly, each time in its own transaction.
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

/// The return value of a tasklet that completes its step with its own exit code and a description.
///
/// Code and description are stored with the step execution as `EXIT_CODE` and `EXIT_MESSAGE`, and shown by
/// `show`. The step is COMPLETED with any code; to fail it, return an error.
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
    /// COMPLETED, the default code.
    pub fn completed() -> Self {
        Self::code(BatchStatus::Completed.as_str())
    }

    /// An exit with that code. An empty code means COMPLETED; more than 2,500 characters are cut.
    pub fn code(code: impl Into<String>) -> Self {
        let code = Some(code.into()).filter(|code| !code.is_empty());
        Self(ExitStatus::code(code.unwrap_or_else(|| BatchStatus::Completed.as_str().to_owned())))
    }

    /// Adds a description.
    pub fn because(self, why: impl Into<String>) -> Self {
        Self(self.0.because(why))
    }
}

/// The outcome of one call of a tasklet.
#[derive(Debug)]
pub enum TaskletCall<V> {
    /// It is done, with its value.
    Done(V),
    /// It is done, with its own exit, and the value that a `match` routes by.
    Exited(Exit, V),
    /// Call it again in the next transaction.
    Again,
}

/// Implemented by `#[step]` for a tasklet.
pub trait Tasklet: StepDefinition {
    /// Its `#[state]`, or `()`.
    type State: super::State;
    /// Its return type, which a `match` routes by; `Ended` if the function returns nothing.
    type Value: 'static;
    /// Whether it asks for the transaction. If not, none is held open while it works.
    const TRANSACTIONAL: bool;

    /// Calls the function once.
    ///
    /// # Errors
    /// The error of the function.
    fn call(
        scope: &Scope<'_>,
        tx: &ChunkTransaction<'_>,
        state: &mut Self::State,
    ) -> Result<TaskletCall<Self::Value>, Failure>;

    /// Binds the listeners, joined into one.
    ///
    /// # Errors
    /// If an argument is unavailable.
    fn listener<'s>(_scope: &Scope<'s>) -> Result<impl StepListener<(), ()> + 's + use<'s, Self>, Failure> {
        Ok(())
    }

    /// The value as JSON, if its type is a serde type, for `&Output<step>`.
    ///
    /// # Errors
    /// If the value cannot be serialised.
    fn output(value: &Self::Value) -> Result<Option<String>, Failure>;
}
