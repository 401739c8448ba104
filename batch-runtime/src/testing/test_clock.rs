//! A clock that a test sets.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::definition::StopSignal;
use crate::engine::Pause;
use crate::repository::Clock;

/// A clock that stands still, or advances by the same amount each time it is read. A wait returns at once and advances
/// the clock. Clones share one time.
///
/// A test clock is the clock of the repository
/// ([`SqliteOptions::clock`](crate::repository::sqlite::SqliteOptions::clock)) and, as [`Pause`], that of `timeout`,
/// `chunk_time` and backoffs, and of a [`RateLimit`](crate::RateLimit). [`Sandbox::time`](super::Sandbox::time) and
/// [`StepTest::time`](super::StepTest::time) take it for a run.
///
/// ```
/// use std::time::Duration;
/// use batch_runtime::repository::Clock;
/// use batch_runtime::testing::TestClock;
/// use batch_runtime::{RateLimit, StopSignal};
///
/// let time = TestClock::fixed("2026-11-23T03:00:00Z".parse()?);
/// let limit = RateLimit::new(2, "1h")?.pause(time.clone());
/// for _ in 0..3 {
///     limit.wait(&StopSignal::new())?;
/// }
/// assert_eq!(time.now().to_string(), "2026-11-23T04:00:00Z", "the third call waited for an hour");
///
/// time.advance(Duration::from_mins(5));
/// assert_eq!(time.now().to_string(), "2026-11-23T04:05:00Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TestClock {
    origin: Instant,
    from: Timestamp,
    /// How far it advances each time it is read.
    step: Duration,
    elapsed: Arc<Mutex<Duration>>,
}

impl TestClock {
    /// A clock that stands still until it is [advanced](Self::advance).
    #[must_use]
    pub fn fixed(now: Timestamp) -> Self {
        Self::advancing(now, Duration::ZERO)
    }

    /// A clock that advances by `step` each time it is read.
    #[must_use]
    pub fn advancing(from: Timestamp, step: Duration) -> Self {
        Self { origin: Instant::now(), from, step, elapsed: Arc::default() }
    }

    /// Advances the clock.
    pub fn advance(&self, by: Duration) {
        self.read_and_advance(by);
    }

    /// Returns the time elapsed so far, then advances it by `by`.
    fn read_and_advance(&self, by: Duration) -> Duration {
        let mut elapsed = self.elapsed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = *elapsed;
        *elapsed = now.saturating_add(by);
        now
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let elapsed = self.read_and_advance(self.step);
        self.from.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}

impl Pause for TestClock {
    fn pause(&self, wait: Duration, stop: &StopSignal) -> bool {
        if stop.is_raised() {
            return false;
        }
        self.advance(wait);
        true
    }

    /// Always the middle, so that jitter is reproducible.
    fn random(&self) -> f64 {
        0.5
    }

    fn now(&self) -> Instant {
        let elapsed = self.read_and_advance(self.step);
        self.origin.checked_add(elapsed).unwrap_or(self.origin)
    }
}

impl fmt::Debug for TestClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClock")
            .field("from", &self.from)
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}
