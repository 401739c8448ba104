//! The clocks of the profile: the wall clock, and the CPU time of the current thread.

use std::time::Instant;

use nix::time::{ClockId, clock_gettime};

/// A stopwatch over one of two clocks. Times are in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    /// The moment that the wall clock counts from; `None` for the CPU time of the thread.
    origin: Option<Instant>,
    last: u64,
}

impl Stopwatch {
    /// Starts a stopwatch over the wall clock.
    pub(crate) fn wall() -> Self {
        Self { origin: Some(Instant::now()), last: 0 }
    }

    /// Starts a stopwatch over the CPU time of the current thread.
    pub(crate) fn cpu() -> Self {
        Self { origin: None, last: thread_cpu() }
    }

    /// Starts another stopwatch over the same clock.
    pub(crate) fn again(self) -> Self {
        if self.origin.is_some() { Self::wall() } else { Self::cpu() }
    }

    pub(crate) fn is_cpu(self) -> bool {
        self.origin.is_none()
    }

    /// Returns the time since the last lap.
    #[inline]
    pub(crate) fn lap(&mut self) -> u64 {
        let now = match self.origin {
            Some(origin) => nanos_since(origin),
            None => thread_cpu(),
        };
        let lap = now.saturating_sub(self.last);
        self.last = now;
        lap
    }

    /// Returns how long it takes to read this clock.
    pub(super) fn cost(self) -> u64 {
        let mut watch = self.again();
        (0..8).map(|_| watch.lap()).min().unwrap_or_default()
    }
}

/// Returns the time since a moment, in nanoseconds.
pub(crate) fn nanos_since(then: Instant) -> u64 {
    u64::try_from(then.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the CPU time of the current thread in nanoseconds; 0 if the system does not report it.
pub(crate) fn thread_cpu() -> u64 {
    let Ok(time) = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID) else { return 0 };
    let (seconds, nanos) = (u64::try_from(time.tv_sec()), u64::try_from(time.tv_nsec()));
    seconds.unwrap_or_default() * 1_000_000_000 + nanos.unwrap_or_default()
}
