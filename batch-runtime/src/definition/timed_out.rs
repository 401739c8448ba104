//! Receives: a call that took too long. Gives: the error that stands for it.

use std::time::Duration;

/// A call of an `async fn` with `timeout` took longer than it may, and was cancelled.
///
/// A step names it as any other error:
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
    /// What it might have taken.
    pub bound: Duration,
}

impl TimedOut {
    /// For a call that might have taken so long.
    #[must_use]
    pub const fn after(bound: Duration) -> Self {
        Self { bound }
    }
}
