//! The parts of a step's failure.

use crate::definition::{Failure, Phase};

/// The parts of a step's failure, for programs. [`exit`](super::StepReport::exit) contains the same information as one
/// text, for people.
///
/// ```
/// use batch_runtime::observe::{Observer, StepReport};
///
/// #[derive(Debug)]
/// struct Alarm;
///
/// impl Observer for Alarm {
///     fn step_ended(&self, step: &StepReport) {
///         if let Some(failure) = &step.failure {
///             eprintln!("{}: {} at {:?}", step.name, failure.error, failure.location);
///         }
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepFailure {
    /// The component that failed, if known.
    pub component: Option<String>,
    /// The activity that failed, if known.
    pub phase: Option<Phase>,
    /// The place of the item in the input, if known.
    pub location: Option<String>,
    /// The error with its sources and notes.
    pub error: String,
    /// True if the component panicked.
    pub panicked: bool,
    /// The text of the record, if the reader could not read it but provides its text.
    pub record: Option<String>,
}

impl From<&Failure> for StepFailure {
    fn from(failure: &Failure) -> Self {
        Self {
            component: failure.component().map(str::to_owned),
            phase: failure.phase(),
            location: failure.location().map(str::to_owned),
            error: failure.cause_text().to_string(),
            panicked: failure.is_panic(),
            record: failure.record().map(str::to_owned),
        }
    }
}
