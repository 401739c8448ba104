//! [`RateLimit`], which the components of a job share to limit how often they do something, such as call a server.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{StopSignal, Stopped, TimeLimit};
use crate::engine::{Pause, Sleep};

/// A longer span could exceed the range of a clock.
const MAX_SPAN: Duration = Duration::from_hours(24 * 365 * 100);

/// Limits the number of calls in any span of a given length, for all components that share it: a `#[resource]` of the
/// job. Threads and partitions of one process share one limit; each worker process has its own.
///
/// A processor takes its turn with [`wait`](Self::wait); a reader is slowed down by
/// [`throttled`](crate::readers::ReaderExt::throttled).
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::{BoxError, InvalidRate, RateLimit};
///
/// struct Order {
///     id: u32,
/// }
///
/// /// The other system allows a hundred calls a minute.
/// #[resource]
/// fn quota() -> Result<RateLimit, InvalidRate> {
///     RateLimit::new(100, "1m")
/// }
///
/// #[processor]
/// fn confirm(order: Order, quota: &RateLimit, step: &StepContext) -> Result<Order, BoxError> {
///     quota.wait(step.stop_signal())?;
///     // Here it calls the other system.
///     Ok(order)
/// }
/// # fn main() {}
/// ```
///
/// An HTTP API has a limit of its own, `Http::rate`, which counts requests, not items.
#[derive(Clone)]
pub struct RateLimit {
    turns: Arc<Turns>,
    pause: Arc<dyn Pause>,
}

/// The error of an invalid [`RateLimit`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rate cannot be used: {0}")]
pub struct InvalidRate(String);

impl RateLimit {
    /// At most this many calls in any span of this length: `RateLimit::new(10, "1s")`.
    ///
    /// # Errors
    /// If `calls` is 0, or `span` is a string that is not a time.
    pub fn new(calls: u32, span: impl TimeLimit) -> Result<Self, InvalidRate> {
        if calls == 0 {
            return Err(InvalidRate("0 calls would let nothing pass: allow at least one".to_owned()));
        }
        let span = span.duration().map_err(InvalidRate)?;
        Ok(Self { turns: Arc::new(Turns::limited(calls, span)), pause: Arc::new(Sleep) })
    }

    /// Replaces the clock and the waits, for tests.
    #[must_use]
    pub fn pause(mut self, pause: impl Pause + 'static) -> Self {
        self.pause = Arc::new(pause);
        self
    }

    /// Waits for the next turn. Callers get their turns in the order in which they ask.
    ///
    /// ```
    /// use batch_runtime::{RateLimit, StopSignal};
    ///
    /// let (limit, stop) = (RateLimit::new(2, "1h")?, StopSignal::new());
    /// limit.wait(&stop)?;
    /// limit.wait(&stop)?;
    /// stop.raise();
    /// assert!(limit.wait(&stop).is_err(), "at once, although the next turn is in an hour");
    /// # Ok::<(), batch_runtime::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// If the signal is raised before the wait is over. A component that returns this error, or an error with this one
    /// among its sources, ends its step as STOPPED.
    pub fn wait(&self, stop: &StopSignal) -> Result<(), Stopped> {
        let wait = self.turns.next(self.pause.now());
        if wait.is_zero() || self.pause.pause(wait, stop) { Ok(()) } else { Err(Stopped) }
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("turns", &self.turns).finish_non_exhaustive()
    }
}

/// Grants turns: at most a given number in any span of a given length.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<GrantedTurns>);

#[derive(Debug, Default)]
struct GrantedTurns {
    /// The number of turns, and the length of the span; `None` allows any number.
    limit: Option<(usize, Duration)>,
    /// The times of the last turns, some of them in the future, the oldest first.
    last: VecDeque<Instant>,
    /// No turn is granted before this time.
    held: Option<Instant>,
}

impl Turns {
    pub(crate) fn limited(turns: u32, span: Duration) -> Self {
        let limit = Some((usize::try_from(turns).unwrap_or(usize::MAX), span.min(MAX_SPAN)));
        Self(Mutex::new(GrantedTurns { limit, ..GrantedTurns::default() }))
    }

    /// Takes the next turn, and returns how long to wait for it.
    pub(crate) fn next(&self, now: Instant) -> Duration {
        // Nothing panics while the lock is held.
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = given.held.map_or(now, |held| held.max(now));
        if let Some((turns, span)) = given.limit {
            if given.last.len() >= turns
                && let Some(oldest) = given.last.pop_front()
            {
                at = at.max(oldest + span);
            }
            given.last.push_back(at);
        }
        at.saturating_duration_since(now)
    }

    /// Grants no turn before that time.
    #[cfg(feature = "http")]
    pub(crate) fn hold(&self, until: Instant) {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.held = Some(given.held.map_or(until, |held| held.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_span_has_more_turns_than_allowed() {
        let (begin, second) = (Instant::now(), Duration::from_secs(1));
        let turns = Turns::limited(3, second);
        let at = |after: u32| begin + Duration::from_millis(u64::from(after));
        let mut given: Vec<Instant> = [0, 0, 0, 0, 10, 1_500, 1_500, 1_500, 1_500, 9_000]
            .map(|after| at(after) + turns.next(at(after)))
            .into();
        assert_eq!(given[..5], [at(0), at(0), at(0), at(1_000), at(1_000)]);
        given.sort();
        assert!(given.windows(4).all(|four| four[3] - four[0] >= second), "{given:?}");
    }

    #[cfg(feature = "http")]
    #[test]
    fn a_pause_holds_all_turns_back() {
        let (now, wait) = (Instant::now(), Duration::from_secs(7));
        let turns = Turns::default();
        assert_eq!(turns.next(now), Duration::ZERO);
        turns.hold(now + wait);
        turns.hold(now);
        assert_eq!(turns.next(now), wait);
        assert_eq!(turns.next(now + wait), Duration::ZERO);
    }

    #[test]
    fn an_invalid_rate_is_refused_and_a_span_of_any_length_is_not() {
        for (rate, said) in [
            (RateLimit::new(0, "1s"), "0 calls would let nothing pass"),
            (RateLimit::new(1, "soon"), "`soon` is not a time limit"),
        ] {
            let error = rate.unwrap_err().to_string();
            assert!(error.starts_with("the rate cannot be used: ") && error.contains(said), "{error}");
        }
        let (limit, stop) = (RateLimit::new(1, Duration::MAX).unwrap(), StopSignal::new());
        limit.wait(&stop).unwrap();
        stop.raise();
        assert_eq!(limit.wait(&stop), Err(Stopped));
    }
}
