//! [`Failure`]: a sendable error that keeps the user's error as its source and says which component failed,
//! where, and on which item.

#[cfg(feature = "remote-chunks")]
mod remote;

use std::error::Error;
use std::fmt;

use serde::Serialize;

use super::{Stopped, local_error};
use crate::readers::ReadError;

#[cfg(feature = "remote-chunks")]
pub(crate) use remote::FailureParts;

/// A user's error after it has crossed the boundary of its component.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// The activity of a component when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum Phase {
    /// Getting ready: opening a reader, binding arguments, building a resource.
    Open,
    /// Reading an item.
    Read,
    /// Processing an item.
    Process,
    /// Writing a chunk.
    Write,
    /// Running a tasklet.
    Tasklet,
    /// Aggregating the results of a step's partitions.
    Aggregate,
    /// Deciding how the job continues.
    Decide,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "opening",
            Self::Read => "reading",
            Self::Process => "processing",
            Self::Write => "writing",
            Self::Tasklet => "running",
            Self::Aggregate => "aggregating",
            Self::Decide => "deciding",
        })
    }
}

/// The failure of one component: the user's own error as [`source`](Error::source), and where it happened.
///
/// One pointer wide, so that a `Result<(), Failure>` costs nothing in the item loop.
///
/// ```
/// use batch_runtime::{Failure, Phase};
///
/// let failure = Failure::new("no such carrier").in_component("late").during(Phase::Process);
/// assert_eq!(failure.to_string(), "processing in `late`: no such carrier");
/// ```
pub struct Failure(Box<Parts>);

#[expect(clippy::struct_excessive_bools, reason = "each is a separate fact")]
struct Parts {
    component: Option<&'static str>,
    phase: Option<Phase>,
    location: Option<String>,
    record: Option<String>,
    panicked: bool,
    interrupted: bool,
    fatal: bool,
    /// True if the record could not be decoded, which was noticed only when its item was processed.
    unreadable: bool,
    /// Earlier attempts, or possible remedies.
    notes: Vec<String>,
    cause: Cause,
}

/// The user's own error.
enum Cause {
    Boxed(BoxError),
    /// A carrier such as `anyhow::Error`: it is not an `Error` itself, and boxing it would hide the type of the
    /// error inside.
    Held(Box<dyn AsRef<Inner> + Send + Sync>),
}

type Inner = dyn Error + Send + Sync + 'static;

impl Failure {
    /// Wraps an error; strings are errors too.
    pub fn new(cause: impl Into<BoxError>) -> Self {
        // A failure that crosses a second boundary stays one failure.
        match cause.into().downcast::<Failure>() {
            Ok(failure) => *failure,
            Err(cause) => Self::of(Cause::Boxed(cause)),
        }
    }

    /// Keeps a carrier of an error unchanged.
    pub(crate) fn holding(cause: impl AsRef<Inner> + Send + Sync + 'static) -> Self {
        Self::of(Cause::Held(Box::new(cause)))
    }

    fn of(cause: Cause) -> Self {
        let mut failure = Self(Box::new(Parts {
            component: None,
            phase: None,
            location: None,
            record: None,
            panicked: false,
            interrupted: false,
            fatal: false,
            unreadable: false,
            notes: Vec::new(),
            cause,
        }));
        failure.0.interrupted = failure.find::<Stopped>().is_some();
        failure
    }

    /// The failure of a component that panicked with `message`.
    pub(crate) fn panic(message: String) -> Self {
        let mut failure = Self::new(message);
        failure.0.panicked = true;
        failure
    }

    /// The failure of a record that could not be decoded, noticed when the item was to be processed.
    #[cfg(feature = "csv")]
    pub(crate) fn unreadable(error: ReadError) -> Self {
        let mut failure = Self::new(error).during(Phase::Read);
        failure.0.unreadable = true;
        failure
    }

