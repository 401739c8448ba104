//! The error of a call that exceeded its `timeout`.

use std::time::Duration;

/// A call of an `async fn` exceeded its `timeout` and was cancelled.
///
/// A step can name it in its rules like any other error:
///
/// ```text
/// #[step(chunk = 100, retry(TimedOut, limit = 2), skip(TimedOut, limit = 10))]
/// ```
///
/// ```
/// use std::time::Duration;
/// use batch_runtime::TimedOut;
///
/// let error = TimedOut::after(Duration::from_secs(2));
/// assert_eq!(error.to_string(), "the call took longer than its `timeout` of 2s and was cancelled");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call took longer than its `timeout` of {bound:?} and was cancelled")]
#[non_exhaustive]
pub struct TimedOut {
    /// The time limit.
    pub bound: Duration,
}

impl TimedOut {
    /// The error of a call with that time limit.
    #[must_use]
    pub const fn after(bound: Duration) -> Self {
        Self { bound }
    }
}
