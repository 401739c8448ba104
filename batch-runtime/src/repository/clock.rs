//! Receives: nothing. Gives: the time that the repository writes, as a trait, so that tests choose it.

use std::fmt;

use jiff::Timestamp;

/// Tells the time.
///
/// ```
/// use batch_runtime::repository::{Clock, SystemClock};
///
/// assert!(SystemClock.now().as_second() > 0);
/// ```
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now.
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