    /// Returns whether the record could not be decoded, which was noticed only in processing.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.0.unreadable
    }

    /// Names the component, unless a component nearer to the cause is named already.
    #[must_use]
    pub fn in_component(mut self, name: &'static str) -> Self {
        self.0.component.get_or_insert(name);
        self
    }

    /// Says what the component was doing, unless that is known already.
    #[must_use]
    pub fn during(mut self, phase: Phase) -> Self {
        self.0.phase.get_or_insert(phase);
        self
    }

    /// Sets the place of the item, such as its file and line or its key, unless a place is known already.
    #[must_use]
    pub fn at(mut self, location: impl Into<String>) -> Self {
        self.0.location.get_or_insert_with(|| location.into());
        self
    }

    /// Adds a note about earlier attempts or a remedy, shown after the cause.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.0.notes.push(note.into());
        self
    }

    /// Makes this failure fail the step, regardless of `skip` and `retry`. A custom reader whose `Error` is a
    /// `Failure` calls this if the input as a whole is at fault; other readers rely on
    /// [`Reader::steps_over`](crate::Reader::steps_over).
    ///
    /// ```
    /// use batch_runtime::Failure;
    ///
    /// fn header(line: &str) -> Result<(), Failure> {
    ///     if line == "id,name" { Ok(()) } else { Err(Failure::new("not the header of a list of customers").fatal()) }
    /// }
    /// assert!(header("a;b").is_err());
    /// ```
    #[must_use]
    pub fn fatal(mut self) -> Self {
        self.0.fatal = true;
        self
    }

    /// Returns whether no `skip` or `retry` covers this failure: it is [`fatal`](Self::fatal), or a panic.
    ///
    /// ```
    /// use batch_runtime::Failure;
    ///
    /// assert!(Failure::new("not the header of a list of customers").fatal().is_fatal());
    /// assert!(!Failure::new("no such carrier").is_fatal());
    /// ```
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.0.fatal || self.0.panicked
    }

    /// Marks that the call would have been retried, had the job not been asked to stop.
    pub(crate) fn interrupted(mut self) -> Self {
        self.0.interrupted = true;
        self
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.0.interrupted
    }

    /// Sets the place of the item, unless a place is known already.
    pub(crate) fn place(&mut self, location: String) {
        self.0.location.get_or_insert(location);
    }

    /// Attaches the record or item as text, unless one is attached already.
    pub(crate) fn carrying(mut self, record: Option<String>) -> Self {
        self.0.record = self.0.record.or_else(|| record.map(cut));
        self
    }

    /// The component that failed, if known.
    #[must_use]
    pub fn component(&self) -> Option<&'static str> {
        self.0.component
    }

    /// The activity of the component when it failed, if known.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.0.phase
    }

    /// The place of the item in its source, if known.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.0.location.as_deref()
    }

    /// The record that failed, at most 64 KiB of it: for an unreadable record its text in the input, if the
    /// reader provides it ([`Reader::record`](crate::Reader::record)); for a skipped item its JSON, if the
    /// type can be serialised and the item was still available.
    #[must_use]
    pub fn record(&self) -> Option<&str> {
        self.0.record.as_deref()
    }

    /// True if the component panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.0.panicked
    }

    /// Finds an error of the type `E`: the user's own or one of its sources. An error that cannot be sent to
    /// another thread (a `Box<dyn Error>`) is not returned; [`inspect`](Self::inspect) shows it.
    ///
    /// ```
    /// use batch_runtime::Failure;
    ///
    /// let failure = Failure::new(std::io::Error::other("gone"));
    /// assert!(failure.find::<std::io::Error>().is_some());
    /// assert!(failure.find::<std::fmt::Error>().is_none());
    /// ```
    #[must_use]
    pub fn find<E: Error + 'static>(&self) -> Option<&E> {
        let mut next: Option<&(dyn Error + 'static)> = Some(self.cause());
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// Shows the user's own error. An error that cannot be sent to another thread (a `Box<dyn Error>`) exists only on
    /// the thread where it arose; on other threads, an error with its messages replaces it.
    ///
    /// ```
    /// use batch_runtime::Failure;
    ///
    /// let failure = Failure::new(std::io::Error::other("gone"));
    /// assert!(failure.inspect(|error| error.is::<std::io::Error>()));
    /// ```
    pub fn inspect<R>(&self, look: impl FnOnce(&(dyn Error + 'static)) -> R) -> R {
        local_error::look(self.cause(), look)
    }

    /// The user's own error.
    #[must_use]
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        match &self.0.cause {
            Cause::Boxed(error) => &**error,
            Cause::Held(error) => (**error).as_ref(),
        }
    }
}

/// The longest record that a failure carries, in bytes.
const LONGEST_RECORD: usize = 64 * 1024;

fn cut(mut record: String) -> String {
    if record.len() > LONGEST_RECORD {
        record.truncate(record.floor_char_boundary(LONGEST_RECORD));
        record.push('…');
    }
    record
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &*self.0;
        match (parts.phase, parts.component) {
            (Some(phase), Some(component)) => write!(f, "{phase} in `{component}`: ")?,
            (Some(phase), None) => write!(f, "{phase}: ")?,
            (None, Some(component)) => write!(f, "`{component}`: ")?,
            (None, None) => {}
        }
        // Most readers name the place in their errors: do not print it twice.
        match &parts.location {
            Some(location)
                if parts.phase == Some(Phase::Read)
                    && (self.find::<ReadError>().is_some()
                        || self.cause().to_string().contains(location)) => {}
            Some(location) => write!(f, "{location}: ")?,
            None => {}
        }
        self.write_cause(f)
    }
}

/// Prints the user's error with its sources and the notes, but without the place.
pub(crate) struct CauseText<'f>(&'f Failure);

impl fmt::Display for CauseText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_cause(f)
    }
}

impl Failure {
    /// The failure's text without its component, phase and location.
    pub(crate) fn cause_text(&self) -> CauseText<'_> {
        CauseText(self)
    }

    fn write_cause(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = self.cause();
        // A wrapper prints its source too: do not print it twice.
        let mut last = cause.to_string();
        f.write_str(&last)?;
        let mut source = cause.source();
        while let Some(error) = source {
            let text = error.to_string();
            // The error code of SQLite only repeats the message above it in general terms.
            if !last.contains(&text) && !error.is::<rusqlite::ffi::Error>() {
                write!(f, ": {text}")?;
            }
            last = text;
            source = error.source();
        }
        self.0.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("component", &self.0.component)
            .field("phase", &self.0.phase)
            .field("location", &self.0.location)
            .field("cause", &self.cause())
            .finish()
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_the_error_names_is_printed_once() {
        let error = ReadError::Header { resource: "in.csv".into(), problem: "there is no column `b`".into() };
        let failure = Failure::new(error).at("in.csv, line 2").during(Phase::Read);
        assert_eq!(failure.to_string(), "reading: in.csv, header: there is no column `b`");
    }

    #[test]
    fn a_place_that_the_error_does_not_name_is_printed() {
        let failure = Failure::new("a bad day").at("in.csv, line 2").during(Phase::Read);
        assert_eq!(failure.to_string(), "reading: in.csv, line 2: a bad day");
    }
}
