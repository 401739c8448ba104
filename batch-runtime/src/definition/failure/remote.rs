//! Failures that arose in another process: their messages, and the verdicts of the step's rules.

use std::error::Error;
use std::fmt;

use super::{Cause, Failure, Parts, Phase};

/// Everything about a failure that can be sent to another process.
pub(crate) struct FailureParts {
    pub(crate) component: Option<&'static str>,
    pub(crate) phase: Option<Phase>,
    pub(crate) location: Option<String>,
    pub(crate) record: Option<String>,
    pub(crate) is_panic: bool,
    pub(crate) is_fatal: bool,
    pub(crate) is_interrupted: bool,
    pub(crate) notes: Vec<String>,
    pub(crate) messages: Vec<String>,
    pub(crate) rule: Option<(usize, bool)>,
    pub(crate) hidden: Option<String>,
}

/// An error that arose in another process.
#[derive(Debug)]
pub(crate) struct ReceivedError {
    message: String,
    source: Option<Box<ReceivedError>>,
    /// The number of the skip rule that decides about the error, and the verdict of the rule.
    pub(crate) rule: Option<(usize, bool)>,
    /// The type that a rule names and that is hidden in the error.
    pub(crate) hidden: Option<String>,
}

impl fmt::Display for ReceivedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ReceivedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl Failure {
    /// A failure of another process.
    pub(crate) fn received(parts: FailureParts) -> Self {
        let plain = |message, source| ReceivedError { message, source, rule: None, hidden: None };
        let mut error = parts
            .messages
            .into_iter()
            .rev()
            .fold(None, |source, message| Some(Box::new(plain(message, source))))
            .unwrap_or_else(|| Box::new(plain(String::new(), None)));
        (error.rule, error.hidden) = (parts.rule, parts.hidden);
        Self(Box::new(Parts {
            component: parts.component,
            phase: parts.phase,
            location: parts.location,
            record: parts.record,
            panicked: parts.is_panic,
            interrupted: parts.is_interrupted,
            fatal: parts.is_fatal,
            unreadable: false,
            notes: parts.notes,
            cause: Cause::Boxed(error),
        }))
    }

    /// The error, if it arose in another process.
    pub(crate) fn as_received(&self) -> Option<&ReceivedError> {
        self.cause().downcast_ref()
    }

    pub(crate) fn notes(&self) -> &[String] {
        &self.0.notes
    }

    /// The messages of the error, and of the sources that are shown with it.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.inspect(|error| {
            let mut messages = vec![error.to_string()];
            let mut next = error.source();
            while let Some(error) = next {
                // `Failure` leaves these out too when it is displayed.
                if !error.is::<rusqlite::ffi::Error>() {
                    messages.push(error.to_string());
                }
                next = error.source();
            }
            messages
        })
    }
}
