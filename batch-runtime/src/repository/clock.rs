//! The clock of the repository, as a trait, so that tests can set the time.

use std::fmt;

use jiff::Timestamp;

/// A source of the current time.
///
/// ```
/// use batch_runtime::repository::{Clock, SystemClock};
///
/// assert!(SystemClock.now().as_second() > 0);
/// ```
pub trait Clock: Send + Sync + fmt::Debug {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
